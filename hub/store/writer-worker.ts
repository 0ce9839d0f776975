// The store Worker: the only connection of the hub that writes. Its fsyncs never touch the main loop.
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#hub/kernel/result.ts';
import type { ColumnValue } from './canonical-json.ts';
import { readMigrations } from './migration-files.ts';
import { applyMigrations } from './migrations.ts';
import { type Connection, openConnection, proveKey } from './open.ts';
import { errorToWire } from './store-faults.ts';
import { acquireStoreLock, type StoreLock } from './store-lock.ts';
import { serveConnection } from './worker-loop.ts';
import type { TableShape, WorkerReady, WriterWorkerData } from './worker-protocol.ts';

const cacheKib = 8192;
/** For a bulk load: all that is written to at random places stays in memory, and goes to the file a few times only. */
const bulk = { cacheKib: 262_144, checkpointPages: 32_768 };

/** The value of a default as the schema has it: a literal of SQL. */
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

function open(data: WriterWorkerData, lock: StoreLock): { connection: Connection; ready: WorkerReady } {
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
    return { connection, ready: { kind: 'ready', tables, migrated, openMs: performance.now() - startedMs } };
  } catch (error) {
    connection.close();
    throw error;
  }
}

function start(): void {
  assert(parentPort !== null, 'runs as a Worker');
  const port = parentPort;
  const data: WriterWorkerData = workerData;
  let lock: StoreLock | null = null;
  const answer = (message: WorkerReady): void => port.postMessage(message);
  try {
    const held = acquireStoreLock(data.path);
    lock = held;
    const { connection, ready } = open(data, held);
    serveConnection(port, connection, 'begin immediate', () => {
      connection.close();
      held.release();
    });
    answer(ready);
  } catch (error) {
    lock?.release();
    const wire = errorToWire(error);
    answer({
      kind: 'failed',
      error: { ...wire, message: wire.fault === undefined ? `${data.path}: ${wire.message}` : wire.message },
    });
  }
}

start();
