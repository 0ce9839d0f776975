import path from 'node:path';
import type { Kysely } from 'kysely';
import type { Result } from '#hub/kernel/result.ts';
import type { Database } from '#hub/store/database.ts';
import type { RowMissing, StaleVersion, Store, Transaction } from '#hub/store/store.ts';

/** The migrations that make the store's own tables. */
export const foundation = ['0001_foundation.sql', '0011_outbox.sql'].map((file) =>
  path.resolve(import.meta.dirname, '../../migrations/sqlite', file),
);

export const thingSql = `
create table thing (
  id text primary key not null,
  version integer not null,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  deleted_at_ms integer,
  name text not null unique,
  secret text,
  amount integer not null default 1 constraint positive check (amount > 0),
  picture blob,
  parent_id text references thing (id)
) strict;
create table line (id text primary key not null, created_at_ms integer not null, body text, person text) strict;
create table tick (n integer primary key, note text) strict;
`;

interface Thing {
  id: string;
  version: number;
  created_at_ms: number;
  updated_at_ms: number;
  deleted_at_ms: number | null;
  name: string;
  secret: string | null;
  amount: number;
  picture: Uint8Array | null;
  parent_id: string | null;
}
export interface TestDatabase extends Database {
  thing: Thing;
  line: { id: string; created_at_ms: number; body: string | null; person: string | null };
  tick: { n: number; note: string | null };
}
type TestKysely = Kysely<TestDatabase>;
export type TestReader = Pick<TestKysely, 'selectFrom' | 'with' | 'withRecursive'>;

/** The store's interface over this folder's tables. */
export interface TestTransaction extends TestReader {
  insert(table: string, row: Partial<Thing> | object): Promise<void>;
  append(table: string, row: object): Promise<void>;
  appendAll(table: string, rows: readonly object[]): Promise<void>;
  write(
    table: string,
    id: string,
    changes: object,
    options?: { expectedVersion?: number },
  ): Promise<Result<Thing, StaleVersion | RowMissing>>;
  remove(table: string, id: string): Promise<Result<null, RowMissing>>;
  readonly local: Pick<TestKysely, 'insertInto' | 'updateTable' | 'deleteFrom'>;
  readonly nowMs: number;
  afterCommit(effect: () => void): void;
  attempt: Transaction['attempt'];
  remember: Transaction['remember'];
  recall: Transaction['recall'];
}
export interface TestStore {
  readonly figures: Store['figures'];
  readonly read: TestReader;
  transact<T>(name: string, work: (tx: TestTransaction) => Promise<T>): Promise<T>;
  report<T>(work: (reader: TestReader) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
export const asTestStore = (store: Store): TestStore => store as unknown as TestStore;
export const asTransaction = (tx: TestTransaction): Transaction => tx as unknown as Transaction;

export const registry = {
  thing: { class: 'state', owner: 'hub', personalColumns: ['name', 'secret'] },
  line: { class: 'append', owner: 'hub', personalColumns: ['person'] },
  tick: { class: 'local', owner: 'hub', personalColumns: [] },
} as const;

export const rightKey = new Uint8Array(32).fill(7);
export const wrongKey = new Uint8Array(32).fill(9);
