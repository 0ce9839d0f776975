import { assert } from '#hub/kernel/result.ts';
import type { ColumnValue, ColumnValues } from '../canonical-json.ts';
import { isColumnValue } from '../sqlite/dialect.ts';
import { quoteName } from '../sqlite/quote-name.ts';
import { ConstraintFault } from '../sqlite/store-faults.ts';
import type { Transaction } from '../store.ts';
import type { Table } from '../table-registry.ts';
import { checkColumns } from './column-rules.ts';
import { SeamTransaction } from './seam.ts';

/** Change of one row from the centre: some of its columns, all of them where the row is new. */
export interface RowChange {
  readonly tbl: string;
  readonly pk: string;
  readonly set: ColumnValues;
}

/** Progress of the centre's changes in this store. */
export interface ReplicaPosition {
  readonly cursor: number;
  /** The id of the change at the cursor. */
  readonly cid: string | null;
  /** Own rows of `change` up to this one have come back. */
  readonly settled: number;
}

/** Outcome of applying changes. */
export interface Applied {
  /** Changed rows, by table. */
  readonly changed: ReadonlyMap<string, readonly string[]>;
  /** Rows that violate a constraint of this store, with the reason. */
  readonly refused: readonly (RowChange & { readonly problem: string })[];
}

const rowsAtOnce = 200;
/** SQLite takes 32,766 in one statement. */
const maxParameters = 32_000;

function seamOf(tx: Transaction): SeamTransaction {
  assert(tx instanceof SeamTransaction, 'a transaction of this store');
  return tx;
}

/** Returns the last number of the outbox, also where it was pruned. */
export async function outboxEnd(tx: Transaction): Promise<number> {
  const { rows } = await seamOf(tx).runUnrecorded({
    sql: "select seq from sqlite_sequence where name = 'change'",
    parameters: [],
  });
  return rows[0] === undefined ? 0 : Number(valueOf(rows[0], 'seq'));
}

export async function readPosition(reader: Pick<Transaction, 'selectFrom'>): Promise<ReplicaPosition> {
  const row = await reader.selectFrom('sync_position').selectAll().executeTakeFirstOrThrow();
  return { cursor: row.cursor, cid: row.cursor_cid, settled: row.settled };
}

export async function savePosition(
  tx: Transaction,
  { cursor, cid, settled }: ReplicaPosition,
): Promise<void> {
  await seamOf(tx).runUnrecorded({
    sql: 'update sync_position set cursor = ?, cursor_cid = ?, settled = ?',
    parameters: [cursor, cid, settled],
  });
}

/**
 * Takes changes of the centre in, in their order, without noting them for replication. A column that an own operation after
 * `settled` has written stays as it is here: that operation is still on its way. A row that breaks a constraint of this
 * store, or holds what the API would not have taken, is left out and said; the rest is taken. A snapshot is taken as it
 * is: it may be what was stored here.
 */
export async function applyChanges(
  tx: Transaction,
  changes: readonly RowChange[],
  settled: number,
  { isSnapshot = false }: { readonly isSnapshot?: boolean } = {},
): Promise<Applied> {
  const seam = seamOf(tx);
  const rows = foldByRow(changes);
  const changed = new Map<string, string[]>();
  const refused: (RowChange & { problem: string })[] = [];
  const apply = async (some: readonly RowChange[]): Promise<readonly RowChange[]> => {
    const pending = await pendingColumns(seam, some, settled);
    const written = await Promise.all(
      some.map((row, index) => prepareRow(seam, row, { pending: pending[index] ?? new Set(), isSnapshot })),
    );
    await Promise.all(written.map(async (write) => write?.()));
    return some.filter((_row, index) => written[index] !== null);
  };
  const note = (some: readonly RowChange[]): void => {
    for (const { tbl, pk } of some) {
      const ids = changed.get(tbl);
      if (ids === undefined) changed.set(tbl, [pk]);
      else ids.push(pk);
    }
  };
  for (let from = 0; from < rows.length; from += rowsAtOnce) {
    const part = rows.slice(from, from + rowsAtOnce);
    try {
      note(await seam.attempt(() => apply(part)));
    } catch (error) {
      if (!(error instanceof ConstraintFault)) throw error;
      const left = await takeEach(seam, part, async (row) => note(await apply([row])));
      refused.push(...left.map(({ item, problem }) => ({ ...item, problem })));
    }
  }
  return { changed, refused };
}

/**
 * Takes each by itself, again as long as that gets some of them in: one may need another that comes after it. What breaks a
 * rule in the end comes back.
 */
async function takeEach<T>(
  seam: SeamTransaction,
  items: readonly T[],
  take: (item: T) => Promise<unknown>,
): Promise<readonly { readonly item: T; readonly problem: string }[]> {
  let left = items.map((item) => ({ item, problem: '' }));
  for (;;) {
    const again: typeof left = [];
    for (const { item } of left) {
      try {
        await seam.attempt(() => take(item));
      } catch (error) {
        if (!(error instanceof ConstraintFault)) throw error;
        again.push({ item, problem: error.message });
      }
    }
    if (again.length === 0 || again.length === left.length) return again;
    left = again;
  }
}

/** Merges changes by row, in order of first appearance; later values win. */
function foldByRow(changes: readonly RowChange[]): readonly RowChange[] {
  const folded = new Map<string, RowChange>();
  for (const change of changes) {
    const key = `${change.tbl}/${change.pk}`;
    const before = folded.get(key);
    folded.set(key, before === undefined ? change : { ...change, set: { ...before.set, ...change.set } });
  }
  return [...folded.values()];
}

/** Finds, per row, the columns that own operations after `settled` have written. */
async function pendingColumns(
  seam: SeamTransaction,
  rows: readonly RowChange[],
  settled: number,
): Promise<readonly ReadonlySet<string>[]> {
  const lists = await Promise.all(
    rows.map(({ tbl, pk }) =>
      seam.runUnrecorded({
        sql:
          'select distinct j.key from change c, json_each(c.body) j ' +
          'where c.tbl = ? and c.pk = ? and c.body is not null and c.seq > ? ' +
          // What the centre could not take never comes back.
          "and not exists (select 1 from sync_dead_letter d where d.direction = 'up' and d.tbl = c.tbl and d.pk = c.pk " +
          'and d.seq = c.seq and d.resolved_at_ms is null)',
        parameters: [tbl, pk, settled],
      }),
    ),
  );
  return lists.map((list) => new Set(list.rows.map((row) => String(valueOf(row, 'key')))));
}

/** Compares the change with the current row; returns the write, or null when there is none. */
async function prepareRow(
  seam: SeamTransaction,
  { tbl, pk, set }: RowChange,
  { pending, isSnapshot }: { readonly pending: ReadonlySet<string>; readonly isSnapshot: boolean },
): Promise<(() => Promise<unknown>) | null> {
  const table = seam.replicatedTable(tbl);
  // A centre that is newer than this hub may know tables and columns that it does not.
  if (table === undefined) return null;
  const columns = Object.entries(set).filter(([name]) => table.columns.has(name) && !pending.has(name));
  const { rows } = await seam.runUnrecorded({
    sql: `select * from ${quoteName(tbl)} where id = ?`,
    parameters: [pk],
  });
  const [current] = rows;
  if (current === undefined && !(await hasItsWhole(seam, table, pk))) return null;
  if (current === undefined) {
    if (!isSnapshot) checkColumns(tbl, columns);
    return () => insertRow(seam, table, { ...Object.fromEntries(columns), id: pk });
  }
  if (table.registration.class === 'append') return null;
  const differing = columns.filter(([name, value]) => valueOf(current, name) !== value);
  if (differing.length === 0) return null;
  // Not those that are as they are: what was stored here before comes back from the centre and changes nothing.
  if (!isSnapshot) checkColumns(tbl, differing);
  return () =>
    seam.runUnrecorded({
      sql:
        `update ${quoteName(tbl)} set ${differing.map(([name]) => `${quoteName(name)} = ?, `).join('')}` +
        'version = version + 1, updated_at_ms = ? where id = ?',
      parameters: [...differing.map(([, value]) => value), seam.nowMs, pk],
    });
}

/** False for the local part of a row that belongs to another hub. */
async function hasItsWhole(seam: SeamTransaction, table: Table, pk: string): Promise<boolean> {
  const { partOf } = table.registration;
  if (partOf === undefined) return true;
  const { rows } = await seam.runUnrecorded({
    sql: `select 1 from ${quoteName(partOf)} where id = ?`,
    parameters: [pk],
  });
  return rows.length > 0;
}

async function insertRow(seam: SeamTransaction, table: Table, given: ColumnValues): Promise<void> {
  const own = table.registration.class === 'state' ? { version: 1, updated_at_ms: seam.nowMs } : {};
  const row: ColumnValues = { ...given, ...own };
  const names = Object.keys(row);
  await seam.runUnrecorded({
    sql: `insert into ${quoteName(table.name)} (${names.map(quoteName).join(', ')}) values (${names.map(() => '?').join(', ')})`,
    parameters: Object.values(row),
  });
}

/** Rows of one table as the centre has them, all with the same columns. */
export interface RowPage {
  readonly tbl: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly ColumnValue[])[];
}

/**
 * Takes a page of whole rows in: rows of append tables are added unless they are there, rows of state tables as in
 * `applyChanges`. References inside the page may come before what they refer to.
 */
export async function applyPage(tx: Transaction, page: RowPage, settled: number): Promise<Applied> {
  const seam = seamOf(tx);
  const table = seam.replicatedTable(page.tbl);
  if (table === undefined || page.rows.length === 0) return { changed: new Map(), refused: [] };
  if (table.registration.class === 'state') {
    const idPlace = page.columns.indexOf('id');
    const changes = page.rows.map((row) => ({
      tbl: page.tbl,
      pk: String(row[idPlace]),
      set: Object.fromEntries(page.columns.map((name, place) => [name, row[place] ?? null])),
    }));
    return await applyChanges(tx, changes, settled, { isSnapshot: true });
  }
  const known = page.columns.flatMap((name, place) => (table.columns.has(name) ? [{ name, place }] : []));
  const names = known.map(({ name }) => name);
  const rows = page.rows.map((row) => known.map(({ place }) => row[place] ?? null));
  return await appendRows(seam, page.tbl, names, rows);
}

/** Adds missing rows; returns those that violate another constraint as refused. */
async function appendRows(
  seam: SeamTransaction,
  tbl: string,
  names: readonly string[],
  rows: readonly (readonly ColumnValue[])[],
): Promise<Applied> {
  const one = `(${names.map(() => '?').join(', ')})`;
  const insert = async (some: readonly (readonly ColumnValue[])[]): Promise<unknown> =>
    await seam.runUnrecorded({
      sql:
        `insert into ${quoteName(tbl)} (${names.map(quoteName).join(', ')}) ` +
        `values ${some.map(() => one).join(', ')} on conflict (id) do nothing`,
      parameters: some.flat(),
    });
  const refused: (RowChange & { problem: string })[] = [];
  const limit = Math.max(1, Math.floor(maxParameters / names.length));
  for (let from = 0; from < rows.length; from += limit) {
    const some = rows.slice(from, from + limit);
    try {
      await seam.attempt(() => insert(some));
    } catch (error) {
      if (!(error instanceof ConstraintFault)) throw error;
      for (const { item, problem } of await takeEach(seam, some, (row) => insert([row]))) {
        const set = Object.fromEntries(names.map((name, place) => [name, item[place] ?? null]));
        refused.push({ tbl, pk: String(set['id']), set, problem });
      }
    }
  }
  return { changed: new Map([[tbl, []]]), refused };
}

/**
 * Notes the rows of a state table after `afterId`, at most `limit`, as if each had been added. The last id, or
 * null when there is none any more.
 */
export async function announceRows(
  tx: Transaction,
  tbl: string,
  afterId: string,
  limit: number,
): Promise<string | null> {
  const seam = seamOf(tx);
  const { rows } = await seam.runUnrecorded({
    sql: `select * from ${quoteName(tbl)} where id > ? order by id limit ?`,
    parameters: [afterId, limit],
  });
  for (const row of rows) seam.announce(tbl, row);
  const last = rows.at(-1);
  return last === undefined ? null : String(valueOf(last, 'id'));
}

/** Records one row in the outbox as if just added; false when it does not exist. */
export async function announceRow(tx: Transaction, tbl: string, pk: string): Promise<boolean> {
  const seam = seamOf(tx);
  const { rows } = await seam.runUnrecorded({
    sql: `select * from ${quoteName(tbl)} where id = ?`,
    parameters: [pk],
  });
  if (rows[0] === undefined) return false;
  seam.announce(tbl, rows[0]);
  return true;
}

function valueOf(row: unknown, name: string): ColumnValue {
  const value: unknown = typeof row === 'object' && row !== null ? Reflect.get(row, name) : undefined;
  return isColumnValue(value) ? value : null;
}
