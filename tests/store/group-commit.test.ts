import { describe, expect, it } from 'vitest';
import { Fault, refuse } from '#hub/kernel/result.ts';
import { faultOf, makeFolder, makeMigrations, openTestStore } from './fixture.ts';
import type { TestStore } from './store-tables.ts';

const ticks = async (store: TestStore): Promise<number[]> =>
  (await store.read.selectFrom('tick').select('n').orderBy('n').execute()).map(({ n }) => n);
const changes = async (store: TestStore): Promise<number> =>
  (await store.read.selectFrom('change').select('seq').execute()).length;
const numbers = Array.from({ length: 20 }, (_, index) => index);

describe('transactions that wait for each other', () => {
  it('share commits, and each is answered when it is on the disk', async () => {
    const { store } = await openTestStore();
    const before = store.figures.commits;
    const seen: number[] = [];
    await Promise.all(
      numbers.map(async (n) => {
        await store.transact('tick', async (tx) => {
          tx.afterCommit(() => seen.push(n));
          await tx.insert('tick', { n });
        });
        expect(await ticks(store)).toContain(n);
      }),
    );
    expect(await ticks(store)).toEqual(numbers);
    expect(seen).toEqual(numbers);
    expect(store.figures.commits - before).toBeLessThan(numbers.length);
  });

  it('do not take each other along when one refuses, throws, breaks a constraint or waits for something else', async () => {
    const { store } = await openTestStore();
    const outcomes = await Promise.allSettled(
      numbers.map(
        async (n) =>
          await store.transact('tick', async (tx) => {
            await tx.insert('tick', { n });
            await tx.insert('thing', { id: `thing ${n}`, name: `name ${n}` });
            if (n % 5 === 1) return refuse({ code: 'no' });
            if (n % 5 === 2) throw new Fault('mine', 'mine');
            if (n % 5 === 3) await tx.insert('tick', { n: 0 });
            if (n % 5 === 4) await new Promise(() => undefined);
            return n;
          }),
      ),
    );
    const kept = numbers.filter((n) => n % 5 === 0);
    expect(await ticks(store)).toEqual(kept);
    expect(await changes(store)).toBe(kept.length);
    expect(outcomes.map(({ status }) => status)).toEqual(
      numbers.map((n) => (n % 5 < 2 ? 'fulfilled' : 'rejected')),
    );
    const codes = outcomes.map((outcome) =>
      outcome.status === 'rejected' && outcome.reason instanceof Fault ? outcome.reason.code : null,
    );
    expect(codes.slice(2, 5)).toEqual(['mine', expect.any(String), 'transactionIdle']);
  });

  it('are all refused together where the disk is full, and only those that are kept were said to be', async () => {
    const migrationsDir = makeMigrations(makeFolder());
    const { store } = await openTestStore(makeFolder(), { migrationsDir, maxPageCount: 100 });
    const outcomes = await Promise.allSettled(
      numbers.map(
        async (n) =>
          await store.transact('fill', async (tx) => {
            await tx.insert('tick', { n, note: 'x'.repeat(40_000) });
          }),
      ),
    );
    const kept = numbers.filter((n) => outcomes[n]?.status === 'fulfilled');
    const failed = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.map((fault: Fault) => fault.code)).toEqual(failed.map(() => 'diskFull'));
    expect(await ticks(store)).toEqual(kept);
    const later = store.transact(
      'fill',
      async (tx) => await tx.insert('tick', { n: 99, note: 'x'.repeat(400_000) }),
    );
    expect((await faultOf(later)).code).toBe('diskFull');
    await store
      .transact('small', async (tx) => await tx.insert('thing', { id: 'a', name: 'a' }))
      .catch(() => undefined);
    expect(await ticks(store)).toEqual(kept);
  });
});
