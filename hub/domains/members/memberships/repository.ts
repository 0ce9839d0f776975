import type { Selectable } from 'kysely';
import type { Result } from '#hub/kernel/result.ts';
import { fixedQuery, listed } from '#hub/store/fixed-query.ts';
import { inOrder, isAfter } from '#hub/store/list-order.ts';
import type { Reader, RowMissing, StaleVersion, Transaction } from '#hub/store/store.ts';
import { type EntityFields, entityFields, type MembershipTable, type RowPage } from '../repository.ts';
import { admittingMembershipStates, finalMembershipStates, type MemberStatus } from '../schema.ts';
import { type MembershipFacts, nextTimeEvent } from './rules.ts';

const admittingStates = admittingMembershipStates.filter((state) => state !== 'none');
const finalStates = finalMembershipStates.filter((state) => state !== 'none');

export interface MembershipRow extends EntityFields, MembershipFacts {
  readonly memberId: string;
  readonly planId: string;
  readonly stateReason: string | null;
}

const rowToFacts = (
  row: Pick<
    Selectable<MembershipTable>,
    'state' | 'state_since_ms' | 'from_ms' | 'until_ms' | 'renews' | 'grace_days' | 'overdue_days'
  >,
): MembershipFacts => ({
  state: row.state,
  stateSinceMs: row.state_since_ms,
  fromMs: row.from_ms,
  untilMs: row.until_ms,
  renews: row.renews === 1,
  graceDays: row.grace_days,
  overdueDays: row.overdue_days,
});

export const rowToMembership = (row: Selectable<MembershipTable>): MembershipRow => ({
  ...entityFields(row),
  ...rowToFacts(row),
  memberId: row.member_id,
  planId: row.plan_id,
  stateReason: row.state_reason,
});

const factsToRow = (facts: MembershipFacts) => ({
  state: facts.state,
  state_since_ms: facts.stateSinceMs,
  from_ms: facts.fromMs,
  until_ms: facts.untilMs,
  renews: facts.renews ? (1 as const) : (0 as const),
  grace_days: facts.graceDays,
  overdue_days: facts.overdueDays,
});

export async function findMembership(
  reader: Reader,
  memberId: string,
  id: string,
): Promise<MembershipRow | undefined> {
  const row = await reader
    .selectFrom('membership')
    .selectAll()
    .where('id', '=', id)
    .where('member_id', '=', memberId)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row === undefined ? undefined : rowToMembership(row);
}

/** A member's memberships. */
export async function listMemberships(
  reader: Reader,
  memberId: string,
  { order, after, limit }: RowPage,
): Promise<readonly MembershipRow[]> {
  let query = reader
    .selectFrom('membership')
    .selectAll()
    .where('member_id', '=', memberId)
    .where('deleted_at_ms', 'is', null);
  if (after !== null) query = query.where(isAfter(order, after));
  const rows = await query.orderBy(inOrder(order)).limit(limit).execute();
  return rows.map(rowToMembership);
}

/** The memberships of a member that are not over. */
export async function listLiveMemberships(
  reader: Reader,
  memberId: string,
): Promise<readonly MembershipRow[]> {
  const rows = await reader
    .selectFrom('membership')
    .selectAll()
    .where('member_id', '=', memberId)
    .where('deleted_at_ms', 'is', null)
    .where('state', 'not in', finalStates)
    .orderBy('id')
    .execute();
  return rows.map(rowToMembership);
}

/** The membership of the member that admits, other than `exceptId`. */
export async function findAdmittingMembership(
  reader: Reader,
  memberId: string,
  exceptId: string | null,
): Promise<string | null> {
  let query = reader
    .selectFrom('membership')
    .select('id')
    .where('member_id', '=', memberId)
    .where('deleted_at_ms', 'is', null)
    .where('state', 'in', admittingStates);
  if (exceptId !== null) query = query.where('id', '!=', exceptId);
  return (await query.executeTakeFirst())?.id ?? null;
}

/** Memberships that time moves on at or before `nowMs`, the longest due first. */
export async function listDueMemberships(
  reader: Reader,
  nowMs: number,
  limit: number,
): Promise<readonly MembershipRow[]> {
  const rows = await reader
    .selectFrom('membership')
    .selectAll()
    .where('deleted_at_ms', 'is', null)
    .where('due_at_ms', 'is not', null)
    .where('due_at_ms', '<=', nowMs)
    .orderBy('due_at_ms')
    .limit(limit)
    .execute();
  return rows.map(rowToMembership);
}

export const insertMembership = (
  tx: Transaction,
  membership: MembershipFacts & Pick<MembershipRow, 'id' | 'memberId' | 'planId' | 'stateReason'>,
): Promise<void> =>
  tx.insert('membership', {
    id: membership.id,
    member_id: membership.memberId,
    plan_id: membership.planId,
    state_reason: membership.stateReason,
    ...factsToRow(membership),
    due_at_ms: nextTimeEvent(membership)?.atMs ?? null,
  });

/** @param change `blocked`: it is due, but waits until another membership of the member ends */
export const updateMembership = (
  tx: Transaction,
  id: string,
  change: {
    readonly facts: MembershipFacts;
    readonly blocked: boolean;
    readonly planId?: string | undefined;
    /** Undefined keeps the current value. */
    readonly reason?: string | null | undefined;
    readonly expectedVersion?: number | undefined;
  },
): Promise<Result<unknown, StaleVersion | RowMissing>> =>
  tx.write(
    'membership',
    id,
    {
      ...factsToRow(change.facts),
      due_at_ms: change.blocked ? null : (nextTimeEvent(change.facts)?.atMs ?? null),
      ...(change.planId === undefined ? {} : { plan_id: change.planId }),
      ...(change.reason === undefined ? {} : { state_reason: change.reason }),
    },
    { expectedVersion: change.expectedVersion },
  );

/** A member's membership and holds, as far as they count at a door. */
export interface Standing {
  readonly onHold: boolean;
  readonly memberships: readonly (MembershipFacts & { readonly planId: string })[];
}

/** The source of one member's `AdmissionFacts`. */
export interface AdmissionRow extends Standing {
  readonly memberId: string;
  readonly number: number;
  readonly name: string;
  readonly email: string | null;
  readonly phone: string | null;
  readonly status: MemberStatus;
  readonly waiverMissing: boolean;
  readonly extendedAccess: boolean;
  readonly groupIds: readonly string[];
}

// Lists of ids are one JSON text, so that a list of any length is the same statement.

const membersListed = fixedQuery({ ids: '$ids' }, (reader, { ids }) =>
  reader
    .selectFrom('member')
    .select(['id', 'number', 'name', 'email', 'phone', 'status', 'waiver_date', 'extended_access'])
    .where('id', 'in', listed(ids))
    .where('deleted_at_ms', 'is', null),
);
const membershipsListed = fixedQuery({ ids: '$ids' }, (reader, { ids }) =>
  reader
    .selectFrom('membership')
    .select([
      'member_id',
      'plan_id',
      'state',
      'state_since_ms',
      'from_ms',
      'until_ms',
      'renews',
      'grace_days',
      'overdue_days',
    ])
    .where('member_id', 'in', listed(ids))
    .where('deleted_at_ms', 'is', null),
);
const activeHoldsListed = fixedQuery({ ids: '$ids' }, (reader, { ids }) =>
  reader
    .selectFrom('hold')
    .select('member_id')
    .where('member_id', 'in', listed(ids))
    .where('released_at_ms', 'is', null)
    .where('deleted_at_ms', 'is', null),
);
const groupEntriesListed = fixedQuery({ ids: '$ids' }, (reader, { ids }) =>
  reader
    .selectFrom('member_group_entry')
    .select(['member_id', 'group_id'])
    .where('member_id', 'in', listed(ids))
    .where('deleted_at_ms', 'is', null)
    .orderBy('group_id'),
);

/** How each of these members stands. Two statements on their way together, however many members. */
export async function listStandings(
  reader: Reader,
  memberIds: readonly string[],
): Promise<(memberId: string) => Standing> {
  const ids = JSON.stringify(memberIds);
  const [memberships, holds] = await Promise.all([
    membershipsListed(reader, { ids }),
    activeHoldsListed(reader, { ids }),
  ]);
  const membershipsByMember = Map.groupBy(memberships, (row) => row.member_id);
  const heldMembers = new Set(holds.map((row) => row.member_id));
  return (memberId) => ({
    onHold: heldMembers.has(memberId),
    memberships: (membershipsByMember.get(memberId) ?? []).map((membership) => ({
      ...rowToFacts(membership),
      planId: membership.plan_id,
    })),
  });
}

/** Four statements on their way together, however many members. Members that do not exist are left out. */
export async function listAdmissionRows(
  reader: Reader,
  memberIds: readonly string[],
): Promise<readonly AdmissionRow[]> {
  const ids = JSON.stringify(memberIds);
  const [members, standingOf, entries] = await Promise.all([
    membersListed(reader, { ids }),
    listStandings(reader, memberIds),
    groupEntriesListed(reader, { ids }),
  ]);
  const entriesByMember = Map.groupBy(entries, (row) => row.member_id);
  return members.map((row) => ({
    ...standingOf(row.id),
    memberId: row.id,
    number: row.number,
    name: row.name,
    email: row.email,
    phone: row.phone,
    status: row.status,
    waiverMissing: row.waiver_date === null,
    extendedAccess: row.extended_access === 1,
    groupIds: (entriesByMember.get(row.id) ?? []).map((entry) => entry.group_id),
  }));
}

/** Member ids in order, those after `afterId`: for going through everybody in slices. */
export async function listMemberIds(
  reader: Reader,
  afterId: string | null,
  limit: number,
): Promise<readonly string[]> {
  let query = reader.selectFrom('member').select('id').where('deleted_at_ms', 'is', null);
  if (afterId !== null) query = query.where('id', '>', afterId);
  const rows = await query.orderBy('id').limit(limit).execute();
  return rows.map((row) => row.id);
}
