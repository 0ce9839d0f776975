import { Fault } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import { type Connection, fileKindOf, openConnection, proveKey, type StoreLocation } from '../sqlite/open.ts';
import { errorToWire, wireToFault } from '../sqlite/store-faults.ts';
import { acquireStoreLock } from '../sqlite/store-lock.ts';
import { fullName, type Migration, readMigrations } from './migration-files.ts';

/** A row of the table `migration`. */
export interface AppliedMigration {
  readonly number: number;
  readonly name: string;
  readonly sha256: string;
  readonly release: string;
  readonly appliedAtMs: number;
}

/** `appliedAtMs` is null for one that waits to be applied. */
export interface MigrationState {
  readonly number: number;
  readonly name: string;
  readonly appliedAtMs: number | null;
}

/** The release of this hub. */
export const hubRelease: string = packageJson.version;

/** Lists the migrations applied to the database. */
export function appliedMigrations(connection: Connection): readonly AppliedMigration[] {
  const table = connection
    .prepare("select 1 from sqlite_schema where type = 'table' and name = 'migration'")
    .get();
  if (table === undefined) return [];
  return connection
    .prepare<[], AppliedMigration>(
      'select number, name, sha256, release, applied_at_ms as appliedAtMs from migration order by number',
    )
    .all();
}

/**
 * The migrations that wait to be applied. Faults: `storeTooNew` (the database has had some that this release does not
 * know), `migrationChanged` (a file differs from what was applied).
 */
export function pendingMigrations(
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
): readonly Migration[] {
  const newest = applied.at(-1);
  if (newest !== undefined && newest.number > known.length)
    throw new Fault(
      'storeTooNew',
      `the store was migrated by a newer release (${fullName(newest)}): start release ${newest.release} or later, ` +
        `or restore a backup made by release ${hubRelease}`,
    );
  for (const [index, { number, name, sha256 }] of applied.entries()) {
    const file = known[index];
    if (file?.number === number && file.name === name && file.sha256 === sha256) continue;
    throw new Fault(
      'migrationChanged',
      `${file?.file ?? `${fullName({ number, name })}.sql`} is not what was applied to this store as ` +
        `${fullName({ number, name })}: put the file back as it was and write the change as a new migration`,
    );
  }
  return known.slice(applied.length);
}

/**
 * Applies what waits, each migration in a transaction of its own; stops at the first that fails, with the ones before
 * it applied. Foreign keys are checked at the end of each, not at each statement, so that tables can be rebuilt.
 * Faults: those of `pendingMigrations`, `migrationFailed`, `diskFull`. Returns what was applied now.
 */
export function applyMigrations(
  connection: Connection,
  known: readonly Migration[],
  nowMs: number,
): readonly MigrationState[] {
  const pending = pendingMigrations(known, appliedMigrations(connection));
  if (pending.length === 0) return [];
  connection.pragma('foreign_keys = off');
  try {
    for (const migration of pending) applyOne(connection, migration, nowMs);
  } finally {
    connection.pragma('foreign_keys = on');
  }
  return pending.map(({ number, name }) => ({ number, name, appliedAtMs: nowMs }));
}

function applyOne(connection: Connection, migration: Migration, nowMs: number): void {
  connection.exec('begin immediate');
  try {
    if (migration.number === 1)
      connection.exec(
        'create table migration (number integer primary key, name text not null, sha256 text not null, ' +
          'release text not null, applied_at_ms integer not null) strict',
      );
    connection.exec(migration.sql);
    if (!connection.inTransaction)
      throw new Fault(
        'migrationFailed',
        `${migration.file} ends the transaction it runs in: leave out begin and commit`,
      );
    const orphans = connection.pragma('foreign_key_check');
    if (Array.isArray(orphans) && orphans.length > 0)
      throw new Fault(
        'migrationFailed',
        `${migration.file} leaves ${orphans.length} rows that refer to nothing`,
      );
    connection
      .prepare('insert into migration values (?, ?, ?, ?, ?)')
      .run(migration.number, migration.name, migration.sha256, hubRelease, nowMs);
    connection.exec('commit');
  } catch (error) {
    if (connection.inTransaction) connection.exec('rollback');
    if (error instanceof Fault) throw error;
    const fault = wireToFault(errorToWire(error));
    if (fault.code === 'diskFull') throw fault;
    throw new Fault(
      'migrationFailed',
      `${migration.file} cannot be applied and was undone: ${errorToWire(error).message}`,
      {
        cause: error,
      },
    );
  }
}

/**
 * Every known migration with the moment it was applied. Only reads, so it works beside a running hub.
 * Faults: `wrongKey`, `storeCorrupt`, `migrationSet`, `migrationChanged`, `storeTooNew`.
 */
export function migrationStatus(location: StoreLocation, migrationsDir: string): readonly MigrationState[] {
  const known = readMigrations(migrationsDir);
  proveKey(location, false);
  const applied = fileKindOf(location.path) === 'missing' ? [] : readApplied(location);
  pendingMigrations(known, applied);
  return known.map(({ number, name }, index) => ({
    number,
    name,
    appliedAtMs: applied[index]?.appliedAtMs ?? null,
  }));
}

function readApplied(location: StoreLocation): readonly AppliedMigration[] {
  const connection = openConnection(location, { mode: 'read', cacheKib: 1024 });
  try {
    return appliedMigrations(connection);
  } finally {
    connection.close();
  }
}

/**
 * Applies what waits, under the store's lock: with the hub stopped. Makes the store when there is none.
 * Faults: `storeLocked` and those of `migrationStatus` and `applyMigrations`. Returns what was applied now.
 */
export function migrateUp(
  location: StoreLocation,
  migrationsDir: string,
  clock: Pick<Clock, 'nowMs'>,
): readonly MigrationState[] {
  const known = readMigrations(migrationsDir);
  const lock = acquireStoreLock(location.path);
  try {
    proveKey(location, lock.isKnownKey(location.key));
    const connection = openConnection(location, { mode: 'write', cacheKib: 4096 });
    try {
      lock.noteKey(location.key);
      return applyMigrations(connection, known, clock.nowMs());
    } finally {
      connection.close();
    }
  } finally {
    lock.release();
  }
}
