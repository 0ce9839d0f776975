import { isClockTrusted } from '#hub/kernel/time.ts';
import { isKnownZone } from '#hub/kernel/zone.ts';
import type { Clock } from './clock/clock.ts';
import { isDailyDue } from './daily-rules.ts';
import type { Logger } from './log.ts';

/** Something that happens once a day. */
export interface DailyTurn {
  /** By the clocks of the site: `03:30`. */
  readonly timeOfDay: string;
  /** Since the last run began; null before the first. */
  readonly sinceRunMs: () => number | null;
  readonly run: () => void;
}

export interface DailyScheduleDeps {
  readonly clock: Clock;
  /** The IANA name of the zone of the site; null where there is no site yet: UTC then. */
  readonly timeZone: () => Promise<string | null>;
  readonly log: Logger;
}

const lookEveryMs = 10 * 60_000;
/** The machine's clock went another way than the time did by more than this: somebody has set it. */
const jumpMs = 60_000;

/**
 * Runs what is due once a day by the clocks of the site. `isDailyDue` decides, from the hub's clock; it is asked when the
 * alarm goes off, and every ten minutes. The alarm is node-cron's, which has no clock but the machine's, leaves out a time
 * that clocks are put forward past, and what it overslept. So the ten minutes make up for what it misses: such a night,
 * a machine that was asleep, a clock that was set. They also set the alarms anew when the site has another zone or
 * somebody has set the machine's clock: node-cron would wait until a clock that was set back has caught up.
 */
export class DailySchedule {
  readonly #turns: readonly DailyTurn[];
  readonly #deps: DailyScheduleDeps;
  #timeZone = 'UTC';
  #alarms: readonly (() => void)[] = [];
  /** What the alarms were set by: another zone or another offset of the machine's clock sets them anew. */
  #setBy: { readonly timeZone: string; readonly offsetMs: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isStopped = false;

  constructor(turns: readonly DailyTurn[], deps: DailyScheduleDeps) {
    this.#turns = turns;
    this.#deps = deps;
  }

  /** Alarms are set, and their code is loaded, ten minutes later. */
  start(): void {
    if (this.#turns.length > 0) this.#timer = setInterval(() => this.#look(), lookEveryMs);
  }

  /** No further runs; those that are running go on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#looking;
    this.#callOff();
  }

  /** One that is under way decides after this moment, so another need not begin. */
  #look(): void {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookOnce(): Promise<void> {
    const { clock, log } = this.#deps;
    try {
      await this.#setAlarms();
    } catch (cause) {
      log.error({ err: cause }, 'the alarms of daily chores are as they were');
    }
    if (this.#isStopped) return;
    const now = {
      timeZone: this.#timeZone,
      nowMs: clock.nowMs(),
      isTimeKnown: isClockTrusted(clock.trust()),
    };
    for (const { timeOfDay, sinceRunMs, run } of this.#turns) {
      const since = sinceRunMs();
      // The first run comes after the start by itself: nobody knows what was done before it.
      if (since !== null && isDailyDue({ ...now, timeOfDay, sinceRunMs: since })) run();
    }
  }

  async #setAlarms(): Promise<void> {
    const named = await this.#deps.timeZone();
    const timeZone = named !== null && isKnownZone(named) ? named : 'UTC';
    this.#timeZone = timeZone;
    const offsetMs = Date.now() - this.#deps.clock.monotonicMs();
    const isAsSet = this.#setBy?.timeZone === timeZone && Math.abs(offsetMs - this.#setBy.offsetMs) <= jumpMs;
    if (isAsSet) return;
    const { setDailyAlarm } = await import('./daily-alarm.ts');
    if (this.#isStopped) return;
    this.#callOff();
    this.#setBy = { timeZone, offsetMs };
    this.#alarms = this.#turns.map(({ timeOfDay }) => setDailyAlarm(timeOfDay, timeZone, () => this.#look()));
  }

  #callOff(): void {
    for (const callOff of this.#alarms) callOff();
    this.#alarms = [];
  }
}
