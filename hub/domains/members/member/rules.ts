import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { isAdmitting } from '../memberships/rules.ts';
import type { AdmissionFacts, MemberStatus } from '../schema.ts';
import { foldText } from '../search/rules.ts';

export const memberStatusEvents = ['suspend', 'reactivate', 'leave'] as const;
export type MemberStatusEvent = (typeof memberStatusEvents)[number];

export interface MemberStatusRefusal extends Refusal<'memberStatusNotAllowed'> {
  readonly status: MemberStatus;
  readonly event: MemberStatusEvent;
  readonly allowed: readonly MemberStatusEvent[];
}

const statusTransitions: Readonly<
  Record<MemberStatus, Partial<Readonly<Record<MemberStatusEvent, MemberStatus>>>>
> = {
  active: { suspend: 'suspended', leave: 'left' },
  suspended: { reactivate: 'active', leave: 'left' },
  left: { reactivate: 'active' },
};

/** Decides a member's next status. */
export function decideMemberStatus(
  status: MemberStatus,
  event: MemberStatusEvent,
): Result<MemberStatus, MemberStatusRefusal> {
  const next = statusTransitions[status][event];
  if (next !== undefined) return ok(next);
  return refuse({
    code: 'memberStatusNotAllowed',
    status,
    event,
    allowed: memberStatusEvents.filter((candidate) => statusTransitions[status][candidate] !== undefined),
  });
}

interface Person {
  readonly name: string;
  readonly email: string | null;
  readonly dateOfBirth: string | null;
}

/**
 * By what two members may be one person: the same address, or the same name unless they were born on different days. Null:
 * by nothing. Case and accents do not count.
 */
export function sameBy(left: Person, right: Person): 'email' | 'name' | null {
  if (left.email !== null && right.email !== null && foldText(left.email) === foldText(right.email))
    return 'email';
  const isOtherDay =
    left.dateOfBirth !== null && right.dateOfBirth !== null && left.dateOfBirth !== right.dateOfBirth;
  return !isOtherDay && foldText(left.name) === foldText(right.name) ? 'name' : null;
}

/** Checks whether a member's card would open a door that only requires membership. */
export const admitsNow = (facts: AdmissionFacts, nowMs: number): boolean =>
  facts.memberStatus === 'active' &&
  !facts.onHold &&
  isAdmitting(facts.membershipState) &&
  (facts.membershipFromMs === null || nowMs >= facts.membershipFromMs) &&
  (facts.membershipUntilMs === null || nowMs < facts.membershipUntilMs);
