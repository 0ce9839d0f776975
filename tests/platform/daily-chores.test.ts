import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type { ClockTrust } from '#hub/kernel/time.ts';
import { type Chore, type Chores, runChores } from '#hub/platform/chores.ts';
import { createLog } from '#hub/platform/log.ts';

const hourMs = 3_600_000;
const minuteMs = 60_000;

// node-cron itself, by a clock that the tests advance. What is loaded late is there already: loading takes real time.
beforeAll(async () => {
  await import('#hub/platform/daily-alarm.ts');
});

let chores: Chores;
/** What the hub knows of the time; its clock is the machine's unless told. */
let hub: { timeZone: string | null; trust: ClockTrust; aheadMs: number; fault: Error | undefined };
/** When each run began. */
let runs: string[];

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
  });
  hub = { timeZone: 'Europe/Berlin', trust: 'ntp', aheadMs: 0, fault: undefined };
  runs = [];
});
afterEach(async () => {
  vi.useRealTimers();
  await chores.stop();
});

const monotonicMs = (): number => performance.now();
const now = (): string => new Date().toISOString().replace('.000Z', 'Z');

function start(
  at: string,
  dailyAt: `${number}:${number}` = '03:30',
  chore: Partial<Omit<Chore, 'everyMs' | 'dailyAt'>> = {},
): void {
  vi.setSystemTime(at);
  const firstAfterMs = 10 * minuteMs;
  chores = runChores(
    [{ name: 'check', firstAfterMs, run: async () => void runs.push(now()), ...chore, dailyAt }],
    {
      clock: { nowMs: () => Date.now() + hub.aheadMs, monotonicMs, trust: () => hub.trust },
      async timeZone() {
        if (hub.fault !== undefined) throw hub.fault;
        return hub.timeZone;
      },
      log: createLog({ level: 'silent' }),
    },
  );
}
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** Until a moment of the machine's clock. */
const passUntil = (at: string) => pass(Date.parse(at) - Date.now());

it('runs some minutes after the start, and then when the clocks of the site show its time', async () => {
  start('2026-07-10T08:04:00Z');
  await passUntil('2026-07-13T08:00:00Z');
  expect(runs).toEqual([
    '2026-07-10T08:14:00Z',
    '2026-07-11T01:30:10Z',
    '2026-07-12T01:30:10Z',
    '2026-07-13T01:30:10Z',
  ]);
});

it('runs once in the night in which its time is left out, and at its time again the day after', async () => {
  start('2026-03-28T12:04:00Z', '02:30');
  await passUntil('2026-03-30T12:00:00Z');
  // 02:30 is 03:30 that night; node-cron leaves it out, so it is seen within ten minutes.
  expect(runs).toEqual(['2026-03-28T12:14:00Z', '2026-03-29T01:34:00Z', '2026-03-30T00:30:10Z']);
});

it('runs once in the night in which its time comes twice', async () => {
  start('2026-10-24T12:04:00Z', '02:30');
  await passUntil('2026-10-26T12:00:00Z');
  // The first of both counts; node-cron takes the second.
  expect(runs).toEqual(['2026-10-24T12:14:00Z', '2026-10-25T00:34:00Z', '2026-10-26T01:30:10Z']);
});

it('follows the zone of the site: UTC until there is one, then whatever it is set to', async () => {
  hub.timeZone = null;
  start('2026-07-10T08:04:00Z');
  await passUntil('2026-07-11T08:00:00Z');
  hub.timeZone = 'America/New_York';
  await passUntil('2026-07-12T12:00:00Z');
  hub.timeZone = 'Asia/Tokyo';
  await passUntil('2026-07-14T12:00:00Z');
  hub.timeZone = 'Nowhere/Town';
  await passUntil('2026-07-15T12:00:00Z');
  expect(runs).toEqual([
    '2026-07-10T08:14:00Z',
    '2026-07-11T03:30:10Z',
    '2026-07-12T07:30:10Z',
    '2026-07-12T18:30:10Z',
    '2026-07-13T18:30:10Z',
    // In no known zone: UTC, whose time of that day has passed 9 hours after the run before.
    '2026-07-14T12:04:00Z',
    '2026-07-15T03:30:10Z',
  ]);
});

it('keeps the zone that it knows while the store does not answer', async () => {
  start('2026-07-10T08:04:00Z');
  await passUntil('2026-07-10T20:00:00Z');
  hub.fault = new Error('busy');
  await passUntil('2026-07-12T08:00:00Z');
  expect(runs).toEqual(['2026-07-10T08:14:00Z', '2026-07-11T01:30:10Z', '2026-07-12T01:30:10Z']);
});

it('makes up for a night in which the machine was off: after the start, and not at once', async () => {
  start('2026-07-10T16:04:00Z');
  await passUntil('2026-07-10T20:00:00Z');
  await chores.stop();
  start('2026-07-11T07:04:00Z');
  await passUntil('2026-07-11T07:13:00Z');
  expect(runs).toEqual(['2026-07-10T16:14:00Z']);
  await passUntil('2026-07-12T07:00:00Z');
  expect(runs).toEqual(['2026-07-10T16:14:00Z', '2026-07-11T07:14:00Z', '2026-07-12T01:30:10Z']);
});

it('is not done twice where the start is shortly before its time', async () => {
  start('2026-07-10T01:04:00Z');
  await passUntil('2026-07-11T08:00:00Z');
  expect(runs).toEqual(['2026-07-10T01:14:00Z', '2026-07-11T01:30:10Z']);
});

it('runs after a start at which it is told no wait at once', async () => {
  start('2026-07-10T08:04:00Z', '03:00', { name: 'policy', firstAfterMs: 0 });
  await pass(0);
  expect(runs).toEqual(['2026-07-10T08:04:00Z']);
});

it('runs soon after its time where the machine slept through it', async () => {
  start('2026-07-10T08:04:00Z');
  await passUntil('2026-07-10T20:00:00Z');
  // The machine's clock goes on, timers do not.
  vi.setSystemTime('2026-07-11T06:00:00Z');
  await pass(10 * minuteMs);
  expect(runs).toEqual(['2026-07-10T08:14:00Z', '2026-07-11T06:04:00Z']);
  await passUntil('2026-07-12T08:00:00Z');
  expect(runs.slice(2)).toEqual(['2026-07-12T01:30:10Z']);
});

it('goes on at its time after the clock was set back by a year, and forward by one', async () => {
  start('2026-07-10T08:04:00Z');
  await passUntil('2026-07-10T12:00:00Z');
  vi.setSystemTime('2025-07-10T12:00:00Z');
  await passUntil('2025-07-12T12:00:00Z');
  expect(runs.slice(1)).toEqual(['2025-07-11T01:30:10Z', '2025-07-12T01:30:10Z']);
  vi.setSystemTime('2026-07-12T12:00:00Z');
  await passUntil('2026-07-14T12:00:00Z');
  expect(runs.slice(3)).toEqual(['2026-07-13T01:30:10Z', '2026-07-14T01:30:10Z']);
});

it.each(['none', 'restored'] as const)(
  'runs every 24 hours while the time is %s, and at its time once it is known',
  async (trust) => {
    hub.trust = trust;
    start('1970-01-01T01:04:00Z');
    await pass(2 * 24 * hourMs + 30 * minuteMs);
    expect(runs).toEqual(['1970-01-01T01:14:00Z', '1970-01-02T01:14:00Z', '1970-01-03T01:14:00Z']);
    hub.trust = 'ntp';
    vi.setSystemTime('2026-07-10T12:03:00Z');
    await pass(2 * hourMs);
    expect(runs.slice(3)).toEqual([]);
    await passUntil('2026-07-12T12:00:00Z');
    expect(runs.slice(3)).toEqual(['2026-07-11T01:30:10Z', '2026-07-12T01:30:10Z']);
  },
);

it('goes by the clock of the hub where the machine has another one', async () => {
  hub.aheadMs = 5 * hourMs;
  start('2026-07-10T08:04:00Z');
  await passUntil('2026-07-11T08:00:00Z');
  expect(runs).toEqual(['2026-07-10T08:14:00Z', '2026-07-10T20:34:00Z']);
});

it('is never under way twice, and found when it fails or hangs', async () => {
  let end = (): void => undefined;
  let fail: ((cause: Error) => void) | undefined;
  const run = (): Promise<void> => {
    runs.push(now());
    return new Promise((resolve, reject) => {
      end = resolve;
      fail = reject;
    });
  };
  const brief = async () =>
    ((await chores.part.findings?.()) ?? []).map(({ id, severity, fix }) => `${severity} ${id} ${fix}`);
  start('2026-07-10T08:04:00Z', '03:30', { run });
  await passUntil('2026-07-12T08:14:00Z');
  expect(runs).toHaveLength(1);
  expect(await brief()).toEqual([]);
  await passUntil('2026-07-12T08:15:00Z');
  expect(await brief()).toEqual([expect.stringMatching(/^warning chores\.hangs:check /)]);
  fail?.(new Error('no'));
  await pass(0);
  expect(await brief()).toEqual([
    expect.stringMatching(/^warning chores\.failed:check It is tried again every day at 03:30\./),
  ]);
  // It began two days ago.
  await pass(10 * minuteMs);
  expect(runs).toHaveLength(2);
  end();
  await pass(0);
  expect(await brief()).toEqual([]);
});

it('waits at the end for a run that is under way, and begins no other', async () => {
  let end = (): void => undefined;
  start('2026-07-10T08:04:00Z', '03:30', {
    run: () => {
      runs.push(now());
      return new Promise((resolve) => {
        end = resolve;
      });
    },
  });
  await passUntil('2026-07-10T12:00:00Z');
  let isStopped = false;
  const stopping = chores.stop().then(() => {
    isStopped = true;
  });
  await passUntil('2026-07-14T12:00:00Z');
  expect(isStopped).toBe(false);
  end();
  await stopping;
  await pass(48 * hourMs);
  expect(runs).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

it('begins nothing when it is stopped while it asks for the zone', async () => {
  let answer = (): void => undefined;
  vi.setSystemTime('2026-07-10T08:00:00Z');
  chores = runChores([{ name: 'check', dailyAt: '03:30', run: async () => void runs.push(now()) }], {
    clock: { nowMs: () => Date.now(), monotonicMs, trust: () => 'ntp' },
    timeZone: () =>
      new Promise((resolve) => {
        answer = () => resolve('Europe/Berlin');
      }),
    log: createLog({ level: 'silent' }),
  });
  await pass(72 * hourMs);
  let isStopped = false;
  const stopping = chores.stop().then(() => {
    isStopped = true;
  });
  await pass(0);
  // The store is closed next: nothing may ask it then.
  expect(isStopped).toBe(false);
  answer();
  await stopping;
  expect(runs).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});
