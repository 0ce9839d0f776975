import { randomBytes, randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, types } from 'pg';
import { hubTables } from '#hub/domains.ts';
import { createLog } from '#hub/platform/log.ts';
import { newId } from '#hub/platform/new-id.ts';
import { type ColumnValues, canonicalJson } from '#hub/store/canonical-json.ts';
import { type OpenStoreOptions, openStore } from '#hub/store/open-store.ts';
import { openReadConnection, type ReadConnection } from '#hub/store/sqlite/read-connection.ts';
import type { Store } from '#hub/store/store.ts';
import { type CentralConnection, connectCentral } from '#hub/sync/central/connection.ts';
import { migrateCentral } from '#hub/sync/central/migrations.ts';
import { OutboxReader } from '#hub/sync/engine/outbox-reader.ts';
import type { ReplicaKeeper } from '#hub/sync/engine/replica-keeper.ts';
import { type RoundReport, Runner } from '#hub/sync/engine/runner.ts';
import { createStoreKeeper } from '#hub/sync/engine/store-keeper.ts';
import { joinCodeHash } from '#hub/sync/link/join-code.ts';
import { join } from '#hub/sync/link/join-workflow.ts';
import type { LinkRow } from '#hub/sync/repository.ts';
import type { PostgresServer } from '#tests/_support/postgres.ts';

const log = createLog({ level: 'silent' });
const migrationsDir = path.resolve(import.meta.dirname, '../../migrations/sqlite');
const centralMigrationsDir = path.resolve(import.meta.dirname, '../../migrations/postgres');
/** Of hubs whose clocks are right: the centre has no other clock than this machine's. */
export const startMs = Date.now();

/** One centre, asked as the one who runs it. */
export class CentralSite {
  readonly url: string;
  readonly admin: Client;

  private constructor(url: string, admin: Client) {
    this.url = url;
    this.admin = admin;
  }

  static async open(url: string): Promise<CentralSite> {
    const admin = new Client({
      connectionString: url,
      // int8 as a number, as in SQLite.
      types: {
        getTypeParser: (oid, format) =>
          oid === types.builtins.INT8 ? Number : types.getTypeParser(oid, format),
      },
    });
    await admin.connect();
    return new CentralSite(url, admin);
  }

  /** A new database with the centre's tables. */
  static async create(server: Pick<PostgresServer, 'createDatabase'>): Promise<CentralSite> {
    const { url } = await server.createDatabase();
    const central = await CentralSite.open(url);
    await migrateCentral(central.admin, centralMigrationsDir);
    return central;
  }

  async close(): Promise<void> {
    await this.admin.end();
  }

  /** The first column of the first row. */
  async value(sql: string, ...values: unknown[]): Promise<unknown> {
    const { rows } = await this.admin.query({ text: sql, values, rowMode: 'array' });
    return rows[0]?.[0];
  }

  async addSite(name = 'Test'): Promise<string> {
    return String(await this.value('select sync.add_site($1)', name));
  }

  /** A code for a further hub of the site. */
  async invite(site: string, name = 'box'): Promise<{ code: string; hub: string }> {
    const code = randomBytes(8).toString('hex');
    const hub = await this.value('select sync.add_hub($1, $2, $3, 60)', site, name, joinCodeHash(code));
    return { code, hub: String(hub) };
  }

  /** The replicated columns of every row of a table, as the hub prints them. */
  async rows(site: string, tbl: string, columns: readonly string[]): Promise<string[]> {
    const list = columns.map((column) => `"${column}"`).join(', ');
    const { rows } = await this.admin.query(
      `select ${list} from makrcave."${tbl}" where stream_id = $1 order by id`,
      [site],
    );
    return rows.map((row: ColumnValues) => canonicalJson(row));
  }

  /** How many rows each site has, table by table. */
  async countRows(exceptSite = '00000000-0000-0000-0000-000000000000'): Promise<unknown[]> {
    const { rows: tables } = await this.admin.query<{ sql: string }>(
      `select format('select %L as tbl, stream_id, count(*) from %I.%I where stream_id <> $1 group by stream_id',
         table_name, table_schema, table_name) as sql
       from information_schema.columns where column_name = 'stream_id' and table_schema in ('sync', 'makrcave')`,
    );
    const sql = `${tables.map((table) => table.sql).join(' union all ')} order by tbl, stream_id`;
    return (await this.admin.query(sql, [exceptSite])).rows;
  }

  /** Notes all of a site as a backup does; what comes back puts it in place of what is there then. */
  async backUp(site: string): Promise<() => Promise<void>> {
    const name = `backup_${randomBytes(6).toString('hex')}`;
    const { rows } = await this.admin.query<{ place: string; copy: string }>(
      `select format('%I.%I', table_schema, table_name) as place, format('${name}.%I', table_name) as copy
       from information_schema.columns where column_name = 'stream_id' and table_schema in ('sync', 'makrcave')`,
    );
    await this.admin.query(`create schema ${name}`);
    for (const { place, copy } of rows)
      await this.admin.query(`create table ${copy} as select * from ${place} where stream_id = '${site}'`);
    return async () => {
      for (const { place, copy } of rows)
        await this.admin.query(
          `with gone as (delete from ${place} where stream_id = '${site}') select 1;
           insert into ${place} select * from ${copy}`,
        );
    };
  }

  /** Operations of another application; the number of the last change. */
  async submit(site: string, ...ops: { tbl: string; pk: string; set: object }[]): Promise<number> {
    return Number(await this.value('select sync.submit($1, $2)', site, JSON.stringify(ops)));
  }
}

/** What each hub has for itself. */
const ownColumns = new Set(['version', 'updated_at_ms']);

/** The tables that a hub has, and what makes them. */
export type Release = Pick<OpenStoreOptions, 'registry' | 'migrationsDir'>;

const storeFile = 'hub.sqlite';
const testKey = Buffer.alloc(32, 7);
let emptyStore: Promise<string> | null = null;

const openIn = (
  folder: string,
  key: Uint8Array,
  clock: { nowMs(): number },
  release: Partial<Release> = {},
): Promise<Store> =>
  openStore({
    path: path.join(folder, storeFile),
    key,
    keyPlace: 'a test',
    registry: hubTables,
    migrationsDir,
    clock,
    log,
    ...release,
  });

/** A folder with a migrated store in it, made once for all tests of a file. */
async function findEmptyStore(): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'mc-sync-'));
  await (await openIn(folder, testKey, { nowMs: () => startMs })).close();
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Copies a store that is closed. */
export function copyStore(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const end of ['', '-wal']) {
    rmSync(path.join(to, `${storeFile}${end}`), { force: true });
    const source = path.join(from, `${storeFile}${end}`);
    if (existsSync(source)) copyFileSync(source, path.join(to, `${storeFile}${end}`));
  }
  rmSync(path.join(to, `${storeFile}-shm`), { force: true });
}

/** A hub's store with what replicates it, in this process. */
export class Replica {
  readonly folder: string;
  readonly instance: string;
  readonly store: Store;
  readonly clock: { ms: number; nowMs(): number };
  readonly keeper: ReplicaKeeper;
  readonly outbox: OutboxReader;
  readonly followed: Map<string, string[]>;
  readonly #connection: ReadConnection;
  readonly #connect: (link: LinkRow) => Promise<CentralConnection>;
  #runner: Runner;
  /** As if people were served all the time. */
  isServing = false;

  private constructor(parts: {
    folder: string;
    instance: string;
    store: Store;
    clock: Replica['clock'];
    connect?: (link: LinkRow) => Promise<CentralConnection>;
  }) {
    const { folder, instance, store, clock } = parts;
    this.folder = folder;
    this.instance = instance;
    this.store = store;
    this.clock = clock;
    this.followed = new Map();
    this.keeper = createStoreKeeper({
      store,
      newId,
      follow: async (_tx, table, ids) => {
        this.followed.set(table, [...(this.followed.get(table) ?? []), ...ids]);
      },
    });
    this.#connection = openReadConnection(store.replication.location, 1024);
    this.outbox = new OutboxReader(this.#connection, store.replication.tables);
    this.#connect =
      parts.connect ??
      ((link) =>
        connectCentral({
          url: link.central_url,
          ...(link.central_ca === null ? {} : { caPem: link.central_ca }),
          connectTimeoutMs: 10_000,
          queryTimeoutMs: 60_000,
        }));
    this.#runner = this.#newRunner(this.keeper);
  }

  static async open(
    options: {
      folder?: string;
      key?: Uint8Array;
      instance?: string;
      clock?: Replica['clock'];
      connect?: (link: LinkRow) => Promise<CentralConnection>;
      release?: Release;
    } = {},
  ): Promise<Replica> {
    const { key = testKey } = options;
    const folder = options.folder ?? mkdtempSync(path.join(tmpdir(), 'mc-sync-'));
    if (options.folder === undefined && key === testKey) {
      emptyStore ??= findEmptyStore();
      copyStore(await emptyStore, folder);
    }
    const clock = options.clock ?? {
      ms: startMs,
      nowMs(): number {
        return this.ms;
      },
    };
    const store = await openIn(folder, key, clock, options.release);
    const replica = new Replica({
      folder,
      instance: options.instance ?? randomUUID(),
      store,
      clock,
      ...(options.connect === undefined ? {} : { connect: options.connect }),
    });
    // As the hub does when it starts.
    store.replication.wholeRows = replica.outbox.link()?.stage === 'seed';
    return replica;
  }

  async close(options: { keep?: boolean } = {}): Promise<void> {
    await this.#runner.close();
    this.#connection.close();
    await this.store.close();
    if (options.keep !== true) rmSync(this.folder, { recursive: true, force: true });
  }

  /** As after a crash or a restart, with its files as they are or as `change` leaves them. */
  async reopen(change: (folder: string) => void = () => undefined): Promise<Replica> {
    await this.close({ keep: true });
    change(this.folder);
    const { folder, instance, clock } = this;
    return await Replica.open({ folder, instance, clock, connect: this.#connect });
  }

  #newRunner(keeper: ReplicaKeeper): Runner {
    return new Runner({
      outbox: this.outbox,
      keeper,
      connect: this.#connect,
      instance: this.instance,
      release: 'test',
      pollMs: 1000,
      nowMs: () => this.clock.ms,
      random: () => 0.5,
      report: () => undefined,
      isStopping: () => false,
      yieldToRequests: async () => this.isServing,
    });
  }

  /** Rounds whose writes go through `keeper`, such as one that fails. */
  async withKeeper(keeper: ReplicaKeeper): Promise<void> {
    await this.#runner.close();
    this.#runner = this.#newRunner(keeper);
  }

  async join(central: { url: string }, code: string, stage: 'seed' | 'bootstrap' = 'seed'): Promise<void> {
    const joined = await join(
      { store: this.store, clock: this.clock, instance: this.instance },
      { url: central.url, code },
      stage,
    );
    if (!joined.ok) throw new Error(joined.refusal.code);
  }

  round(): Promise<RoundReport> {
    return this.#runner.runOnce();
  }

  /** A round that must go through. */
  async sync(): Promise<void> {
    const { problem } = await this.round();
    if (problem !== null) throw new Error(`${problem.code}: ${problem.evidence}`);
  }

  columns(tbl: string): readonly string[] {
    const table = this.store.replication.tables.find(({ name }) => name === tbl);
    return (table?.columns ?? []).filter((name) => !ownColumns.has(name));
  }

  /** The replicated columns of every row of a table. */
  rows(tbl: string): string[] {
    const columns = this.columns(tbl);
    return this.#connection
      .lists(`select ${columns.map((name) => `"${name}"`).join(', ')} from "${tbl}" order by id`)
      .map((row) =>
        canonicalJson(Object.fromEntries(columns.map((name, place) => [name, row[place] ?? null]))),
      );
  }

  /** Rows of anything, for what a test looks at. */
  all(sql: string, ...parameters: (string | number)[]): unknown[] {
    return this.#connection.all(sql, ...parameters);
  }
}

/** Rounds of all hubs of a site until none of them has anything for the others. */
export async function settle(...hubs: readonly Replica[]): Promise<void> {
  for (let rounds = 0; rounds < 20; rounds += 1) {
    const before = hubs.map((hub) => hub.outbox.position().cursor);
    for (const hub of hubs) await hub.sync();
    const isDone = hubs.every((hub, index) => {
      const link = hub.outbox.link();
      return (
        link?.stage === 'live' &&
        link.acked === hub.outbox.bounds().last &&
        hub.outbox.position().cursor === before[index]
      );
    });
    if (isDone) return;
  }
  throw new Error('the hubs do not come to rest');
}

/** Parts of rows of append tables stay with the hub that has those. */
const staysPartly = new Set(['audit_payload']);

/**
 * Where a hub at rest and the centre differ, row by row: state tables are equal, and of append tables (and what is part of
 * them) the centre has every row of the hub.
 */
export async function differences(central: CentralSite, site: string, hub: Replica): Promise<string[]> {
  const found: string[] = [];
  for (const table of hub.store.replication.tables) {
    const here = hub.rows(table.name);
    const there = await central.rows(site, table.name, hub.columns(table.name));
    const isThere = new Set(there);
    const isHere = new Set(here);
    found.push(...here.filter((row) => !isThere.has(row)).map((row) => `${table.name} here ${row}`));
    if (table.class === 'state' && !staysPartly.has(table.name))
      found.push(...there.filter((row) => !isHere.has(row)).map((row) => `${table.name} there ${row}`));
  }
  return found;
}

/** A member as a row; `number` tells members apart. */
export const memberRow = (number: number, changes: Record<string, unknown> = {}) => ({
  id: newId(),
  number,
  name: `Member ${number}`,
  email: null,
  phone: null,
  locale: null,
  date_of_birth: null,
  guardian: null,
  notes: null,
  waiver_version: null,
  waiver_date: null,
  extended_access: 0 as const,
  status: 'active' as const,
  status_reason: null,
  status_since_ms: startMs,
  ...changes,
});

export const eventRow = (seq: number, changes: Record<string, unknown> = {}) => ({
  id: newId(),
  bridge_id: '0199a1f0-0000-7000-8000-000000000001',
  journal_id: '0199a1f0-0000-4000-8000-000000000002',
  seq,
  kind: 'granted',
  at_ms: startMs + seq,
  clock_trust: 'ntp',
  portal_id: null,
  reader_key: 'front',
  credential_id: null,
  member_id: null,
  digest: null,
  reason: null,
  details: JSON.stringify({ bootId: 'b', monotonicMs: 123_456 + seq, checks: ['memberActive'] }),
  ...changes,
});
