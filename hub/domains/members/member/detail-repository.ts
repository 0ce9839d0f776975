import { fixedQuery } from '#hub/store/fixed-query.ts';
import type { Reader } from '#hub/store/store.ts';
import { type AdmissionRow, type MembershipRow, rowToMembership } from '../memberships/repository.ts';
import { type HoldRow, type MemberRow, rowToHold, rowToMember } from '../repository.ts';

/** Everything that the response about one member contains. */
export interface MemberDetail {
  readonly member: MemberRow;
  readonly admission: AdmissionRow;
  /** The newest first. */
  readonly memberships: readonly (MembershipRow & { readonly planName: string })[];
  readonly holds: readonly HoldRow[];
  /** In the order of their names. */
  readonly groups: readonly { readonly id: string; readonly name: string }[];
}

const memberAndHold = fixedQuery({ id: '$id' }, (reader, { id }) =>
  reader
    .selectFrom('member')
    .selectAll()
    .select((select) =>
      select
        .exists(
          select
            .selectFrom('hold')
            .select('hold.id')
            .whereRef('hold.member_id', '=', 'member.id')
            .where('hold.released_at_ms', 'is', null)
            .where('hold.deleted_at_ms', 'is', null),
        )
        .as('on_hold'),
    )
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null),
);

// Plans that were removed too: what is over still had a name.
const membershipsWithPlans = fixedQuery({ id: '$id' }, (reader, { id }) =>
  reader
    .selectFrom('membership')
    .innerJoin('plan', 'plan.id', 'membership.plan_id')
    .selectAll('membership')
    .select('plan.name as plan_name')
    .where('membership.member_id', '=', id)
    .where('membership.deleted_at_ms', 'is', null)
    .orderBy('membership.id', 'desc'),
);

const newestHolds = fixedQuery({ id: '$id', limit: -1 }, (reader, { id, limit }) =>
  reader
    .selectFrom('hold')
    .selectAll()
    .where('member_id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .orderBy('id', 'desc')
    .limit(limit),
);

const groupsOfMember = fixedQuery({ id: '$id' }, (reader, { id }) =>
  reader
    .selectFrom('member_group_entry')
    .innerJoin('member_group', 'member_group.id', 'member_group_entry.group_id')
    .select(['member_group.id', 'member_group.name'])
    .where('member_group_entry.member_id', '=', id)
    .where('member_group_entry.deleted_at_ms', 'is', null)
    .where('member_group.deleted_at_ms', 'is', null)
    .orderBy('member_group.name_key'),
);

/** Everything about one member, in four statements on their way together; undefined when there is none. The newest `maxHolds` holds. */
export async function findMemberDetail(
  reader: Reader,
  id: string,
  maxHolds: number,
): Promise<MemberDetail | undefined> {
  const [[row], membershipRows, holds, groups] = await Promise.all([
    memberAndHold(reader, { id }),
    membershipsWithPlans(reader, { id }),
    newestHolds(reader, { id, limit: maxHolds }),
    groupsOfMember(reader, { id }),
  ]);
  if (row === undefined) return undefined;
  const memberships = membershipRows.map((membership) => ({
    ...rowToMembership(membership),
    planName: membership.plan_name,
  }));
  const member = rowToMember(row);
  return {
    member,
    admission: {
      memberId: member.id,
      number: member.number,
      name: member.name,
      email: member.email,
      phone: member.phone,
      status: member.status,
      waiverMissing: member.waiverDate === null,
      extendedAccess: member.extendedAccess,
      onHold: Number(row.on_hold) === 1,
      memberships,
      groupIds: groups.map((group) => group.id).sort(),
    },
    memberships,
    holds: holds.map(rowToHold),
    groups,
  };
}
