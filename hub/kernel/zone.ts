import { Temporal } from 'temporal-polyfill';
import type { ZoneOffsets } from './time.ts';

/** Checks that `timeZone` is in the available zone data. */
export function isTimeZone(timeZone: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timeZone);
    return true;
  } catch (cause) {
    if (cause instanceof RangeError) return false;
    throw cause;
  }
}

const offsetMinutes = (at: Temporal.ZonedDateTime): number => Math.round(at.offsetNanoseconds / 60e9);

/**
 * The offsets of an IANA zone from `fromMs` until `untilMs` (UTC ms): the one that holds at `fromMs`, then each change
 * after it. Throws RangeError for a name that is no zone. At most 400 entries: a zone changes twice a year.
 */
export function zoneOffsets(timeZone: string, fromMs: number, untilMs: number): ZoneOffsets {
  let at = Temporal.Instant.fromEpochMilliseconds(fromMs).toZonedDateTimeISO(timeZone);
  const offsets = [{ fromMs, minutes: offsetMinutes(at) }];
  while (offsets.length < 400) {
    const next = at.getTimeZoneTransition('next');
    if (next === null || next.epochMilliseconds >= untilMs) break;
    const minutes = offsetMinutes(next);
    // Some transitions change only the zone's name.
    if (minutes !== offsets.at(-1)?.minutes) offsets.push({ fromMs: next.epochMilliseconds, minutes });
    at = next;
  }
  return { timeZone, offsets };
}
