import { describe, expect, it } from 'vitest';
import { Fault, refuse } from '#hub/kernel/result.ts';
import { TableNote } from '#hub/store/table-note.ts';
import { openTestStore } from './fixture.ts';
import type { TestStore, TestTransaction } from './store-tables.ts';

class TickNote extends TableNote<number> {
  constructor() {
    super('tick' as never);
  }
}

const run = (store: TestStore, work: (tx: TestTransaction) => Promise<unknown>): Promise<unknown> =>
  store.transact('note', work);
const recalled = (store: TestStore, note: TickNote): Promise<number | undefined> =>
  store.transact('recall', async (tx) => tx.recall(note));
const write = (tx: TestTransaction, n: number): Promise<void> => tx.insert('tick', { n });

describe('what a transaction leaves about a table', () => {
  it('holds for those after it, until anybody writes to the table by whatever way', async () => {
    const { store } = await openTestStore();
    const note = new TickNote();
    const ways: ((tx: TestTransaction, n: number) => Promise<unknown>)[] = [
      write,
      (tx, n) => tx.local.insertInto('tick').values({ n, note: null }).execute(),
      (tx) => tx.local.deleteFrom('tick').execute(),
    ];
    for (const [index, way] of ways.entries()) {
      await run(store, async (tx) => {
        await write(tx, 10 + index);
        tx.leave(note, 7);
        expect(tx.recall(note)).toBe(7);
      });
      await run(store, async (tx) => await tx.insert('thing', { id: `t${index}`, name: `t${index}` }));
      expect(await recalled(store, note)).toBe(7);
      await run(store, async (tx) => {
        await way(tx, 20 + index);
        expect(tx.recall(note)).toBeUndefined();
      });
      expect(await recalled(store, note)).toBeUndefined();
    }
  });

  it('is not known in another store', async () => {
    const [{ store }, { store: other }] = [await openTestStore(), await openTestStore()];
    const note = new TickNote();
    await run(store, async (tx) => tx.leave(note, 1));
    expect([await recalled(store, note), await recalled(other, note)]).toEqual([1, undefined]);
  });

  it('is gone with a transaction that is refused, throws, or waits for something else', async () => {
    const { store } = await openTestStore();
    const note = new TickNote();
    const ends: ((tx: TestTransaction) => unknown)[] = [
      () => refuse({ code: 'no' }),
      () => {
        throw new Fault('mine', 'mine');
      },
      () => new Promise(() => undefined),
    ];
    for (const [index, end] of ends.entries()) {
      await run(store, async (tx) => tx.leave(note, index));
      const undone = run(store, async (tx) => {
        await write(tx, index);
        tx.leave(note, 100);
        return await end(tx);
      }).catch(() => undefined);
      const behind = recalled(store, note);
      await undone;
      expect(await behind).toBeUndefined();
    }
  });

  it('is gone with a part of a transaction that is undone', async () => {
    const { store } = await openTestStore();
    const note = new TickNote();
    await run(store, async (tx) => {
      await tx.attempt(async () => {
        await write(tx, 1);
        tx.leave(note, 1);
        return refuse({ code: 'no' });
      });
      expect(tx.recall(note)).toBeUndefined();
    });
    expect(await recalled(store, note)).toBeUndefined();
  });

  it('is not left by a transaction that is over', async () => {
    const { store } = await openTestStore();
    const note = new TickNote();
    const late = Promise.withResolvers<void>();
    await run(store, async (tx) => {
      await write(tx, 1);
      void late.promise.then(() => tx.leave(note, 1));
    });
    late.resolve();
    await late.promise;
    expect(await recalled(store, note)).toBeUndefined();
  });
});
