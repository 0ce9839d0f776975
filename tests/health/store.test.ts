import { closeSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { newId } from '#hub/platform/new-id.ts';
import { storeHealth } from '#hub/store/health/store-health.ts';
import { holdLock } from '#tests/_support/crash/hold-lock.ts';
import { openBench } from '../access/support.ts';

async function openHealth() {
  const bench = await openBench();
  let monotonicMs = 0;
  const file = path.join(bench.folder, 'hub.sqlite');
  const health = storeHealth({
    store: bench.store,
    path: file,
    clock: { nowMs: () => bench.time.ms, monotonicMs: () => monotonicMs },
  });
  const ids = async () => (await health.part.findings?.())?.map(({ id }) => id) ?? [];
  const figure = async (name: string) =>
    (await health.part.figures?.())?.find((candidate) => candidate.name === name)?.value;
  return { bench, file, health, ids, figure, advance: (ms: number) => void (monotonicMs += ms) };
}

const addPlace = (store: Awaited<ReturnType<typeof openBench>>['store'], name: string) =>
  store.transact('test.area', (tx) => tx.insert('area', { id: newId(), name, parent_id: null }));

it('a store that is well has no finding, and counts what it does', async () => {
  const { bench, ids, figure, health } = await openHealth();
  expect(await ids()).toEqual([]);
  expect(await figure('writeProbeMs')).toBeTypeOf('number');
  expect(await figure('databaseBytes')).toBeGreaterThan(0);
  const { figures } = bench.store;
  const writes = figures.writes.count;
  const reads = figures.reads.count;
  const reports = figures.reports.count;
  await addPlace(bench.store, 'Yard');
  await bench.store.read.selectFrom('area').select('id').execute();
  expect(await figure('isWhole')).toBeNull();
  await health.check();
  expect(await figure('isWhole')).toBe(true);
  expect(figures.writes.count).toBe(writes + 1);
  expect(figures.reads.count).toBe(reads + 1);
  expect(figures.reports.count).toBe(reports + 1);
  expect(figures.waitingWrites).toBe(0);
});

it('changes that were refused because too many waited are found for an hour', async () => {
  const { bench, ids, advance } = await openHealth();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 300 }, (_, index) => addPlace(bench.store, `Area ${index}`)),
  );
  const refused = outcomes.filter(({ status }) => status === 'rejected').length;
  expect(refused).toBeGreaterThan(0);
  expect(bench.store.figures.refusedWrites).toBe(refused);
  expect(await ids()).toEqual(['store.writesRefused']);
  advance(59 * 60_000);
  expect(await ids()).toEqual(['store.writesRefused']);
  advance(2 * 60_000);
  expect(await ids()).toEqual([]);
});

it('a store that cannot be written is found with its code', async () => {
  const { bench, ids } = await openHealth();
  await bench.store.close();
  expect(await ids()).toEqual(['store.notWritable']);
});

it('damage in the middle of the store is found by the daily check, with what still works', async () => {
  const { bench, file, health, ids } = await openHealth();
  for (let index = 0; index < 30; index += 1)
    await bench.store.transact('test.fill', async (tx) => {
      for (let row = 0; row < 50; row += 1)
        await tx.insert('area', { id: newId(), name: `${index} ${row} ${'x'.repeat(60)}`, parent_id: null });
    });
  const again = await bench.openAgain();
  const reopened = storeHealth({ store: again.store, path: file, clock: again.time });
  expect(await reopened.part.findings?.()).toEqual([]);
  const descriptor = openSync(file, 'r+');
  for (let page = 60; page < 64; page += 1)
    writeSync(descriptor, Buffer.alloc(64, 0xff), 0, 64, page * 4096 + 900);
  closeSync(descriptor);
  await reopened.check();
  const findings = await reopened.part.findings?.();
  expect(findings?.map(({ id, severity }) => `${severity} ${id}`)).toEqual(['error store.damaged']);
  expect(findings?.[0]?.fix).toContain('restore a backup');
  expect(health.part.name).toBe('store');
  expect(await ids()).toEqual(['store.notWritable']);
});

it('names the program that holds the lock of the store, and is well when it has let go', async () => {
  const { bench, health, ids, file } = await openHealth();
  const lock = await holdLock(file);
  const found = await health.part.findings?.();
  expect(found?.map(({ id }) => id)).toEqual(['store.lockedByOther']);
  expect(found?.[0]?.evidence).toContain(`Process ${lock.pid} (${process.execPath} -e`);
  await lock.release();
  expect(await ids()).toEqual([]);
  await addPlace(bench.store, 'Yard');
});
