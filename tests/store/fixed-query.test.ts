import { describe, expect, it } from 'vitest';
import { refuse } from '#hub/kernel/result.ts';
import { fixedQuery, rememberedQuery } from '#hub/store/fixed-query.ts';
import type { Reader } from '#hub/store/store.ts';
import { openTestStore } from './fixture.ts';
import type { TestReader } from './store-tables.ts';

/** The same reader, over this folder's tables and over the hub's. */
const asReader = (reader: TestReader): Reader => reader as unknown as Reader;
const asTestReader = (reader: Reader): TestReader => reader;

const named = fixedQuery({ name: '$name', limit: -1 }, (reader, { name, limit }) =>
  asTestReader(reader)
    .selectFrom('thing')
    .select(['id', 'amount'])
    .where('name', '=', name)
    .where('amount', '>', 0)
    .limit(limit),
);

describe('a fixed query', () => {
  it('runs with other values each time, outside and inside a transaction and in a report', async () => {
    const { store } = await openTestStore();
    await store.transact('write', async (tx) => {
      await tx.insert('thing', { id: 'a', name: 'one', amount: 3 });
      expect(await named(asReader(tx), { name: 'one', limit: 5 })).toEqual([{ id: 'a', amount: 3 }]);
    });
    expect(await named(asReader(store.read), { name: 'one', limit: 5 })).toEqual([{ id: 'a', amount: 3 }]);
    expect(await named(asReader(store.read), { name: 'two', limit: 5 })).toEqual([]);
    expect(await named(asReader(store.read), { name: 'one', limit: 0 })).toEqual([]);
    expect(await store.report((reader) => named(asReader(reader), { name: 'one', limit: 5 }))).toHaveLength(
      1,
    );
  });

  it('is a bug when it does not use a value, or cannot tell two apart', async () => {
    const { store } = await openTestStore();
    const all = (reader: Reader) => asTestReader(reader).selectFrom('thing').selectAll();
    const unused = fixedQuery({ name: '$name' }, all);
    await expect(unused(asReader(store.read), { name: 'x' })).rejects.toThrow('uses its values');
    const alike = fixedQuery({ name: '$x', other: '$x' }, (reader, { name }) =>
      all(reader).where('name', '=', name),
    );
    await expect(alike(asReader(store.read), { name: 'x', other: 'y' })).rejects.toThrow('every example');
  });
});

describe('a remembered query', () => {
  const things = () => {
    let runs = 0;
    const query = rememberedQuery(
      { name: '$name' },
      (reader, { name }) =>
        asTestReader(reader).selectFrom('thing').select('amount').where('name', '=', name),
      (rows) => {
        runs += 1;
        return rows.map((row) => row.amount);
      },
    );
    return { query, runs: () => runs };
  };

  it('asks the store again only after a commit that wrote to its table', async () => {
    const { store } = await openTestStore();
    const { query, runs } = things();
    const amounts = () => query(asReader(store.read), { name: 'one' });
    expect(await amounts()).toEqual([]);
    expect(await amounts()).toEqual([]);
    expect(runs()).toBe(1);
    await store.transact('write', (tx) => tx.insert('thing', { id: 'a', name: 'one', amount: 3 }));
    expect(await amounts()).toEqual([3]);
    await store.transact('change', (tx) => tx.write('thing', 'a', { amount: 4 }));
    expect(await amounts()).toEqual([4]);
    expect(await amounts()).toEqual([4]);
    expect(runs()).toBe(3);
    await store.transact('elsewhere', (tx) => tx.append('line', { id: 'l', body: 'b', person: null }));
    await store.transact('refused', async (tx) => {
      await tx.write('thing', 'a', { amount: 9 });
      return refuse({ code: 'no' });
    });
    expect(await amounts()).toEqual([4]);
    expect(runs()).toBe(3);
    await store.transact('remove', (tx) => tx.remove('thing', 'a'));
    await amounts();
    expect(runs()).toBe(4);
  });

  it('sees a local table’s plain writes', async () => {
    const { store } = await openTestStore();
    const notes = rememberedQuery(
      { n: -1 },
      (reader, { n }) => asTestReader(reader).selectFrom('tick').select('note').where('n', '=', n),
      ([row]) => row?.note ?? null,
    );
    const note = () => notes(asReader(store.read), { n: 1 });
    expect(await note()).toBeNull();
    await store.transact('add', (tx) => tx.local.insertInto('tick').values({ n: 1, note: 'a' }).execute());
    expect(await note()).toBe('a');
    await store.transact('set', (tx) => tx.local.updateTable('tick').set({ note: 'b' }).execute());
    expect(await note()).toBe('b');
    await store.transact('delete', (tx) => tx.local.deleteFrom('tick').where('n', '=', 1).execute());
    expect(await note()).toBeNull();
  });

  it('keeps nothing of what a transaction sees', async () => {
    const { store } = await openTestStore();
    const { query } = things();
    await store.transact('write', async (tx) => {
      await tx.insert('thing', { id: 'a', name: 'one', amount: 3 });
      expect(await query(asReader(tx), { name: 'one' })).toEqual([3]);
      await tx.write('thing', 'a', { amount: 4 });
      expect(await query(asReader(tx), { name: 'one' })).toEqual([4]);
      return refuse({ code: 'no' });
    });
    expect(await query(asReader(store.read), { name: 'one' })).toEqual([]);
  });
});
