import type { CsvDelimiter } from '#hub/platform/csv.ts';
import type { ColumnValue } from '../canonical-json.ts';
import type { LineColumn } from '../line-format.ts';
import type { MigrationState } from '../migrating/migrations.ts';
import type { WireError } from '../sqlite/store-faults.ts';

/** SQL with a value for each `?`. */
export type Statement = { readonly sql: string; readonly parameters: readonly ColumnValue[] };

/** Request of the main thread to a store Worker, several in one message. Answered in order, one reply each. */
export type WorkerRequest =
  | { readonly kind: 'begin' | 'commit' | 'rollback' | 'close' }
  /** `follow` runs only when the first returned or changed a row, and fails the transaction when it fails. */
  | { readonly kind: 'run'; readonly statement: Statement; readonly follow?: Statement | undefined }
  | { readonly kind: 'stream'; readonly statement: Statement }
  | { readonly kind: 'next'; readonly rows: number }
  | { readonly kind: 'endStream' }
  /** One row comes back: a `LinePiece`. */
  | {
      readonly kind: 'lines';
      readonly statement: Statement;
      readonly columns: readonly LineColumn[];
      readonly delimiter: CsvDelimiter;
    };

/** `rows` for what returns rows; `changes` and `lastInsertRowid` for the rest. */
export interface StatementResult {
  readonly rows: unknown[];
  readonly changes: number;
  readonly lastInsertRowid: number | bigint;
}

/** The answer to one request. */
export type WorkerReply =
  | { readonly kind: 'done'; readonly result: StatementResult }
  | { readonly kind: 'failed'; readonly error: WireError };

/** The columns of one table as the database has them. */
export interface TableShape {
  readonly name: string;
  readonly columns: readonly string[];
  /** Defaults of columns that an insert does not name; null defaults are left out. */
  readonly defaults: Readonly<Record<string, ColumnValue>>;
  /** The columns of the primary key, in order. */
  readonly primaryKey: readonly string[];
}

/** First message of a store Worker, once the store is open. */
export interface StoreReady {
  readonly tables: readonly TableShape[];
  readonly migrated: readonly MigrationState[];
  readonly openMs: number;
}

/** First message of a Worker: open, or the error. */
export type WorkerReady =
  | ({ readonly kind: 'ready' } & StoreReady)
  | { readonly kind: 'failed'; readonly error: WireError };

/** Start data of the writer Worker. */
export interface WriterWorkerData {
  readonly path: string;
  readonly key: Uint8Array;
  readonly keyPlace: string | undefined;
  readonly migrationsDir: string;
  readonly nowMs: number;
  readonly maxPageCount: number | undefined;
  readonly isBulkLoad: boolean;
}

/** Start data of the reader Worker. */
export interface ReaderWorkerData {
  readonly path: string;
  readonly key: Uint8Array;
}
