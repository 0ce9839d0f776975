import type { Selectable } from 'kysely';
import { inOrder, isAfter, type ListOrder, type Place } from '#hub/store/list-order.ts';
import type { Reader } from '#hub/store/store.ts';
import type { SyncConflictTable } from '../repository.ts';

export type ConflictRow = Selectable<SyncConflictTable>;

/** The newest first: the centre gives ids that say nothing of time. */
const order: ListOrder = { columns: ['created_at_ms', 'id'], isDescending: true };
export const placeOfConflict = (row: ConflictRow): Place => [row.created_at_ms, row.id];

const conflicts = (reader: Reader, isSettled: boolean) =>
  reader
    .selectFrom('sync_conflict')
    .where('deleted_at_ms', 'is', null)
    .where('settled_at_ms', isSettled ? 'is not' : 'is', null);

export async function listConflicts(
  reader: Reader,
  isSettled: boolean,
  { after, limit }: { readonly after: Place | null; readonly limit: number },
): Promise<readonly ConflictRow[]> {
  let query = conflicts(reader, isSettled).selectAll();
  if (after !== null) query = query.where(isAfter(order, after));
  return await query.orderBy(inOrder(order)).limit(limit).execute();
}

export async function countConflicts(reader: Reader, isSettled: boolean): Promise<number> {
  const row = await conflicts(reader, isSettled)
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .executeTakeFirstOrThrow();
  return row.rows;
}

export async function findConflict(reader: Reader, id: string): Promise<ConflictRow | null> {
  const row = await reader
    .selectFrom('sync_conflict')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row ?? null;
}
