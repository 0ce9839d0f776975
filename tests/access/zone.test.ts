import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isTimeZone } from '#hub/domains/identity/rules.ts';
import { localMomentAt, zoneOffsetsSchema } from '#hub/kernel/time.ts';
import { zoneOffsets } from '#hub/kernel/zone.ts';

const zones = [
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Africa/Casablanca',
  'UTC',
] as const;
const fromMs = Date.parse('2025-01-01T00:00:00Z');
const untilMs = Date.parse('2030-01-01T00:00:00Z');
const offsetsByZone = new Map(zones.map((zone) => [zone, zoneOffsets(zone, fromMs, untilMs)]));
const formats = new Map(
  zones.map((timeZone) => [
    timeZone,
    new Intl.DateTimeFormat('en-CA', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      weekday: 'short',
    }),
  ]),
);
const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

test('the wall clock is that of Intl at any moment of five years, in zones with odd offsets too', () => {
  fc.assert(
    fc.property(fc.constantFrom(...zones), fc.integer({ min: fromMs, max: untilMs - 1 }), (zone, atMs) => {
      const parts = formats.get(zone)?.formatToParts(atMs) ?? [];
      const part = (type: string): string => parts.find((entry) => entry.type === type)?.value ?? '';
      expect(localMomentAt(offsetsByZone.get(zone)!, atMs)).toEqual({
        date: `${part('year')}-${part('month')}-${part('day')}`,
        weekday: weekdays.indexOf(part('weekday')) + 1,
        minute: Number(part('hour')) * 60 + Number(part('minute')),
      });
    }),
    { numRuns: 500 },
  );
});

test('Berlin changes at 01:00 UTC on the last Sundays of March and October', () => {
  const { offsets } = zoneOffsets(
    'Europe/Berlin',
    Date.parse('2026-01-01T00:00:00Z'),
    Date.parse('2027-01-01T00:00:00Z'),
  );
  expect(offsets).toEqual([
    { fromMs: Date.parse('2026-01-01T00:00:00Z'), minutes: 60 },
    { fromMs: Date.parse('2026-03-29T01:00:00Z'), minutes: 120 },
    { fromMs: Date.parse('2026-10-25T01:00:00Z'), minutes: 60 },
  ]);
});

test('every zone fits what a policy may carry', () => {
  for (const zone of Intl.supportedValuesOf('timeZone').filter((_, index) => index % 20 === 0))
    expect(zoneOffsetsSchema.safeParse(zoneOffsets(zone, fromMs, untilMs)).success).toBe(true);
});

test('a name that is no zone is told from one that is', () => {
  expect(isTimeZone('Europe/Berlin')).toBe(true);
  expect(isTimeZone('Europe/Atlantis')).toBe(false);
  expect(isTimeZone('')).toBe(false);
  expect(() => zoneOffsets('Europe/Atlantis', fromMs, untilMs)).toThrow(RangeError);
});
