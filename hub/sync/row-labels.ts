import { findColumns, findNamedRows, type NamedRow } from '#hub/store/named-rows.ts';
import type { Reader } from '#hub/store/store.ts';

/** Columns by which people know a row, the best first. */
const labelColumns = ['name', 'label', 'display_name', 'username', 'date'] as const;

interface NamedPlace {
  readonly tbl: string;
  readonly pk: string;
}

const textOf = (row: NamedRow | undefined, column: string): string | null => {
  const value = row?.[column];
  return typeof value === 'string' && value !== '' ? value : null;
};

/**
 * What people know rows of any tables by: their name, or that of the member whom they belong to. Null for rows that
 * have neither or are not here. A few statements for each table.
 */
export async function labelRows(
  reader: Reader,
  places: readonly NamedPlace[],
): Promise<(place: NamedPlace) => string | null> {
  const labels = new Map<string, string | null>();
  for (const [table, ofTable] of Map.groupBy(places, ({ tbl }) => tbl)) {
    const ids = [...new Set(ofTable.map(({ pk }) => pk))];
    for (const [id, label] of await labelTable(reader, table, ids)) labels.set(`${table}/${id}`, label);
  }
  return ({ tbl, pk }) => labels.get(`${tbl}/${pk}`) ?? null;
}

async function labelTable(
  reader: Reader,
  table: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string | null>> {
  const columns = await findColumns(reader, table);
  if (!columns.has('id')) return new Map();
  const own = labelColumns.find((column) => columns.has(column));
  if (own !== undefined) {
    const rows = await findNamedRows(reader, table, [own], ids);
    return new Map([...rows].map(([id, row]) => [id, textOf(row, own)]));
  }
  if (!columns.has('member_id')) return new Map();
  const rows = await findNamedRows(reader, table, ['member_id'], ids);
  const memberIds = [...rows.values()].flatMap((row) => textOf(row, 'member_id') ?? []);
  const members = await findNamedRows(reader, 'member', ['name'], memberIds);
  return new Map(
    [...rows].map(([id, row]) => [id, textOf(members.get(textOf(row, 'member_id') ?? ''), 'name')]),
  );
}
