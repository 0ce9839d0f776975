import { assert } from '#hub/kernel/result.ts';
import type { Reader, Store, Transaction } from '#hub/store/store.ts';
import { readPosition, savePosition } from '#hub/store/writing/replicated-writes.ts';
import { changeLink, findLink, type LinkRow } from '../repository.ts';

/** Loads the link of a hub that is known to have one. */
export async function loadLink(reader: Reader): Promise<LinkRow> {
  const link = await findLink(reader);
  assert(link !== undefined, 'a hub that belongs to no centre keeps nothing of one');
  return link;
}

/** Lists the columns of each replicated table, to notice later which are new. */
export const columnsOf = ({
  replication,
}: Pick<Store, 'replication'>): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(replication.tables.map((table) => [table.name, table.columns]));

/** Starts to take these tables, or all, from the centre again. */
export async function startBootstrap(tx: Transaction, tables: readonly string[] | null): Promise<void> {
  const link = await loadLink(tx);
  const position = await readPosition(tx);
  // What the centre has of ours is in what it sends.
  await savePosition(tx, { ...position, settled: link.acked });
  const place = { tables, head: null, cid: null, tbl: null, after: null };
  await changeLink(tx, { stage: 'bootstrap', place: JSON.stringify(place) });
}
