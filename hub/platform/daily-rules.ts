import { dayMs } from '#hub/kernel/time.ts';
import { lastTimeOfDay } from '#hub/kernel/zone.ts';

/** What decides whether something that happens once a day is due. */
export interface DailyFacts {
  /** `03:30`. */
  readonly timeOfDay: string;
  /** IANA name of the zone whose clocks count. */
  readonly timeZone: string;
  /** UTC ms. */
  readonly nowMs: number;
  /** False: `nowMs` says nothing about the time of day. */
  readonly isTimeKnown: boolean;
  /** Since the last run began, by a clock that never jumps. */
  readonly sinceRunMs: number;
}

const hourMs = 3_600_000;
/** A run so shortly before its time was that day's. Longer than any change of clocks. */
const leastApartMs = 6 * hourMs;

/**
 * True once for each time that the zone's clocks show the time of day, then or as soon afterwards as somebody asks. All but
 * the present is told by how long ago the last run was, never by its date, so no jump of the clock starts runs one after
 * another: two are at least 6 hours apart. Nor does one keep them away: whatever the clock shows, its last time of day was
 * a day ago at most (an hour more where clocks are put back), so the next run is due at the latest some 30 hours after one.
 * Where the time of day is not known, runs are 24 hours apart.
 */
export function isDailyDue({ timeOfDay, timeZone, nowMs, isTimeKnown, sinceRunMs }: DailyFacts): boolean {
  if (!isTimeKnown) return sinceRunMs >= dayMs;
  const lateMs = nowMs - lastTimeOfDay(timeZone, timeOfDay, nowMs);
  return sinceRunMs - lateMs >= leastApartMs;
}
