import type { Compilable, Insertable, Kysely, Selectable, Updateable } from 'kysely';
import type { Refusal, Result } from '#hub/kernel/result.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import type { CsvDelimiter } from '#hub/platform/csv.ts';
import type { Database } from './database.ts';
import type { StoreFigures } from './health/store-figures.ts';
import type { LineColumn, LinePiece } from './line-format.ts';
import type { TableCache } from './table-cache.ts';
import type { Statement } from './workers/worker-protocol.ts';

/** Declares how a table is replicated. The store opens only when every table is registered. */
export interface TableRegistration {
  /** `state`: rows change, versioned. `append`: rows are only added. `local`: never leaves this hub. */
  readonly class: 'state' | 'append' | 'local';
  readonly owner: 'hub' | 'centre' | 'merged';
  /** Columns that erasure may empty. */
  readonly personalColumns: readonly string[];
  /** The append table with rows of the same ids that these are the changing part of: they are where those are. */
  readonly partOf?: string;
  /** Noun for one row: `Card`. Required for replicated tables. */
  readonly called?: string;
  /** Label of a row: a column of its own, or the label of the row that it refers to. */
  readonly label?: { readonly column: string } | { readonly reference: string; readonly table: string };
  /** Permission to resolve a conflict of a row, as if writing it; `system.manage` by default. */
  readonly managedBy?: PermissionName;
}
export type TableName = keyof Database;

/** Builds selects only, never writes. */
export type Reader = Pick<Kysely<Database>, 'selectFrom' | 'with' | 'withRecursive'> & FixedReader;

/** Runs the statements of `fixedQuery` and `rememberedQuery`. */
export interface FixedReader {
  /** Runs a precompiled select. */
  select(statement: Statement): Promise<unknown[]>;
  /** Counts the commits that wrote to these tables; null where results must not be cached. */
  writesTo(tables: readonly string[]): number | null;
}

/** Plain writes, refused at run time for any table that is not registered `local`. */
export type LocalWriter = Pick<Kysely<Database>, 'insertInto' | 'updateTable' | 'deleteFrom'>;

export interface StaleVersion extends Refusal<'staleVersion'> {
  readonly currentVersion: number;
}
export interface RowMissing extends Refusal<'rowMissing'> {}

/** One write transaction (`begin immediate`). Nothing but these functions writes. No await of anything but the store inside. */
export interface Transaction extends Reader {
  /** Adds a row to a `state` table (version 1) or a `local` one. */
  insert<T extends TableName>(table: T, row: Insertable<Database[T]>): Promise<void>;
  /** Adds a row to an `append` table. */
  append<T extends TableName>(table: T, row: Insertable<Database[T]>): Promise<void>;
  /** Adds rows to an `append` table in two statements, for bulk loads. At most 500. */
  appendAll<T extends TableName>(table: T, rows: readonly Insertable<Database[T]>[]): Promise<void>;
  /** Changes a row of a `state` table: bumps `version`, sets `updated_at_ms`. */
  write<T extends TableName>(
    table: T,
    id: string,
    changes: Updateable<Database[T]>,
    options?: { readonly expectedVersion?: number | undefined },
  ): Promise<Result<Selectable<Database[T]>, StaleVersion | RowMissing>>;
  /**
   * Empties personal columns of a row of a `state` table for good: also in what waits to be replicated, here and at the
   * centre. Chains over digests stay whole.
   */
  erase<T extends TableName>(
    table: T,
    id: string,
    columns: readonly (keyof Database[T] & string)[],
  ): Promise<Result<null, RowMissing>>;
  /** Marks a row of a `state` table deleted (`deleted_at_ms`). */
  remove(table: TableName, id: string): Promise<Result<null, RowMissing>>;
  /** Writes to `local` tables, which are not replicated and may key on anything. */
  readonly local: LocalWriter;
  /** The time (UTC ms) of all writes of this transaction. */
  readonly nowMs: number;
  /**
   * Runs a part of the work that is undone by itself (rows and effects) when it throws or returns a refused `Result`;
   * the transaction goes on.
   */
  attempt<T>(work: () => Promise<T>): Promise<T>;
  /** Runs after the commit, never when it is rolled back. For announcements. */
  afterCommit(effect: () => void): void;
  /**
   * Caches a value derived from a table, valid after the writes awaited so far, for the rest of this transaction and
   * those after it. Any later write to the table and any rollback invalidate it.
   */
  remember<T>(cache: TableCache<T>, value: T): void;
  /** Returns the remembered value while it is valid, else undefined. Saves a round trip to the store. */
  recall<T>(cache: TableCache<T>): T | undefined;
}

/** Runs a query and makes CSV lines of its rows, both in the reader Worker. */
export type ToLines = (
  query: Compilable,
  columns: readonly LineColumn[],
  delimiter?: CsvDelimiter,
) => Promise<LinePiece>;

/** A replicated table with the columns that it has. */
export interface ReplicatedTable {
  readonly name: string;
  readonly class: 'state' | 'append';
  readonly columns: readonly string[];
}

/** Interface between the write seam and replication. */
export interface Replication {
  readonly tables: readonly ReplicatedTable[];
  /** Path and key, to open the store for reading from another Worker. */
  readonly location: { readonly path: string; readonly key: Uint8Array };
  /** Every write of a row says the whole row: while all rows are announced to a centre that may not have it yet. */
  wholeRows: boolean;
  /** Called after a commit that added to the outbox. */
  onOutboxGrown: () => void;
  /** Advances the hybrid clock past a time from elsewhere. */
  observe(hlc: number): void;
}

/** The hub's store: one writer in a Worker, a read-only connection here, a reader Worker for what takes long. */
export interface Store {
  /** Committed data; for indexed, bounded reads (they run on the main thread). */
  readonly read: Reader;
  /**
   * Runs `work` in a write transaction. Commits when it returns; rolls back when it throws or when it returns a
   * refused `Result`. Queued, bounded: a full queue is the Fault `storeBusy`, a full disk the Fault `diskFull`.
   */
  transact<T>(name: string, work: (tx: Transaction) => Promise<T>): Promise<T>;
  /**
   * Runs `work` on the reader Worker's connection, on one snapshot: reports, exports, verification. One at a time, so a
   * long file is read in pieces, a report each: nobody waits for whoever reads slowly, and no snapshot stays open.
   */
  report<T>(work: (reader: Reader, toLines: ToLines) => Promise<T>): Promise<T>;
  /** Connects replication to all other writes. */
  readonly replication: Replication;
  /** Counters for the health report and the metrics. */
  readonly figures: StoreFigures;
  close(): Promise<void>;
}
