import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Fault, refuse } from '#hub/kernel/result.ts';
import { faultOf, makeFolder, makeMigrations, openTestStore } from './fixture.ts';
import type { TestReader, TestStore } from './store-tables.ts';

const ticks = async (store: TestStore): Promise<number[]> =>
  (await store.read.selectFrom('tick').select('n').orderBy('n').execute()).map(({ n }) => n);

/** A read that keeps its connection busy: about 10 million steps a second. */
const countTo = async (reader: TestReader, steps: number): Promise<number> => {
  const { n } = await reader
    .withRecursive(
      'step(i)',
      () => sql<{ i: number }>`(select 1 union all select i + 1 from step where i < ${steps})`,
    )
    .selectFrom('step')
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow();
  return n;
};

describe('a transaction', () => {
  it('is rolled back by a refusal, which is handed on', async () => {
    const { store } = await openTestStore();
    const refused = await store.transact('refuse', async (tx) => {
      await tx.insert('tick', { n: 1 });
      return refuse({ code: 'no', why: 'because' });
    });
    expect(refused).toEqual(refuse({ code: 'no', why: 'because' }));
    expect(await ticks(store)).toEqual([]);
  });

  it('is rolled back by what its work throws, which is handed on', async () => {
    const { store } = await openTestStore();
    const thrown = new Error('a bug');
    const broken = store.transact('throw', async (tx) => {
      await tx.insert('thing', { id: 'a', name: 'a' });
      throw thrown;
    });
    await expect(broken).rejects.toBe(thrown);
    expect(await store.read.selectFrom('thing').select('id').execute()).toEqual([]);
    expect(await store.read.selectFrom('change').select('seq').execute()).toEqual([]);
  });

  it('runs its effects after the commit and in order, never after a roll-back, and one that throws harms nobody', async () => {
    const { store, lines } = await openTestStore();
    const seen: string[] = [];
    await store.transact('effects', async (tx) => {
      tx.afterCommit(() => {
        seen.push('first');
        throw new Error('nobody listens');
      });
      tx.afterCommit(() => seen.push('second'));
      await tx.insert('tick', { n: 1 });
      expect(seen).toEqual([]);
    });
    await store.transact('refused', async (tx) => {
      tx.afterCommit(() => seen.push('never'));
      return refuse({ code: 'no' });
    });
    expect(seen).toEqual(['first', 'second']);
    expect(await ticks(store)).toEqual([1]);
    expect(lines.filter(({ level }) => level === 'error').map(({ transaction }) => transaction)).toEqual([
      'effects',
    ]);
  });

  it('sees its own writes while others see what is committed, and nobody hangs', async () => {
    const { store } = await openTestStore();
    await store.transact('seed', async (tx) => await tx.insert('tick', { n: 1 }));
    let outside: Promise<number[]> = Promise.resolve([]);
    let reported: Promise<number> = Promise.resolve(0);
    await store.transact('write', async (tx) => {
      await tx.insert('tick', { n: 2 });
      outside = ticks(store);
      reported = store.report(
        async (reader) => (await reader.selectFrom('tick').select('n').execute()).length,
      );
      expect(await tx.selectFrom('tick').select('n').execute()).toHaveLength(2);
    });
    expect(await outside).toEqual([1]);
    expect(await reported).toBeGreaterThan(0);
    expect(await ticks(store)).toEqual([1, 2]);
  });

  it('that holds the write lock for long is logged by name and does not hold up reads', async () => {
    const { store, logged } = await openTestStore();
    const order: string[] = [];
    const long = store
      .transact('long count', async (tx) => {
        await tx.insert('tick', { n: 1 });
        return await countTo(tx, 1_000_000);
      })
      .then((count) => order.push(`counted ${count}`));
    for (let read = 0; read < 20; read += 1) await ticks(store);
    order.push('read');
    await long;
    expect(order).toEqual(['read', 'counted 1000000']);
    expect(await logged('long transaction')).toMatchObject({
      transaction: 'long count',
      statements: 2,
      level: 'warn',
    });
  });

  it.each([
    ['a timer', async () => await delay(1)],
    [
      'a turn of the event loop',
      async () => await new Promise((resolve) => setImmediate(() => setImmediate(resolve))),
    ],
    ['a hash', async () => await crypto.subtle.digest('SHA-256', new Uint8Array(8))],
    ['another transaction', null],
  ])('that waits for %s is rolled back by name, and the next one runs', async (_what, wait) => {
    const { store } = await openTestStore();
    const inner: Promise<unknown>[] = [];
    const afterwards = Promise.withResolvers<unknown>();
    const idle = store.transact('dawdler', async (tx) => {
      await tx.insert('tick', { n: 1 });
      if (wait !== null) await wait();
      else {
        inner.push(store.transact('inner', async (other) => await other.insert('tick', { n: 2 })));
        await inner[0];
      }
      await tx.insert('tick', { n: 3 }).then(afterwards.resolve, afterwards.resolve);
    });
    const fault = await faultOf(idle);
    expect(fault.code).toBe('transactionIdle');
    expect(fault.message).toContain('dawdler');
    expect(await afterwards.promise).toMatchObject({ code: 'transactionIdle' });
    await Promise.all(inner);
    await store.transact('next', async (tx) => await tx.insert('tick', { n: 4 }));
    expect(await ticks(store)).toEqual(wait === null ? [2, 4] : [4]);
  });

  it('may await what is ready, and many statements at once', async () => {
    const { store } = await openTestStore();
    await store.transact('busy', async (tx) => {
      for (let index = 0; index < 50; index += 1) await Promise.resolve(index);
      await Promise.all(Array.from({ length: 20 }, async (_, n) => await tx.insert('tick', { n })));
    });
    expect(await ticks(store)).toHaveLength(20);
  });

  it('that leaves a statement unawaited is rolled back, and its handle is dead afterwards', async () => {
    const { store } = await openTestStore();
    const late: Promise<unknown>[] = [];
    const kept: { insert(table: string, row: object): Promise<void> }[] = [];
    const careless = store.transact('careless', async (tx) => {
      kept.push(tx);
      late.push(tx.insert('tick', { n: 1 }));
      await Promise.resolve();
    });
    await expect(careless).rejects.toThrow('careless returned before its statements');
    await Promise.allSettled(late);
    expect(await ticks(store)).toEqual([]);
    await expect(kept[0]!.insert('tick', { n: 2 })).rejects.toThrow('careless is over');
  });

  it('never commits after a failed statement, even when the work goes on', async () => {
    const { store } = await openTestStore();
    const stubborn = store.transact('stubborn', async (tx) => {
      await tx.insert('tick', { n: 1 });
      await tx
        .selectFrom('nowhere' as 'tick')
        .selectAll()
        .execute()
        .catch(() => []);
      return 'fine';
    });
    const fault = await faultOf(stubborn);
    expect(fault.code).toBe('storeFault');
    expect(fault.message).toContain('no such table: nowhere');
    expect(await ticks(store)).toEqual([]);
  });
});

describe('the queue', () => {
  it('runs transactions one at a time in the order in which they came', async () => {
    const { store } = await openTestStore();
    const order: string[] = [];
    await Promise.all(
      Array.from(
        { length: 30 },
        async (_, n) =>
          await store.transact(`t${n}`, async (tx) => {
            order.push(`begin ${n}`);
            await tx.insert('tick', { n });
            await tx.selectFrom('tick').select('n').execute();
            order.push(`end ${n}`);
          }),
      ),
    );
    expect(order).toEqual(Array.from({ length: 30 }, (_, n) => [`begin ${n}`, `end ${n}`]).flat());
  });

  it('refuses with storeBusy what exceeds its bound, at once, and runs the rest', async () => {
    const { store } = await openTestStore(makeFolder(), { queueLimit: 4 });
    const outcomes = await Promise.allSettled(
      Array.from(
        { length: 8 },
        async (_, n) => await store.transact(`t${n}`, async (tx) => await tx.insert('tick', { n })),
      ),
    );
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(3);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'storeBusy' });
    expect(await ticks(store)).toEqual([0, 1, 2, 3, 4]);
    await store.transact('again', async (tx) => await tx.insert('tick', { n: 9 }));
    expect(await ticks(store)).toContain(9);
  });

  it('finishes what was asked for before it closes, and takes nothing after', async () => {
    const folder = makeFolder();
    const { store, options } = await openTestStore(folder);
    const asked = Array.from(
      { length: 5 },
      async (_, n) => await store.transact(`t${n}`, async (tx) => await tx.insert('tick', { n })),
    );
    const closed = store.close();
    expect((await faultOf(store.transact('late', async () => undefined))).code).toBe('storeClosed');
    expect((await faultOf(store.report(async () => undefined))).code).toBe('storeClosed');
    await Promise.all([...asked, closed]);
    const { store: reopened } = await openTestStore(folder, { migrationsDir: options.migrationsDir });
    expect(await ticks(reopened)).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('a report', () => {
  it('sees one snapshot, whatever is committed meanwhile', async () => {
    const { store } = await openTestStore();
    await store.transact('seed', async (tx) => await tx.insert('tick', { n: 1 }));
    const counts = await store.report(async (reader) => {
      const before = (await reader.selectFrom('tick').select('n').execute()).length;
      await store.transact('meanwhile', async (tx) => await tx.insert('tick', { n: 2 }));
      return [before, (await reader.selectFrom('tick').select('n').execute()).length];
    });
    expect(counts).toEqual([1, 1]);
    expect(
      await store.report(async (reader) => (await reader.selectFrom('tick').select('n').execute()).length),
    ).toBe(2);
  });

  it('streams rows in pieces, may read beside that, and may stop early', async () => {
    const { store } = await openTestStore();
    await store.transact('seed', async (tx) => {
      for (let n = 0; n < 250; n += 1) await tx.insert('tick', { n });
    });
    const seen = await store.report(async (reader) => {
      const numbers: number[] = [];
      for await (const { n } of reader.selectFrom('tick').select('n').orderBy('n').stream(100)) {
        numbers.push(n);
        if (n === 150) await reader.selectFrom('thing').select('id').execute();
      }
      for await (const { n } of reader.selectFrom('tick').select('n').orderBy('n').stream(100))
        if (n === 3) break;
      return [...numbers, (await reader.selectFrom('tick').select('n').execute()).length];
    });
    expect(seen).toEqual([...Array.from({ length: 250 }, (_, n) => n), 250]);
  });

  it('does not hold up the main thread or the writer', async () => {
    const { store } = await openTestStore();
    const order: string[] = [];
    const long = store
      .report(async (reader) => await countTo(reader, 2_000_000))
      .then(() => order.push('report'));
    await store.transact('write', async (tx) => await tx.insert('tick', { n: 1 }));
    expect(await ticks(store)).toEqual([1]);
    order.push('write');
    await long;
    expect(order).toEqual(['write', 'report']);
  });

  it('runs in a Worker that ends when it is idle, and another is started for the next', async () => {
    const { store, logged, lines } = await openTestStore(makeFolder(), { readerIdleMs: 10 });
    const count = async () =>
      await store.report(async (reader) => (await reader.selectFrom('tick').select('n').execute()).length);
    expect(await count()).toBe(0);
    await logged('the reader Worker ended');
    lines.length = 0;
    expect(await count()).toBe(0);
    await logged('the reader Worker ended');
  });

  it('hands on what its work throws, and its reader is dead afterwards', async () => {
    const { store } = await openTestStore();
    const kept: TestReader[] = [];
    const broken = store.report(async (reader) => {
      kept.push(reader);
      throw new Fault('mine', 'mine');
    });
    expect((await faultOf(broken)).code).toBe('mine');
    await expect(kept[0]!.selectFrom('tick').select('n').execute()).rejects.toThrow('the report is over');
  });
});

describe('a full disk', () => {
  /** A small file system where one can be mounted (root); elsewhere the store itself is told to stay small. */
  const smallDisk = (): { folder: string; maxPageCount: number | undefined } => {
    const folder = makeFolder();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'ignore' });
    } catch {
      return { folder, maxPageCount: 100 };
    }
    onTestFinished(() => void execFileSync('umount', ['-l', folder]));
    return { folder, maxPageCount: undefined };
  };

  it('is the Fault diskFull, leaves no half of a transaction, keeps reads going, and writes go on when there is room', async () => {
    const { folder, maxPageCount } = smallDisk();
    const migrationsDir = makeMigrations(makeFolder());
    const ballast = path.join(folder, 'ballast');
    if (maxPageCount === undefined) writeFileSync(ballast, Buffer.alloc(400_000, 1));
    const { store } = await openTestStore(folder, { migrationsDir, maxPageCount });
    let written = 0;
    const write = async () =>
      await store.transact('fill', async (tx) => {
        await tx.insert('tick', { n: written, note: 'x'.repeat(20_000) });
        await tx.append('line', { id: `l${written}`, body: 'y'.repeat(20_000) });
        await tx.insert('thing', { id: `t${written}`, name: `t${written}` });
      });
    const fill = async (): Promise<never> => {
      while (true) {
        await write();
        written += 1;
      }
    };
    const fault = await faultOf(fill());
    expect(fault.code).toBe('diskFull');
    expect(fault.message).toContain('Free space');
    expect(written).toBeGreaterThan(2);
    const counts = async () => ({
      ticks: (await ticks(store)).length,
      lines: (await store.read.selectFrom('line').select('id').execute()).length,
      changes: (await store.read.selectFrom('change').select('seq').execute()).length,
    });
    expect(await counts()).toEqual({ ticks: written, lines: written, changes: written * 2 });
    expect((await faultOf(write())).code).toBe('diskFull');
    expect(await counts()).toEqual({ ticks: written, lines: written, changes: written * 2 });
    if (maxPageCount !== undefined) return;
    rmSync(ballast);
    await write();
    expect(await counts()).toEqual({ ticks: written + 1, lines: written + 1, changes: (written + 1) * 2 });
  });
});

it('tells when the store Worker dies, and fails what was asked of it', async () => {
  const death = Promise.withResolvers<Fault>();
  const { store } = await openTestStore(makeFolder(), { onDeath: death.resolve });
  // More rows than the Worker's bounded heap can take.
  const greedy = store.transact('greedy', async (tx) => {
    const rows = await tx
      .withRecursive(
        'step(i)',
        () => sql<{ i: number }>`(select 1 union all select i + 1 from step where i < 20000000)`,
      )
      .selectFrom('step')
      .selectAll()
      .execute();
    return rows.length;
  });
  const next = store.transact('next', async (tx) => await tx.insert('tick', { n: 1 }));
  expect(await faultOf(greedy)).toMatchObject({ code: 'storeFault', message: 'a Worker of the store died' });
  expect((await faultOf(next)).code).toBe('storeFault');
  const fault = await death.promise;
  expect(fault.cause).toMatchObject({ code: 'ERR_WORKER_OUT_OF_MEMORY' });
  expect(await ticks(store)).toEqual([]);
});
