import { Temporal } from 'temporal-polyfill';
import type { ZoneOffsets } from './time.ts';

/** Whether `timeZone` is in the available zone data. */
export function isKnownZone(timeZone: string): boolean {
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

/**
 * The last moment, at `nowMs` or before it (UTC ms), at which a zone's clocks showed `timeOfDay` (`03:30`). Every day has
 * one: the first where clocks are put back and show it twice, one that much later where they are put forward past it.
 * Throws RangeError for a name that is no zone.
 */
export function lastTimeOfDay(timeZone: string, timeOfDay: string, nowMs: number): number {
  const plainTime = Temporal.PlainTime.from(timeOfDay);
  let date = Temporal.Instant.fromEpochMilliseconds(nowMs).toZonedDateTimeISO(timeZone).toPlainDate();
  for (;;) {
    const moment = date.toZonedDateTime({ timeZone, plainTime }).epochMilliseconds;
    if (moment <= nowMs) return moment;
    date = date.subtract({ days: 1 });
  }
}

/**
 * A local date and time (`2026-11-23T18:30`, `2026-11-23 18:30:15`) in a zone -> UTC ms. Clocks that show it twice: the
 * first; put forward past it: as much later. Null for what is none. Throws RangeError for a name that is no zone.
 */
export function localTimeToMs(text: string, timeZone: string): number | null {
  if (!/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?$/.test(text)) return null;
  let local: Temporal.PlainDateTime;
  try {
    local = Temporal.PlainDateTime.from(text);
  } catch (cause) {
    if (cause instanceof RangeError) return null;
    throw cause;
  }
  return local.toZonedDateTime(timeZone).epochMilliseconds;
}
