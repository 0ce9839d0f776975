import { describe, expect, it } from 'vitest';
import { Fault, refuse } from '#hub/kernel/result.ts';
import { TableCache } from '#hub/store/table-cache.ts';
import { openTestStore } from './fixture.ts';
import type { TestStore, TestTransaction } from './store-tables.ts';

class TickCache extends TableCache<number> {
  constructor() {
    super('tick' as never);
  }
}

const run = (store: TestStore, work: (tx: TestTransaction) => Promise<unknown>): Promise<unknown> =>
  store.transact('remember', work);
const recalled = (store: TestStore, cache: TickCache): Promise<number | undefined> =>
  store.transact('recall', async (tx) => tx.recall(cache));
const write = (tx: TestTransaction, n: number): Promise<void> => tx.insert('tick', { n });

describe('what a transaction remembers about a table', () => {
  it('holds for those after it, until anybody writes to the table by whatever way', async () => {
    const { store } = await openTestStore();
    const cache = new TickCache();
    const ways: ((tx: TestTransaction, n: number) => Promise<unknown>)[] = [
      write,
      (tx, n) => tx.local.insertInto('tick').values({ n, note: null }).execute(),
      (tx) => tx.local.deleteFrom('tick').execute(),
    ];
    for (const [index, way] of ways.entries()) {
      await run(store, async (tx) => {
        await write(tx, 10 + index);
        tx.remember(cache, 7);
        expect(tx.recall(cache)).toBe(7);
      });
      await run(store, async (tx) => await tx.insert('thing', { id: `t${index}`, name: `t${index}` }));
      expect(await recalled(store, cache)).toBe(7);
      await run(store, async (tx) => {
        await way(tx, 20 + index);
        expect(tx.recall(cache)).toBeUndefined();
      });
      expect(await recalled(store, cache)).toBeUndefined();
    }
  });

  it('is not known in another store', async () => {
    const [{ store }, { store: other }] = [await openTestStore(), await openTestStore()];
    const cache = new TickCache();
    await run(store, async (tx) => tx.remember(cache, 1));
    expect([await recalled(store, cache), await recalled(other, cache)]).toEqual([1, undefined]);
  });

  it('is gone with a transaction that is refused, throws, or waits for something else', async () => {
    const { store } = await openTestStore();
    const cache = new TickCache();
    const ends: ((tx: TestTransaction) => unknown)[] = [
      () => refuse({ code: 'no' }),
      () => {
        throw new Fault('mine', 'mine');
      },
      () => new Promise(() => undefined),
    ];
    for (const [index, end] of ends.entries()) {
      await run(store, async (tx) => tx.remember(cache, index));
      const undone = run(store, async (tx) => {
        await write(tx, index);
        tx.remember(cache, 100);
        return await end(tx);
      }).catch(() => undefined);
      const behind = recalled(store, cache);
      await undone;
      expect(await behind).toBeUndefined();
    }
  });

  it('is gone with a part of a transaction that is undone', async () => {
    const { store } = await openTestStore();
    const cache = new TickCache();
    await run(store, async (tx) => {
      await tx.attempt(async () => {
        await write(tx, 1);
        tx.remember(cache, 1);
        return refuse({ code: 'no' });
      });
      expect(tx.recall(cache)).toBeUndefined();
    });
    expect(await recalled(store, cache)).toBeUndefined();
  });

  it('is not remembered by a transaction that is over', async () => {
    const { store } = await openTestStore();
    const cache = new TickCache();
    const late = Promise.withResolvers<void>();
    await run(store, async (tx) => {
      await write(tx, 1);
      void late.promise.then(() => tx.remember(cache, 1));
    });
    late.resolve();
    await late.promise;
    expect(await recalled(store, cache)).toBeUndefined();
  });
});
