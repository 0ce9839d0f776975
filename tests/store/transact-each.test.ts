import { expect, it } from 'vitest';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Store } from '#hub/store/store.ts';
import { transactEach } from '#hub/store/transact-each.ts';
import { openTestStore } from './fixture.ts';
import type { TestStore, TestTransaction } from './store-tables.ts';

/** The function over this folder's tables. */
const eachLine = <T>(
  store: TestStore,
  lines: readonly number[],
  work: (tx: TestTransaction, n: number) => Promise<Result<T, Refusal>>,
) =>
  transactEach(store as unknown as Store, 'lines', lines, (tx, n) =>
    work(tx as unknown as TestTransaction, n),
  );

it('each line stands by itself: a refused or broken one leaves neither rows nor effects behind', async () => {
  const { store } = await openTestStore();
  const effects: number[] = [];
  const outcomes = await eachLine(store, [1, 2, 3, 3, 4], async (tx, n) => {
    await tx.insert('tick', { n });
    tx.afterCommit(() => effects.push(n));
    if (n === 2) return refuse({ code: 'no' });
    if (n === 4) throw new Error('a bug');
    return ok(n * 10);
  });
  expect(outcomes).toMatchObject([
    { ok: true, value: 10 },
    { ok: false, refusal: { code: 'no' } },
    { ok: true, value: 30 },
    { ok: false, fault: { code: 'constraint' } },
    { ok: false, fault: { message: 'a bug' } },
  ]);
  const rows = await store.read.selectFrom('tick').select('n').orderBy('n').execute();
  expect(rows).toEqual([{ n: 1 }, { n: 3 }]);
  expect(effects).toEqual([1, 3]);
});

it('a store that cannot go on fails the lines of the group and what follows, in their order', async () => {
  const { store } = await openTestStore();
  const outcomes = await eachLine(store, [1, 2, 3], async (tx, n) => {
    await tx.insert('tick', { n });
    // Waiting for something that is not the store breaks the whole transaction.
    if (n === 2) await new Promise<void>((resolve) => void setImmediate(() => setImmediate(resolve)));
    await tx.insert('tick', { n: n + 100 });
    return ok(n);
  });
  expect(outcomes).toHaveLength(3);
  expect(outcomes[1]).toMatchObject({ ok: false, fault: { code: 'transactionIdle' } });
  const rows = await store.read.selectFrom('tick').select('n').orderBy('n').execute();
  const kept = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value, outcome.value + 100] : []));
  expect(rows.map(({ n }) => n)).toEqual(kept);
});
