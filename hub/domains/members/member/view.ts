import { toIso } from '#hub/kernel/time.ts';
import type { Reader } from '#hub/store/store.ts';
import { listStandings, type MembershipRow } from '../memberships/repository.ts';
import { admissionPeriod, allowedMembershipEvents } from '../memberships/rules.ts';
import { findPlanNames, type GroupRow, type PlanRow } from '../plans/repository.ts';
import type { Group, Plan } from '../plans/schema.ts';
import type { EntityFields, HoldRow, ListedMember } from '../repository.ts';
import type { AdmissionFacts } from '../schema.ts';
import { admissionFactsOf } from '../workflow.ts';
import { findMemberDetail } from './detail-repository.ts';
import { admitsNow } from './rules.ts';
import type { Hold, Member, MemberListItem, Membership } from './schema.ts';

/** Maximum of memberships and of holds in the response about one member; their own lists have all. */
const shownWithMember = 20;

const msToIsoOrNull = (ms: number | null): string | null => (ms === null ? null : toIso(ms));

const entityToWire = (row: EntityFields) => ({
  id: row.id,
  version: row.version,
  createdAt: toIso(row.createdAtMs),
  updatedAt: toIso(row.updatedAtMs),
});

export const planToWire = (row: PlanRow): Plan => ({
  ...entityToWire(row),
  name: row.name,
  description: row.description,
  priceMinor: row.priceMinor,
  currency: row.currency,
  interval: row.interval,
  graceDays: row.graceDays,
  overdueDays: row.overdueDays,
  active: row.active,
});

export const groupToWire = (row: GroupRow): Group => ({
  ...entityToWire(row),
  name: row.name,
  description: row.description,
  memberCount: row.memberCount,
});

export const holdToWire = (row: HoldRow): Hold => ({
  ...entityToWire(row),
  memberId: row.memberId,
  reason: row.reason,
  placedBy: row.placedBy,
  placedAt: toIso(row.createdAtMs),
  releasedBy: row.releasedBy,
  releasedAt: msToIsoOrNull(row.releasedAtMs),
  releaseNote: row.releaseNote,
});

const membershipToWire = (row: MembershipRow, planName: string): Membership => ({
  ...entityToWire(row),
  memberId: row.memberId,
  planId: row.planId,
  planName,
  state: row.state,
  stateSince: toIso(row.stateSinceMs),
  stateReason: row.stateReason,
  from: msToIsoOrNull(row.fromMs),
  until: msToIsoOrNull(row.untilMs),
  admitsUntil: msToIsoOrNull(admissionPeriod(row)?.untilMs ?? null),
  renews: row.renews,
  graceDays: row.graceDays,
  overdueDays: row.overdueDays,
  allowedEvents: [...allowedMembershipEvents(row.state)],
});

/** Converts memberships, with the names of their plans. */
export async function membershipsToWire(
  reader: Reader,
  rows: readonly MembershipRow[],
): Promise<Membership[]> {
  const names = await findPlanNames(reader);
  return rows.map((row) => membershipToWire(row, names.get(row.planId) ?? ''));
}

const standing = (facts: AdmissionFacts, planNames: ReadonlyMap<string, string>, nowMs: number) => {
  const { planId } = facts;
  return {
    planId,
    planName: planId === null ? null : (planNames.get(planId) ?? null),
    membershipState: facts.membershipState,
    onHold: facts.onHold,
    waiverMissing: facts.waiverMissing,
    admitsNow: admitsNow(facts, nowMs),
    admitsUntil: msToIsoOrNull(facts.membershipUntilMs),
  };
};

/** Rows of the members' list, in the order given. */
export async function membersToListItems(
  reader: Reader,
  rows: readonly ListedMember[],
  nowMs: number,
): Promise<MemberListItem[]> {
  const standingOf = await listStandings(
    reader,
    rows.map((row) => row.id),
  );
  const planNames = await findPlanNames(reader);
  const factsOf = (row: ListedMember): AdmissionFacts =>
    admissionFactsOf(
      {
        ...standingOf(row.id),
        memberId: row.id,
        number: row.number,
        status: row.status,
        waiverMissing: row.waiverDate === null,
        extendedAccess: row.extendedAccess,
        // No group is shown in a list.
        groupIds: [],
      },
      nowMs,
    );
  return rows.map((row) => ({
    ...entityToWire(row),
    number: row.number,
    name: row.name,
    email: row.email,
    status: row.status,
    ...standing(factsOf(row), planNames, nowMs),
  }));
}

/** Everything about one member; undefined when there is none. */
export async function loadMember(reader: Reader, id: string, nowMs: number): Promise<Member | undefined> {
  const detail = await findMemberDetail(reader, id, shownWithMember);
  if (detail === undefined) return undefined;
  const { member: row, memberships, holds, groups } = detail;
  const planNames = new Map(memberships.map(({ planId, planName }) => [planId, planName]));
  return {
    ...entityToWire(row),
    number: row.number,
    name: row.name,
    email: row.email,
    phone: row.phone,
    locale: row.locale,
    dateOfBirth: row.dateOfBirth,
    guardian: row.guardian,
    notes: row.notes,
    waiverVersion: row.waiverVersion,
    waiverDate: row.waiverDate,
    extendedAccess: row.extendedAccess,
    status: row.status,
    statusReason: row.statusReason,
    statusSince: toIso(row.statusSinceMs),
    ...standing(admissionFactsOf(detail.admission, nowMs), planNames, nowMs),
    groups: [...groups],
    memberships: memberships
      .slice(0, shownWithMember)
      .map((membership) => membershipToWire(membership, membership.planName)),
    holds: holds.map(holdToWire),
  };
}
