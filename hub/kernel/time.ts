import { z } from 'zod';

/**
 * Source of the wall clock's value. A Raspberry Pi has no clock of its own, so "unknown" is a state:
 * `none` means that nothing has set the clock since boot.
 */
export const clockTrusts = ['ntp', 'rtc', 'hub', 'restored', 'none'] as const;
export const clockTrustSchema = z.enum(clockTrusts);
export type ClockTrust = z.infer<typeof clockTrustSchema>;

/** True when the time of day may be used: `restored` only says that it is not earlier. */
export const isClockTrusted = (trust: ClockTrust): boolean =>
  trust === 'ntp' || trust === 'rtc' || trust === 'hub';

/** Offsets of one IANA zone, precomputed so that a bridge needs neither zone data nor a Temporal polyfill. */
export const zoneOffsetsSchema = z.strictObject({
  timeZone: z.string().min(1).max(64),
  /** From `fromMs` (UTC ms) on, local time = UTC + `minutes`. Ascending; the first entry also covers all before. */
  offsets: z
    .array(z.strictObject({ fromMs: z.number().int(), minutes: z.number().int() }))
    .min(1)
    .max(400),
});
export type ZoneOffsets = z.infer<typeof zoneOffsetsSchema>;

/** A moment on the wall of the site. `date` is ISO (2026-11-22), `weekday` 1 = Monday .. 7 = Sunday. */
export interface LocalMoment {
  readonly date: string;
  readonly weekday: number;
  /** Minutes since local midnight as the wall clock shows them, 0 .. 1439. */
  readonly minute: number;
}

export const dayMs = 86_400_000;

/** Beyond it a Date has no value. */
const mostMs = 8.64e15;

/**
 * UTC ms as it stands on the wire: ISO 8601. A number that no calendar has stays a number in words, which fits no schema
 * of a time: whoever shows it says so of that row, and the others are shown.
 */
export const toIso = (ms: number): string =>
  Math.abs(ms) <= mostMs ? new Date(ms).toISOString() : `${ms} ms`;
export const toIsoOrNull = (ms: number | null): string | null => (ms === null ? null : toIso(ms));

/** UTC ms -> minutes that local time is ahead of UTC. */
export function offsetMinutesAt(zone: ZoneOffsets, atMs: number): number {
  let minutes = zone.offsets[0]?.minutes ?? 0;
  for (const entry of zone.offsets) {
    if (entry.fromMs > atMs) break;
    minutes = entry.minutes;
  }
  return minutes;
}

/** Returns the local wall-clock time at `atMs`. */
export function localMomentAt(zone: ZoneOffsets, atMs: number): LocalMoment {
  const shifted = atMs + offsetMinutesAt(zone, atMs) * 60_000;
  const day = Math.floor(shifted / dayMs);
  // 1970-01-01 was a Thursday, ISO weekday 4.
  const weekday = ((((day + 3) % 7) + 7) % 7) + 1;
  return {
    date: new Date(day * dayMs).toISOString().slice(0, 10),
    weekday,
    minute: Math.floor((shifted - day * dayMs) / 60_000),
  };
}

/** The local day before: windows over midnight belong to the day on which they start. */
export function previousDay(moment: LocalMoment): { date: string; weekday: number } {
  const dateMs = Date.parse(`${moment.date}T00:00:00Z`) - dayMs;
  return {
    date: new Date(dateMs).toISOString().slice(0, 10),
    weekday: moment.weekday === 1 ? 7 : moment.weekday - 1,
  };
}
