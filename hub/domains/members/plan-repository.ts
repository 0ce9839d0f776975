import { type Selectable, sql } from 'kysely';
import type { Result } from '#hub/kernel/result.ts';
import type { Reader, RowMissing, StaleVersion, Transaction } from '#hub/store/store.ts';
import type { PlanInterval } from './plan-schema.ts';
import { type EntityFields, entityFields, type MemberGroupTable, type PlanTable } from './repository.ts';
import { foldText } from './search-rules.ts';

/** Where a page of a list in the order of names goes on. */
export interface NamePosition {
  readonly nameKey: string;
  readonly id: string;
}

export interface PlanFields {
  readonly name: string;
  readonly description: string | null;
  readonly priceMinor: number;
  readonly currency: string;
  readonly interval: PlanInterval;
  readonly graceDays: number;
  readonly overdueDays: number;
  readonly active: boolean;
}
export interface PlanRow extends EntityFields, PlanFields {
  readonly nameKey: string;
}

const rowToPlan = (row: Selectable<PlanTable>): PlanRow => ({
  ...entityFields(row),
  name: row.name,
  nameKey: row.name_key,
  description: row.description,
  priceMinor: row.price_minor,
  currency: row.currency,
  interval: row.billing_interval,
  graceDays: row.grace_days,
  overdueDays: row.overdue_days,
  active: row.active === 1,
});

const planToRow = (plan: PlanFields) => ({
  name: plan.name,
  name_key: foldText(plan.name),
  description: plan.description,
  price_minor: plan.priceMinor,
  currency: plan.currency,
  billing_interval: plan.interval,
  grace_days: plan.graceDays,
  overdue_days: plan.overdueDays,
  active: plan.active ? (1 as const) : (0 as const),
});

export async function findPlan(reader: Reader, id: string): Promise<PlanRow | undefined> {
  const row = await reader
    .selectFrom('plan')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row === undefined ? undefined : rowToPlan(row);
}

/** Also of plans that were removed: what is over still had a name. */
export async function findPlanNames(
  reader: Reader,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await reader.selectFrom('plan').select(['id', 'name']).where('id', 'in', ids).execute();
  return new Map(rows.map((row) => [row.id, row.name]));
}

export async function findPlanIdByName(reader: Reader, name: string): Promise<string | undefined> {
  const row = await reader
    .selectFrom('plan')
    .select('id')
    .where('name_key', '=', foldText(name))
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row?.id;
}

export async function listPlans(
  reader: Reader,
  filter: {
    readonly active?: boolean | undefined;
    readonly after?: NamePosition | undefined;
    readonly limit: number;
  },
): Promise<readonly PlanRow[]> {
  let query = reader.selectFrom('plan').selectAll().where('deleted_at_ms', 'is', null);
  if (filter.active !== undefined) query = query.where('active', '=', filter.active ? 1 : 0);
  const { after } = filter;
  if (after !== undefined)
    query = query.where(sql<boolean>`(name_key, id) > (${after.nameKey}, ${after.id})`);
  const rows = await query.orderBy('name_key').orderBy('id').limit(filter.limit).execute();
  return rows.map(rowToPlan);
}

export const insertPlan = (tx: Transaction, id: string, plan: PlanFields): Promise<void> =>
  tx.insert('plan', { id, ...planToRow(plan) });

export const updatePlan = (
  tx: Transaction,
  id: string,
  plan: PlanFields,
  expectedVersion: number,
): Promise<Result<unknown, StaleVersion | RowMissing>> =>
  tx.write('plan', id, planToRow(plan), { expectedVersion });

/** Whether any membership, also one that is over, has the plan. */
export async function isPlanUsed(reader: Reader, id: string): Promise<boolean> {
  const row = await reader
    .selectFrom('membership')
    .select('id')
    .where('plan_id', '=', id)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

export interface GroupFields {
  readonly name: string;
  readonly description: string | null;
}
export interface GroupRow extends EntityFields, GroupFields {
  readonly nameKey: string;
  readonly memberCount: number;
}

const rowToGroup = (row: Selectable<MemberGroupTable>, memberCount: number): GroupRow => ({
  ...entityFields(row),
  name: row.name,
  nameKey: row.name_key,
  description: row.description,
  memberCount,
});

async function countGroupMembers(
  reader: Reader,
  groupIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (groupIds.length === 0) return new Map();
  const rows = await reader
    .selectFrom('member_group_entry')
    .select((select) => ['group_id', select.fn.countAll<number>().as('members')])
    .where('group_id', 'in', groupIds)
    .where('deleted_at_ms', 'is', null)
    .groupBy('group_id')
    .execute();
  return new Map(rows.map((row) => [row.group_id, row.members]));
}

export async function findGroup(reader: Reader, id: string): Promise<GroupRow | undefined> {
  const row = await reader
    .selectFrom('member_group')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return rowToGroup(row, (await countGroupMembers(reader, [id])).get(id) ?? 0);
}

export async function findGroupIdByName(reader: Reader, name: string): Promise<string | undefined> {
  const row = await reader
    .selectFrom('member_group')
    .select('id')
    .where('name_key', '=', foldText(name))
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row?.id;
}

export async function listGroups(
  reader: Reader,
  page: { readonly after?: NamePosition | undefined; readonly limit: number },
): Promise<readonly GroupRow[]> {
  let query = reader.selectFrom('member_group').selectAll().where('deleted_at_ms', 'is', null);
  const { after } = page;
  if (after !== undefined)
    query = query.where(sql<boolean>`(name_key, id) > (${after.nameKey}, ${after.id})`);
  const rows = await query.orderBy('name_key').orderBy('id').limit(page.limit).execute();
  const counts = await countGroupMembers(
    reader,
    rows.map((row) => row.id),
  );
  return rows.map((row) => rowToGroup(row, counts.get(row.id) ?? 0));
}

export const insertGroup = (tx: Transaction, id: string, group: GroupFields): Promise<void> =>
  tx.insert('member_group', { id, ...group, name_key: foldText(group.name) });

export const updateGroup = (
  tx: Transaction,
  id: string,
  group: GroupFields,
  expectedVersion: number,
): Promise<Result<unknown, StaleVersion | RowMissing>> =>
  tx.write(
    'member_group',
    id,
    { name: group.name, name_key: foldText(group.name), description: group.description },
    { expectedVersion },
  );

export async function findGroupEntryId(
  reader: Reader,
  groupId: string,
  memberId: string,
): Promise<string | undefined> {
  const row = await reader
    .selectFrom('member_group_entry')
    .select('id')
    .where('member_id', '=', memberId)
    .where('group_id', '=', groupId)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row?.id;
}

export const insertGroupEntry = (
  tx: Transaction,
  entry: { readonly id: string; readonly groupId: string; readonly memberId: string },
): Promise<void> =>
  tx.insert('member_group_entry', { id: entry.id, group_id: entry.groupId, member_id: entry.memberId });
