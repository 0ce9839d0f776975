import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openConnection } from '#hub/store/sqlite/open.ts';
import { faultOf, makeFolder, openTestStore } from './fixture.ts';
import { rightKey, type TestStore } from './store-tables.ts';

const ticks = async (store: TestStore): Promise<number[]> =>
  (await store.read.selectFrom('tick').select('n').orderBy('n').execute()).map(({ n }) => n);

/** Writes past the store, as its own Worker does before the store has heard of the commit. */
function writeUnheard(path: string, n: number): void {
  const connection = openConnection({ path, key: rightKey }, { mode: 'write', cacheKib: 256 });
  connection.prepare('insert into tick (n) values (?)').run(n);
  connection.close();
}

it('reads of one turn of the event loop see one commit, those of the next see the newest', async () => {
  const { store, options } = await openTestStore();
  expect(await ticks(store)).toEqual([]);
  writeUnheard(options.path, 1);
  expect(await ticks(store)).toEqual([]);
  await nextTurn();
  expect(await ticks(store)).toEqual([1]);
});

it('whoever was told of a commit reads what it wrote, also in a turn that read before', async () => {
  const { store, options } = await openTestStore();
  const other = openConnection({ path: options.path, key: rightKey }, { mode: 'read', cacheKib: 256 });
  const isThere = other.prepare('select count(*) from tick').pluck();
  for (const n of [1, 2, 3, 4, 5, 6]) {
    const answer = { isThere: false };
    const told = store
      .transact('write', async (tx) => await tx.insert('tick', { n }))
      .then(async () => {
        answer.isThere = true;
        return await ticks(store);
      });
    // Each turn reads, and then lasts long enough for the commit to be made while what it read is still open.
    while (!answer.isThere) {
      await ticks(store);
      for (let looks = 0; looks < 500 && isThere.get() !== n; looks += 1);
      await nextTurn();
    }
    expect(await told).toHaveLength(n);
  }
  other.close();
});

it('keeps no transaction open between turns, so that the log can be brought in', async () => {
  const folder = makeFolder();
  const { store, options } = await openTestStore(folder);
  await ticks(store);
  await nextTurn();
  writeUnheard(options.path, 1);
  const connection = openConnection({ path: options.path, key: rightKey }, { mode: 'write', cacheKib: 256 });
  const [checkpoint] = connection.pragma('wal_checkpoint(truncate)') as { busy: number }[];
  connection.close();
  expect(checkpoint?.busy).toBe(0);
});

it('a statement that fails leaves nothing open', async () => {
  const { store, options } = await openTestStore();
  await faultOf(
    store.read
      .selectFrom('nowhere' as 'tick')
      .selectAll()
      .execute(),
  );
  await nextTurn();
  writeUnheard(options.path, 1);
  expect(await ticks(store)).toEqual([1]);
});

it('a limit is no bare parameter, by whose value SQLite would compile the statement anew each time', async () => {
  const { store } = await openTestStore();
  expect(store.read.selectFrom('tick').select('n').limit(3).compile().sql).toMatch(/limit \+\?$/);
});
