import { assert, type Result, refuse } from '#hub/kernel/result.ts';
import type { ColumnValue } from './canonical-json.ts';
import type { Database } from './database.ts';
import { quoteName } from './sqlite/quote-name.ts';
import type { Reader, RowMissing, StaleVersion, TableName, Transaction } from './store.ts';

/** Rows of any table, for whoever has its name from data: a conflict, a dead letter. */
export type NamedRow = Readonly<Record<string, unknown>>;

const isRow = (value: unknown): value is NamedRow => typeof value === 'object' && value !== null;

/** The columns that a table has; none where there is no such table. */
export async function findColumns(
  reader: Pick<Reader, 'select'>,
  table: string,
): Promise<ReadonlySet<string>> {
  const rows = await reader.select({ sql: 'select name from pragma_table_info(?)', parameters: [table] });
  return new Set(rows.filter(isRow).map(({ name }) => String(name)));
}

/** Some columns of the rows with these ids, those that are marked deleted too, by id. The columns must be there. */
export async function findNamedRows(
  reader: Pick<Reader, 'select'>,
  table: string,
  columns: readonly string[],
  ids: readonly string[],
): Promise<ReadonlyMap<string, NamedRow>> {
  const rows = await reader.select({
    sql:
      `select ${['id', ...columns].map(quoteName).join(', ')} from ${quoteName(table)} ` +
      'where id in (select value from json_each(?))',
    parameters: [JSON.stringify(ids)],
  });
  return new Map(rows.filter(isRow).map((row) => [String(row['id']), row]));
}

/** Reads one text column of these rows, by id; rows without a value are left out. */
export async function findNamedValues(
  reader: Pick<Reader, 'select'>,
  table: string,
  column: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await findNamedRows(reader, table, [column], ids);
  return new Map(
    [...rows].flatMap(([id, row]) => {
      const value = row[column];
      return typeof value === 'string' ? [[id, value] as const] : [];
    }),
  );
}

/** Columns that the store keeps by itself: nobody chooses their values. */
const keptColumns: ReadonlySet<string> = new Set([
  'id',
  'version',
  'created_at_ms',
  'updated_at_ms',
  'deleted_at_ms',
]);

/**
 * Writes one column of a row of a `state` table, as `tx.write` does. Fault: `ConstraintFault`, the value does not fit.
 * @param isState whether the name is that of a `state` table
 */
export async function writeNamedColumn(
  tx: Transaction,
  place: { readonly table: string; readonly id: string; readonly column: string },
  value: ColumnValue,
  isState: (name: string) => name is TableName,
): Promise<Result<unknown, RowMissing | StaleVersion | { readonly code: 'columnUnknown' }>> {
  const { table, id, column } = place;
  const columns = await findColumns(tx, table);
  if (!isState(table) || !columns.has(column) || keptColumns.has(column))
    return refuse({ code: 'columnUnknown' });
  return await tx.write(table, id, changeOf(table, column, value));
}

function changeOf<T extends TableName>(_table: T, column: string, value: ColumnValue): Partial<Database[T]> {
  const change: unknown = { [column]: value };
  assert(isChange(_table, change), 'a change is an object');
  return change;
}
const isChange = <T extends TableName>(_table: T, change: unknown): change is Partial<Database[T]> =>
  isRow(change);
