import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CentralClient } from '#hub/sync/central/connection.ts';
import { migrateCentral } from '#hub/sync/central/migrations.ts';
import type { PostgresServer } from '#tests/_support/postgres.ts';
import { usePostgres } from '#tests/_support/run/postgres.ts';
import { until } from '#tests/_support/until.ts';
import { connectForTest, faultOf, makeFolder } from './fixture.ts';
import { centralMigrationStatus } from './migration-status.ts';

const first = 'create table thing (id integer primary key, name text not null);';
const second = "insert into thing values (1, 'drill'); alter table thing add column shelf text;";
const files = { '0001_thing.sql': first, '0002_shelf.sql': second };

describe.each([15, 18] as const)('the migrations of a central PostgreSQL %i', (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await usePostgres({ version });
  });
  afterAll(() => server.stop());

  const connectToNew = async () => {
    const { url } = await server.createDatabase();
    return { url, client: await connectForTest(url) };
  };
  const numbersIn = async (client: CentralClient) =>
    (await client.query('select number from sync.migration order by number')).rows;
  const tableNames = async (client: CentralClient) =>
    (await client.query("select tablename from pg_tables where schemaname in ('public', 'sync') order by 1"))
      .rows;

  it('are applied to a fresh database in order, and recorded with their checksums', async () => {
    const { client } = await connectToNew();
    const before = Date.now();
    const done = await migrateCentral(client, makeFolder(files));
    expect(done.map(({ number, name }) => `${number} ${name}`)).toEqual(['1 thing', '2 shelf']);
    for (const { appliedAtMs } of done) {
      expect(appliedAtMs).toBeGreaterThanOrEqual(before - 1000);
      expect(appliedAtMs).toBeLessThanOrEqual(Date.now() + 1000);
    }
    expect((await client.query('select * from thing')).rows).toEqual([{ id: 1, name: 'drill', shelf: null }]);
    const { rows } = await client.query('select number, name, sha256 from sync.migration order by number');
    expect(rows).toEqual([
      { number: 1, name: 'thing', sha256: createHash('sha256').update(first).digest('hex') },
      { number: 2, name: 'shelf', sha256: createHash('sha256').update(second).digest('hex') },
    ]);
  });

  it('are nothing to do the second time, and only the new one when there is one', async () => {
    const { client } = await connectToNew();
    const folder = makeFolder(files);
    await migrateCentral(client, folder);
    expect(await migrateCentral(client, folder)).toEqual([]);
    writeFileSync(path.join(folder, '0003_more.sql'), 'create table more ();');
    expect((await centralMigrationStatus(client, folder)).map(({ appliedAtMs }) => appliedAtMs)).toEqual([
      expect.any(Number),
      expect.any(Number),
      null,
    ]);
    expect((await migrateCentral(client, folder)).map(({ number }) => number)).toEqual([3]);
  });

  it('have a status that changes nothing, also where there are none yet', async () => {
    const { client } = await connectToNew();
    expect(await centralMigrationStatus(client, makeFolder(files))).toEqual([
      { number: 1, name: 'thing', appliedAtMs: null },
      { number: 2, name: 'shelf', appliedAtMs: null },
    ]);
    expect(await tableNames(client)).toEqual([]);
  });

  it.each([
    ['changed', { ...files, '0001_thing.sql': `${first} ` }, /0001_thing\.sql is not what was applied/],
    ['renamed', { '0001_item.sql': first, '0002_shelf.sql': second }, /0001_item\.sql .* as 0001_thing/],
  ])('are refused when a file was %s after it was applied', async (_what, changed, message) => {
    const { client } = await connectToNew();
    await migrateCentral(client, makeFolder(files));
    for (const work of [migrateCentral, centralMigrationStatus]) {
      const fault = await faultOf(work(client, makeFolder(changed)));
      expect(fault.code).toBe('centralMigrationChanged');
      expect(fault.message).toMatch(message);
    }
  });

  it('are refused when the database has had newer ones', async () => {
    const { client } = await connectToNew();
    await migrateCentral(client, makeFolder(files));
    for (const work of [migrateCentral, centralMigrationStatus]) {
      const fault = await faultOf(work(client, makeFolder({ '0001_thing.sql': first })));
      expect(fault.code).toBe('centralTooNew');
      expect(fault.message).toContain('0002_shelf');
    }
  });

  it.each([
    [
      'at a statement',
      'create table half ();\nselect 1;\nselect * from nowhere;',
      /line 3, .*nowhere.*42P01/,
    ],
    ['at its grammar', 'create table half ();\ncrate table other ();', /line 2, .*crate.*42601/],
    [
      'at a constraint that it deferred',
      'create table half (id integer primary key, other integer references half deferrable initially deferred);' +
        'insert into half values (1, 2);',
      /half.*23503/,
    ],
  ])('leave nothing of one that fails %s, and keep the ones before it', async (_where, sql, message) => {
    const { client } = await connectToNew();
    const folder = makeFolder({ ...files, '0003_half.sql': sql });
    const fault = await faultOf(migrateCentral(client, folder));
    expect(fault.code).toBe('centralMigrationFailed');
    expect(fault.message).toMatch(/^0003_half\.sql/);
    expect(fault.message).toMatch(message);
    expect(await tableNames(client)).toEqual([{ tablename: 'migration' }, { tablename: 'thing' }]);
    expect(await numbersIn(client)).toEqual([{ number: 1 }, { number: 2 }]);
    writeFileSync(path.join(folder, '0003_half.sql'), 'create table whole ();');
    expect((await migrateCentral(client, folder)).map(({ number }) => number)).toEqual([3]);
  });

  it('leave not even their own table when the first fails', async () => {
    const { client } = await connectToNew();
    await faultOf(migrateCentral(client, makeFolder({ '0001_bad.sql': 'select * from nowhere' })));
    expect(await tableNames(client)).toEqual([]);
  });

  it.each(['create table one (); commit; create table two ();', 'commit; begin; create table two ();'])(
    'may not end their transaction: %s',
    async (sql) => {
      const { client } = await connectToNew();
      const fault = await faultOf(migrateCentral(client, makeFolder({ '0001_one.sql': sql })));
      expect(fault.code).toBe('centralMigrationFailed');
      expect(fault.message).toMatch(/0001_one\.sql ends the transaction/);
      expect(await centralMigrationStatus(client, makeFolder({ '0001_one.sql': sql }))).toEqual([
        { number: 1, name: 'one', appliedAtMs: null },
      ]);
    },
  );

  it('may become the owner of what they make', async () => {
    const { client } = await connectToNew();
    const role = `owner_${version}`;
    await client.query(`create role ${role} nologin; grant create on schema public to ${role}`);
    const sql = `set local role ${role}; create table owned ();`;
    expect(await migrateCentral(client, makeFolder({ '0001_owned.sql': sql }))).toHaveLength(1);
    const { rows } = await client.query("select tableowner from pg_tables where tablename = 'owned'");
    expect(rows).toEqual([{ tableowner: role }]);
  });

  it.each(['read committed', 'repeatable read'])(
    'are applied once when several run at the same moment, also where %s is the default',
    async (isolation) => {
      const { url, client } = await connectToNew();
      const database = new URL(url).pathname.slice(1);
      await client.query(`alter database ${database} set default_transaction_isolation = '${isolation}'`);
      const folder = makeFolder({ ...files, '0003_slow.sql': 'select pg_sleep(0.1); create table slow ();' });
      const runners = await Promise.all([1, 2, 3].map(() => connectForTest(url)));
      const done = await Promise.all(runners.map((runner) => migrateCentral(runner, folder)));
      const numbers = done.flat().map(({ number }) => number);
      expect(numbers.sort((a, b) => a - b)).toEqual([1, 2, 3]);
      expect(await numbersIn(client)).toEqual([{ number: 1 }, { number: 2 }, { number: 3 }]);
    },
  );

  it('wait for whoever holds the lock', async () => {
    const { url, client: other } = await connectToNew();
    const client = await connectForTest(url);
    await other.query('begin');
    await other.query('select pg_advisory_xact_lock(1835102066, 7170407)');
    const order: string[] = [];
    const migrating = migrateCentral(client, makeFolder(files)).then(() => order.push('migrated'));
    const observer = await connectForTest(url);
    await until('the runner waits for the lock', async () => {
      const { rows } = await observer.query(
        "select 1 from pg_locks where locktype = 'advisory' and not granted",
      );
      return rows.length > 0;
    });
    order.push('released');
    await other.query('rollback');
    await migrating;
    expect(order).toEqual(['released', 'migrated']);
  });

  it('are refused by a server that is too old, before anything is written', async () => {
    const { client } = await connectToNew();
    // A server of version 13 is in no package; one that says it is.
    const old: CentralClient = {
      query: async (text, values) =>
        text.includes('server_version_num')
          ? { rows: [{ version: '130014' }], rowCount: 1 }
          : await client.query(text, values),
    };
    for (const work of [migrateCentral, centralMigrationStatus]) {
      const fault = await faultOf(work(old, makeFolder(files)));
      expect(fault.code).toBe('centralTooOld');
      expect(fault.message).toMatch(/PostgreSQL 13.*14 or later/);
    }
    expect(await tableNames(client)).toEqual([]);
  });
});
