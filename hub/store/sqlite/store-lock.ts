import { createHmac } from 'node:crypto';
import { closeSync, openSync, rmSync } from 'node:fs';
import Sqlite from 'better-sqlite3-multiple-ciphers';
import { Fault } from '#hub/kernel/result.ts';

/**
 * The right to write to one store, held by at most one process. It is a lock of the operating system on a small
 * database beside the store (`<store>.lock`), so the kernel takes it back when its holder dies, however it dies.
 */
export interface StoreLock {
  /** True when the store was last opened with this very key. */
  isKnownKey(key: Uint8Array): boolean;
  /** Notes that `key` has opened the store. */
  noteKey(key: Uint8Array): void;
  release(): void;
}

/** Takes the lock, or throws the Fault `storeLocked` that names the process which holds it. */
export function acquireStoreLock(storePath: string): StoreLock {
  const path = `${storePath}.lock`;
  try {
    return lockFile(storePath, path);
  } catch (error) {
    if (!(error instanceof Sqlite.SqliteError)) throw error;
    if (error.code !== 'SQLITE_NOTADB' && !error.code.startsWith('SQLITE_CORRUPT')) throw error;
    // Torn by a power cut (it is written without fsync). After a power cut nobody can be holding it.
    rmSync(path, { force: true });
    rmSync(`${path}-journal`, { force: true });
    return lockFile(storePath, path);
  }
}

function lockFile(storePath: string, path: string): StoreLock {
  closeSync(openSync(path, 'a', 0o600));
  const database = new Sqlite(path, { timeout: 200 });
  try {
    // No journal file: on a full disk the lock is still taken, within the space that its file has already.
    database.pragma('journal_mode = memory');
    database.pragma('synchronous = off');
    // RESERVED, not EXCLUSIVE: one holder, and whoever meets the lock can still read who that is.
    database.exec('begin immediate');
    database.exec(
      'create table if not exists fact (name text primary key, value text not null) without rowid',
    );
    write(database, 'pid', String(process.pid));
    database.exec('commit; begin immediate');
  } catch (error) {
    const reason = isBusy(error) ? lockedFault(database, storePath, error) : error;
    database.close();
    throw reason;
  }
  return {
    isKnownKey: (key) => read(database, 'keyCheck') === keyCheckOf(key),
    noteKey(key) {
      if (read(database, 'keyCheck') === keyCheckOf(key)) return;
      try {
        write(database, 'keyCheck', keyCheckOf(key));
        database.exec('commit; begin immediate');
      } catch (error) {
        throw isBusy(error) ? lockedFault(database, storePath, error) : error;
      }
    },
    release() {
      database.close();
    },
  };
}

function lockedFault(database: Sqlite.Database, storePath: string, cause: unknown): Fault {
  const holder = read(database, 'pid');
  return new Fault(
    'storeLocked',
    `${storePath} is in use by ${holder === null ? 'another process' : `process ${holder}`}: ` +
      'let the running hub do it, or stop the hub first',
    { cause },
  );
}

// Says whether two keys are the same one and nothing else about them.
const keyCheckOf = (key: Uint8Array): string =>
  createHmac('sha256', key).update('makrcave store key').digest('hex');

function read(database: Sqlite.Database, name: string): string | null {
  try {
    const row = database
      .prepare<[string], { value: string }>('select value from fact where name = ?')
      .get(name);
    return row?.value ?? null;
  } catch {
    // The holder is about to make the table, or is writing it this moment.
    return null;
  }
}

function write(database: Sqlite.Database, name: string, value: string): void {
  database
    .prepare('insert into fact values (?, ?) on conflict (name) do update set value = excluded.value')
    .run(name, value);
}

const isBusy = (error: unknown): boolean =>
  error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY');
