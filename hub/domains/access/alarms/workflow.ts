import type { z } from 'zod';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { loadMemberNames } from '#hub/domains/members/workflow.ts';
import { type CursorInvalid, openPage } from '#hub/http/endpoint/page-cursor.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIso, toIsoOrNull } from '#hub/kernel/time.ts';
import { stampToWire } from '#hub/store/entity-row.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { assertWritten } from '#hub/store/written.ts';
import { type AccessDeps } from '../deps.ts';
import { findPortals } from '../doors/repository.ts';
import type { AccessEventRow } from '../events/repository.ts';
import { type AlarmRow, findAlarm, findAlarms } from './repository.ts';
import type { Alarm, alarmQuerySchema } from './schema.ts';

async function alarmsToWire(reader: Reader, rows: readonly AlarmRow[]): Promise<Alarm[]> {
  const portals = new Map((await findPortals(reader)).map(({ id, name }) => [id, name]));
  const memberIds = rows.flatMap(({ memberId }) => (memberId === null ? [] : [memberId]));
  const members = await loadMemberNames(reader, [...new Set(memberIds)]);
  const named = (id: string | null, name: string | undefined, gone: string) =>
    id === null ? null : { id, name: name ?? gone };
  return rows.map((row) => ({
    ...stampToWire(row),
    kind: row.kind,
    at: toIso(row.atMs),
    eventId: row.eventId,
    portal: named(row.portalId, portals.get(row.portalId ?? ''), 'removed door'),
    member: named(row.memberId, members.get(row.memberId ?? ''), 'removed member'),
    acknowledgedAt: toIsoOrNull(row.acknowledgedAtMs),
    acknowledgedBy: row.acknowledgedBy,
    note: row.note,
  }));
}

async function showAlarm(reader: Reader, id: string): Promise<Alarm> {
  const row = await findAlarm(reader, id);
  assert(row !== null, 'an alarm that was just written is there');
  const [alarm] = await alarmsToWire(reader, [row]);
  assert(alarm !== undefined, 'one row gives one alarm');
  return alarm;
}

/**
 * Somebody typed their duress PIN. The event of it stands beside all others and says nothing of that; this is in a table and
 * under a topic of its own, so that no list, count, stream or file of events can tell.
 */
export async function raiseDuressAlarms(
  tx: Transaction,
  deps: Pick<AccessDeps, 'newId' | 'announceIn'>,
  events: readonly AccessEventRow[],
): Promise<void> {
  for (const event of events) await raiseDuress(tx, deps, event);
}

async function raiseDuress(
  tx: Transaction,
  deps: Pick<AccessDeps, 'newId' | 'announceIn'>,
  event: AccessEventRow,
): Promise<void> {
  const id = deps.newId();
  await tx.insert('access_alarm', {
    id,
    kind: 'duress',
    event_id: event.id,
    portal_id: event.portalId,
    member_id: event.memberId,
    at_ms: event.atMs,
    acknowledged_at_ms: null,
    acknowledged_by: null,
    note: null,
  });
  await deps.announceIn(tx, { topic: 'access.alarm', data: await showAlarm(tx, id) });
}

/** One page, the newest first. */
export async function listAlarms(
  deps: Pick<AccessDeps, 'store' | 'announceIn'>,
  query: z.output<typeof alarmQuerySchema>,
): Promise<Result<{ items: Alarm[]; nextCursor: string | null }, CursorInvalid>> {
  const asked = openPage({ ...query, count: false }, 1);
  if (!asked.ok) return asked;
  const { after, limit, cut } = asked.value;
  const page = cut(await findAlarms(deps.store.read, { after, limit }), (row) => [row.id]);
  return ok({ items: await alarmsToWire(deps.store.read, page.rows), nextCursor: page.nextCursor });
}

/**
 * Somebody has looked after it. That stands in the alarm itself and not in the audit log, which others read who may know
 * nothing of alarms.
 */
export function acknowledgeAlarm(
  deps: Pick<AccessDeps, 'store' | 'announceIn'>,
  actor: Actor,
  id: string,
  note: string | null,
): Promise<Result<Alarm, Refusal<'alarmNotFound'> | Refusal<'alarmAcknowledged'>>> {
  return deps.store.transact('alarm.acknowledge', async (tx) => {
    const row = await findAlarm(tx, id);
    if (row === null) return refuse({ code: 'alarmNotFound' });
    if (row.acknowledgedAtMs !== null) return refuse({ code: 'alarmAcknowledged' });
    const by = 'name' in actor ? actor.name : actor.kind;
    const columns = { acknowledged_at_ms: tx.nowMs, acknowledged_by: by, note };
    assertWritten(await tx.write('access_alarm', id, columns));
    const alarm = await showAlarm(tx, id);
    await deps.announceIn(tx, { topic: 'access.alarm', data: alarm });
    return ok(alarm);
  });
}
