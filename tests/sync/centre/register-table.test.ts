import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { hubTables } from '#hub/domains.ts';
import { newId } from '#hub/platform/new-id.ts';
import type { Store } from '#hub/store/store.ts';
import { migrateCentral } from '#hub/sync/central/migrations.ts';
import { usePostgres } from '#tests/_support/run/postgres.ts';
import { asTestStore } from '#tests/store/store-tables.ts';
import { CentralSite, differences, type Release, Replica, settle } from '../replicas.ts';
import { faultOf, makeFolder } from './fixture.ts';

const migrations = path.resolve(import.meta.dirname, '../../../migrations');
const crateColumns = `
  stream_id uuid not null, id uuid not null, label text not null, places bigint not null, member_id uuid,
  created_at_ms bigint not null, deleted_at_ms bigint, primary key (stream_id, id)`;
const eventColumns = `
  stream_id uuid not null, id uuid not null, crate_id uuid not null, at_ms bigint not null, note text,
  created_at_ms bigint not null, primary key (stream_id, id)`;
const crates = `create table makrcave.tool_crate (${crateColumns});
  select sync.register_table('tool_crate', 'state', '{label}', 2);
  create table makrcave.tool_crate_event (${eventColumns});
  select sync.register_table('tool_crate_event', 'append');`;

/** A folder with the centre's migrations and a further one. */
function makeMigrations(side: 'postgres' | 'sqlite', sql: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sync-test-'));
  cpSync(path.join(migrations, side), folder, { recursive: true });
  const number = String(readdirSync(folder).length + 1).padStart(4, '0');
  writeFileSync(path.join(folder, `${number}_crates.sql`), sql);
  return folder;
}

const folders: string[] = [];
/** A release of the hub that has crates. */
let withCrates: Release;
beforeAll(() => {
  const migrationsDir = makeMigrations(
    'sqlite',
    `create table tool_crate (
       id text primary key not null, label text not null, places integer not null, member_id text,
       version integer not null default 1, created_at_ms integer not null, updated_at_ms integer not null,
       deleted_at_ms integer
     ) strict;
     create table tool_crate_event (
       id text primary key not null, crate_id text not null references tool_crate (id), at_ms integer not null,
       note text, created_at_ms integer not null
     ) strict;`,
  );
  folders.push(migrationsDir);
  withCrates = {
    migrationsDir,
    registry: {
      ...hubTables,
      tool_crate: { class: 'state', owner: 'merged', personalColumns: [] },
      tool_crate_event: { class: 'append', owner: 'hub', personalColumns: [] },
    },
  };
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe.each([15, 18] as const)('a table that is registered at a central PostgreSQL %i', (version) => {
  let central: CentralSite;
  /** Alike, but for the further migration. */
  let plain: CentralSite;
  beforeAll(async () => {
    const server = await usePostgres({ version });
    plain = await CentralSite.create(server);
    central = await CentralSite.open((await server.createDatabase()).url);
    const folder = makeMigrations('postgres', crates);
    folders.push(folder);
    await migrateCentral(central.admin, folder);
  });
  afterAll(async () => {
    await central.close();
    await plain.close();
  });

  const rowsOf = async (sql: string, ...values: unknown[]): Promise<unknown[]> =>
    (await central.admin.query(sql, values)).rows;
  /** All that the catalogues say of a table, but for its name and its own columns. */
  const describeTable = async (table: string): Promise<unknown> => ({
    relation: await rowsOf(
      `select relkind, relrowsecurity, relforcerowsecurity, relowner::regrole::text as owner, relacl::text as acl
       from pg_class where oid = format('makrcave.%I', $1::text)::regclass`,
      table,
    ),
    policies: await rowsOf(
      `select policyname, permissive, roles, cmd, qual, with_check from pg_policies
       where schemaname = 'makrcave' and tablename = $1 order by 1`,
      table,
    ),
    kept: await rowsOf(
      `select attname, format_type(atttypid, atttypmod) as type, attnotnull, atthasdef, attacl::text as acl
       from pg_attribute where attrelid = format('makrcave.%I', $1::text)::regclass and attnum > 0
         and (attname like 'sync\\_%' or attname in ('stream_id', 'id', 'created_at_ms', 'deleted_at_ms')) order by 1`,
      table,
    ),
    rights: await rowsOf(
      `select rolname, right_name, has_table_privilege(pg_roles.oid, format('makrcave.%I', $1::text), right_name) as may
       from pg_roles, unnest('{select,insert,update,delete,truncate,references,trigger}'::text[]) right_name
       where rolname like 'makrcave%' order by 1, 2`,
      table,
    ),
  });

  it.each([
    ['tool_crate', 'hold'],
    ['tool_crate_event', 'access_event'],
  ])('%s is to the catalogues what %s is', async (made, known) => {
    expect(await describeTable(made)).toEqual(await describeTable(known));
  });

  it('has its entity row after those of before, and leaves those as they are', async () => {
    const { rows: before } = await plain.admin.query('select * from sync.entity order by place');
    const all = await rowsOf('select * from sync.entity order by place');
    expect(all.slice(0, before.length)).toEqual(before);
    const last = Number(before.at(-1)?.place);
    expect(all.slice(before.length)).toEqual([
      {
        tbl: 'tool_crate',
        class: 'state',
        place: last + 10,
        columns: ['id', 'label', 'places', 'member_id', 'created_at_ms', 'deleted_at_ms'],
        open_columns: ['label'],
      },
      {
        tbl: 'tool_crate_event',
        class: 'append',
        place: last + 20,
        columns: ['id', 'crate_id', 'at_ms', 'note', 'created_at_ms'],
        open_columns: [],
      },
    ]);
  });

  it('is taken from hubs of its release, and those before it are still answered', async () => {
    expect(await rowsOf('select oldest, newest from sync.schema_range')).toEqual([{ oldest: 1, newest: 2 }]);
    expect((await plain.admin.query('select oldest, newest from sync.schema_range')).rows).toEqual([
      { oldest: 1, newest: 1 },
    ]);
  });

  /** A hub of a site, at rest until the test ends. */
  async function openHub(site: string, release?: Release): Promise<Replica> {
    const hub = await Replica.open(release === undefined ? {} : { release });
    onTestFinished(() => hub.close());
    await hub.join(central, (await central.invite(site)).code);
    await settle(hub);
    return hub;
  }
  const write = async (store: Store, work: Parameters<ReturnType<typeof asTestStore>['transact']>[1]) => {
    await asTestStore(store).transact('test', work);
  };

  it('has its rows go up and down, of one site only; a hub of an older release skips it until it is updated', async () => {
    const site = await central.addSite();
    const first = await openHub(site, withCrates);
    const second = await openHub(site, withCrates);
    const older = await openHub(site);
    const elsewhere = await openHub(await central.addSite(), withCrates);
    const crate = { id: newId(), label: 'Drills', places: 4, member_id: null };
    const event = { id: newId(), crate_id: crate.id, at_ms: first.clock.ms, note: 'opened' };
    await write(first.store, async (tx) => {
      await tx.insert('tool_crate', crate);
      await tx.append('tool_crate_event', event);
    });
    await settle(first, second, older, elsewhere);
    await write(second.store, async (tx) => {
      await tx.write('tool_crate', crate.id, { places: 5 });
    });
    await central.submit(site, { tbl: 'tool_crate', pk: crate.id, set: { label: 'Big drills' } });
    await settle(first, second, older, elsewhere);

    for (const hub of [first, second]) {
      expect(hub.all('select label, places from tool_crate')).toEqual([{ label: 'Big drills', places: 5 }]);
      expect(await differences(central, site, hub)).toEqual([]);
    }
    expect(await rowsOf('select stream_id, note from makrcave.tool_crate_event')).toEqual([
      { stream_id: site, note: 'opened' },
    ]);
    expect(await rowsOf('select * from sync.dead_letter')).toEqual([]);
    expect(elsewhere.rows('tool_crate')).toEqual([]);
    for (const [tbl, places] of [
      ['tool_crate', 'label'],
      ['tool_crate_event', 'note'],
    ] as const) {
      const page = await snapshot(elsewhere, tbl);
      expect(page).toHaveLength(1);
      expect(page[0]).toMatchObject({ status: 'ok', columns: expect.arrayContaining([places]) });
    }

    expect(await differences(central, site, older)).toEqual([]);
    const { folder, instance, clock } = older;
    await older.close({ keep: true });
    const updated = await Replica.open({ folder, instance, clock, release: withCrates });
    onTestFinished(() => updated.close());
    // As the start of a hub does whose tables are not those of its last whole page.
    await updated.keeper.beginBootstrap(['tool_crate', 'tool_crate_event']);
    await settle(updated);
    expect(updated.rows('tool_crate')).toEqual(first.rows('tool_crate'));
  });

  /** The table as the centre sends it to this hub: what it is of, then its rows. */
  async function snapshot(hub: Replica, tbl: string): Promise<unknown[]> {
    const link = hub.outbox.link();
    const rows = await rowsOf(
      'select answer from sync.snapshot($1, $2, $3, $4, null, 100) answer',
      link?.site_id,
      link?.hub_id,
      link?.token,
      tbl,
    );
    return rows.map((row) => JSON.parse((row as { answer: string }).answer));
  }

  it('may be made by whoever migrates without becoming the owner first, and have any name', async () => {
    await undone(async () => {
      await central.admin.query(`create table makrcave."Odd ""name" (${crateColumns})`);
      await central.admin.query(`select sync.register_table('Odd "name', 'state', '{label}')`);
      expect(await describeTable('Odd "name')).toEqual(await describeTable('hold'));
      expect(await rowsOf('select newest from sync.schema_range')).toEqual([{ newest: 2 }]);
    });
  });

  async function undone(work: () => Promise<void>): Promise<void> {
    await central.admin.query('begin');
    try {
      await work();
    } finally {
      await central.admin.query('rollback');
    }
  }

  const columns = 'stream_id uuid, id uuid, created_at_ms bigint not null, deleted_at_ms bigint';
  const key = 'primary key (stream_id, id)';
  it.each([
    ['is not there', '', "'bad', 'state'", /^makrcave\.bad is not there: create it first/],
    ['is of no known class', `(${columns}, ${key})`, "'bad', 'local'", /bad cannot be of class local: name/],
    [
      'has no id',
      '(stream_id uuid primary key, created_at_ms bigint not null)',
      "'bad', 'append'",
      /lacks id/,
    ],
    [
      'lacks what is kept',
      `(stream_id uuid, id uuid, created_at_ms integer, ${key})`,
      "'bad', 'state'",
      /bad lacks created_at_ms bigint not null, deleted_at_ms bigint: add/,
    ],
    ['lacks the site', '(id uuid primary key)', "'bad', 'append'", /lacks stream_id uuid not null, created/],
    ['has another key', `(${columns}, primary key (id, stream_id))`, "'bad', 'state'", /bad has another key/],
    [
      'has what each hub has for itself',
      `(${columns}, ${key}, version bigint, sync_hub uuid)`,
      "'bad', 'state'",
      /bad has version, sync_hub, which each hub or replication keeps by itself: leave/,
    ],
    [
      'has columns of a kind that no hub has',
      `(${columns}, ${key}, seen timestamptz, n bigint generated always as (created_at_ms) stored)`,
      "'bad', 'state'",
      /bad has seen, n of a kind that no hub has: make/,
    ],
    [
      'opens what is not there',
      `(${columns}, ${key})`,
      "'bad', 'state', '{id,x}'",
      /cannot open id, x to other/,
    ],
    [
      'opens what never changes',
      `(${columns}, ${key}, note text)`,
      "'bad', 'append', '{note}'",
      /bad cannot open columns .* never change/,
    ],
    ['is a view', `as select * from makrcave.hold`, "'bad', 'state'", /bad is no plain table/],
    [
      'is registered',
      `(${columns}, ${key})`,
      "'hold', 'state'",
      /makrcave\.hold is registered already: leave/,
    ],
    [
      'has rows',
      `(${columns}, ${key}); insert into makrcave.bad values (gen_random_uuid(), gen_random_uuid(), 0)`,
      "'bad', 'state'",
      /bad has rows already: register it before/,
    ],
  ])('is refused when it %s', async (_what, table, call, message) => {
    const kind = table.startsWith('as') ? 'view' : 'table';
    const sql = `${table === '' ? '' : `create ${kind} makrcave.bad ${table};`} select sync.register_table(${call});`;
    const folder = makeFolder();
    cpSync(path.join(migrations, 'postgres'), folder, { recursive: true });
    const number = String(readdirSync(folder).length + 1).padStart(4, '0');
    writeFileSync(path.join(folder, `${number}_bad.sql`), sql);
    const fault = await faultOf(migrateCentral(plain.admin, folder));
    expect(fault.code).toBe('centralMigrationFailed');
    expect(fault.message.replace(/^.*was undone: /, '')).toMatch(message);
    expect(fault.message).toMatch(/\(22023\)$/);
  });

  it('is registered by the owner alone', async () => {
    const call = "select sync.register_table('hold', 'state')";
    for (const role of ['makrcave_hub', 'makrcave_app', 'makrcave_reader'])
      await undone(async () => {
        await central.admin.query(`set local role ${role}`);
        await expect(central.admin.query(call)).rejects.toMatchObject({ code: '42501' });
      });
    await undone(async () => {
      await central.admin.query('set local role makrcave_owner');
      await expect(central.admin.query(call)).rejects.toMatchObject({ code: '22023' });
    });
    expect(
      await rowsOf(
        "select proconfig, prosecdef from pg_proc where oid = 'sync.register_table(text,text,text[],integer)'::regprocedure",
      ),
    ).toEqual([{ proconfig: ['search_path=pg_catalog, pg_temp'], prosecdef: false }]);
  });
});
