import { z } from 'zod';
import { Fault } from '#hub/kernel/result.ts';
import { fullName, type Migration, readMigrations } from '#hub/store/migrating/migration-files.ts';
import type { CentralClient } from './connection.ts';
import { serverAnswerOf } from './faults.ts';

export type CentralMigrationFaultCode =
  | 'centralTooOld'
  | 'centralTooNew'
  | 'centralMigrationChanged'
  | 'centralMigrationFailed';

/** `appliedAtMs` is null for one that waits to be applied; by the clock of the central database. */
export interface CentralMigrationState {
  readonly number: number;
  readonly name: string;
  readonly appliedAtMs: number | null;
}

const oldestVersion = 14;
/** Names the lock under which one process at a time migrates: "makr" and "mig" in ASCII. */
const lockKeys = '1835102066, 7170407';

const versionSchema = z.tuple([z.strictObject({ version: z.coerce.number().int().positive() })]);
const presenceSchema = z.tuple([z.strictObject({ present: z.boolean() })]);
const transactionSchema = z.tuple([z.strictObject({ xid: z.string() })]);
const appliedSchema = z.array(
  z.strictObject({
    number: z.number().int().positive(),
    name: z.string(),
    sha256: z.string(),
    appliedAtMs: z.number(),
  }),
);
type AppliedMigration = z.infer<typeof appliedSchema>[number];

/**
 * Applies what waits to the central database, each migration in a transaction of its own; stops at the first that fails,
 * with the ones before it applied. Two at the same moment take turns. `client` may do what migrations need: own the
 * database, or be its superuser. Faults: `migrationSet`, `centralTooOld`, `centralTooNew`, `centralMigrationChanged`,
 * `centralMigrationFailed`, and those of the connection. Returns what was applied now.
 */
export async function migrateCentral(
  client: CentralClient,
  directory: string,
): Promise<readonly CentralMigrationState[]> {
  const known = readMigrations(directory);
  await assertVersion(client);
  const done: CentralMigrationState[] = [];
  for (;;) {
    const applied = await inTransaction(client, () => applyNext(client, known));
    if (applied === null) return done;
    done.push(applied);
  }
}

export async function assertVersion(client: CentralClient): Promise<void> {
  const { rows } = await client.query("select current_setting('server_version_num') as version");
  const [{ version }] = versionSchema.parse(rows);
  const major = Math.trunc(version / 10_000);
  if (major < oldestVersion)
    throw centralFault(
      'centralTooOld',
      `the central database is PostgreSQL ${major}: it must be ${oldestVersion} or later`,
    );
}

/** Commits, or rolls back on an error. */
async function inTransaction<T>(client: CentralClient, work: () => Promise<T>): Promise<T> {
  // Not the server's default: what was applied is read after the lock is held, not as of when it was asked for.
  await client.query('begin isolation level read committed');
  try {
    const result = await work();
    await client.query('commit');
    return result;
  } catch (error) {
    // A connection that is gone has no transaction to undo; what went wrong first is what counts.
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

/** Applies the first that waits and returns it; null when none does. */
async function applyNext(
  client: CentralClient,
  known: readonly Migration[],
): Promise<CentralMigrationState | null> {
  await client.query(`select pg_advisory_xact_lock(${lockKeys})`);
  const [migration] = pendingMigrations(known, await readApplied(client));
  if (migration === undefined) return null;
  await makeTable(client);
  await applyOne(client, migration);
  const { number, name, sha256 } = migration;
  const { rows } = await client.query(
    `insert into sync.migration (number, name, sha256) values ($1, $2, $3) returning ${appliedColumns}`,
    [number, name, sha256],
  );
  return { number, name, appliedAtMs: appliedSchema.parse(rows)[0]?.appliedAtMs ?? null };
}

async function applyOne(client: CentralClient, migration: Migration): Promise<void> {
  const before = await transactionId(client);
  try {
    await client.query(migration.sql);
    // Deferred ones would fail only at the commit, where nobody could tell whose they are.
    await client.query('set constraints all immediate');
  } catch (error) {
    const answer = serverAnswerOf(error);
    if (answer === null) throw error;
    const { message, sqlstate, position } = answer;
    const where = position === null ? '' : `, line ${lineAt(migration.sql, position)},`;
    throw centralFault(
      'centralMigrationFailed',
      `${migration.file}${where} cannot be applied and was undone: ${message} (${sqlstate})`,
      error,
    );
  }
  if ((await transactionId(client)) !== before)
    throw centralFault(
      'centralMigrationFailed',
      `${migration.file} ends the transaction it runs in: leave out begin, commit and rollback`,
    );
  // It may have become the owner of what it made; who migrates is who writes that it was done.
  await client.query('reset role');
}

/** The server counts characters, not UTF-16 units. */
const lineAt = (sql: string, position: number): number =>
  Array.from(sql)
    .slice(0, position - 1)
    .filter((character) => character === '\n').length + 1;

async function transactionId(client: CentralClient): Promise<string> {
  const { rows } = await client.query('select pg_current_xact_id()::text as xid');
  return transactionSchema.parse(rows)[0].xid;
}

const appliedColumns =
  'number, name, sha256, floor(extract(epoch from applied_at) * 1000)::float8 as "appliedAtMs"';

async function isPresent(client: CentralClient): Promise<boolean> {
  const { rows } = await client.query("select to_regclass('sync.migration') is not null as present");
  return presenceSchema.parse(rows)[0].present;
}

async function makeTable(client: CentralClient): Promise<void> {
  if (await isPresent(client)) return;
  await client.query(
    'create schema if not exists sync; ' +
      'create table sync.migration (number integer primary key, name text not null, sha256 text not null, ' +
      'applied_at timestamptz not null default clock_timestamp())',
  );
}

/** Reads what was applied; empty for a database that has had none yet. */
export async function readApplied(client: CentralClient): Promise<readonly AppliedMigration[]> {
  if (!(await isPresent(client))) return [];
  const { rows } = await client.query(`select ${appliedColumns} from sync.migration order by number`);
  return appliedSchema.parse(rows);
}

export function pendingMigrations(
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
): readonly Migration[] {
  const newest = applied.at(-1);
  if (newest !== undefined && newest.number > known.length)
    throw centralFault(
      'centralTooNew',
      `the central database was migrated by a newer release (${fullName(newest)}): update this hub, then try again`,
    );
  for (const [index, { number, name, sha256 }] of applied.entries()) {
    const file = known[index];
    if (file?.number === number && file.name === name && file.sha256 === sha256) continue;
    throw centralFault(
      'centralMigrationChanged',
      `${file?.file ?? `${fullName({ number, name })}.sql`} is not what was applied to the central database as ` +
        `${fullName({ number, name })}: put the file back as it was and write the change as a new migration`,
    );
  }
  return known.slice(applied.length);
}

const centralFault = (
  code: CentralMigrationFaultCode,
  message: string,
  cause?: unknown,
): Fault<CentralMigrationFaultCode> => new Fault(code, message, cause === undefined ? {} : { cause });
