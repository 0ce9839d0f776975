import type { Selectable } from 'kysely';
import { type Result, unreachable } from '#hub/kernel/result.ts';
import { isReversed } from '#hub/kernel/wire.ts';
import { rememberedQuery } from '#hub/store/fixed-query.ts';
import { inOrder, isAfter, type ListOrder, type Place } from '#hub/store/list-order.ts';
import type { Reader, RowMissing, StaleVersion, Transaction } from '#hub/store/store.ts';
import {
  type EntityFields,
  entityFields,
  type MemberGroupTable,
  type PlanTable,
  type RowPage,
} from '../repository.ts';
import { foldText } from '../search/rules.ts';
import type { NameSort, PlanInterval } from './schema.ts';

const columnsBySort: Readonly<Record<NameSort, readonly string[]>> = {
  name: ['name_key', 'id'],
  '-name': ['name_key', 'id'],
  // Ids are made in the order of time.
  createdAt: ['id'],
  '-createdAt': ['id'],
  updatedAt: ['updated_at_ms', 'id'],
  '-updatedAt': ['updated_at_ms', 'id'],
};
/** The order of plans or of groups. */
export const nameOrder = (sort: NameSort): ListOrder => ({
  columns: columnsBySort[sort],
  isDescending: isReversed(sort),
});
/** Where a row stands in `nameOrder`. */
export const placeInNameOrder = (sort: NameSort, row: EntityFields & { readonly nameKey: string }): Place => {
  switch (sort) {
    case 'name':
    case '-name':
      return [row.nameKey, row.id];
    case 'createdAt':
    case '-createdAt':
      return [row.id];
    case 'updatedAt':
    case '-updatedAt':
      return [row.updatedAtMs, row.id];
    default:
      return unreachable(sort);
  }
};

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

const planNames = rememberedQuery(
  {},
  (reader) => reader.selectFrom('plan').select(['id', 'name']),
  (rows): ReadonlyMap<string, string> => new Map(rows.map((row) => [row.id, row.name])),
);

/** Names of all plans, by id; also of those that were removed: what is over still had a name. */
export const findPlanNames = (reader: Reader): Promise<ReadonlyMap<string, string>> => planNames(reader, {});

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
  filter: { readonly active?: boolean | undefined },
  { order, after, limit }: RowPage,
): Promise<readonly PlanRow[]> {
  let query = reader.selectFrom('plan').selectAll().where('deleted_at_ms', 'is', null);
  if (filter.active !== undefined) query = query.where('active', '=', filter.active ? 1 : 0);
  if (after !== null) query = query.where(isAfter(order, after));
  return (await query.orderBy(inOrder(order)).limit(limit).execute()).map(rowToPlan);
}

export async function countPlans(reader: Reader, active: boolean | undefined): Promise<number> {
  let query = reader
    .selectFrom('plan')
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .where('deleted_at_ms', 'is', null);
  if (active !== undefined) query = query.where('active', '=', active ? 1 : 0);
  return (await query.executeTakeFirstOrThrow()).rows;
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
  { order, after, limit }: RowPage,
): Promise<readonly GroupRow[]> {
  let query = reader.selectFrom('member_group').selectAll().where('deleted_at_ms', 'is', null);
  if (after !== null) query = query.where(isAfter(order, after));
  const rows = await query.orderBy(inOrder(order)).limit(limit).execute();
  const counts = await countGroupMembers(
    reader,
    rows.map((row) => row.id),
  );
  return rows.map((row) => rowToGroup(row, counts.get(row.id) ?? 0));
}

export async function countGroups(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('member_group')
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirstOrThrow();
  return row.rows;
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
