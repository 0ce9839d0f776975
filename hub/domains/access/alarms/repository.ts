import type { Selectable } from 'kysely';
import { type RowStamp, stampOf } from '#hub/store/entity-row.ts';
import { inOrder, isAfter, type ListOrder, type Place } from '#hub/store/list-order.ts';
import type { Reader } from '#hub/store/store.ts';
import type { AccessAlarmTable } from '../tables.ts';

export interface AlarmRow extends RowStamp {
  readonly kind: 'duress';
  readonly eventId: string;
  readonly portalId: string | null;
  readonly memberId: string | null;
  readonly atMs: number;
  readonly acknowledgedAtMs: number | null;
  readonly acknowledgedBy: string | null;
  readonly note: string | null;
}

const toAlarm = (row: Selectable<AccessAlarmTable>): AlarmRow => ({
  ...stampOf(row),
  kind: row.kind,
  eventId: row.event_id,
  portalId: row.portal_id,
  memberId: row.member_id,
  atMs: row.at_ms,
  acknowledgedAtMs: row.acknowledged_at_ms,
  acknowledgedBy: row.acknowledged_by,
  note: row.note,
});

/** The newest first. */
const order: ListOrder = { columns: ['id'], isDescending: true };

export async function findAlarms(
  reader: Reader,
  { after, limit }: { readonly after: Place | null; readonly limit: number },
): Promise<AlarmRow[]> {
  let query = reader.selectFrom('access_alarm').selectAll().where('deleted_at_ms', 'is', null);
  if (after !== null) query = query.where(isAfter(order, after));
  return (await query.orderBy(inOrder(order)).limit(limit).execute()).map(toAlarm);
}

export async function findAlarm(reader: Reader, id: string): Promise<AlarmRow | null> {
  const row = await reader
    .selectFrom('access_alarm')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row ? toAlarm(row) : null;
}
