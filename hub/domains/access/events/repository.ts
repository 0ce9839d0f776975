import { type RawBuilder, type Selectable, type SelectQueryBuilder, sql } from 'kysely';
import { z } from 'zod';
import { type AskedSpan, hasSpan } from '#hub/kernel/moment.ts';
import { clockTrustSchema } from '#hub/kernel/time.ts';
import type { Database } from '#hub/store/database.ts';
import { inOrder, isAfter, type Place } from '#hub/store/list-order.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { bridgeEventSchema } from '../controllers/link-schema.ts';
import { type AccessEventKind, accessEventKindSchema, type DenyReason, denyReasonSchema } from '../schema.ts';
import type { AccessEventTable } from '../tables.ts';

/** What of a bridge's event is not looked for by itself. */
export const eventDetailsSchema = bridgeEventSchema.pick({
  bootId: true,
  portalKey: true,
  monotonicMs: true,
  checks: true,
  ruleId: true,
  observed: true,
  mode: true,
  policyEpoch: true,
  policyRevision: true,
  commandId: true,
  followsSeq: true,
  count: true,
  note: true,
});
export type EventDetails = z.infer<typeof eventDetailsSchema>;

export interface AccessEventRow {
  readonly id: string;
  readonly bridgeId: string;
  readonly journalId: string;
  readonly seq: number;
  readonly kind: AccessEventKind;
  /** By the bridge's clock. */
  readonly atMs: number;
  readonly clockTrust: z.infer<typeof clockTrustSchema>;
  readonly receivedAtMs: number;
  readonly portalId: string | null;
  readonly readerKey: string | null;
  readonly credentialId: string | null;
  readonly memberId: string | null;
  readonly digest: string | null;
  readonly reason: DenyReason | null;
  readonly details: EventDetails;
}

const toEvent = (row: Selectable<AccessEventTable>): AccessEventRow => ({
  id: row.id,
  bridgeId: row.bridge_id,
  journalId: row.journal_id,
  seq: row.seq,
  kind: accessEventKindSchema.parse(row.kind),
  atMs: row.at_ms,
  clockTrust: clockTrustSchema.parse(row.clock_trust),
  receivedAtMs: row.created_at_ms,
  portalId: row.portal_id,
  readerKey: row.reader_key,
  credentialId: row.credential_id,
  memberId: row.member_id,
  digest: row.digest,
  reason: row.reason === null ? null : denyReasonSchema.parse(row.reason),
  details: eventDetailsSchema.parse(JSON.parse(row.details)),
});

export async function appendEvents(
  tx: Transaction,
  events: readonly Omit<AccessEventRow, 'receivedAtMs'>[],
): Promise<void> {
  const rows = events.map((event) => ({
    id: event.id,
    bridge_id: event.bridgeId,
    journal_id: event.journalId,
    seq: event.seq,
    kind: event.kind,
    at_ms: event.atMs,
    clock_trust: event.clockTrust,
    portal_id: event.portalId,
    reader_key: event.readerKey,
    credential_id: event.credentialId,
    member_id: event.memberId,
    digest: event.digest,
    reason: event.reason,
    details: JSON.stringify(event.details),
  }));
  await tx.appendAll('access_event', rows);
}

export interface EventFilter extends AskedSpan {
  readonly portalId?: string | undefined;
  readonly memberId?: string | undefined;
  readonly credentialId?: string | undefined;
  /** Any of these. */
  readonly kind?: readonly AccessEventKind[] | undefined;
  readonly reason?: DenyReason | undefined;
  /** The first and the last of the span of time, by `withIds`. */
  readonly ids?: { readonly first: string; readonly last: string };
}

/**
 * The filter with the first and the last event of its span of time, which lists need: they go along the ids, and clocks of
 * controllers may be wrong. Null: nothing happened in it. Looks through the index of the whole span.
 */
export async function withIds(reader: Reader, filter: EventFilter): Promise<EventFilter | null> {
  if (!hasSpan(filter)) return filter;
  const { first, last } = await inSpan(reader.selectFrom('access_event'), filter, sql.ref('at_ms'))
    .select(({ fn }) => [fn.min('id').as('first'), fn.max('id').as('last')])
    .executeTakeFirstOrThrow();
  return typeof first !== 'string' || typeof last !== 'string' ? null : { ...filter, ids: { first, last } };
}

/** A page of events in the order in which they came (wall clocks may be wrong); the newest first unless told. */
export interface EventPage {
  readonly isOldestFirst?: boolean;
  readonly after?: Place | null;
  readonly limit: number;
}

type Events = SelectQueryBuilder<Database, 'access_event', object>;

function inSpan(events: Events, { from, to }: AskedSpan, atMs: RawBuilder<unknown>): Events {
  let query = events;
  if (from !== undefined) query = query.where(sql<boolean>`${atMs} >= ${Date.parse(from)}`);
  if (to !== undefined) query = query.where(sql<boolean>`${atMs} < ${Date.parse(to)}`);
  return query;
}

/** Events of one kind, or of all, that fit the rest of the filter. */
function fittingEvents(
  reader: Reader,
  filter: EventFilter,
  kind: AccessEventKind | undefined,
  atMs: RawBuilder<unknown>,
) {
  let query = inSpan(reader.selectFrom('access_event'), filter, atMs);
  if (filter.portalId !== undefined) query = query.where('portal_id', '=', filter.portalId);
  if (filter.memberId !== undefined) query = query.where('member_id', '=', filter.memberId);
  if (filter.credentialId !== undefined) query = query.where('credential_id', '=', filter.credentialId);
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (filter.reason !== undefined) query = query.where('reason', '=', filter.reason);
  return query;
}

/** Each kind is read along its own index, and the rows are merged in order: `kind in (...)` would sort them all. */
function pageOfEvents(
  reader: Reader,
  filter: EventFilter,
  { isOldestFirst = false, after = null, limit }: EventPage,
) {
  const order = { columns: ['id'], isDescending: !isOldestFirst };
  const [first, ...others] = [...new Set(filter.kind)].map((kind) => eventsAfter(kind));
  const query = others.reduce((all, other) => all.unionAll(other), first ?? eventsAfter(undefined));
  return query.orderBy('id', isOldestFirst ? 'asc' : 'desc').limit(limit);

  function eventsAfter(kind: AccessEventKind | undefined) {
    // As a value that no index knows: the page goes along the ids.
    let fitting = fittingEvents(reader, filter, kind, sql`+at_ms`).selectAll();
    // Of two bounds on one side SQLite looks up the first, not the nearer one: on its side the place is the only one.
    if (filter.ids !== undefined && (after === null || !isOldestFirst))
      fitting = fitting.where('id', '>=', filter.ids.first);
    if (filter.ids !== undefined && (after === null || isOldestFirst))
      fitting = fitting.where('id', '<=', filter.ids.last);
    return after === null ? fitting : fitting.where(isAfter(order, after));
  }
}

export const findEvents = async (
  reader: Reader,
  filter: EventFilter,
  page: EventPage,
): Promise<AccessEventRow[]> => (await pageOfEvents(reader, filter, page).execute()).map(toEvent);

/** UTC ms at which an event happened, as far as is known: a bridge without a clock gives the receipt. */
const happenedAtMs = sql<number>`case clock_trust when 'none' then created_at_ms else at_ms end`;

/** A member's events by the time at which they happened, the newest first; `after` is such a time and an id. */
export async function findEventsByTime(
  reader: Reader,
  memberId: string,
  { after, limit }: { readonly after: Place | null; readonly limit: number },
): Promise<AccessEventRow[]> {
  let query = reader.selectFrom('access_event').selectAll().where('member_id', '=', memberId);
  if (after !== null) query = query.where(sql<boolean>`(${happenedAtMs}, id) < (${sql.join(after)})`);
  const rows = await query.orderBy(happenedAtMs, 'desc').orderBy('id', 'desc').limit(limit).execute();
  return rows.map(toEvent);
}

/** The members of one page of events. */
export async function findMembersOfEvents(
  reader: Reader,
  filter: EventFilter,
  page: EventPage,
): Promise<string[]> {
  const rows = await reader
    .selectFrom(pageOfEvents(reader, filter, page).as('event'))
    .select('event.member_id')
    .distinct()
    .execute();
  return rows.flatMap((row) => row.member_id ?? []);
}

/** One page of events as flat rows with the names of this domain, for files. */
export const flatEvents = (reader: Reader, filter: EventFilter, page: EventPage) =>
  reader
    .selectFrom(pageOfEvents(reader, filter, page).as('event'))
    .leftJoin('bridge', 'bridge.id', 'event.bridge_id')
    .leftJoin('portal', 'portal.id', 'event.portal_id')
    .leftJoin('credential', 'credential.id', 'event.credential_id')
    .leftJoin('access_rule', (join) =>
      join.on('access_rule.id', '=', sql<string>`event.details ->> '$.ruleId'`),
    )
    .select([
      'event.id',
      'event.kind',
      'event.at_ms',
      'event.clock_trust',
      'event.created_at_ms',
      'bridge.name as bridge',
      sql`coalesce(portal.name, event.details ->> '$.portalKey')`.as('portal'),
      'event.reader_key',
      'event.member_id',
      'event.credential_id',
      'credential.label as credential',
      'event.reason',
      sql`coalesce(event.reason, event.kind)`.as('why'),
      'access_rule.name as rule',
      sql`event.details ->> '$.observed'`.as('observed'),
      sql`event.details ->> '$.mode'`.as('mode'),
      sql`event.details ->> '$.count'`.as('count'),
      sql`event.details ->> '$.note'`.as('note'),
    ])
    .orderBy('event.id', page.isOldestFirst === true ? 'asc' : 'desc');

export async function countEvents(reader: Reader, filter: EventFilter): Promise<number> {
  const kinds = [...new Set(filter.kind)];
  let count = 0;
  for (const kind of kinds.length === 0 ? [undefined] : kinds) {
    const row = await fittingEvents(reader, filter, kind, sql.ref('at_ms'))
      .select(({ fn }) => fn.countAll<number>().as('rows'))
      .executeTakeFirstOrThrow();
    count += row.rows;
  }
  return count;
}
export async function findEvent(reader: Reader, id: string): Promise<AccessEventRow | null> {
  const row = await reader.selectFrom('access_event').selectAll().where('id', '=', id).executeTakeFirst();
  return row ? toEvent(row) : null;
}

/** Ids of events by their place in a journal. */
export async function findEventIds(
  reader: Reader,
  bridgeId: string,
  journalId: string,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  if (seqs.length === 0) return new Map();
  const rows = await reader
    .selectFrom('access_event')
    .select(['seq', 'id'])
    .where('bridge_id', '=', bridgeId)
    .where('journal_id', '=', journalId)
    .where('seq', 'in', seqs)
    .execute();
  return new Map(rows.map((row) => [row.seq, row.id]));
}

/** The newest refused unknown cards, of those that came at or after `sinceMs` (the hub's clock). */
export async function findUnknownCardEvents(
  reader: Reader,
  sinceMs: number,
  limit: number,
): Promise<AccessEventRow[]> {
  // The time is compared here: in the statement it would make SQLite look through years of them for `limit` rows.
  const newest = await findEvents(reader, { reason: 'unknownCredential' }, { limit });
  return newest.filter((event) => event.receivedAtMs >= sinceMs);
}

export interface DeadLetter {
  readonly id: string;
  readonly bridgeId: string;
  readonly journalId: string;
  readonly seq: number;
  readonly problem: string;
  readonly body: string;
  readonly atMs: number;
}

export async function insertDeadLetter(tx: Transaction, letter: Omit<DeadLetter, 'atMs'>): Promise<void> {
  await tx.local
    .insertInto('event_dead_letter')
    .values({
      id: letter.id,
      bridge_id: letter.bridgeId,
      journal_id: letter.journalId,
      seq: letter.seq,
      problem: letter.problem,
      body: letter.body,
      at_ms: tx.nowMs,
    })
    .execute();
}

export async function findDeadLetters(
  reader: Reader,
  { isOldestFirst = false, after = null, limit }: EventPage,
): Promise<DeadLetter[]> {
  const order = { columns: ['id'], isDescending: !isOldestFirst };
  let query = reader.selectFrom('event_dead_letter').selectAll();
  if (after !== null) query = query.where(isAfter(order, after));
  const rows = await query.orderBy(inOrder(order)).limit(limit).execute();
  return rows.map((row) => ({
    id: row.id,
    bridgeId: row.bridge_id,
    journalId: row.journal_id,
    seq: row.seq,
    problem: row.problem,
    body: row.body,
    atMs: row.at_ms,
  }));
}

export async function countDeadLetters(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('event_dead_letter')
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .executeTakeFirstOrThrow();
  return row.rows;
}
