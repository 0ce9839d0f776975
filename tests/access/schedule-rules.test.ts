import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  areaChain,
  isInWindow,
  openingAt,
  plannedModeAt,
  scheduledModeAt,
} from '#hub/domains/access/decide/schedule-rules.ts';
import { localMomentAt } from '#hub/kernel/time.ts';
import { berlin, newYork, policy, portal, portalWith } from './policy-fixtures.ts';

const minutes = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
const window = (weekday: number, start: string, end: string) => ({
  weekday,
  startMinute: minutes(start),
  endMinute: minutes(end),
});
const inBerlin = (text: string) => localMomentAt(berlin, Date.parse(text));
const inNewYork = (text: string) => localMomentAt(newYork, Date.parse(text));
const [friday, saturday, sunday] = [5, 6, 7];

describe('a window over midnight belongs to the day on which it starts', () => {
  const late = window(friday, '22:00', '02:00');
  test.each([
    ['2026-11-20T20:59:00Z', false],
    ['2026-11-20T21:00:00Z', true],
    ['2026-11-20T23:30:00Z', true],
    ['2026-11-21T00:59:00Z', true],
    ['2026-11-21T01:00:00Z', false],
    ['2026-11-20T00:30:00Z', false],
    ['2026-11-21T21:30:00Z', false],
  ])('%s', (text, holds) => {
    expect(isInWindow(late, inBerlin(text))).toBe(holds);
  });
  test('also from Sunday to Monday', () => {
    expect(isInWindow(window(sunday, '23:00', '01:00'), inBerlin('2026-11-22T23:30:00Z'))).toBe(true);
  });
  test('a whole day is 00:00 to 24:00', () => {
    const day = window(saturday, '00:00', '24:00');
    expect(isInWindow(day, inBerlin('2026-11-20T22:59:00Z'))).toBe(false);
    expect(isInWindow(day, inBerlin('2026-11-20T23:00:00Z'))).toBe(true);
    expect(isInWindow(day, inBerlin('2026-11-21T22:59:00Z'))).toBe(true);
    expect(isInWindow(day, inBerlin('2026-11-21T23:00:00Z'))).toBe(false);
  });
});

describe('windows follow the wall clock over the changes of the clocks', () => {
  // Berlin: 2026-03-29 02:00 -> 03:00, 2026-10-25 03:00 -> 02:00. New York: 2026-03-08 02:00 -> 03:00, 2026-11-01 02:00 -> 01:00.
  test('in spring the skipped hour is in no window, and the window ends on time', () => {
    const morning = window(sunday, '01:30', '04:00');
    expect(isInWindow(window(sunday, '02:00', '03:00'), inBerlin('2026-03-29T01:00:00Z'))).toBe(false);
    expect(isInWindow(window(sunday, '02:00', '03:00'), inBerlin('2026-03-29T00:59:00Z'))).toBe(false);
    expect(isInWindow(morning, inBerlin('2026-03-29T01:59:00Z'))).toBe(true);
    expect(isInWindow(morning, inBerlin('2026-03-29T02:00:00Z'))).toBe(false);
    expect(isInWindow(morning, inNewYork('2026-03-08T07:59:00Z'))).toBe(true);
    expect(isInWindow(morning, inNewYork('2026-03-08T08:00:00Z'))).toBe(false);
  });
  test('in autumn the repeated hour holds both times', () => {
    const night = window(sunday, '02:15', '02:45');
    expect(isInWindow(night, inBerlin('2026-10-25T00:30:00Z'))).toBe(true);
    expect(isInWindow(night, inBerlin('2026-10-25T01:00:00Z'))).toBe(false);
    expect(isInWindow(night, inBerlin('2026-10-25T01:30:00Z'))).toBe(true);
    expect(isInWindow(window(sunday, '01:15', '01:45'), inNewYork('2026-11-01T05:30:00Z'))).toBe(true);
    expect(isInWindow(window(sunday, '01:15', '01:45'), inNewYork('2026-11-01T06:30:00Z'))).toBe(true);
  });
  test('a window over midnight into the day of the change', () => {
    const late = window(saturday, '22:00', '02:30');
    expect(isInWindow(late, inBerlin('2026-03-29T00:30:00Z'))).toBe(true);
    expect(isInWindow(late, inBerlin('2026-03-29T01:00:00Z'))).toBe(false);
    expect(isInWindow(late, inBerlin('2026-10-25T00:29:00Z'))).toBe(true);
    expect(isInWindow(late, inBerlin('2026-10-25T01:29:00Z'))).toBe(true);
    expect(isInWindow(late, inBerlin('2026-10-25T01:30:00Z'))).toBe(false);
  });
  test('local hours are not hours of UTC', () => {
    expect(isInWindow(window(sunday, '00:00', '01:00'), inBerlin('2026-07-04T22:30:00Z'))).toBe(true);
    expect(isInWindow(window(saturday, '20:00', '21:00'), inNewYork('2026-07-05T00:30:00Z'))).toBe(true);
  });
});

test('a week of windows holds for exactly their minutes, wherever they start', () => {
  const zoneless = { timeZone: 'UTC', offsets: [{ fromMs: 0, minutes: 0 }] };
  const monday = Date.parse('2026-11-23T00:00:00Z');
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 0, max: 1439 }),
      fc.integer({ min: 0, max: 1440 }),
      (weekday, startMinute, endMinute) => {
        let held = 0;
        for (let minute = 0; minute < 7 * 1440; minute += 1)
          if (
            isInWindow({ weekday, startMinute, endMinute }, localMomentAt(zoneless, monday + minute * 60_000))
          )
            held += 1;
        expect(held).toBe(endMinute > startMinute ? endMinute - startMinute : 1440 - startMinute + endMinute);
      },
    ),
    { numRuns: 30 },
  );
});

describe('opening hours', () => {
  const areaParents = { hall: null, workshop: 'hall', 'laser-room': 'workshop' };
  const weekend = [window(saturday, '10:00', '18:00')];
  const openAt = (text: string, areaId: string | null, change: Parameters<typeof policy>[0]) =>
    openingAt(policy({ areaParents, ...change }), areaId, inBerlin(text));
  const saturdayNoon = '2026-11-21T11:00:00Z';

  test('without any it is always open', () => {
    expect(openAt(saturdayNoon, null, {})).toBe('open');
  });
  test('an area without hours of its own follows the nearest above, then the site', () => {
    const openingHours = { '': weekend, hall: [window(sunday, '10:00', '18:00')] };
    expect(openAt(saturdayNoon, null, { openingHours })).toBe('open');
    expect(openAt(saturdayNoon, 'hall', { openingHours })).toBe('closed');
    expect(openAt(saturdayNoon, 'laser-room', { openingHours })).toBe('closed');
    expect(openAt('2026-11-22T11:00:00Z', 'laser-room', { openingHours })).toBe('open');
    expect(openAt(saturdayNoon, 'yard', { openingHours })).toBe('open');
  });
  test('no window in the week is always closed', () => {
    expect(openAt(saturdayNoon, null, { openingHours: { '': [] } })).toBe('closed');
  });
  test('a holiday closes, and special hours of a day replace the week', () => {
    const closed = [{ date: '2026-11-21', name: 'Holiday', areaId: null, windows: [] }];
    expect(openAt(saturdayNoon, 'hall', { openingHours: { '': weekend }, exceptions: closed })).toBe(
      'holiday',
    );
    const special = [{ ...closed[0]!, windows: [{ startMinute: 20 * 60, endMinute: 22 * 60 }] }];
    expect(
      openAt('2026-11-21T19:30:00Z', 'hall', { openingHours: { '': weekend }, exceptions: special }),
    ).toBe('open');
    expect(openAt(saturdayNoon, 'hall', { exceptions: special })).toBe('holiday');
  });
  test("an area's own day comes before the site's", () => {
    const exceptions = [
      { date: '2026-11-21', name: 'Holiday', areaId: null, windows: [] },
      {
        date: '2026-11-21',
        name: 'Open day',
        areaId: 'hall',
        windows: [{ startMinute: 0, endMinute: 1440 }],
      },
    ];
    expect(openAt(saturdayNoon, 'workshop', { exceptions })).toBe('open');
    expect(openAt(saturdayNoon, null, { exceptions })).toBe('holiday');
  });
  test('hours over midnight reach into a holiday, as the evening began before it', () => {
    const openingHours = { '': [window(friday, '20:00', '02:00')] };
    const exceptions = [{ date: '2026-11-21', name: 'Holiday', areaId: null, windows: [] }];
    expect(openAt('2026-11-21T00:30:00Z', null, { openingHours, exceptions })).toBe('open');
    expect(openAt('2026-11-21T01:30:00Z', null, { openingHours, exceptions })).toBe('holiday');
  });
});

test('the chain of areas ends at the site, and a cycle ends it too', () => {
  expect(areaChain(null, {})).toEqual(['']);
  expect(areaChain('a', { a: 'b', b: null })).toEqual(['a', 'b', '']);
  expect(areaChain('a', { a: 'b', b: 'a' })).toEqual(['a', 'b', '']);
});

describe('modes', () => {
  const always = { weekday: 6, startMinute: 0, endMinute: 1440 };
  const saturdayMs = Date.parse('2026-11-21T11:00:00Z');
  test('the strongest of the scheduled modes holds, outside of all a card opens', () => {
    const door = portalWith({
      schedule: [
        { window: always, mode: 'unlocked' },
        { window: { ...always, startMinute: 700, endMinute: 730 }, mode: 'locked' },
      ],
    });
    expect(scheduledModeAt(door, berlin, saturdayMs)).toBe('locked');
    expect(scheduledModeAt(door, berlin, saturdayMs + 3_600_000)).toBe('unlocked');
    expect(scheduledModeAt(door, berlin, saturdayMs + 86_400_000)).toBe('controlled');
  });
  test('a lockdown stands above all, and a hold-open ends by itself', () => {
    const lockdown = { kind: 'lockdown', sinceMs: 0, reason: 'drill' } as const;
    const holdOpen = { kind: 'holdOpen', sinceMs: 0, untilMs: saturdayMs, reason: 'fair' } as const;
    const door = portalWith({ schedule: [{ window: always, mode: 'locked' }] });
    expect(plannedModeAt({ ...door, override: lockdown }, berlin, saturdayMs)).toBe('lockdown');
    expect(plannedModeAt({ ...door, override: holdOpen }, berlin, saturdayMs - 1)).toBe('heldOpen');
    expect(plannedModeAt({ ...door, override: holdOpen }, berlin, saturdayMs)).toBe('locked');
    expect(plannedModeAt(portal(), berlin, saturdayMs)).toBe('controlled');
  });
});
