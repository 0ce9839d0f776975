import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { dayMs } from '#hub/kernel/time.ts';
import type { Transaction } from '#hub/store/store.ts';
import { TableCache } from '#hub/store/table-cache.ts';
import { type LineOutcome, transactEach } from '#hub/store/transact-each.ts';
import { assertWritten, type FieldRefusal, type Stale } from '#hub/store/written.ts';
import { applyChanges, describeChanges } from '../change-rules.ts';
import { endMemberships } from '../memberships/workflow.ts';
import {
  countActiveHolds,
  findHighestNumber,
  findHold,
  findMember,
  insertHold,
  insertMember,
  isNumberTaken,
  type MemberProfile,
  type MemberRow,
  releaseHoldRow,
  updateProfile,
  updateStatus,
} from '../repository.ts';
import { listNamesakes } from '../search/repository.ts';
import { namesakeWords } from '../search/rules.ts';
import { actorName, followMemberChange, followNewMember, type MemberDeps } from '../workflow.ts';
import { decideMemberStatus, type MemberStatusEvent, type MemberStatusRefusal, sameBy } from './rules.ts';
import type { Hold, Member, MemberAdded, MemberCreate, MemberPatch } from './schema.ts';
import { holdToWire, loadMember } from './view.ts';

export interface NumberTaken extends Refusal<'numberTaken'> {
  readonly number: number;
}
/** A date lies in the future. */
export type DateInFuture = FieldRefusal<'dateInFuture'>;

/** Four digits from the first member on. */
const firstNumber = 1001;
/** Limits the active holds of a member. */
const maxActiveHolds = 20;
/** How many members that may be the same person are looked at. */
const maxNamesakes = 10;
/** Highest number ever assigned. */
const highestNumber = new TableCache<number>('member');

async function loadWritten(tx: Transaction, id: string): Promise<Member> {
  const member = await loadMember(tx, id, tx.nowMs);
  assert(member !== undefined, 'a member that was just written is there');
  return member;
}

/** A day of tolerance: the date is the site's, and its zone may be ahead of UTC. */
function findFutureDates(
  profile: Pick<MemberProfile, 'dateOfBirth' | 'waiverDate'>,
  nowMs: number,
): DateInFuture | null {
  const latest = new Date(nowMs + dayMs).toISOString().slice(0, 10);
  const errors = (['dateOfBirth', 'waiverDate'] as const)
    .filter((field) => (profile[field] ?? '') > latest)
    .map((field) => ({ pointer: `/body/${field}`, message: 'must not be in the future' }));
  return errors.length === 0 ? null : { code: 'dateInFuture', errors };
}

async function createInside(
  deps: MemberDeps,
  tx: Transaction,
  actor: Actor,
  input: MemberCreate,
): Promise<Result<MemberAdded, NumberTaken | DateInFuture>> {
  const future = findFutureDates(input, tx.nowMs);
  if (future !== null) return refuse(future);
  if (input.number !== undefined && (await isNumberTaken(tx, input.number)))
    return refuse({ code: 'numberTaken', number: input.number });
  const highest = tx.recall(highestNumber) ?? (await findHighestNumber(tx)) ?? firstNumber - 1;
  const number = input.number ?? highest + 1;
  const id = deps.newId();
  // The store does it in this order; nothing here has to wait for what comes before it.
  const [, , , member, namesakes] = await Promise.all([
    insertMember(tx, { ...input, id, number }),
    recordAudit(tx, {
      actor,
      action: 'member.create',
      target: { table: 'member', id },
      payload: { number, name: input.name },
    }),
    followNewMember(deps, tx, { ...input, id, number }),
    loadWritten(tx, id),
    listNamesakes(tx, namesakeWords(input), number, maxNamesakes),
  ]);
  tx.remember(highestNumber, Math.max(highest, number));
  const similar = namesakes.flatMap((other) => {
    const by = sameBy(input, other);
    return by === null ? [] : [{ id: other.id, number: other.number, name: other.name, sameBy: by }];
  });
  return ok({ ...member, similar });
}

/** Adds a member. Without a number of its own it gets the next above all that were ever given out. */
export const createMember = (
  deps: MemberDeps,
  actor: Actor,
  input: MemberCreate,
): Promise<Result<MemberAdded, NumberTaken | DateInFuture>> =>
  deps.store.transact('members.create', (tx) => createInside(deps, tx, actor, input));

/** Adds members, each by itself. */
export const createMembers = (
  deps: MemberDeps,
  actor: Actor,
  inputs: readonly MemberCreate[],
): Promise<readonly LineOutcome<MemberAdded, NumberTaken | DateInFuture>[]> =>
  transactEach(deps.store, 'members.createMany', inputs, (tx, input) => createInside(deps, tx, actor, input));

const profileOf = (row: MemberRow): MemberProfile => ({
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
});

const profileFields = [
  'name',
  'email',
  'phone',
  'locale',
  'dateOfBirth',
  'guardian',
  'notes',
  'waiverVersion',
  'waiverDate',
  'extendedAccess',
] as const satisfies readonly (keyof MemberProfile)[];

/** Changes a member's profile. */
export function changeMember(
  deps: MemberDeps,
  actor: Actor,
  id: string,
  change: MemberPatch,
): Promise<Result<Member, Refusal<'memberNotFound'> | Stale<Member> | DateInFuture>> {
  return deps.store.transact('members.change', async (tx) => {
    const row = await findMember(tx, id);
    if (row === undefined) return refuse({ code: 'memberNotFound' });
    if (row.version !== change.version)
      return refuse({ code: 'staleVersion', current: await loadWritten(tx, id) });
    const before = profileOf(row);
    const { version, ...changes } = change;
    const after = applyChanges(before, changes);
    const future = findFutureDates(after, tx.nowMs);
    if (future !== null) return refuse(future);
    const changed = describeChanges(before, after, profileFields);
    if (Object.keys(changed).length === 0) return ok(await loadWritten(tx, id));
    assertWritten(await updateProfile(tx, id, after, version));
    await recordAudit(tx, {
      actor,
      action: 'member.change',
      target: { table: 'member', id },
      payload: changed,
    });
    const admission =
      before.extendedAccess !== after.extendedAccess ||
      (before.waiverDate === null) !== (after.waiverDate === null);
    await followMemberChange(deps, tx, [id], { admission });
    return ok(await loadWritten(tx, id));
  });
}

/** Suspends or reactivates a member, or marks them as left, which ends their memberships. */
export function changeMemberStatus(
  deps: MemberDeps,
  actor: Actor,
  id: string,
  event: MemberStatusEvent,
  reason: string | null,
): Promise<Result<Member, Refusal<'memberNotFound'> | MemberStatusRefusal>> {
  return deps.store.transact(`members.${event}`, async (tx) => {
    const row = await findMember(tx, id);
    if (row === undefined) return refuse({ code: 'memberNotFound' });
    const decided = decideMemberStatus(row.status, event);
    if (!decided.ok) return decided;
    assertWritten(await updateStatus(tx, id, decided.value, reason));
    await recordAudit(tx, {
      actor,
      action: `member.${event}`,
      target: { table: 'member', id },
      payload: { before: row.status, after: decided.value, reason },
    });
    if (event === 'leave') await endMemberships(tx, actor, id);
    await followMemberChange(deps, tx, [id], { admission: true });
    return ok(await loadWritten(tx, id));
  });
}

/** Places a hold, which denies access until it is released. */
export function placeHold(
  deps: MemberDeps,
  actor: Actor,
  memberId: string,
  reason: string,
): Promise<Result<Hold, Refusal<'memberNotFound'> | Refusal<'tooManyHolds'>>> {
  return deps.store.transact('members.placeHold', async (tx) => {
    if ((await findMember(tx, memberId)) === undefined) return refuse({ code: 'memberNotFound' });
    if ((await countActiveHolds(tx, memberId)) >= maxActiveHolds) return refuse({ code: 'tooManyHolds' });
    const id = deps.newId();
    await insertHold(tx, { id, memberId, reason, placedBy: actorName(actor) });
    await recordAudit(tx, {
      actor,
      action: 'hold.place',
      target: { table: 'hold', id },
      payload: { memberId, reason },
    });
    await followMemberChange(deps, tx, [memberId], { admission: true });
    const hold = await findHold(tx, memberId, id);
    assert(hold !== undefined, 'a hold that was just placed is there');
    return ok(holdToWire(hold));
  });
}

export function releaseHold(
  deps: MemberDeps,
  actor: Actor,
  target: { readonly memberId: string; readonly holdId: string },
  note: string | null,
): Promise<
  Result<Hold, Refusal<'memberNotFound'> | Refusal<'holdNotFound'> | Refusal<'holdAlreadyReleased'>>
> {
  const { memberId, holdId } = target;
  return deps.store.transact('members.releaseHold', async (tx) => {
    if ((await findMember(tx, memberId)) === undefined) return refuse({ code: 'memberNotFound' });
    const hold = await findHold(tx, memberId, holdId);
    if (hold === undefined) return refuse({ code: 'holdNotFound' });
    if (hold.releasedAtMs !== null) return refuse({ code: 'holdAlreadyReleased' });
    assertWritten(await releaseHoldRow(tx, holdId, actorName(actor), note));
    await recordAudit(tx, {
      actor,
      action: 'hold.release',
      target: { table: 'hold', id: holdId },
      payload: { memberId, note },
    });
    await followMemberChange(deps, tx, [memberId], { admission: true });
    const released = await findHold(tx, memberId, holdId);
    assert(released !== undefined, 'a hold that was just released is there');
    return ok(holdToWire(released));
  });
}
