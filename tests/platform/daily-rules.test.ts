import { describe, expect, it } from 'vitest';
import { lastTimeOfDay } from '#hub/kernel/zone.ts';
import { type DailyFacts, isDailyDue } from '#hub/platform/daily-rules.ts';

const hourMs = 3_600_000;
const last = (zone: string, time: string, now: string): string =>
  new Date(lastTimeOfDay(zone, time, Date.parse(now))).toISOString();

describe('the last moment at which clocks showed a time of day', () => {
  it.each([
    ['on that very moment', 'Europe/Berlin', '03:30', '2026-07-10T01:30:00Z', '2026-07-10T01:30:00.000Z'],
    ['a moment before', 'Europe/Berlin', '03:30', '2026-07-10T01:29:59.999Z', '2026-07-09T01:30:00.000Z'],
    ['in the evening', 'Europe/Berlin', '03:30', '2026-07-10T20:00:00Z', '2026-07-10T01:30:00.000Z'],
    ['where it is tomorrow', 'Pacific/Auckland', '03:30', '2026-07-10T15:30:00Z', '2026-07-10T15:30:00.000Z'],
    ['of a night without it', 'Europe/Berlin', '02:30', '2026-03-29T12:00:00Z', '2026-03-29T01:30:00.000Z'],
    ['before its late moment', 'Europe/Berlin', '02:30', '2026-03-29T01:29:00Z', '2026-03-28T01:30:00.000Z'],
    [
      'of a night that has it twice',
      'Europe/Berlin',
      '02:30',
      '2026-10-25T12:00:00Z',
      '2026-10-25T00:30:00.000Z',
    ],
    ['of half an hour', 'Australia/Lord_Howe', '02:15', '2026-10-04T00:00:00Z', '2026-10-03T15:45:00.000Z'],
    [
      'of a day that was left out',
      'Pacific/Apia',
      '03:30',
      '2011-12-30T12:00:00Z',
      '2011-12-29T13:30:00.000Z',
    ],
  ])('%s', (_when, zone, time, now, expected) => expect(last(zone, time, now)).toBe(expected));
});

describe('something that happens once a day', () => {
  /** Asks every `stepMs` for some days after a run 7 hours before them; the moments of its runs. */
  function runsOf(
    facts: Pick<DailyFacts, 'timeZone' | 'timeOfDay'>,
    { from, days, stepMs = 600_000 }: { from: string; days: number; stepMs?: number },
    clockAt: (realMs: number) => Partial<DailyFacts> = () => ({}),
  ): number[] {
    const startMs = Date.parse(from);
    const runs: number[] = [];
    let lastMs = startMs - 7 * hourMs;
    for (let atMs = startMs; atMs < startMs + days * 24 * hourMs; atMs += stepMs) {
      const sinceRunMs = atMs - lastMs;
      if (!isDailyDue({ ...facts, nowMs: atMs, isTimeKnown: true, sinceRunMs, ...clockAt(atMs) })) continue;
      runs.push(atMs);
      lastMs = atMs;
    }
    return runs;
  }
  const dateOf = (timeZone: string, atMs: number): string =>
    new Intl.DateTimeFormat('sv', { timeZone, dateStyle: 'short' }).format(atMs);
  const stepMs = 1_800_000;

  it.each([
    'Europe/Berlin',
    'America/New_York',
    'America/Santiago',
    'Australia/Lord_Howe',
    'Asia/Beirut',
    'Asia/Kathmandu',
    'Pacific/Chatham',
    'UTC',
  ])('runs on each day of a year in %s, at its time or right after the hour that is left out', (timeZone) => {
    for (const timeOfDay of ['00:00', '02:30', '23:59']) {
      const runs = runsOf({ timeZone, timeOfDay }, { from: '2026-01-10T12:00:00Z', days: 365, stepMs });
      const times = runs.map((atMs) => lastTimeOfDay(timeZone, timeOfDay, atMs));
      expect(new Set(times.map((atMs) => dateOf(timeZone, atMs))).size).toBe(365);
      expect(runs).toHaveLength(365);
      expect(runs.filter((atMs, index) => atMs - (times[index] ?? 0) >= stepMs)).toEqual([]);
    }
  });

  const night = { timeZone: 'Europe/Berlin', timeOfDay: '03:30' };
  const at = (now: string, sinceRunHours: number, isTimeKnown = true) =>
    isDailyDue({ ...night, nowMs: Date.parse(now), isTimeKnown, sinceRunMs: sinceRunHours * hourMs });

  it('is due as soon as somebody asks after its time, and not before it', () => {
    expect(at('2026-07-10T01:29:59Z', 23.9)).toBe(false);
    expect(at('2026-07-10T01:30:00Z', 24)).toBe(true);
    expect(at('2026-07-10T09:30:00Z', 29)).toBe(true);
    expect(at('2026-07-10T09:30:00Z', 8)).toBe(false);
  });

  it('counts a run shortly before its time as the one of that day', () => {
    expect(at('2026-07-10T01:30:00Z', 5)).toBe(false);
    expect(at('2026-07-10T08:30:00Z', 12)).toBe(false);
    expect(at('2026-07-10T01:30:00Z', 6)).toBe(true);
  });

  it('runs every 24 hours where nothing says what time it is', () => {
    expect(at('1970-01-01T01:30:00Z', 23.9, false)).toBe(false);
    expect(at('1970-01-01T12:00:00Z', 24, false)).toBe(true);
    const runs = runsOf(night, { from: '2026-01-10T12:00:00Z', days: 30 }, () => ({
      nowMs: 0,
      isTimeKnown: false,
    }));
    expect(runs).toHaveLength(30);
  });

  it('does not run again because the clock is set, forward or back', () => {
    expect(at('2036-01-01T12:00:00Z', 0.1)).toBe(false);
    expect(at('2016-01-01T03:30:00Z', 0.1)).toBe(false);
    // Back and forth past its time, every ten minutes for two days.
    let turn = 0;
    const runs = runsOf(night, { from: '2026-07-10T12:00:00Z', days: 2 }, () => {
      turn += 1;
      return { nowMs: Date.parse(turn % 2 === 0 ? '2026-07-10T01:25:00Z' : '2026-07-10T01:35:00Z') };
    });
    expect(runs.length).toBeLessThanOrEqual(8);
  });

  it('runs at the latest some 30 hours after the last, whatever the clock shows', () => {
    const standing = { nowMs: Date.parse('2026-07-10T01:29:00Z') };
    const runs = runsOf(night, { from: '2026-07-10T12:00:00Z', days: 30 }, () => standing);
    expect(runs.length).toBeGreaterThanOrEqual(23);
    const backwards = runsOf(night, { from: '2026-07-10T12:00:00Z', days: 30 }, (realMs) => ({
      nowMs: 2 * Date.parse('2026-07-10T12:00:00Z') - realMs,
    }));
    expect(backwards.length).toBeGreaterThanOrEqual(23);
    expect(backwards.length).toBeLessThanOrEqual(120);
  });
});
