import { type Selectable, sql } from 'kysely';
import type { StateColumns } from '#hub/store/database.ts';
import type { Reader, TableRegistration, Transaction } from '#hub/store/store.ts';
import type { Registrations } from '#hub/store/table-registry.ts';
import type { Halt, Stage } from './schema.ts';

export interface SyncLinkTable {
  id: number;
  central_url: string;
  central_ca: string | null;
  site_id: string;
  site_name: string;
  hub_id: string;
  hub_name: string;
  next_token: Uint8Array | null;
  token: Uint8Array;
  token_since_ms: number;
  linked_at_ms: number;
  epoch: number;
  instance: string;
  base_seq: number;
  acked: number;
  acked_chain: string;
  stage: Stage;
  place: string | null;
  halted: Halt | null;
  columns: string | null;
}
export type LinkRow = Selectable<SyncLinkTable>;

export interface SyncMarkTable {
  epoch: number;
  seq: number;
  chain: string;
  at_ms: number;
}

export interface SyncDeadLetterTable {
  id: string;
  direction: 'up' | 'down';
  seq: number;
  tbl: string;
  pk: string;
  problem: string;
  body: string;
  at_ms: number;
  resolved_at_ms: number | null;
}

export interface SyncConflictTable extends StateColumns {
  tbl: string;
  pk: string;
  col: string;
  kept: string;
  lost: string;
  kept_by: string;
  lost_by: string;
  kept_at_ms: number;
  lost_at_ms: number;
  settled_at_ms: number | null;
  settled_by: string | null;
}

declare module '#hub/store/database.ts' {
  interface Database {
    sync_link: SyncLinkTable;
    sync_mark: SyncMarkTable;
    sync_dead_letter: SyncDeadLetterTable;
    sync_conflict: SyncConflictTable;
  }
}

const local: TableRegistration = { class: 'local', owner: 'hub', personalColumns: [] };

/** The link holds a token, so it never leaves; conflicts are found by the centre and settled here. */
export const syncTables = {
  sync_link: local,
  sync_mark: local,
  sync_dead_letter: local,
  sync_conflict: { called: 'Conflict', class: 'state', owner: 'merged', personalColumns: ['kept', 'lost'] },
} as const satisfies Registrations;

export async function findLink(reader: Reader): Promise<LinkRow | undefined> {
  return await reader.selectFrom('sync_link').selectAll().executeTakeFirst();
}

export async function saveLink(tx: Transaction, link: Omit<LinkRow, 'id'>): Promise<void> {
  await tx.local.deleteFrom('sync_link').execute();
  await tx.local
    .insertInto('sync_link')
    .values({ id: 1, ...link })
    .execute();
}

export async function changeLink(tx: Transaction, changes: Partial<Omit<LinkRow, 'id'>>): Promise<void> {
  await tx.local.updateTable('sync_link').set(changes).execute();
}

const lastSiteFact = 'sync.lastSite';

/**
 * Forgets the centre and what was kept for it; the outbox is pruned by age again. How far this store has taken that site's
 * changes in stays known, for a link to it that comes later.
 */
export async function deleteLink(tx: Transaction): Promise<void> {
  const link = await findLink(tx);
  if (link === undefined) return;
  await tx.local
    .insertInto('store_fact')
    .values({ name: lastSiteFact, value: link.site_id, updated_at_ms: tx.nowMs })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet({ value: link.site_id, updated_at_ms: tx.nowMs }),
    )
    .execute();
  await tx.local.deleteFrom('sync_link').execute();
  await tx.local.deleteFrom('sync_mark').execute();
}

/** The site that `sync_position` is of, where there is no link any more. */
export async function findLastSite(reader: Reader): Promise<string | null> {
  const row = await reader
    .selectFrom('store_fact')
    .select('value')
    .where('name', '=', lastSiteFact)
    .executeTakeFirst();
  return row?.value ?? null;
}

export async function saveMark(
  tx: Transaction,
  mark: { readonly epoch: number; readonly seq: number; readonly chain: string },
): Promise<void> {
  await tx.local
    .insertInto('sync_mark')
    .values({ ...mark, at_ms: tx.nowMs })
    .onConflict((conflict) => conflict.columns(['epoch', 'seq']).doUpdateSet({ chain: mark.chain }))
    .execute();
}

export async function pruneMarks(tx: Transaction, beforeMs: number): Promise<void> {
  await tx.local.deleteFrom('sync_mark').where('at_ms', '<', beforeMs).execute();
}

/** Inserts a dead letter, replacing an equal one: an interrupted round repeats its work. */
export async function insertSyncDeadLetter(
  tx: Transaction,
  letter: Omit<SyncDeadLetterTable, 'at_ms' | 'resolved_at_ms'>,
): Promise<void> {
  await tx.local
    .deleteFrom('sync_dead_letter')
    .where('resolved_at_ms', 'is', null)
    .where('direction', '=', letter.direction)
    .where('seq', '=', letter.seq)
    .where('tbl', '=', letter.tbl)
    .where('pk', '=', letter.pk)
    .where('body', '=', letter.body)
    .where('problem', '=', letter.problem)
    .execute();
  await tx.local
    .insertInto('sync_dead_letter')
    .values({ ...letter, at_ms: tx.nowMs, resolved_at_ms: null })
    .execute();
}

/** Deletes the dead letters of operations that are sent again. */
export async function forgetDeadLetters(tx: Transaction, numbers: readonly number[]): Promise<void> {
  await tx.local
    .deleteFrom('sync_dead_letter')
    .where('direction', '=', 'up')
    .where('seq', 'in', numbers)
    .execute();
}

/**
 * Operations after `from` up to `to` went through, but for those that died: what could not be sent before no longer
 * matters where one of them has written all of it.
 */
export async function resolveSent(
  tx: Transaction,
  from: number,
  to: number,
  dead: readonly number[],
): Promise<void> {
  await tx.local
    .updateTable('sync_dead_letter')
    .set({ resolved_at_ms: tx.nowMs })
    .where('resolved_at_ms', 'is', null)
    .where('direction', '=', 'up')
    .where((where) =>
      where.exists(
        where
          .selectFrom('change')
          .select('change.seq')
          .whereRef('change.tbl', '=', 'sync_dead_letter.tbl')
          .whereRef('change.pk', '=', 'sync_dead_letter.pk')
          .whereRef('change.seq', '>', 'sync_dead_letter.seq')
          .where(
            sql<boolean>`not exists (select 1 from json_each(sync_dead_letter.body) dead where not exists
              (select 1 from json_each(change.body) sent where sent.key = dead.key))`,
          )
          .where('change.seq', '>', from)
          .where('change.seq', '<=', to)
          .where('change.seq', 'not in', dead.length === 0 ? [0] : dead),
      ),
    )
    .execute();
}

/** Rows of the outbox by number. */
export async function findDeadOperations(
  reader: Reader,
  numbers: readonly number[],
): Promise<ReadonlyMap<number, { readonly tbl: string; readonly pk: string; readonly body: string | null }>> {
  if (numbers.length === 0) return new Map();
  const rows = await reader
    .selectFrom('change')
    .select(['seq', 'tbl', 'pk', 'body'])
    .where('seq', 'in', numbers)
    .execute();
  return new Map(rows.map((row) => [row.seq, row]));
}

/** Rows that were refused while whole tables were taken in, by id. */
export async function findRefusedRows(
  reader: Reader,
  afterId: string,
  limit: number,
): Promise<readonly { readonly id: string; readonly tbl: string; readonly body: string }[]> {
  return await reader
    .selectFrom('sync_dead_letter')
    .select(['id', 'tbl', 'body'])
    .where('direction', '=', 'down')
    .where('seq', '=', 0)
    .where('resolved_at_ms', 'is', null)
    .where('id', '>', afterId)
    .orderBy('id')
    .limit(limit)
    .execute();
}

export async function removeDeadLetters(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await tx.local.deleteFrom('sync_dead_letter').where('id', 'in', ids).execute();
}
