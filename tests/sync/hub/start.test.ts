import { expect, it, onTestFinished } from 'vitest';
import { findLink } from '#hub/sync/repository.ts';
import { link, openSyncBench, type SyncBench } from './support.ts';

async function openLinked(columnsOf: (bench: SyncBench) => unknown): Promise<SyncBench> {
  const bench = await openSyncBench();
  const columns = JSON.stringify(columnsOf(bench));
  await link(bench, { stage: 'live', halted: 'fenced', columns });
  onTestFinished(() => bench.sync.close());
  await bench.sync.load();
  await bench.sync.start();
  return bench;
}
const columnsNow = ({ store }: SyncBench) =>
  Object.fromEntries(store.replication.tables.map(({ name, columns }) => [name, columns]));

it('takes a table in again, whole, that has a column which it had not', async () => {
  const bench = await openLinked((before) => ({
    ...columnsNow(before),
    member: columnsNow(before)['member']?.filter((name) => name !== 'email'),
  }));
  const row = await findLink(bench.store.read);
  expect(row?.stage).toBe('bootstrap');
  expect(JSON.parse(row?.place ?? '')).toMatchObject({ tables: ['member'] });
});

it('takes nothing in again where all columns are as they were', async () => {
  const bench = await openLinked(columnsNow);
  expect((await findLink(bench.store.read))?.stage).toBe('live');
});

it('says whole rows until all rows are announced', async () => {
  const bench = await openSyncBench();
  await link(bench, { stage: 'seed', halted: 'fenced' });
  onTestFinished(() => bench.sync.close());
  await bench.sync.load();
  await bench.sync.start();
  await bench.store.transact('test', (tx) => tx.write('member', bench.memberId, { phone: '222' }));
  const change = await bench.store.read
    .selectFrom('change')
    .select(['op', 'body'])
    .orderBy('seq', 'desc')
    .executeTakeFirstOrThrow();
  expect(change.op).toBe('insert');
  expect(JSON.parse(change.body ?? '')).toMatchObject({ name: 'Mia Maker', phone: '222' });
});

it('needs what the centre has not got yet, and nothing where there is no centre', async () => {
  const bench = await openSyncBench();
  expect(await bench.sync.neededFrom()).toBe(null);
  await link(bench, { acked: 7 });
  expect(await bench.sync.neededFrom()).toBe(8);
});
