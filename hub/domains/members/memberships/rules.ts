import { ok, type Refusal, type Result, refuse, unreachable } from '#hub/kernel/result.ts';
import { dayMs } from '#hub/kernel/time.ts';
import { admittingMembershipStates, finalMembershipStates, type MembershipState } from '../schema.ts';

/** A state that a stored membership can be in. */
export type StoredMembershipState = Exclude<MembershipState, 'none'>;

/** Membership events triggered by staff. */
export const staffMembershipEvents = [
  'approve',
  'startTrial',
  'activate',
  'renew',
  'paymentMissed',
  'pause',
  'resume',
  'suspend',
  'reinstate',
  'cancel',
  'keep',
  'end',
] as const;
/** Membership events triggered by time. */
export const timeMembershipEvents = ['periodStarted', 'periodEnded', 'graceEnded', 'overdueEnded'] as const;
export type StaffMembershipEvent = (typeof staffMembershipEvents)[number];
export type TimeMembershipEvent = (typeof timeMembershipEvents)[number];
export type MembershipEvent = StaffMembershipEvent | TimeMembershipEvent;

/** The facts that decide a membership's transitions. */
export interface MembershipFacts {
  readonly state: StoredMembershipState;
  readonly stateSinceMs: number;
  /** First moment; null = not agreed yet (only before it admits). */
  readonly fromMs: number | null;
  /** First moment after the agreed period; null = open-ended. */
  readonly untilMs: number | null;
  /** The plan expects a payment for each period: its end is followed by grace, not by the end. */
  readonly renews: boolean;
  readonly graceDays: number;
  readonly overdueDays: number;
}

/** An event with the moment it happens at. Dates left out stay as they are; `untilMs: null` is open-ended. */
export interface MembershipOccurrence {
  readonly event: MembershipEvent;
  readonly atMs: number;
  readonly fromMs?: number | undefined;
  readonly untilMs?: number | null | undefined;
}

export interface TransitionNotAllowed extends Refusal<'transitionNotAllowed'> {
  readonly state: StoredMembershipState;
  readonly event: MembershipEvent;
  /** The events that people may use in this state. */
  readonly allowed: readonly StaffMembershipEvent[];
}
/** The dates do not make a period that the event could begin or go on with. */
export interface PeriodInvalid extends Refusal<'periodInvalid'> {
  readonly problem: 'untilMissing' | 'untilPassed' | 'untilBeforeFrom';
}
export interface MembershipOverlaps extends Refusal<'membershipOverlaps'> {
  readonly membershipId: string;
}
export type TransitionRefusal = TransitionNotAllowed | PeriodInvalid | MembershipOverlaps;

/** State x event -> next state. What is not here is not allowed; final states lead nowhere. */
const transitions: Readonly<
  Record<StoredMembershipState, Partial<Readonly<Record<MembershipEvent, StoredMembershipState>>>>
> = {
  applied: { approve: 'pending', startTrial: 'trial', activate: 'active', cancel: 'ended', end: 'ended' },
  pending: {
    startTrial: 'trial',
    activate: 'active',
    cancel: 'ended',
    end: 'ended',
    periodStarted: 'active',
  },
  trial: { activate: 'active', cancel: 'ended', end: 'ended', periodEnded: 'grace' },
  active: {
    renew: 'active',
    paymentMissed: 'grace',
    pause: 'paused',
    suspend: 'suspended',
    cancel: 'cancelling',
    end: 'ended',
    periodEnded: 'grace',
  },
  grace: {
    renew: 'active',
    paymentMissed: 'overdue',
    suspend: 'suspended',
    cancel: 'cancelling',
    end: 'ended',
    graceEnded: 'overdue',
  },
  overdue: { renew: 'active', suspend: 'suspended', cancel: 'ended', end: 'ended', overdueEnded: 'lapsed' },
  paused: { resume: 'active', suspend: 'suspended', cancel: 'ended', end: 'ended' },
  suspended: { reinstate: 'active', cancel: 'ended', end: 'ended' },
  cancelling: { keep: 'active', suspend: 'suspended', end: 'ended', periodEnded: 'ended' },
  lapsed: {},
  ended: {},
};

const isStaffEvent = (event: string): event is StaffMembershipEvent =>
  staffMembershipEvents.some((candidate) => candidate === event);

export const isAdmitting = (state: MembershipState): boolean => admittingMembershipStates.includes(state);
export const isFinal = (state: MembershipState): boolean => finalMembershipStates.includes(state);

/** The events that people may use in a state, in the order of the table. */
export const allowedMembershipEvents = (state: StoredMembershipState): readonly StaffMembershipEvent[] =>
  Object.keys(transitions[state]).filter(isStaffEvent);

/** When time alone moves the membership on, and by which event; null = never. */
export function nextTimeEvent(
  facts: MembershipFacts,
): { readonly event: TimeMembershipEvent; readonly atMs: number } | null {
  switch (facts.state) {
    case 'pending':
      return facts.fromMs === null ? null : { event: 'periodStarted', atMs: facts.fromMs };
    case 'trial':
    case 'active':
    case 'cancelling':
      return facts.untilMs === null ? null : { event: 'periodEnded', atMs: facts.untilMs };
    case 'grace':
      return { event: 'graceEnded', atMs: facts.stateSinceMs + facts.graceDays * dayMs };
    case 'overdue':
      return { event: 'overdueEnded', atMs: facts.stateSinceMs + facts.overdueDays * dayMs };
    case 'applied':
    case 'paused':
    case 'suspended':
    case 'lapsed':
    case 'ended':
      return null;
    default:
      return unreachable(facts.state);
  }
}

/** Whether a period that begins to admit makes sense: not over already, and not ending before it begins. */
export function checkAdmittingPeriod(
  fromMs: number,
  untilMs: number | null,
  atMs: number,
): Result<null, PeriodInvalid> {
  if (untilMs !== null && untilMs <= fromMs)
    return refuse({ code: 'periodInvalid', problem: 'untilBeforeFrom' });
  if (untilMs !== null && untilMs <= atMs) return refuse({ code: 'periodInvalid', problem: 'untilPassed' });
  return ok(null);
}

const ended = (facts: MembershipFacts, atMs: number, untilMs: number | null): MembershipFacts => ({
  ...facts,
  state: 'ended',
  stateSinceMs: atMs,
  untilMs: untilMs === null ? atMs : Math.min(untilMs, atMs),
});

function decideByTime(facts: MembershipFacts, event: TimeMembershipEvent, atMs: number): MembershipFacts {
  switch (event) {
    case 'periodStarted':
      return { ...facts, state: 'active', stateSinceMs: atMs };
    case 'periodEnded':
      return facts.renews && facts.state !== 'cancelling'
        ? { ...facts, state: 'grace', stateSinceMs: atMs }
        : ended(facts, atMs, facts.untilMs);
    case 'graceEnded':
      return { ...facts, state: 'overdue', stateSinceMs: atMs };
    case 'overdueEnded':
      return { ...facts, state: 'lapsed', stateSinceMs: atMs };
    default:
      return unreachable(event);
  }
}

/** A cancelled membership runs to the end of what was paid; without a time that is left, it ends at once. */
function decideCancel(facts: MembershipFacts, occurrence: MembershipOccurrence): MembershipFacts {
  const untilMs = occurrence.untilMs === undefined ? facts.untilMs : occurrence.untilMs;
  const runsOn = transitions[facts.state].cancel === 'cancelling' && untilMs !== null;
  return runsOn && untilMs > occurrence.atMs
    ? { ...facts, state: 'cancelling', stateSinceMs: occurrence.atMs, untilMs }
    : ended(facts, occurrence.atMs, untilMs);
}

/** Events after which the membership admits, or is about to: they fix the period. */
function decidePeriod(
  facts: MembershipFacts,
  occurrence: MembershipOccurrence,
  state: 'trial' | 'active',
): Result<MembershipFacts, PeriodInvalid> {
  const { event, atMs } = occurrence;
  const fromMs = occurrence.fromMs ?? facts.fromMs ?? atMs;
  // The end of a trial is not the end of the membership that follows it.
  const carried = facts.state === 'trial' ? null : facts.untilMs;
  const untilMs = occurrence.untilMs === undefined ? carried : occurrence.untilMs;
  if ((event === 'startTrial' && untilMs === null) || (event === 'renew' && occurrence.untilMs === undefined))
    return refuse({ code: 'periodInvalid', problem: 'untilMissing' });
  const period = checkAdmittingPeriod(fromMs, untilMs, atMs);
  if (!period.ok) return period;
  return ok({ ...facts, state, stateSinceMs: atMs, fromMs, untilMs });
}

/** The new facts of an event that the table allows; `target` is the state that the table names. */
function decideStep(
  facts: MembershipFacts,
  occurrence: MembershipOccurrence,
  target: StoredMembershipState,
): Result<MembershipFacts, PeriodInvalid> {
  const { event, atMs } = occurrence;
  switch (event) {
    case 'periodStarted':
    case 'periodEnded':
    case 'graceEnded':
    case 'overdueEnded':
      return ok(decideByTime(facts, event, nextTimeEvent(facts)?.atMs ?? atMs));
    case 'cancel':
      return ok(decideCancel(facts, occurrence));
    case 'end':
      return ok(ended(facts, atMs, facts.untilMs));
    case 'approve':
      return ok({
        ...facts,
        state: 'pending',
        stateSinceMs: atMs,
        fromMs: occurrence.fromMs ?? facts.fromMs,
        untilMs: occurrence.untilMs === undefined ? facts.untilMs : occurrence.untilMs,
      });
    case 'startTrial':
      return decidePeriod(facts, occurrence, 'trial');
    case 'activate':
    case 'renew':
    case 'resume':
    case 'reinstate':
    case 'keep':
      return decidePeriod(facts, occurrence, 'active');
    case 'paymentMissed':
    case 'pause':
    case 'suspend':
      return ok({ ...facts, state: target, stateSinceMs: atMs });
    default:
      return unreachable(event);
  }
}

/**
 * What becomes of a membership when something happens to it.
 * @param otherAdmittingId another membership of the same member that admits, or null: there may be only one
 */
export function decideMembershipTransition(
  facts: MembershipFacts,
  occurrence: MembershipOccurrence,
  otherAdmittingId: string | null,
): Result<MembershipFacts, TransitionRefusal> {
  const { event, atMs } = occurrence;
  const target = transitions[facts.state][event];
  const due = nextTimeEvent(facts);
  const isEarly = !isStaffEvent(event) && (due === null || due.event !== event || atMs < due.atMs);
  if (target === undefined || isEarly)
    return refuse({
      code: 'transitionNotAllowed',
      state: facts.state,
      event,
      allowed: allowedMembershipEvents(facts.state),
    });
  const decided = decideStep(facts, occurrence, target);
  if (decided.ok && isAdmitting(decided.value.state) && otherAdmittingId !== null)
    return refuse({ code: 'membershipOverlaps', membershipId: otherAdmittingId });
  return decided;
}

export interface SettledMembership {
  readonly facts: MembershipFacts;
  /** Time-driven steps, oldest first. */
  readonly steps: readonly { readonly event: TimeMembershipEvent; readonly atMs: number }[];
  /** It is due, but another membership of the member still admits. */
  readonly blocked: boolean;
}

/** Applies every time-driven step that is due at `nowMs`, however long ago the last run was. */
export function settleMembership(
  facts: MembershipFacts,
  otherAdmittingId: string | null,
  nowMs: number,
): SettledMembership {
  const steps: { event: TimeMembershipEvent; atMs: number }[] = [];
  let settled = facts;
  for (let due = nextTimeEvent(settled); due !== null && due.atMs <= nowMs; due = nextTimeEvent(settled)) {
    const decided = decideMembershipTransition(settled, { event: due.event, atMs: nowMs }, otherAdmittingId);
    if (!decided.ok) return { facts: settled, steps, blocked: true };
    steps.push(due);
    settled = decided.value;
  }
  return { facts: settled, steps, blocked: false };
}

/**
 * The span in which a membership opens doors; null when its state does not. Days of grace belong to it from the start, so
 * that a bridge without the hub does at the end of a period what the hub would do.
 */
export function admissionPeriod(
  facts: MembershipFacts,
): { readonly fromMs: number | null; readonly untilMs: number | null } | null {
  switch (facts.state) {
    case 'trial':
    case 'active':
      return {
        fromMs: facts.fromMs,
        untilMs: facts.untilMs === null ? null : facts.untilMs + (facts.renews ? facts.graceDays * dayMs : 0),
      };
    case 'grace':
      return { fromMs: facts.fromMs, untilMs: facts.stateSinceMs + facts.graceDays * dayMs };
    case 'cancelling':
      return { fromMs: facts.fromMs, untilMs: facts.untilMs };
    case 'applied':
    case 'pending':
    case 'overdue':
    case 'lapsed':
    case 'paused':
    case 'suspended':
    case 'ended':
      return null;
    default:
      return unreachable(facts.state);
  }
}

/** Which of several non-admitting memberships best explains the denial, most telling first. */
const explanationPriority: readonly StoredMembershipState[] = [
  'overdue',
  'suspended',
  'paused',
  'pending',
  'applied',
  'lapsed',
  'ended',
];

/** The membership that admits now, or else next; without one, the one that best says why not. Undefined without any. */
export function effectiveMembership<T extends MembershipFacts>(
  memberships: readonly T[],
  nowMs: number,
): T | undefined {
  const rank = (facts: T): number => {
    const period = admissionPeriod(facts);
    if (period === null) return 3 + explanationPriority.indexOf(facts.state);
    if (period.untilMs !== null && nowMs >= period.untilMs) return 2;
    return period.fromMs !== null && nowMs < period.fromMs ? 1 : 0;
  };
  let best: T | undefined;
  for (const facts of memberships) {
    if (best === undefined) {
      best = facts;
      continue;
    }
    const [rankFacts, rankBest] = [rank(facts), rank(best)];
    const wins =
      rankFacts === rankBest
        ? rankFacts === 1
          ? (facts.fromMs ?? 0) < (best.fromMs ?? 0)
          : facts.stateSinceMs > best.stateSinceMs
        : rankFacts < rankBest;
    if (wins) best = facts;
  }
  return best;
}
