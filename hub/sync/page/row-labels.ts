import { findNamedRows, findNamedValues, type NamedRow } from '#hub/store/named-rows.ts';
import type { Reader } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';

interface NamedPlace {
  readonly tbl: string;
  readonly pk: string;
}

const textOf = (row: NamedRow | undefined, column: string): string | null => {
  const value = row?.[column];
  return typeof value === 'string' && value !== '' ? value : null;
};

/**
 * What people know rows of any tables by, as the tables are registered: a column of their own, or the label of the row
 * that they refer to. Null for rows that have none or are not here. A few statements for each table.
 */
export async function labelRows(
  reader: Reader,
  tables: Registrations,
  places: readonly NamedPlace[],
): Promise<(place: NamedPlace) => string | null> {
  const labels = new Map<string, string | null>();
  for (const [table, ofTable] of Map.groupBy(places, ({ tbl }) => tbl)) {
    const ids = [...new Set(ofTable.map(({ pk }) => pk))];
    for (const [id, label] of await labelTable(reader, tables, table, ids))
      labels.set(`${table}/${id}`, label);
  }
  return ({ tbl, pk }) => labels.get(`${tbl}/${pk}`) ?? null;
}

async function labelTable(
  reader: Reader,
  tables: Registrations,
  table: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string | null>> {
  const label = Object.hasOwn(tables, table) ? tables[table]?.label : undefined;
  if (label === undefined) return new Map();
  if ('column' in label) {
    const rows = await findNamedRows(reader, table, [label.column], ids);
    return new Map([...rows].map(([id, row]) => [id, textOf(row, label.column)]));
  }
  const references = await findNamedValues(reader, table, label.reference, ids);
  const labels = await labelTable(reader, tables, label.table, [...references.values()]);
  return new Map([...references].map(([id, reference]) => [id, labels.get(reference) ?? null]));
}
