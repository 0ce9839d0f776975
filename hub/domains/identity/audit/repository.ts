import { type ExpressionBuilder, type RawBuilder, sql } from 'kysely';
import { z } from 'zod';
import { type AskedSpan, hasSpan } from '#hub/kernel/moment.ts';
import type { AppendColumns, Database, StateColumns } from '#hub/store/database.ts';
import { fixedQuery } from '#hub/store/fixed-query.ts';
import { inOrder, isAfter, type Place } from '#hub/store/list-order.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { AuditLink, AuditPayload } from './chain.ts';

export interface AuditEntryTable extends AppendColumns {
  /** 1, 2, 3, ... without a gap. */
  seq: number;
  at_ms: number;
  actor_kind: 'account' | 'service' | 'console' | 'bridge' | 'system';
  actor_id: string | null;
  action: string;
  target_table: string | null;
  target_id: string | null;
  payload_digest: string;
  prev_hash: string;
  hash: string;
}

/** Keyed by its entry's id. All three columns are null once the payload has been emptied. */
export interface AuditPayloadTable extends StateColumns {
  salt: string | null;
  actor_name: string | null;
  body: string | null;
}

export interface AuditRow extends Omit<AuditLink, 'actorKind'> {
  readonly actorKind: AuditEntryTable['actor_kind'];
  readonly hash: string;
  /** `missing`: the row is gone, which nothing in the hub ever does. */
  readonly payload: AuditPayload | 'emptied' | 'missing';
}

/** The newest entry, to which the next one is chained. */
const newestEntry = fixedQuery({}, (reader) =>
  reader.selectFrom('audit_entry').select(['seq', 'hash']).orderBy('seq', 'desc').limit(1),
);
export async function findAuditHead(
  reader: Reader,
): Promise<{ readonly seq: number; readonly hash: string } | null> {
  const [row] = await newestEntry(reader, {});
  return row ?? null;
}

export async function appendAudit(
  tx: Transaction,
  link: Omit<AuditRow, 'payload'>,
  { salt, actorName, body }: AuditPayload,
): Promise<void> {
  const entry = {
    id: link.id,
    seq: link.seq,
    at_ms: link.atMs,
    actor_kind: link.actorKind,
    actor_id: link.actorId,
    action: link.action,
    target_table: link.targetTable,
    target_id: link.targetId,
    payload_digest: link.payloadDigest,
    prev_hash: link.prevHash,
    hash: link.hash,
  };
  const payload = { id: link.id, salt, actor_name: actorName, body };
  // On their way together, in this order.
  await Promise.all([tx.append('audit_entry', entry), tx.insert('audit_payload', payload)]);
}

export interface AuditFilter extends AskedSpan {
  readonly action?: string | undefined;
  readonly actorId?: string | undefined;
  readonly actorKind?: AuditEntryTable['actor_kind'] | undefined;
  readonly targetId?: string | undefined;
  readonly targetTable?: string | undefined;
  /** The first and the last of the span of time, by `withSeqs`. */
  readonly seqs?: { readonly first: number; readonly last: number };
}

/**
 * The filter with the first and the last entry of its span of time, which lists need: they go along the numbers. Null:
 * nothing was written in it. Looks through the index of the whole span.
 */
export async function withSeqs(reader: Reader, filter: AuditFilter): Promise<AuditFilter | null> {
  if (!hasSpan(filter)) return filter;
  const { first, last } = await reader
    .selectFrom('audit_entry')
    .where((where) => where.and(inSpan(filter, sql.ref('at_ms'))))
    .select(({ fn }) => [fn.min('seq').as('first'), fn.max('seq').as('last')])
    .executeTakeFirstOrThrow();
  return typeof first !== 'number' || typeof last !== 'number' ? null : { ...filter, seqs: { first, last } };
}

const inSpan = ({ from, to }: AskedSpan, atMs: RawBuilder<unknown>): RawBuilder<boolean>[] => [
  ...(from === undefined ? [] : [sql<boolean>`${atMs} >= ${Date.parse(from)}`]),
  ...(to === undefined ? [] : [sql<boolean>`${atMs} < ${Date.parse(to)}`]),
];

const entries = (reader: Reader) =>
  reader
    .selectFrom('audit_entry')
    .leftJoin('audit_payload', 'audit_payload.id', 'audit_entry.id')
    .selectAll('audit_entry')
    .select([
      'audit_payload.id as payload_id',
      'audit_payload.salt',
      'audit_payload.actor_name',
      'audit_payload.body',
    ]);
type EntryRow = Awaited<ReturnType<ReturnType<typeof entries>['executeTakeFirstOrThrow']>>;

const rowToAudit = (row: EntryRow): AuditRow => ({
  id: row.id,
  seq: row.seq,
  atMs: row.at_ms,
  actorKind: row.actor_kind,
  actorId: row.actor_id,
  action: row.action,
  targetTable: row.target_table,
  targetId: row.target_id,
  payloadDigest: row.payload_digest,
  prevHash: row.prev_hash,
  hash: row.hash,
  payload: payloadOf(row),
});

function payloadOf(row: EntryRow): AuditRow['payload'] {
  if (row.payload_id === null) return 'missing';
  if (row.salt === null && row.body === null && row.actor_name === null) return 'emptied';
  return { salt: row.salt ?? '', actorName: row.actor_name, body: row.body ?? '' };
}

export interface AuditPage {
  readonly isOldestFirst: boolean;
  readonly after: Place | null;
  readonly limit: number;
}

/** The statement of `listAudit`. */
export function auditPage(reader: Reader, filter: AuditFilter, page: AuditPage) {
  const order = { columns: ['audit_entry.seq'], isDescending: !page.isOldestFirst };
  const { seqs } = filter;
  // The span as a value that no index knows: the page goes along the numbers.
  let query = entries(reader)
    .where(fits(filter, sql`+audit_entry.at_ms`))
    .orderBy(inOrder(order))
    .limit(page.limit);
  // Of two bounds on one side SQLite looks up the first, not the nearer one: on its side the place is the only one.
  if (seqs !== undefined && (page.after === null || !page.isOldestFirst))
    query = query.where('audit_entry.seq', '>=', seqs.first);
  if (seqs !== undefined && (page.after === null || page.isOldestFirst))
    query = query.where('audit_entry.seq', '<=', seqs.last);
  if (page.after !== null) query = query.where(isAfter(order, page.after));
  return query;
}

/** Entries in the order in which they were written. */
export const listAudit = async (
  reader: Reader,
  filter: AuditFilter,
  page: AuditPage,
): Promise<readonly AuditRow[]> => (await auditPage(reader, filter, page).execute()).map(rowToAudit);

export async function countAudit(reader: Reader, filter: AuditFilter): Promise<number> {
  const row = await reader
    .selectFrom('audit_entry')
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .where(fits(filter, sql.ref('audit_entry.at_ms')))
    .executeTakeFirstOrThrow();
  return row.rows;
}

const fits =
  ({ action, actorId, actorKind, targetId, targetTable, ...span }: AuditFilter, atMs: RawBuilder<unknown>) =>
  (where: ExpressionBuilder<Database, 'audit_entry'>) =>
    where.and([
      ...inSpan(span, atMs),
      ...(action === undefined ? [] : [where('audit_entry.action', '=', action)]),
      ...(actorId === undefined ? [] : [where('audit_entry.actor_id', '=', actorId)]),
      ...(actorKind === undefined ? [] : [where('audit_entry.actor_kind', '=', actorKind)]),
      ...(targetId === undefined ? [] : [where('audit_entry.target_id', '=', targetId)]),
      ...(targetTable === undefined ? [] : [where('audit_entry.target_table', '=', targetTable)]),
    ]);

const byTime = { columns: ['audit_entry.at_ms', 'audit_entry.id'], isDescending: true };

/** Entries about any of these, the newest first; `after` is the time and the id of the last one before. */
export async function listAuditOf(
  reader: Reader,
  filter: {
    readonly targetIds: readonly string[];
    readonly after: Place | null;
    readonly limit: number;
  },
): Promise<readonly AuditRow[]> {
  let query = entries(reader)
    .where('audit_entry.target_id', 'in', filter.targetIds)
    .orderBy(inOrder(byTime))
    .limit(filter.limit);
  if (filter.after !== null) query = query.where(isAfter(byTime, filter.after));
  return (await query.execute()).map(rowToAudit);
}

const factsSchema = z.record(z.string(), z.unknown());

/** Parses a payload; null if emptied, or corrupted outside the hub: the page still loads, and verification reports it. */
export function parseFacts(row: AuditRow): Record<string, unknown> | null {
  if (typeof row.payload === 'string') return null;
  try {
    return factsSchema.parse(JSON.parse(row.payload.body));
  } catch {
    return null;
  }
}

/** Null if the actor has no name, or once the payload was emptied. */
export const actorNameOf = ({ payload }: AuditRow): string | null =>
  typeof payload === 'string' ? null : payload.actorName;

export async function findAudit(reader: Reader, id: string): Promise<AuditRow | null> {
  const row = await entries(reader).where('audit_entry.id', '=', id).executeTakeFirst();
  return row === undefined ? null : rowToAudit(row);
}

/** The oldest first, from after `seq`. */
export async function pageAudit(
  reader: Reader,
  afterSeq: number,
  limit: number,
): Promise<readonly AuditRow[]> {
  const rows = await entries(reader)
    .where('audit_entry.seq', '>', afterSeq)
    .orderBy('audit_entry.seq')
    .limit(limit)
    .execute();
  return rows.map(rowToAudit);
}

/** Those of `entryIds` whose emptying is recorded. */
export async function findRecordedEmptyings(
  reader: Reader,
  entryIds: readonly string[],
  action: string,
): Promise<ReadonlySet<string>> {
  if (entryIds.length === 0) return new Set();
  const rows = await reader
    .selectFrom('audit_entry')
    .select('target_id')
    .where('target_id', 'in', entryIds)
    .where('target_table', '=', 'audit_payload')
    .where('action', '=', action)
    .execute();
  return new Set(rows.flatMap((row) => row.target_id ?? []));
}

export async function emptyPayload(tx: Transaction, entryId: string): Promise<void> {
  await tx.erase('audit_payload', entryId, ['salt', 'actor_name', 'body']);
}
