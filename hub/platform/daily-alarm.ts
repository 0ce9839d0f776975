import { schedule } from 'node-cron';

/** The hub's clock may be a little behind the machine's until it is read anew. */
const afterSeconds = 10;

/**
 * Calls `run` when a zone's clocks show a time of day (`03:30`), by the machine's own clock. The returned function calls it
 * off. Only a wake-up call: it stays away where clocks are put forward past the time or the machine's clock jumps past it.
 */
export function setDailyAlarm(timeOfDay: string, timeZone: string, run: () => void): () => void {
  const [hour, minute] = timeOfDay.split(':').map(Number);
  const task = schedule(`${afterSeconds} ${minute} ${hour} * * *`, run, {
    timezone: timeZone,
    suppressMissedWarning: true,
  });
  return () => void task.destroy();
}
