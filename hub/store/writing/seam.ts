import {
  type Insertable,
  Kysely,
  type OperationNode,
  type RootOperationNode,
  type Selectable,
  type Updateable,
} from 'kysely';
import type { HybridClock } from '#hub/kernel/hybrid-time.ts';
import { assert, ok, type Result, refuse } from '#hub/kernel/result.ts';
import { type ColumnValues, canonicalJson, digestOf } from '../canonical-json.ts';
import type { ChangeTable, Database } from '../database.ts';
import { isColumnValue, runnerDialect } from '../sqlite/dialect.ts';
import { quoteName } from '../sqlite/quote-name.ts';
import type { LocalWriter, Replication, RowMissing, StaleVersion, TableName, Transaction } from '../store.ts';
import type { TableCache } from '../table-cache.ts';
import { sealedTables, type Table, type Tables } from '../table-registry.ts';
import type { Statement, StatementResult } from '../workers/worker-protocol.ts';

/** Access of the seam to one open transaction. */
export interface TransactionSession {
  /** `follow` runs right behind it if it returned or changed a row; should that fail, so does the transaction. */
  run(statement: Statement, follow?: Statement): Promise<StatementResult>;
  /** Runs it in its turn, without waiting: should it fail, so does the transaction. */
  post(statement: Statement): void;
  readonly nowMs: number;
  readonly effects: (() => void)[];
  /** Call for every table, before sending the write to it. */
  noteWrite(table: string): void;
  /** Call when a part of it is rolled back. */
  noteUndone(): void;
  remember<T>(cache: TableCache<T>, value: T): void;
  recall<T>(cache: TableCache<T>): T | undefined;
  /** Clock of the changes recorded for replication. */
  readonly hybridClock: HybridClock;
  readonly replication: Pick<Replication, 'wholeRows'>;
}

/** Columns of a `state` row that are local to this hub. */
const ownColumns: ReadonlySet<string> = new Set(['version', 'updated_at_ms']);
/** SQLite takes 32,766 parameters in one statement. */
const maxRowsAtOnce = 500;
const columnsKeptByStore = ['id', 'version', 'created_at_ms', 'updated_at_ms', 'deleted_at_ms'] as const;

/**
 * The one way to write. Its queries may select anything and write to `local` tables; all else goes through its own
 * functions, which leave one row of `change` for each row written, in the same transaction.
 */
export class SeamTransaction extends Kysely<Database> implements Transaction {
  readonly nowMs: number;
  readonly #session: TransactionSession;
  readonly #tables: Tables;

  constructor(session: TransactionSession, tables: Tables) {
    super({
      dialect: runnerDialect({
        admit: (query) => {
          const written = admitInTransaction(query, tables);
          if (written !== null) session.noteWrite(written);
        },
        run: async (statement) => await session.run(statement),
        stream: () => {
          throw new Error('assertion failed: streams are for store.report');
        },
      }),
    });
    this.nowMs = session.nowMs;
    this.#session = session;
    this.#tables = tables;
  }

  async select(statement: Statement): Promise<unknown[]> {
    return (await this.#session.run(statement)).rows;
  }

  /** Sees uncommitted data, so results must not be cached. */
  writesTo(): null {
    return null;
  }

  get local(): LocalWriter {
    return this;
  }

  afterCommit(effect: () => void): void {
    this.#session.effects.push(effect);
  }

  remember<T>(cache: TableCache<T>, value: T): void {
    this.#session.remember(cache, value);
  }

  recall<T>(cache: TableCache<T>): T | undefined {
    return this.#session.recall(cache);
  }

  async attempt<T>(work: () => Promise<T>): Promise<T> {
    const { effects } = this.#session;
    const effectsBefore = effects.length;
    const end = async (isKept: boolean): Promise<void> => {
      if (!isKept) {
        effects.length = effectsBefore;
        this.#session.noteUndone();
        await this.#session.run({ sql: 'rollback to attempt', parameters: [] });
      }
      await this.#session.run({ sql: 'release attempt', parameters: [] });
    };
    await this.#session.run({ sql: 'savepoint attempt', parameters: [] });
    let value: T;
    try {
      value = await work();
    } catch (error) {
      await end(false);
      throw error;
    }
    await end(!isRefused(value));
    return value;
  }

  async insert<T extends TableName>(table: T, row: Insertable<Database[T]>): Promise<void> {
    const target = this.#table(table, ['state', 'local']);
    const given = columnsOf(target, row);
    if (target.registration.class === 'local') {
      assert(!sealedTables.has(table), `table ${table} is written by the store alone`);
      const kept = keepOnly(target, { version: 1, created_at_ms: this.nowMs, updated_at_ms: this.nowMs });
      await this.#session.run(insertStatement(table, { ...kept, ...given }));
      return;
    }
    const kept = { version: 1, created_at_ms: this.nowMs, updated_at_ms: this.nowMs };
    assertKept(table, given, { ...kept, deleted_at_ms: null });
    const whole = { ...target.emptyRow, ...given, ...kept };
    const columns = without(whole, [...ownColumns, 'deleted_at_ms']);
    const change = this.#changeOf(target, idOf(table, whole), 'insert', columns, canonicalJson(columns));
    await this.#session.run(insertStatement(table, whole), changeStatement([change]));
  }

  async append<T extends TableName>(table: T, row: Insertable<Database[T]>): Promise<void> {
    const target = this.#table(table, ['append']);
    const given = columnsOf(target, row);
    const kept = { created_at_ms: this.nowMs };
    assertKept(table, given, kept);
    const whole = { ...target.emptyRow, ...given, ...kept };
    const change = this.#changeOf(target, idOf(table, whole), 'insert', whole, null);
    await this.#session.run(insertStatement(table, whole), changeStatement([change]));
  }

  async appendAll<T extends TableName>(table: T, rows: readonly Insertable<Database[T]>[]): Promise<void> {
    if (rows.length === 0) return;
    assert(rows.length <= maxRowsAtOnce, `at most ${maxRowsAtOnce} rows at once`);
    const target = this.#table(table, ['append']);
    const kept = { created_at_ms: this.nowMs };
    const whole = rows.map((row) => {
      const columns = columnsOf(target, row);
      assertKept(table, columns, kept);
      return { ...target.emptyRow, ...columns, ...kept };
    });
    const changes = whole.map((row) => this.#changeOf(target, idOf(table, row), 'insert', row, null));
    await this.#session.run(insertStatement(table, ...whole), changeStatement(changes));
  }

  async write<T extends TableName>(
    table: T,
    id: string,
    changes: Updateable<Database[T]>,
    options: { readonly expectedVersion?: number | undefined } = {},
  ): Promise<Result<Selectable<Database[T]>, StaleVersion | RowMissing>> {
    const target = this.#table(table, ['state']);
    const columns = columnsOf(target, changes);
    for (const column of columnsKeptByStore)
      assert(!(column in columns), `${table}.${column} is set by the store and not by write()`);
    const expected = options.expectedVersion ?? null;
    const isEmpty = Object.keys(columns).length === 0;
    const row = isEmpty
      ? await this.#find(table, id, expected)
      : await this.#update(target, id, columns, 'update', expected);
    if (row === undefined) return await this.#whyNotWritten(table, id, expected);
    assert(isRowOf(table, row), 'a row is an object');
    return ok(row);
  }

  async erase<T extends TableName>(
    table: T,
    id: string,
    columns: readonly (keyof Database[T] & string)[],
  ): Promise<Result<null, RowMissing>> {
    const target = this.#table(table, ['state']);
    for (const column of columns)
      assert(target.registration.personalColumns.includes(column), `${table}.${column} is personal`);
    const emptied = Object.fromEntries(columns.map((column) => [column, null]));
    const { rows } = await this.#session.run(updateStatement(table, id, emptied, this.nowMs, null));
    if (rows.length === 0) return refuse({ code: 'rowMissing' });
    const paths = columns.map((column) => `$."${column}"`);
    const replace = `json_replace(body, ${paths.map(() => "?, json('null')").join(', ')})`;
    for (const kept of ['change', 'sync_dead_letter'].filter((name) => this.#tables.has(name)))
      this.#session.post({
        sql: `update ${kept} set body = ${replace} where tbl = ? and pk = ? and body is not null`,
        parameters: [...paths, table, id],
      });
    this.#session.post(
      changeStatement([
        { ...this.#changeOf(target, id, 'update', emptied, canonicalJson(emptied)), erases: 1 },
      ]),
    );
    return ok(null);
  }

  async remove(table: TableName, id: string): Promise<Result<null, RowMissing>> {
    const target = this.#table(table, ['state']);
    const row = await this.#update(target, id, { deleted_at_ms: this.nowMs }, 'delete', null);
    return row === undefined ? refuse({ code: 'rowMissing' }) : ok(null);
  }

  /**
   * Notes a row as it is, as if it had been added: for a centre that may not have it. Without a time, as nobody wrote it
   * now: it gives way to whatever is newer there.
   */
  announce(table: string, row: unknown): void {
    const { target, columns, body } = this.#wholeRow(table, row);
    this.#session.post(
      changeStatement([{ ...this.#changeOf(target, idOf(table, columns), 'insert', columns, body), hlc: 0 }]),
    );
  }

  /** Finds a replicated table to write to past the seam; undefined when there is none of that name. */
  replicatedTable(name: string): Table | undefined {
    const table = this.#tables.get(name);
    if (table === undefined || table.registration.class === 'local') return undefined;
    this.#session.noteWrite(name);
    return table;
  }

  /** Runs a statement past the seam, for the store's own bookkeeping. */
  async runUnrecorded(statement: Statement): Promise<StatementResult> {
    return await this.#session.run(statement);
  }

  /** Updates a live row and records the change; undefined when there is none, or none of that version. */
  async #update(
    table: Table,
    id: string,
    columns: ColumnValues,
    op: 'update' | 'delete',
    expectedVersion: number | null,
  ): Promise<unknown> {
    const statement = updateStatement(table.name, id, columns, this.nowMs, expectedVersion);
    if (!this.#session.replication.wholeRows) {
      const change = this.#changeOf(table, id, op, columns, canonicalJson(columns));
      return (await this.#session.run(statement, changeStatement([change]))).rows[0];
    }
    const [row] = (await this.#session.run(statement)).rows;
    if (row === undefined) return undefined;
    const whole = this.#wholeRow(table.name, row);
    this.#session.post(changeStatement([this.#changeOf(table, id, 'insert', whole.columns, whole.body)]));
    return row;
  }

  /** Reads a live row; undefined when there is none, or none of that version. */
  async #find(table: string, id: string, expectedVersion: number | null): Promise<unknown> {
    const { rows } = await this.#session.run({
      sql: `select * from ${quoteName(table)} ${liveRow}`,
      parameters: [id, expectedVersion],
    });
    return rows[0];
  }

  async #whyNotWritten<T extends TableName>(
    table: T,
    id: string,
    expectedVersion: number | null,
  ): Promise<Result<Selectable<Database[T]>, StaleVersion | RowMissing>> {
    const current = await this.#find(table, id, null);
    if (current === undefined) return refuse({ code: 'rowMissing' });
    assert(expectedVersion !== null, 'a row that is there is written, unless a version was expected');
    const { version } = toColumns(current);
    assert(typeof version === 'number', `${table}.version is a number`);
    return refuse({ code: 'staleVersion', currentVersion: version });
  }

  #wholeRow(table: string, row: unknown): { target: Table; columns: ColumnValues; body: string | null } {
    const target = this.#table(table, ['state', 'append']);
    const columns = without(toColumns(row), [...ownColumns]);
    return { target, columns, body: target.registration.class === 'append' ? null : canonicalJson(columns) };
  }

  #changeOf(
    table: Table,
    pk: string,
    op: ChangeTable['op'],
    columns: ColumnValues,
    body: string | null,
  ): ColumnValues {
    this.#session.noteWrite('change');
    const digest = digestOf(columns, table.registration.personalColumns);
    const hlc = this.#session.hybridClock.tick(this.nowMs);
    return { tbl: table.name, pk, op, body, digest, at_ms: this.nowMs, hlc, erases: 0 };
  }

  #table(name: string, classes: readonly string[]): Table {
    const table = this.#tables.get(name);
    assert(table !== undefined, `table ${name} is registered`);
    this.#session.noteWrite(name);
    assert(
      classes.includes(table.registration.class),
      `table ${name} is ${table.registration.class}: it is not written by this function`,
    );
    return table;
  }
}

/** Throws unless the query selects, or writes to one `local` table: that table. */
function admitInTransaction(query: RootOperationNode, tables: Tables): string | null {
  if (query.kind === 'SelectQueryNode') return null;
  const name = writtenTable(query);
  assert(name !== null, `a ${query.kind} does not go past the write seam`);
  assert(
    tables.get(name)?.registration.class === 'local' && !sealedTables.has(name),
    `table ${name} is not written by tx.local: use tx.insert, append, write or remove`,
  );
  return name;
}

function writtenTable(query: RootOperationNode): string | null {
  if (query.kind === 'InsertQueryNode') return tableName(query.into);
  if (query.kind === 'UpdateQueryNode') return tableName(query.table);
  if (query.kind === 'DeleteQueryNode' && query.from.froms.length === 1)
    return tableName(query.from.froms[0]);
  return null;
}

function tableName(node: OperationNode | undefined): string | null {
  if (node === undefined) return null;
  if (isAlias(node)) return tableName(node.node);
  return isTable(node) ? node.table.identifier.name : null;
}
const isAlias = (node: OperationNode): node is OperationNode & { readonly node: OperationNode } =>
  node.kind === 'AliasNode';
const isTable = (
  node: OperationNode,
): node is OperationNode & { readonly table: { readonly identifier: { readonly name: string } } } =>
  node.kind === 'TableNode';

/** Picks the columns that a caller sets; `undefined` counts as not set. Unknown ones are a bug. */
function columnsOf(table: Table, row: object): ColumnValues {
  for (const name of Object.keys(row)) assert(table.columns.has(name), `${table.name} has a column ${name}`);
  return toColumns(row, table.name);
}

function toColumns(row: unknown, table = 'a row'): ColumnValues {
  assert(typeof row === 'object' && row !== null, 'a row is an object');
  const columns: Record<string, ColumnValues[string]> = {};
  for (const [name, value] of Object.entries(row)) {
    if (value === undefined) continue;
    assert(
      isColumnValue(value),
      `${table}.${name} is null, a finite number, text or bytes (a boolean is 0 or 1)`,
    );
    // SQLite would store a lone surrogate as U+FFFD, and the digest would not fit what is read back.
    columns[name] = typeof value === 'string' ? value.toWellFormed() : value;
  }
  return columns;
}

function assertKept(table: string, given: ColumnValues, kept: ColumnValues): void {
  for (const [name, value] of Object.entries(kept))
    assert(!(name in given) || given[name] === value, `${table}.${name} is set by the store`);
}

function idOf(table: string, row: ColumnValues): string {
  const id = row['id'];
  assert(typeof id === 'string', `${table}.id is text`);
  return id;
}

/** All rows have the same columns, in the same order. */
function insertStatement(table: string, ...rows: readonly ColumnValues[]): Statement {
  const names = Object.keys(rows[0] ?? {});
  const one = `(${names.map(() => '?').join(', ')})`;
  return {
    sql: `insert into ${quoteName(table)} (${names.map(quoteName).join(', ')}) values ${rows.map(() => one).join(', ')}`,
    parameters: rows.flatMap((row) => Object.values(row)),
  };
}

const liveRow = 'where id = ? and deleted_at_ms is null and version = coalesce(?, version)';

/** Updates a row, returning its new state. */
function updateStatement(
  table: string,
  id: string,
  columns: ColumnValues,
  nowMs: number,
  expectedVersion: number | null,
): Statement {
  const set = Object.keys(columns).map((name) => `${quoteName(name)} = ?, `);
  return {
    sql: `update ${quoteName(table)} set ${set.join('')}version = version + 1, updated_at_ms = ? ${liveRow} returning *`,
    parameters: [...Object.values(columns), nowMs, id, expectedVersion],
  };
}

/** Inserts into the outbox, each with the cursor of the centre's changes that its transaction has seen. */
function changeStatement(rows: readonly ColumnValues[]): Statement {
  const { sql, parameters } = insertStatement('change', ...rows);
  const withCursor = sql
    .replace(') values ', ', "base_cursor") values ')
    .replaceAll('?)', '?, (select cursor from sync_position))');
  return { sql: withCursor, parameters };
}

const keepOnly = (table: Table, columns: ColumnValues): ColumnValues =>
  Object.fromEntries(Object.entries(columns).filter(([name]) => table.columns.has(name)));
const without = (columns: ColumnValues, names: readonly string[]): ColumnValues =>
  Object.fromEntries(Object.entries(columns).filter(([name]) => !names.includes(name)));
const isRowOf = <T extends TableName>(_table: T, row: unknown): row is Selectable<Database[T]> =>
  typeof row === 'object' && row !== null;

/** True for a refused `Result`, which rolls the work back. */
export function isRefused(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && 'ok' in value && value.ok === false && 'refusal' in value
  );
}
