import type { Actor } from '#hub/domains/identity/schema.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { AnnounceIn } from '#hub/store/announce.ts';
import type { Reader, Store, Transaction } from '#hub/store/store.ts';
import { type AdmissionRow, listAdmissionRows, listMemberIds } from './memberships/repository.ts';
import { admissionPeriod, effectiveMembership, isFinal } from './memberships/rules.ts';
import { findGroup, findPlan } from './plans/repository.ts';
import { findMember, findMemberNames, listMemberParts } from './repository.ts';
import type { AdmissionFacts } from './schema.ts';
import { listMemberWords, listWithoutPhoneWords, replaceMemberWords } from './search/repository.ts';
import { memberWords, type SearchableMember } from './search/rules.ts';

/** Dependencies of the members' workflows. */
export interface MemberDeps {
  readonly store: Store;
  readonly clock: Pick<Clock, 'nowMs' | 'trust'>;
  readonly newId: () => string;
  readonly announceIn: AnnounceIn;
  /** Called inside the transaction after every write that changes what doors must know of these members. */
  readonly onAdmissionChanged: (tx: Transaction, memberIds: readonly string[]) => Promise<void>;
}

/** Builds a member's admission facts at `nowMs`. */
export function admissionFactsOf(
  row: Omit<AdmissionRow, 'name' | 'email' | 'phone'>,
  nowMs: number,
): AdmissionFacts {
  const membership = effectiveMembership(row.memberships, nowMs);
  const period = membership === undefined ? null : admissionPeriod(membership);
  return {
    memberId: row.memberId,
    memberNumber: row.number,
    memberStatus: row.status,
    onHold: row.onHold,
    waiverMissing: row.waiverMissing,
    extendedAccess: row.extendedAccess,
    membershipState: membership?.state ?? 'none',
    membershipFromMs: period?.fromMs ?? null,
    membershipUntilMs: period?.untilMs ?? null,
    planId: membership?.planId ?? null,
    groupIds: row.groupIds,
  };
}

/** Loads admission facts by member id; omits members that do not exist. Runs a fixed number of statements. */
export async function loadAdmissionFacts(
  reader: Reader,
  memberIds: readonly string[],
  nowMs: number,
): Promise<ReadonlyMap<string, AdmissionFacts>> {
  const rows = await listAdmissionRows(reader, memberIds);
  return new Map(rows.map((row) => [row.memberId, admissionFactsOf(row, nowMs)]));
}

/** Brings the word index of members up to date with their rows. */
export async function reindexMembers(tx: Transaction, memberIds: readonly string[]): Promise<void> {
  const [rows, wordsOf] = await Promise.all([
    listAdmissionRows(tx, memberIds),
    listMemberWords(tx, memberIds),
  ]);
  await Promise.all(
    rows.map(async (row) => {
      const live = row.memberships.filter((membership) => !isFinal(membership.state));
      const planIds = [...new Set(live.map((membership) => membership.planId))];
      await replaceMemberWords(tx, row.number, wordsOf(row.memberId), memberWords({ ...row, planIds }));
    }),
  );
}

const reindexedAtOnce = 50;

/** Rebuilds the word index of all members in slices; returns how many there are. */
export async function reindexAllMembers(store: Store): Promise<number> {
  let count = 0;
  let after: string | null = null;
  for (;;) {
    const ids = await listMemberIds(store.read, after, reindexedAtOnce);
    const last = ids.at(-1);
    if (last === undefined) return count;
    await store.transact('members.reindex', (tx) => reindexMembers(tx, ids));
    count += ids.length;
    after = last;
  }
}

/** Gives members with a phone number that no search finds their words: those of a store from an earlier release. */
export async function indexPhones(store: Store): Promise<void> {
  let after = '';
  for (;;) {
    const from = after;
    const ids = await store.report((reader) => listWithoutPhoneWords(reader, from, reindexedAtOnce));
    const last = ids.at(-1);
    if (last === undefined) return;
    await store.transact('members.reindex', (tx) => reindexMembers(tx, ids));
    after = last;
  }
}

/**
 * What every write about members ends with: search, doors and live pages learn of it.
 * @param change `admission`: something that doors must know has changed
 */
export async function followMemberChange(
  deps: Pick<MemberDeps, 'announceIn' | 'onAdmissionChanged'>,
  tx: Transaction,
  memberIds: readonly string[],
  change: { readonly admission: boolean },
): Promise<void> {
  if (memberIds.length === 0) return;
  await Promise.all([
    reindexMembers(tx, memberIds),
    ...(change.admission ? [deps.onAdmissionChanged(tx, memberIds)] : []),
    ...memberIds.map((memberId) => deps.announceIn(tx, { topic: 'member.changed', data: { memberId } })),
  ]);
}

/** As `followMemberChange` for a member who was just added: only their own row makes their words. */
export async function followNewMember(
  deps: Pick<MemberDeps, 'announceIn' | 'onAdmissionChanged'>,
  tx: Transaction,
  member: Pick<SearchableMember, 'number' | 'name' | 'email' | 'phone'> & { readonly id: string },
): Promise<void> {
  const words = memberWords({ ...member, status: 'active', planIds: [], groupIds: [] });
  await Promise.all([
    replaceMemberWords(tx, member.number, new Set(), words),
    deps.onAdmissionChanged(tx, [member.id]),
    deps.announceIn(tx, { topic: 'member.changed', data: { memberId: member.id } }),
  ]);
}

/** Names an actor in a row that says who did it. */
export const actorName = (actor: Actor): string => ('name' in actor ? actor.name : actor.kind);

/** Names of the members that exist, by id. */
export const loadMemberNames = (
  reader: Reader,
  memberIds: readonly string[],
): Promise<ReadonlyMap<string, string>> => findMemberNames(reader, memberIds);

/** Ids of a member's memberships and holds; null: there is no such member. */
export const loadMemberParts = async (reader: Reader, memberId: string): Promise<readonly string[] | null> =>
  (await findMember(reader, memberId)) === undefined ? null : await listMemberParts(reader, memberId);

/** Checks whether a member, plan or group exists. */
export async function subjectExists(
  reader: Reader,
  subject: { readonly kind: 'member' | 'plan' | 'group'; readonly id: string },
): Promise<boolean> {
  const find = { member: findMember, plan: findPlan, group: findGroup }[subject.kind];
  return (await find(reader, subject.id)) !== undefined;
}
