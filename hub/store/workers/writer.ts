import type { ColumnValue } from '../canonical-json.ts';
import { readMigrations } from '../migrating/migration-files.ts';
import { applyMigrations } from '../migrating/migrations.ts';
import { type Connection, openConnection, proveKey } from '../sqlite/open.ts';
import { acquireStoreLock, type StoreLock } from '../sqlite/store-lock.ts';
import { answersOf } from './worker-loop.ts';
import type {
  StatementResult,
  StoreReady,
  TableShape,
  WorkerRequest,
  WriterWorkerData,
} from './worker-protocol.ts';

const cacheKib = 8192;
/** For a bulk load: all that is written to at random places stays in memory, and goes to the file a few times only. */
const bulk = { cacheKib: 262_144, checkpointPages: 32_768 };

/** Parses a default of the schema: an SQL literal. */
const evaluate = (connection: Connection, literal: string): ColumnValue =>
  connection.prepare<[], ColumnValue>(`select ${literal}`).pluck().get() ?? null;

function tableShapes(connection: Connection): TableShape[] {
  return connection
    .prepare<[], { name: string }>(
      // Without the shadow tables in which a virtual table keeps its data.
      "select name from pragma_table_list where schema = 'main' and type in ('table', 'virtual') " +
        "and name not like 'sqlite\\_%' escape '\\' order by name",
    )
    .all()
    .map(({ name }) => {
      const columns = connection
        .prepare<[string], { name: string; pk: number; byDefault: string | null }>(
          'select name, pk, dflt_value as byDefault from pragma_table_info(?)',
        )
        .all(name);
      return {
        name,
        columns: columns.map((column) => column.name),
        defaults: Object.fromEntries(
          columns.flatMap((column) =>
            column.byDefault === null ? [] : [[column.name, evaluate(connection, column.byDefault)]],
          ),
        ),
        primaryKey: columns
          .filter((column) => column.pk > 0)
          .sort((left, right) => left.pk - right.pk)
          .map((column) => column.name),
      };
    });
}

function open(data: WriterWorkerData, lock: StoreLock): { connection: Connection; ready: StoreReady } {
  const startedMs = performance.now();
  const location = { path: data.path, key: data.key, keyPlace: data.keyPlace };
  const known = readMigrations(data.migrationsDir);
  proveKey(location, lock.isKnownKey(data.key));
  const { maxPageCount, isBulkLoad } = data;
  const wanted = isBulkLoad ? bulk.cacheKib : cacheKib;
  const connection = openConnection(location, { mode: 'write', cacheKib: wanted, maxPageCount });
  try {
    if (isBulkLoad) connection.pragma(`wal_autocheckpoint = ${bulk.checkpointPages}`);
    lock.noteKey(data.key);
    const migrated = applyMigrations(connection, known, data.nowMs);
    // Without statistics the query planner trusts the indexes, on every hub alike. Taken when a table held one row, they
    // would make it scan the ten thousand that came since.
    connection.exec('drop table if exists sqlite_stat1; drop table if exists sqlite_stat4');
    const tables = tableShapes(connection);
    return { connection, ready: { tables, migrated, openMs: performance.now() - startedMs } };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** The only connection that writes to a store. */
export interface Writer {
  readonly ready: StoreReady;
  /** Runs a request; throws SQLite's errors. `close` releases the lock. */
  readonly answer: (request: WorkerRequest) => StatementResult;
}

/** Takes the store's lock, opens and migrates the store. Throws the Faults of `openStore`, and what SQLite says. */
export function openWriter(data: WriterWorkerData): Writer {
  const lock = acquireStoreLock(data.path);
  try {
    const { connection, ready } = open(data, lock);
    const answer = answersOf(connection, 'begin immediate', () => {
      connection.close();
      lock.release();
    });
    return { ready, answer };
  } catch (error) {
    lock.release();
    throw error;
  }
}
