import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { isClockTrusted } from '#hub/kernel/time.ts';
import type { Transaction } from '#hub/store/store.ts';
import type { Stale } from '#hub/store/written.ts';
import { assertWritten } from '#hub/store/written.ts';
import type {
  Membership,
  MembershipCreate,
  MembershipEventInput,
  MembershipPatch,
} from '../member/schema.ts';
import { membershipsToWire } from '../member/view.ts';
import { findPlan, type PlanRow } from '../plans/repository.ts';
import { findMember } from '../repository.ts';
import { followMemberChange, type MemberDeps } from '../workflow.ts';
import {
  findAdmittingMembership,
  findMembership,
  insertMembership,
  listDueMemberships,
  listLiveMemberships,
  type MembershipRow,
  updateMembership,
} from './repository.ts';
import {
  allowedMembershipEvents,
  checkAdmittingPeriod,
  decideMembershipTransition,
  isAdmitting,
  isFinal,
  type MembershipFacts,
  type MembershipOccurrence,
  type MembershipOverlaps,
  type PeriodInvalid,
  settleMembership,
  type TransitionRefusal,
} from './rules.ts';

type NotFound = Refusal<'memberNotFound'> | Refusal<'membershipNotFound'>;
export interface MembershipOver extends Refusal<'membershipOver'> {
  readonly state: string;
}

const isoToMs = (iso: string | null): number | null => (iso === null ? null : Date.parse(iso));

/** The plan's terms as they are agreed for a membership. */
const planTerms = (plan: PlanRow) => ({
  renews: plan.interval === 'month' || plan.interval === 'year',
  graceDays: plan.graceDays,
  overdueDays: plan.overdueDays,
});

const factsOf = (row: MembershipRow): MembershipFacts => ({
  state: row.state,
  stateSinceMs: row.stateSinceMs,
  fromMs: row.fromMs,
  untilMs: row.untilMs,
  renews: row.renews,
  graceDays: row.graceDays,
  overdueDays: row.overdueDays,
});

async function loadMembership(tx: Transaction, memberId: string, id: string): Promise<Membership> {
  const row = await findMembership(tx, memberId, id);
  assert(row !== undefined, 'a membership that was just written is there');
  const [shown] = await membershipsToWire(tx, [row]);
  assert(shown !== undefined, 'one row gives one membership');
  return shown;
}

/**
 * Writes what became of a membership, lets the time that is already due pass over it, and then over those that waited for
 * it to end.
 */
async function settleAndWrite(
  tx: Transaction,
  row: MembershipRow,
  change: {
    readonly facts: MembershipFacts;
    readonly planId?: string | undefined;
    readonly reason?: string | null | undefined;
  },
): Promise<void> {
  const other = await findAdmittingMembership(tx, row.memberId, row.id);
  const settled = settleMembership(change.facts, other, tx.nowMs);
  assertWritten(
    await updateMembership(tx, row.id, { ...change, facts: settled.facts, blocked: settled.blocked }),
  );
  for (const step of settled.steps)
    await recordAudit(tx, {
      actor: { kind: 'system' },
      action: 'membership.advance',
      target: { table: 'membership', id: row.id },
      payload: { memberId: row.memberId, event: step.event, dueAtMs: step.atMs },
    });
  if (isAdmitting(row.state) && !isAdmitting(settled.facts.state))
    await wakeWaiting(tx, row.memberId, row.id);
}

/** Starts the membership that was waiting for the one that just ended. */
async function wakeWaiting(tx: Transaction, memberId: string, endedId: string): Promise<void> {
  for (const waiting of await listLiveMemberships(tx, memberId)) {
    const isDue = waiting.state === 'pending' && waiting.fromMs !== null && waiting.fromMs <= tx.nowMs;
    if (isDue && waiting.id !== endedId) await settleAndWrite(tx, waiting, { facts: factsOf(waiting) });
  }
}

/** Adds a membership: applied for, agreed for later, on trial or active immediately. */
export function createMembership(
  deps: MemberDeps,
  actor: Actor,
  memberId: string,
  input: MembershipCreate,
): Promise<
  Result<
    Membership,
    | Refusal<'memberNotFound'>
    | Refusal<'memberLeft'>
    | Refusal<'planNotFound'>
    | Refusal<'planInactive'>
    | PeriodInvalid
    | MembershipOverlaps
  >
> {
  return deps.store.transact('members.createMembership', async (tx) => {
    const member = await findMember(tx, memberId);
    if (member === undefined) return refuse({ code: 'memberNotFound' });
    if (member.status === 'left') return refuse({ code: 'memberLeft' });
    const plan = await findPlan(tx, input.planId);
    if (plan === undefined) return refuse({ code: 'planNotFound' });
    if (!plan.active) return refuse({ code: 'planInactive' });
    const admits = isAdmitting(input.state);
    const fromMs = isoToMs(input.from) ?? (admits ? tx.nowMs : null);
    const untilMs = isoToMs(input.until);
    if (input.state === 'trial' && untilMs === null)
      return refuse({ code: 'periodInvalid', problem: 'untilMissing' });
    const period = checkAdmittingPeriod(fromMs ?? tx.nowMs, untilMs, tx.nowMs);
    if (!period.ok) return period;
    const other = await findAdmittingMembership(tx, memberId, null);
    if (admits && other !== null) return refuse({ code: 'membershipOverlaps', membershipId: other });
    const facts: MembershipFacts = {
      state: input.state,
      stateSinceMs: tx.nowMs,
      fromMs,
      untilMs,
      ...planTerms(plan),
    };
    const id = deps.newId();
    await insertMembership(tx, { ...facts, id, memberId, planId: plan.id, stateReason: input.reason });
    const row = await findMembership(tx, memberId, id);
    assert(row !== undefined, 'a membership that was just added is there');
    await recordAudit(tx, {
      actor,
      action: 'membership.create',
      target: { table: 'membership', id },
      payload: { memberId, planId: plan.id, state: input.state, from: input.from, until: input.until },
    });
    // A pending one whose day has come already begins now.
    if (input.state === 'pending') await settleAndWrite(tx, row, { facts });
    await followMemberChange(deps, tx, [memberId], { admission: true });
    return ok(await loadMembership(tx, memberId, id));
  });
}

/** Applies an event by staff to a membership. */
export function applyMembershipEvent(
  deps: MemberDeps,
  actor: Actor,
  target: { readonly memberId: string; readonly membershipId: string },
  input: MembershipEventInput,
): Promise<Result<Membership, NotFound | TransitionRefusal>> {
  const { memberId, membershipId } = target;
  return deps.store.transact('members.membershipEvent', async (tx) => {
    const member = await findMember(tx, memberId);
    if (member === undefined) return refuse({ code: 'memberNotFound' });
    const row = await findMembership(tx, memberId, membershipId);
    if (row === undefined) return refuse({ code: 'membershipNotFound' });
    const occurrence: MembershipOccurrence = {
      event: input.event,
      atMs: tx.nowMs,
      fromMs: input.from === undefined ? undefined : Date.parse(input.from),
      untilMs: input.until === undefined ? undefined : isoToMs(input.until),
    };
    const other = await findAdmittingMembership(tx, memberId, membershipId);
    const decided = decideMembershipTransition(row, occurrence, other);
    if (!decided.ok) return decided;
    // A renewed period is agreed on the plan's terms of today.
    const plan = input.event === 'renew' ? await findPlan(tx, row.planId) : undefined;
    const facts: MembershipFacts = {
      ...factsOf({ ...row, ...decided.value }),
      ...(plan === undefined ? {} : planTerms(plan)),
    };
    await recordAudit(tx, {
      actor,
      action: `membership.${input.event}`,
      target: { table: 'membership', id: membershipId },
      payload: {
        memberId,
        before: row.state,
        after: facts.state,
        until: input.until ?? null,
        reason: input.reason ?? null,
      },
    });
    await settleAndWrite(tx, row, { facts, reason: input.reason ?? null });
    await followMemberChange(deps, tx, [memberId], { admission: true });
    return ok(await loadMembership(tx, memberId, membershipId));
  });
}

/** Corrects the plan or the dates of a membership that is not over, without an event. */
export function correctMembership(
  deps: MemberDeps,
  actor: Actor,
  target: { readonly memberId: string; readonly membershipId: string },
  change: MembershipPatch,
): Promise<
  Result<
    Membership,
    | NotFound
    | Refusal<'planNotFound'>
    | Refusal<'planInactive'>
    | MembershipOver
    | PeriodInvalid
    | Stale<Membership>
  >
> {
  const { memberId, membershipId } = target;
  return deps.store.transact('members.correctMembership', async (tx) => {
    const member = await findMember(tx, memberId);
    if (member === undefined) return refuse({ code: 'memberNotFound' });
    const row = await findMembership(tx, memberId, membershipId);
    if (row === undefined) return refuse({ code: 'membershipNotFound' });
    if (row.version !== change.version)
      return refuse({ code: 'staleVersion', current: await loadMembership(tx, memberId, membershipId) });
    if (isFinal(row.state)) return refuse({ code: 'membershipOver', state: row.state });
    const planId = change.planId ?? row.planId;
    const plan = planId === row.planId ? undefined : await findPlan(tx, planId);
    if (planId !== row.planId && plan === undefined) return refuse({ code: 'planNotFound' });
    if (plan?.active === false) return refuse({ code: 'planInactive' });
    const fromMs = change.from === undefined ? row.fromMs : isoToMs(change.from);
    const untilMs = change.until === undefined ? row.untilMs : isoToMs(change.until);
    if (untilMs === null && (row.state === 'trial' || row.state === 'cancelling'))
      return refuse({ code: 'periodInvalid', problem: 'untilMissing' });
    if (untilMs !== null && fromMs !== null && untilMs <= fromMs)
      return refuse({ code: 'periodInvalid', problem: 'untilBeforeFrom' });
    // A slip of the pen must not end it for good: that is what the event `end` is for.
    if (change.until !== undefined && untilMs !== null && untilMs <= tx.nowMs)
      return refuse({ code: 'periodInvalid', problem: 'untilPassed' });
    await recordAudit(tx, {
      actor,
      action: 'membership.correct',
      target: { table: 'membership', id: membershipId },
      payload: {
        memberId,
        before: { planId: row.planId, fromMs: row.fromMs, untilMs: row.untilMs },
        after: { planId, fromMs, untilMs },
      },
    });
    const terms = plan === undefined ? {} : planTerms(plan);
    await settleAndWrite(tx, row, { planId, facts: { ...factsOf(row), ...terms, fromMs, untilMs } });
    await followMemberChange(deps, tx, [memberId], { admission: true });
    return ok(await loadMembership(tx, memberId, membershipId));
  });
}

/** Ends every membership of a member who leaves. The caller follows the member's change up. */
export async function endMemberships(tx: Transaction, actor: Actor, memberId: string): Promise<void> {
  for (const row of await listLiveMemberships(tx, memberId)) {
    const decided = decideMembershipTransition(row, { event: 'end', atMs: tx.nowMs }, null);
    assert(
      decided.ok,
      `a membership that is ${row.state} can end (${allowedMembershipEvents(row.state).join()})`,
    );
    assertWritten(
      await updateMembership(tx, row.id, { facts: decided.value, blocked: false, reason: 'left' }),
    );
    await recordAudit(tx, {
      actor,
      action: 'membership.end',
      target: { table: 'membership', id: row.id },
      payload: { memberId, before: row.state, after: 'ended', reason: 'left' },
    });
  }
}

/**
 * Moves on the memberships that are due by time alone at the transaction's moment, the longest due first.
 * @param limit at most so many in this transaction
 * @returns how many were due; call again while it equals `limit`
 */
export async function advanceMemberships(
  deps: Pick<MemberDeps, 'announceIn' | 'onAdmissionChanged'>,
  tx: Transaction,
  limit = 20,
): Promise<number> {
  const due = await listDueMemberships(tx, tx.nowMs, limit);
  for (const row of due) {
    // An earlier one of the same member may have moved it on.
    const current = await findMembership(tx, row.memberId, row.id);
    if (current !== undefined) await settleAndWrite(tx, current, { facts: factsOf(current) });
  }
  const memberIds = [...new Set(due.map((row) => row.memberId))];
  await followMemberChange(deps, tx, memberIds, { admission: true });
  return due.length;
}

/**
 * Moves on everything that is due, in short transactions. For the schedule: every minute is ample. Does nothing while the
 * clock is not trusted, since a clock that runs ahead would end memberships for good.
 * @returns how many were due
 */
export async function advanceDueMemberships(
  deps: Pick<MemberDeps, 'store' | 'clock' | 'announceIn' | 'onAdmissionChanged'>,
): Promise<number> {
  const limit = 20;
  let advanced = 0;
  while (isClockTrusted(deps.clock.trust())) {
    const count = await deps.store.transact('members.advanceMemberships', (tx) =>
      advanceMemberships(deps, tx, limit),
    );
    advanced += count;
    if (count < limit) break;
  }
  return advanced;
}
