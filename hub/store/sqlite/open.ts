import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import Sqlite from 'better-sqlite3-multiple-ciphers';
import { assert, Fault } from '#hub/kernel/result.ts';
import type { StoreFaultCode } from './store-faults.ts';

/** A connection with its key given; the driver's own type, known in this folder alone. */
export type Connection = Sqlite.Database;

/** Path and key of a store. */
export interface StoreLocation {
  /** The database file; `-wal`, `-shm` and `.lock` lie beside it. */
  readonly path: string;
  /** 32 bytes, used as they are: no derivation, an open takes under a millisecond. */
  readonly key: Uint8Array;
  /** Path of the key file, for messages. */
  readonly keyPlace?: string | undefined;
}

export interface ConnectionOptions {
  /** `write` makes the file when there is none. Only `StoreLock`'s holder may ask for it. */
  readonly mode: 'read' | 'write';
  /** Page cache, KiB. */
  readonly cacheKib: number;
  /** For tests of a full disk where none can be mounted: the file may not grow beyond so many pages of 4096 bytes. */
  readonly maxPageCount?: number | undefined;
}

/** State of a file, judged by its first page before decryption. */
export type FileKind = 'missing' | 'encrypted' | 'plain' | 'foreign';

const pageBytes = 4096;
// Bytes 16 to 23 of SQLite's header stay readable: page size 4096, two format bytes (WAL), the 32 bytes that the
// cipher keeps on each page for nonce and tag, and three constants.
const cipherHeader = { pageSize: [0x10, 0x00], reservedAndConstants: [0x20, 0x40, 0x20, 0x20] } as const;

/** Looks at a file's size and first bytes only. */
export function fileKindOf(path: string): FileKind {
  if (!existsSync(path)) return 'missing';
  const size = statSync(path).size;
  if (size === 0) return 'missing';
  const header = Buffer.alloc(24);
  const descriptor = openSync(path, 'r');
  try {
    readSync(descriptor, header, 0, header.length, 0);
  } finally {
    closeSync(descriptor);
  }
  if (header.toString('latin1', 0, 16) === 'SQLite format 3\0') return 'plain';
  const isStore =
    size >= pageBytes &&
    header.subarray(16, 18).equals(Buffer.from(cipherHeader.pageSize)) &&
    header.subarray(20, 24).equals(Buffer.from(cipherHeader.reservedAndConstants));
  return isStore ? 'encrypted' : 'foreign';
}

/**
 * Proves on a read-only connection, which can change nothing, that `key` opens the file; a missing file passes.
 * `knownKey`: the key is known to be the right one, so that a first page which does not open means damage.
 * Faults: `wrongKey`, `storeCorrupt`.
 */
export function proveKey(location: StoreLocation, knownKey: boolean): void {
  const kind = fileKindOf(location.path);
  if (kind === 'missing') {
    const wal = `${location.path}-wal`;
    if (existsSync(wal) && statSync(wal).size > 0)
      throw storeFault(
        'storeCorrupt',
        `${location.path} is missing or empty, but its log ${wal} is not: put the file back, or restore a backup and move the log away`,
      );
    return;
  }
  if (kind === 'plain')
    throw storeFault(
      'storeCorrupt',
      `${location.path} is an SQLite file that is not encrypted, so not a store of the hub: check the configured path`,
    );
  if (kind === 'foreign')
    throw storeFault(
      'storeCorrupt',
      `${location.path} is not a store of the hub, or its beginning is damaged: check the configured path, or restore a backup`,
    );
  try {
    // Some settings read the first page already, so opening belongs to what may fail here.
    const connection = openConnection(location, { mode: 'read', cacheKib: 256 });
    try {
      connection.prepare('select count(*) from sqlite_schema').get();
    } finally {
      connection.close();
    }
  } catch (cause) {
    if (!(cause instanceof Sqlite.SqliteError)) throw cause;
    if (cause.code !== 'SQLITE_NOTADB' && !cause.code.startsWith('SQLITE_CORRUPT')) throw cause;
    if (knownKey || cause.code !== 'SQLITE_NOTADB')
      throw storeFault('storeCorrupt', `${location.path} is damaged: restore a backup`, cause);
    throw storeFault(
      'wrongKey',
      `the key in ${location.keyPlace ?? 'the configured place'} does not open ${location.path}: nothing was changed. ` +
        'Put back the key that this store was made with (it is on the recovery sheet), or restore a backup with its key',
      cause,
    );
  }
}

/** A connection with its key and settings; nothing has been read yet, unless `mode` is `write`. */
export function openConnection(location: StoreLocation, options: ConnectionOptions): Connection {
  assert(location.key.length === 32, 'the key of a store has 32 bytes');
  const isWriter = options.mode === 'write';
  if (isWriter && !existsSync(location.path)) {
    // Made here and not by SQLite, so that nobody else may ever read it; -wal and -shm take over its mode.
    closeSync(openSync(location.path, 'a', 0o600));
  }
  const connection = new Sqlite(location.path, { readonly: !isWriter, fileMustExist: true, timeout: 2000 });
  try {
    connection.pragma("cipher = 'chacha20'");
    connection.pragma(`key = "x'${Buffer.from(location.key).toString('hex')}'"`);
    connection.pragma('temp_store = memory');
    connection.pragma(`cache_size = -${options.cacheKib}`);
    connection.pragma('trusted_schema = off');
    if (isWriter) {
      connection.pragma(`page_size = ${pageBytes}`);
      connection.pragma('journal_mode = wal');
      connection.pragma('synchronous = full');
      connection.pragma('foreign_keys = on');
      connection.pragma('journal_size_limit = 16777216');
      if (options.maxPageCount !== undefined) connection.pragma(`max_page_count = ${options.maxPageCount}`);
    } else {
      connection.pragma('query_only = on');
    }
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function storeFault(code: StoreFaultCode, message: string, cause?: unknown): Fault<StoreFaultCode> {
  return new Fault(code, message, cause === undefined ? undefined : { cause });
}
