import fc from 'fast-check';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { ok, refuse } from '#hub/kernel/result.ts';
import { digestOf } from '#hub/store/canonical-json.ts';
import type { ConstraintFault } from '#hub/store/sqlite/store-faults.ts';
import { changeFloor, pruneChanges } from '#hub/store/writing/change-retention.ts';
import { faultOf, makeFolder, makeMigrations, openTestStore } from './fixture.ts';
import { asTransaction, type TestStore, type TestTransaction, thingSql } from './store-tables.ts';

const changesOf = async (store: TestStore) =>
  await store.read.selectFrom('change').selectAll().orderBy('seq').execute();

describe('a state table', () => {
  it('gets version and times, and one change with its digest, for each write', async () => {
    const { store, clock } = await openTestStore();
    const first = clock.atMs;
    await store.transact('insert', async (tx) => await tx.insert('thing', { id: 'a', name: 'Ada' }));
    clock.atMs += 1000;
    const written = await store.transact(
      'write',
      async (tx) => await tx.write('thing', 'a', { name: 'Eve', picture: new Uint8Array([1, 255]) }),
    );
    expect(written).toMatchObject({
      ok: true,
      value: {
        id: 'a',
        version: 2,
        name: 'Eve',
        amount: 1,
        created_at_ms: first,
        updated_at_ms: first + 1000,
        deleted_at_ms: null,
      },
    });
    clock.atMs += 1000;
    expect(await store.transact('remove', async (tx) => await tx.remove('thing', 'a'))).toEqual(ok(null));
    const [row] = await store.read.selectFrom('thing').selectAll().execute();
    expect(row).toMatchObject({ version: 3, deleted_at_ms: first + 2000, updated_at_ms: first + 2000 });

    const changes = await changesOf(store);
    expect(changes.map(({ op, tbl, pk, at_ms }) => ({ op, tbl, pk, at_ms }))).toEqual([
      { op: 'insert', tbl: 'thing', pk: 'a', at_ms: first },
      { op: 'update', tbl: 'thing', pk: 'a', at_ms: first + 1000 },
      { op: 'delete', tbl: 'thing', pk: 'a', at_ms: first + 2000 },
    ]);
    // What the database filled in by itself (amount) is part of what was written; version and updated_at_ms are not.
    expect(changes[0]?.body).toBe(
      `{"amount":1,"created_at_ms":${first},"id":"a","name":"Ada","parent_id":null,"picture":null,"secret":null}`,
    );
    expect(changes[1]?.body).toBe('{"name":"Eve","picture":"Af8"}');
    expect(changes[2]?.body).toBe(`{"deleted_at_ms":${first + 2000}}`);
    expect(changes[1]?.digest).toBe(
      digestOf({ name: 'Eve', picture: new Uint8Array([1, 255]) }, ['name', 'secret']),
    );
    expect(changes[1]?.digest).not.toBe(digestOf({ name: 'Eve', picture: new Uint8Array([1, 255]) }, []));
  });

  it('answers a stale version with the current one, and a missing or removed row', async () => {
    const { store } = await openTestStore();
    await store.transact('seed', async (tx) => {
      await tx.insert('thing', { id: 'a', name: 'a' });
      await tx.insert('thing', { id: 'gone', name: 'gone' });
      await tx.write('thing', 'a', { amount: 2 }, { expectedVersion: 1 });
      await tx.remove('thing', 'gone');
    });
    const before = (await changesOf(store)).length;
    const write = async (id: string, expectedVersion?: number) =>
      await store.transact(
        'write',
        async (tx) =>
          await tx.write(
            'thing',
            id,
            { amount: 3 },
            expectedVersion === undefined ? {} : { expectedVersion },
          ),
      );
    expect(await write('a', 1)).toEqual(refuse({ code: 'staleVersion', currentVersion: 2 }));
    expect(await write('nobody')).toEqual(refuse({ code: 'rowMissing' }));
    expect(await write('nobody', 1)).toEqual(refuse({ code: 'rowMissing' }));
    expect(await write('gone')).toEqual(refuse({ code: 'rowMissing' }));
    expect(await store.transact('remove', async (tx) => await tx.remove('thing', 'gone'))).toEqual(
      refuse({ code: 'rowMissing' }),
    );
    expect(await changesOf(store)).toHaveLength(before);
    expect(await write('a', 2)).toMatchObject({ ok: true, value: { version: 3 } });
  });

  it('writes nothing when no column is named, and still checks the version', async () => {
    const { store } = await openTestStore();
    await store.transact('seed', async (tx) => await tx.insert('thing', { id: 'a', name: 'a' }));
    const empty = async (expectedVersion: number) =>
      await store.transact(
        'write',
        async (tx) => await tx.write('thing', 'a', { name: undefined }, { expectedVersion }),
      );
    expect(await empty(1)).toMatchObject({ ok: true, value: { version: 1 } });
    expect(await empty(7)).toEqual(refuse({ code: 'staleVersion', currentVersion: 1 }));
    expect(await changesOf(store)).toHaveLength(1);
  });
});

it('digests an appended row whole, so that it can be checked from the row at any time', async () => {
  const { store } = await openTestStore();
  const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0'));
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.option(text),
      fc.option(
        fc.string({
          unit: fc.integer({ min: 0xd7f0, max: 0xe010 }).map((unit) => String.fromCharCode(unit)),
        }),
      ),
      async (body, person) => {
        count += 1;
        const id = `l${count}`;
        await store.transact('append', async (tx) => await tx.append('line', { id, body, person }));
        const row = await store.read
          .selectFrom('line')
          .selectAll()
          .where('id', '=', id)
          .executeTakeFirstOrThrow();
        const change = await store.read
          .selectFrom('change')
          .selectAll()
          .where('pk', '=', id)
          .executeTakeFirstOrThrow();
        expect(change.body).toBeNull();
        expect(change.digest).toBe(digestOf({ ...row }, ['person']));
      },
    ),
    { numRuns: 60 },
  );
});

it('keeps no row whose change could not be noted, whatever the work does about it', async () => {
  const folder = makeFolder();
  const noNote = `create trigger no_note before insert on change when new.pk = 'unnoted'
    begin select raise(abort, 'not this one'); end;`;
  const migrationsDir = makeMigrations(folder, { '0002_thing.sql': thingSql, '0003_trigger.sql': noNote });
  const { store } = await openTestStore(folder, { migrationsDir });
  const caught = store.transact('caught', async (tx) => {
    await tx.insert('thing', { id: 'before', name: 'before' });
    await tx.insert('thing', { id: 'unnoted', name: 'unnoted' }).catch(() => undefined);
  });
  await expect(caught).rejects.toMatchObject({ code: 'storeFault' });
  expect(await store.read.selectFrom('thing').selectAll().execute()).toEqual([]);
});

describe('many rows appended at once', () => {
  const rows = ['c', 'a', 'b'].map((id) => ({
    id,
    body: `body of ${id}`,
    person: id === 'a' ? null : 'Ada',
  }));

  it('leave the rows and the changes that they leave one by one, in the order given', async () => {
    const [together, single] = [await openTestStore(), await openTestStore()];
    single.clock.atMs = together.clock.atMs;
    await together.store.transact('all', async (tx) => await tx.appendAll('line', rows));
    await single.store.transact('each', async (tx) => {
      for (const row of rows) await tx.append('line', row);
    });
    const changes = await changesOf(together.store);
    expect(changes.map(({ pk }) => pk)).toEqual(['c', 'a', 'b']);
    expect(changes).toEqual(await changesOf(single.store));
    const linesOf = async ({ store }: typeof single) =>
      await store.read.selectFrom('line').selectAll().orderBy('id').execute();
    expect(await linesOf(together)).toEqual(await linesOf(single));
  });

  it('are written whole or not at all', async () => {
    const { store } = await openTestStore();
    const twice = [...rows, { ...rows[0] }];
    await expect(
      store.transact('all', async (tx) => await tx.appendAll('line', twice)),
    ).rejects.toMatchObject({
      code: 'constraint',
    });
    expect(await changesOf(store)).toEqual([]);
    await store.transact('none', async (tx) => await tx.appendAll('line', []));
    expect(await changesOf(store)).toEqual([]);
  });

  it('may each name other columns, the rest being empty', async () => {
    const { store } = await openTestStore();
    const mixed = [
      { id: 'a', body: 'x' },
      { id: 'b', person: 'Ada' },
    ];
    await store.transact('mixed', async (tx) => await tx.appendAll('line', mixed));
    const lines = await store.read.selectFrom('line').selectAll().orderBy('id').execute();
    expect(lines.map(({ body, person }) => [body, person])).toEqual([
      ['x', null],
      [null, 'Ada'],
    ]);
    expect((await changesOf(store)).map(({ digest }) => digest)).toEqual(
      lines.map((line) => digestOf({ ...line }, ['person'])),
    );
  });
});

describe('what the seam refuses', () => {
  const attempts: Record<string, [(tx: TestTransaction) => Promise<unknown>, RegExp]> = {
    'a local write to a state table': [
      async (tx) => await tx.local.updateTable('thing').set({ amount: 9 }).execute(),
      /thing is not written by tx\.local/,
    ],
    'a local insert into an append table': [
      async (tx) =>
        await tx.local
          .insertInto('line')
          .values({ id: 'x', created_at_ms: 1, body: null, person: null })
          .execute(),
      /line is not written by tx\.local/,
    ],
    'a local delete from a state table under an alias': [
      async (tx) => await tx.local.deleteFrom('thing as t').execute(),
      /thing is not written by tx\.local/,
    ],
    'a local write to the changes': [
      async (tx) => await tx.local.deleteFrom('change').execute(),
      /change is not written by tx\.local/,
    ],
    'a local write to the migrations': [
      async (tx) => await tx.local.deleteFrom('migration').execute(),
      /migration is not written/,
    ],
    'a write behind a common table expression': [
      async (tx) =>
        await (tx.with('x', (db) => db.selectFrom('tick').selectAll()) as unknown as TestTransaction['local'])
          .deleteFrom('thing')
          .execute(),
      /thing is not written/,
    ],
    'raw SQL': [async (tx) => await sql`delete from tick`.execute(tx as never), /RawNode/],
    'a change to the schema': [
      async (tx) =>
        await (tx as unknown as { schema: { dropTable(name: string): { execute(): Promise<void> } } }).schema
          .dropTable('tick')
          .execute(),
      /DropTableNode/,
    ],
    'write() on an append table': [
      async (tx) => await tx.write('line', 'l', { body: 'x' }),
      /line is append/,
    ],
    'remove() on an append table': [async (tx) => await tx.remove('line', 'l'), /line is append/],
    'append() to a state table': [
      async (tx) => await tx.append('thing', { id: 'x', name: 'x' }),
      /thing is state/,
    ],
    'insert() into an append table': [async (tx) => await tx.insert('line', { id: 'x' }), /line is append/],
    'insert() into the changes': [
      async (tx) => await tx.insert('change', { tbl: 'thing' }),
      /written by the store alone/,
    ],
    'a table that is not registered': [
      async (tx) => await tx.insert('nowhere', { id: 'x' }),
      /nowhere is registered/,
    ],
    'a column that is not there': [
      async (tx) => await tx.insert('thing', { id: 'x', 'name") --': 'x' }),
      /has a column/,
    ],
    'a version of the caller': [
      async (tx) => await tx.write('thing', 'x', { version: 9 }),
      /version is set by the store/,
    ],
    'a time of the caller': [
      async (tx) => await tx.append('line', { id: 'x', created_at_ms: 1 }),
      /created_at_ms is set by the store/,
    ],
    'a boolean': [
      async (tx) => await tx.insert('thing', { id: 'x', name: 'x', amount: true }),
      /a boolean is 0 or 1/,
    ],
    'not a number': [
      async (tx) => await tx.insert('thing', { id: 'x', name: 'x', amount: Number.NaN }),
      /finite number/,
    ],
    'a boolean in a query': [
      async (tx) =>
        await tx
          .selectFrom('thing')
          .selectAll()
          .where('amount', '=', true as unknown as number)
          .execute(),
      /a boolean is 0 or 1/,
    ],
  };
  it.each(Object.entries(attempts))('%s', async (_what, [attempt, message]) => {
    const { store } = await openTestStore();
    await store.transact('seed', async (tx) => {
      await tx.insert('thing', { id: 'a', name: 'a' });
      await tx.insert('tick', { n: 1 });
    });
    await expect(store.transact('attempt', attempt)).rejects.toThrow(message);
    expect(await store.read.selectFrom('thing').select('amount').execute()).toEqual([{ amount: 1 }]);
    expect(await store.read.selectFrom('tick').select('n').execute()).toEqual([{ n: 1 }]);
    expect(await changesOf(store)).toHaveLength(1);
  });

  it('any write on the connections for reading', async () => {
    const { store } = await openTestStore();
    const writer = store.read as unknown as TestTransaction['local'];
    await expect(writer.insertInto('tick').values({ n: 1, note: null }).execute()).rejects.toThrow(
      'for reading',
    );
    const report = store.report(
      async (reader) => await (reader as unknown as TestTransaction['local']).deleteFrom('tick').execute(),
    );
    await expect(report).rejects.toThrow('for reading');
  });
});

it('writes local tables without a change', async () => {
  const { store } = await openTestStore();
  await store.transact('local', async (tx) => {
    await tx.insert('tick', { n: 1, note: 'a' });
    await tx.local.insertInto('tick').values({ n: 2, note: 'b' }).execute();
    await tx.local.updateTable('tick').set({ note: 'c' }).where('n', '=', 1).execute();
    const result = await tx.local.deleteFrom('tick').where('n', '=', 2).executeTakeFirstOrThrow();
    expect(result.numDeletedRows).toBe(1n);
  });
  expect(await store.read.selectFrom('tick').selectAll().execute()).toEqual([{ n: 1, note: 'c' }]);
  expect(await changesOf(store)).toEqual([]);
});

describe('a broken constraint', () => {
  it.each([
    ['unique', { id: 'b', name: 'a' }, 'thing.name'],
    ['primaryKey', { id: 'a', name: 'b' }, 'thing.id'],
    ['check', { id: 'b', name: 'b', amount: 0 }, 'positive'],
    ['notNull', { id: 'b' }, 'thing.name'],
    ['foreignKey', { id: 'b', name: 'b', parent_id: 'x' }, ''],
    ['other', { id: 'b', name: 'b', amount: 1.5 }, ''],
  ])(
    '(%s) is a Fault with its name, leaves no change, and the transaction goes on',
    async (kind, row, constraint) => {
      const { store } = await openTestStore();
      const caught = await store.transact('insert', async (tx) => {
        await tx.insert('thing', { id: 'a', name: 'a' });
        const fault = (await faultOf(tx.insert('thing', row))) as ConstraintFault;
        await tx.insert('thing', { id: 'c', name: 'c' });
        return fault;
      });
      expect(caught).toMatchObject({ code: 'constraint', kind, constraint });
      expect((await changesOf(store)).map(({ pk }) => pk)).toEqual(['a', 'c']);
    },
  );
});

describe('pruneChanges', () => {
  const prune = async (store: TestStore, keepRows: number, keepMs: number, keepFrom: number | null = null) =>
    await store.transact(
      'prune',
      async (tx) => await pruneChanges(asTransaction(tx), { keepRows, keepMs, keepFrom }),
    );
  const seqs = async (store: TestStore) => (await changesOf(store)).map(({ seq }) => seq);

  it('keeps the newest rows, the young rows, no hole and the floor, and never gives a number twice', async () => {
    const { store, clock } = await openTestStore();
    const add = async (count: number) =>
      await store.transact('add', async (tx) => {
        for (let index = 0; index < count; index += 1)
          await tx.append('line', { id: `${tx.nowMs}-${index}` });
      });
    await add(5);
    clock.atMs += 10_000;
    await add(5);
    expect(await changeFloor(store.read as never)).toBe(1);
    expect(await prune(store, 100, 60_000)).toEqual({ removed: 0, floor: 1, isDone: true });
    expect(await prune(store, 8, 60_000, 2)).toEqual({ removed: 1, floor: 2, isDone: true });
    expect(await prune(store, 0, 0, 2)).toEqual({ removed: 0, floor: 2, isDone: true });
    expect(await prune(store, 8, 60_000)).toEqual({ removed: 1, floor: 3, isDone: true });
    expect(await prune(store, 100, 5000)).toEqual({ removed: 3, floor: 6, isDone: true });
    expect(await seqs(store)).toEqual([6, 7, 8, 9, 10]);
    // A clock that was set back leaves older rows after younger ones: they wait for those before them.
    clock.atMs -= 9000;
    await add(1);
    expect(await prune(store, 100, 500)).toMatchObject({ removed: 0, floor: 6 });
    expect(await prune(store, 0, 60_000)).toEqual({ removed: 6, floor: 12, isDone: true });
    expect(await prune(store, 0, 60_000)).toEqual({ removed: 0, floor: 12, isDone: true });
    clock.atMs += 1;
    await add(1);
    expect(await seqs(store)).toEqual([12]);
    expect(await changeFloor(store.read as never)).toBe(12);
  });
});
