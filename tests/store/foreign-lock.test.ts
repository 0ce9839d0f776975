import { expect, it } from 'vitest';
import { errorToProblem } from '#hub/http/endpoint/problem.ts';
import { holdLock } from '#tests/_support/crash/hold-lock.ts';
import { faultOf, openTestStore } from './fixture.ts';

it('transactions that another program locks out fail as busy, all of them after one time-out, and write nothing', async () => {
  const { store, options } = await openTestStore();
  const add = (n: number) => store.transact('add', (tx) => tx.insert('tick', { n }));
  await add(1);
  const lock = await holdLock(options.path);
  const waits = store.figures.writes.count;
  const faults = await Promise.all([2, 3, 4, 5].map((n) => faultOf(add(n))));
  expect(faults.map(({ code }) => code)).toEqual(['storeBusy', 'storeBusy', 'storeBusy', 'storeBusy']);
  // One alone has asked for the lock: the others were given the answer to that.
  expect(new Set(faults).size).toBe(1);
  expect(store.figures.writes.count - waits).toBeLessThanOrEqual(1);
  expect(errorToProblem(faults[0])).toMatchObject({
    status: 503,
    code: 'storeBusy',
    retryAfterSeconds: 1,
    nextStep: expect.stringContaining('another program'),
  });
  expect(store.figures).toMatchObject({ lockedOutWrites: 4, isLockedOut: true, refusedWrites: 0 });
  await lock.release();
  await add(6);
  expect(store.figures.isLockedOut).toBe(false);
  const rows = await store.read.selectFrom('tick').select('n').orderBy('n').execute();
  expect(rows.map(({ n }) => n)).toEqual([1, 6]);
});
