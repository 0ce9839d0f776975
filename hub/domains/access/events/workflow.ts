import type { z } from 'zod';
import { loadMemberNames } from '#hub/domains/members/workflow.ts';
import { type CursorInvalid, openPage } from '#hub/http/endpoint/page-cursor.ts';
import { hasSpan } from '#hub/kernel/moment.ts';
import { ok, type Result } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import { isReversed } from '#hub/kernel/wire.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { findCredentialsById } from '../cards/repository.ts';
import type { FromBridgePayload } from '../controllers/link.ts';
import { type BridgeEvent, bridgeEventSchema } from '../controllers/link-schema.ts';
import { findBridges, findCursor, saveCursor } from '../controllers/repository.ts';
import { planIntake, wordChecks, wordEvent } from '../decide/event-rules.ts';
import { findPortals } from '../doors/repository.ts';
import { findRules } from '../rules/repository.ts';
import { type EventDeps } from './deps.ts';
import {
  type AccessEventRow,
  appendEvents,
  countEvents,
  type EventDetails,
  findEventIds,
  findEvents,
  insertDeadLetter,
  withIds,
} from './repository.ts';
import type { AccessEvent, eventQuerySchema } from './schema.ts';

/** Events in one transaction. */
const sliceSize = 50;
/** Events of one slice that live pages are told of one by one; of a longer backlog the newest. */
const announcedPerSlice = 20;

type Offered = FromBridgePayload<'events'>['events'][number];

const detailsOf = (event: BridgeEvent): EventDetails => {
  const { bootId, portalKey, monotonicMs, checks, ruleId, observed, mode } = event;
  const { policyEpoch, policyRevision, commandId, followsSeq, count, note } = event;
  return {
    bootId,
    monotonicMs,
    portalKey,
    checks,
    ruleId,
    observed,
    mode,
    policyEpoch,
    policyRevision,
    commandId,
    followsSeq,
    count,
    note,
  };
};

/** Adds one slice, at most 500; returns what was added and the last event up to which the store now holds everything. */
export async function takeSlice(
  tx: Transaction,
  deps: Pick<EventDeps, 'newId' | 'announcements' | 'onEventsStored'>,
  bridgeId: string,
  journalId: string,
  offered: readonly Offered[],
): Promise<{ readonly added: AccessEventRow[]; readonly heldSeq: number; readonly gap: boolean }> {
  const before = await findCursor(tx, bridgeId, journalId);
  const { accepted, gap } = planIntake(before, offered);
  const last = accepted.at(-1);
  if (last === undefined) return { added: [], heldSeq: before, gap };
  // The cursor of a store that was put together from elsewhere may be behind its events.
  const present = await findEventIds(
    tx,
    bridgeId,
    journalId,
    accepted.map((event) => event.seq),
  );
  const portals = await findPortals(tx);
  const portalIds = new Map(
    portals.filter((portal) => portal.bridgeId === bridgeId).map((portal) => [portal.key, portal.id]),
  );
  const added: AccessEventRow[] = [];
  const underDuress: AccessEventRow[] = [];
  for (const candidate of accepted) {
    if (present.has(candidate.seq)) continue;
    const parsed = bridgeEventSchema.safeParse(candidate);
    if (!parsed.success) {
      const problem = parsed.error.issues
        .slice(0, 5)
        .map((issue) => `${issue.path.join('.') || 'event'}: ${issue.message}`)
        .join('; ');
      const body = JSON.stringify(candidate).slice(0, 4_000);
      await insertDeadLetter(tx, {
        id: deps.newId(),
        bridgeId,
        journalId,
        seq: candidate.seq,
        problem,
        body,
      });
      continue;
    }
    const event = parsed.data;
    const row = {
      id: deps.newId(),
      bridgeId,
      journalId,
      seq: event.seq,
      kind: event.kind,
      atMs: event.wallMs,
      clockTrust: event.clockTrust,
      portalId: event.portalKey === undefined ? null : (portalIds.get(event.portalKey) ?? null),
      readerKey: event.readerKey ?? null,
      credentialId: event.credentialId ?? null,
      memberId: event.memberId ?? null,
      digest: event.digest ?? null,
      reason: event.reason ?? null,
      details: detailsOf(event),
    };
    const kept = { ...row, receivedAtMs: tx.nowMs };
    added.push(kept);
    if (event.duress === true) underDuress.push(kept);
  }
  await appendEvents(tx, added);
  await saveCursor(tx, bridgeId, journalId, last.seq);
  await deps.onEventsStored(tx, { added, underDuress, portals });
  if (added.length > 0 && deps.announcements.wants('access.event')) {
    const events = await toWireEvents(tx, added);
    await deps.announcements.enqueue(
      tx,
      events.map((data) => ({ topic: 'access.event', data })),
    );
  }
  return { added, heldSeq: last.seq, gap };
}

export interface EventIntake {
  /** What was added and is committed. */
  onAdded(rows: readonly AccessEventRow[]): void;
  /** Sent once the events up to `seq` are committed. */
  onHeld(journalId: string, seq: number): void;
  /** Something before what was offered is missing; `seq` is the last that is held. */
  onGap(journalId: string, seq: number): void;
}

/** Takes a bridge's events in, exactly once and in order, a slice at a time. */
export async function takeEvents(
  deps: EventDeps,
  bridgeId: string,
  payload: FromBridgePayload<'events'>,
  intake: EventIntake,
): Promise<void> {
  const { journalId } = payload;
  const events = [...payload.events].sort((left, right) => left.seq - right.seq);
  for (let start = 0; start < events.length; start += sliceSize) {
    const slice = events.slice(start, start + sliceSize);
    const taken = await deps.store.transact('access.events', (tx) =>
      takeSlice(tx, deps, bridgeId, journalId, slice),
    );
    intake.onAdded(taken.added);
    if (taken.gap) {
      deps.log.warn({ bridgeId, heldSeq: taken.heldSeq }, 'events are missing before those offered');
      if (taken.added.length > 0) intake.onHeld(journalId, taken.heldSeq);
      intake.onGap(journalId, taken.heldSeq);
      await announceEvents(deps, taken.added);
      return;
    }
    intake.onHeld(journalId, taken.heldSeq);
    await announceEvents(deps, taken.added);
  }
}

async function announceEvents(
  deps: Pick<EventDeps, 'store' | 'announce'>,
  added: readonly AccessEventRow[],
): Promise<void> {
  const newest = added.slice(-announcedPerSlice);
  const [first] = newest;
  if (first === undefined) return;
  for (const event of await toWireEvents(deps.store.read, newest))
    deps.announce({ topic: 'access.event', data: event });
  if (newest.length < added.length)
    deps.announce({
      topic: 'access.backlog',
      data: { bridgeId: first.bridgeId, count: added.length },
    });
}

async function loadFollowed(
  reader: Reader,
  rows: readonly AccessEventRow[],
): Promise<ReadonlyMap<string, string>> {
  const seqsByJournal = new Map<string, { bridgeId: string; journalId: string; seqs: number[] }>();
  for (const { bridgeId, journalId, details } of rows) {
    if (details.followsSeq === undefined) continue;
    const key = `${bridgeId}/${journalId}`;
    const entry = seqsByJournal.get(key) ?? { bridgeId, journalId, seqs: [] };
    entry.seqs.push(details.followsSeq);
    seqsByJournal.set(key, entry);
  }
  const followed = new Map<string, string>();
  for (const [key, { bridgeId, journalId, seqs }] of seqsByJournal)
    for (const [seq, id] of await findEventIds(reader, bridgeId, journalId, seqs))
      followed.set(`${key}/${seq}`, id);
  return followed;
}

const present = (values: readonly (string | null)[]): string[] => [
  ...new Set(values.filter((value) => value !== null)),
];

/** Events with names and in words, in the order given. */
export async function toWireEvents(read: Reader, rows: readonly AccessEventRow[]): Promise<AccessEvent[]> {
  const bridges = new Map((await findBridges(read)).map((bridge) => [bridge.id, bridge.name]));
  const portals = new Map((await findPortals(read)).map((portal) => [portal.id, portal.name]));
  const rules = rows.some((row) => row.details.ruleId !== undefined)
    ? new Map((await findRules(read)).map((rule) => [rule.id, rule.name]))
    : new Map<string, string>();
  const members = await loadMemberNames(read, present(rows.map((row) => row.memberId)));
  const credentials = await findCredentialsById(read, present(rows.map((row) => row.credentialId)));
  const followed = await loadFollowed(read, rows);
  const named = (id: string | null, name: string | undefined, gone: string) =>
    id === null ? null : { id, name: name ?? gone };
  return rows.map((row) => {
    const { details } = row;
    const portalName = row.portalId === null ? undefined : portals.get(row.portalId);
    return {
      id: row.id,
      kind: row.kind,
      at: toIso(row.atMs),
      clockTrust: row.clockTrust,
      receivedAt: toIso(row.receivedAtMs),
      bridge: named(row.bridgeId, bridges.get(row.bridgeId), 'removed controller'),
      portal:
        row.portalId === null && details.portalKey !== undefined
          ? { id: details.portalKey, name: details.portalKey }
          : named(row.portalId, portalName, details.portalKey ?? 'removed door'),
      reader: row.readerKey,
      member: named(row.memberId, members.get(row.memberId ?? ''), 'removed member'),
      credential: named(row.credentialId, credentials.get(row.credentialId ?? '')?.label, 'removed card'),
      reason: row.reason,
      why: wordEvent({ kind: row.kind, reason: row.reason, observed: details.observed === true }),
      checks: wordChecks(details.checks ?? []),
      rule: named(details.ruleId ?? null, rules.get(details.ruleId ?? ''), 'removed rule'),
      observed: details.observed === true,
      mode: details.mode ?? null,
      followsId:
        details.followsSeq === undefined
          ? null
          : (followed.get(`${row.bridgeId}/${row.journalId}/${details.followsSeq}`) ?? null),
      commandId: details.commandId ?? null,
      count: details.count ?? null,
      note: details.note ?? null,
    };
  });
}

/** One page. */
export async function listEvents(
  deps: Pick<EventDeps, 'store'>,
  query: z.output<typeof eventQuerySchema>,
): Promise<Result<{ items: AccessEvent[]; nextCursor: string | null; total?: number }, CursorInvalid>> {
  const asked = openPage(query, 1);
  if (!asked.ok) return asked;
  const { after, limit, cut, count } = asked.value;
  const isOldestFirst = !isReversed(query.sort);
  const find = async (reader: Reader): Promise<AccessEventRow[]> => {
    const filter = await withIds(reader, query);
    return filter === null ? [] : await findEvents(reader, filter, { isOldestFirst, after, limit });
  };
  // A span may be long, and its index is looked through.
  const rows = await (hasSpan(query) ? deps.store.report(find) : find(deps.store.read));
  const page = cut(rows, (row) => [row.id]);
  const total = await count(deps.store, (reader) => countEvents(reader, query));
  const items = await toWireEvents(deps.store.read, page.rows);
  return ok({ items, nextCursor: page.nextCursor, ...total });
}
