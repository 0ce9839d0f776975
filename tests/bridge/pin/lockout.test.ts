import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LockoutFile } from '#bridge/pin/lockout-file.ts';
import {
  countWrongPin,
  fromStored,
  type Lockout,
  lockLeftMs,
  longestLockMs,
  noLockout,
  rowMs,
  toStored,
} from '#bridge/pin/lockout-rules.ts';

const minute = 60_000;
const after = (wrong: number, from: Lockout = noLockout, atMs = 0): Lockout =>
  Array.from({ length: wrong }).reduce<Lockout>((lockout) => countWrongPin(lockout, atMs), from);

describe('wrong PINs in a row', () => {
  test('the fifth locks for a minute, the fourth does not', () => {
    expect([4, 5].map((count) => lockLeftMs(after(count), 0))).toEqual([0, minute]);
  });
  test('each lock is twice as long as the one before, up to a quarter of an hour', () => {
    let lockout = noLockout;
    let nowMs = 0;
    const locks = Array.from({ length: 7 }, () => {
      lockout = after(5, lockout, nowMs);
      const leftMs = lockLeftMs(lockout, nowMs);
      nowMs += leftMs;
      return leftMs / minute;
    });
    expect(locks).toEqual([1, 2, 4, 8, 15, 15, 15]);
    expect(longestLockMs).toBe(15 * minute);
  });
  test('those of more than ten minutes ago are no row with this one', () => {
    expect(lockLeftMs(countWrongPin(after(4), rowMs), rowMs)).toBe(minute);
    expect(lockLeftMs(countWrongPin(after(4), rowMs + 1), rowMs + 1)).toBe(0);
  });
});

describe('over a restart', () => {
  const before = { monotonicMs: 500_000, wallMs: 1_000_000_000, timeKnown: true };
  const locked = after(5, noLockout, before.monotonicMs);
  const restart = (wallMs: number, timeKnown = true) => ({ monotonicMs: 40, wallMs, timeKnown });
  const leftAfter = (lockout: Lockout, now: ReturnType<typeof restart>, from = before): number =>
    lockLeftMs(fromStored(toStored(lockout, from), now), now.monotonicMs);

  test.each([
    ['what is left of a lock', 20_000, true, 40_000],
    ['nothing of one that has passed', 61_000, true, 0],
    ['all of it where the time is not known', 20_000, false, minute],
    ['all of it where the clock is far behind, and no more', -90_000_000, true, minute],
  ])('%s', (_, passedMs, timeKnown, leftMs) => {
    expect(leftAfter(locked, restart(before.wallMs + passedMs, timeKnown))).toBe(leftMs);
  });
  test('all of it where the time was not known when it was written', () => {
    expect(leftAfter(locked, restart(before.wallMs + 20_000), { ...before, timeKnown: false })).toBe(minute);
  });
  test('a lock that had passed before does not come back', () => {
    const later = {
      ...before,
      monotonicMs: before.monotonicMs + 2 * minute,
      wallMs: before.wallMs + 2 * minute,
    };
    expect(leftAfter(locked, restart(later.wallMs, false), later)).toBe(0);
  });
  test('the count: four wrong PINs and a restart, and the fifth locks', () => {
    for (const now of [restart(before.wallMs + 30_000), restart(0, false)]) {
      const found = fromStored(toStored(after(4, noLockout, before.monotonicMs), before), now);
      expect(lockLeftMs(countWrongPin(found, now.monotonicMs), now.monotonicMs)).toBe(minute);
    }
  });
  test('a row that is over by the wall clock is over', () => {
    const now = restart(before.wallMs + rowMs + 1000);
    const found = fromStored(toStored(after(4, noLockout, before.monotonicMs), before), now);
    expect(lockLeftMs(countWrongPin(found, now.monotonicMs), now.monotonicMs)).toBe(0);
  });
  test('how often it was locked: the next lock is longer', () => {
    const now = restart(before.wallMs + 5 * minute);
    const found = fromStored(toStored(locked, before), now);
    expect(lockLeftMs(after(5, found, now.monotonicMs), now.monotonicMs)).toBe(2 * minute);
  });
});

describe('the file', () => {
  function newFolder(): string {
    const folder = mkdtempSync(path.join(tmpdir(), 'lockouts-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }
  const never = (fault: Error): never => {
    throw fault;
  };
  test('gives back what was saved last, whatever was saved at once', async () => {
    const folder = newFolder();
    const file = await LockoutFile.open(folder, never);
    expect(file.stored).toEqual({});
    const stored = toStored(after(3), { monotonicMs: 0, wallMs: 1000, timeKnown: true });
    await Promise.all([
      file.save({}),
      file.save({ front: { ...stored, wrong: 1 } }),
      file.save({ front: stored }),
    ]);
    expect((await LockoutFile.open(folder, never)).stored).toEqual({ front: stored });
    expect(readdirSync(folder)).toEqual(['pin-lockouts.json']);
  });
  test.each([['nonsense'], ['{"front":{"wrong":-1}}'], ['']])('%j is set aside and told of', async (text) => {
    const folder = newFolder();
    writeFileSync(path.join(folder, 'pin-lockouts.json'), text);
    const faults: unknown[] = [];
    expect((await LockoutFile.open(folder, (fault) => faults.push(fault.code))).stored).toEqual({});
    expect(faults).toEqual(['lockoutsUnreadable']);
    expect(readdirSync(folder)).toEqual(['pin-lockouts.json.unreadable']);
  });
});
