import type { Generated } from 'kysely';

/**
 * Every table of the store, by name. Open: each domain adds its own in its `repository.ts` by
 * `declare module '#hub/store/database.ts' { interface Database { member: MemberTable } }`.
 */
export interface Database {
  change: ChangeTable;
  migration: MigrationTable;
  store_fact: StoreFactTable;
  sync_position: SyncPositionTable;
}

/** Columns that the write seam keeps in every `state` and `append` table. `append` tables have no version or update. */
export interface StateColumns {
  id: string;
  version: Generated<number>;
  created_at_ms: Generated<number>;
  updated_at_ms: Generated<number>;
  deleted_at_ms: Generated<number | null>;
}
export interface AppendColumns {
  id: string;
  created_at_ms: Generated<number>;
}

/** The outbox of replication: one row for each write of a `state` or `append` table, in order. */
export interface ChangeTable {
  seq: Generated<number>;
  tbl: string;
  pk: string;
  op: 'insert' | 'update' | 'delete';
  /** JSON of the columns written; null for append tables (built when sent). */
  body: string | null;
  /** SHA-256 (hex) of the canonical JSON of the written columns without the personal ones' values (their digests stand there), fixed at write time. */
  digest: string;
  at_ms: number;
  /** The last change of the centre that was in this store then. */
  base_cursor: Generated<number>;
  /** Hybrid logical time; later than in any row before. */
  hlc: Generated<number>;
  /** 1: the columns were emptied for good. */
  erases: Generated<number>;
}

/** Progress of the centre's changes in this store: one row. */
export interface SyncPositionTable {
  id: number;
  cursor: number;
  cursor_cid: string | null;
  /** Own rows of `change` up to this one have come back from the centre. */
  settled: number;
}

/** The migrations that this database has had, in order. Kept by the migration runner. */
export interface MigrationTable {
  number: number;
  name: string;
  /** SHA-256 (hex) of the file's bytes. */
  sha256: string;
  /** The release of the hub that applied it: what a hub that does not know the migration asks for. */
  release: string;
  applied_at_ms: number;
}

/** Facts of this store that belong to no domain. */
export interface StoreFactTable {
  name: string;
  value: string;
  updated_at_ms: number;
}
