import { admittingMembershipStates } from '#hub/domains/members/schema.ts';
import { unreachable } from '#hub/kernel/result.ts';
import { type ClockTrust, isClockTrusted, localMomentAt } from '#hub/kernel/time.ts';
import type { AccessCheck, CheckResult, DenyReason, PolicyRule, PortalMode } from '../schema.ts';
import type { CredentialFacts, PolicyDocument, PolicyPortal } from './policy-schema.ts';
import { areaChain, isInWindow, openingAt, waysInAt } from './schedule-rules.ts';

/** The moment of a decision, and what is known about the world at it. */
export interface AccessMoment {
  /** UTC ms; never below the highest time ever seen, so that it is a lower bound when the clock is not trusted. */
  readonly wallMs: number;
  readonly clockTrust: ClockTrust;
  /** Ms since the hub last confirmed the policy; null = not known. */
  readonly policyAgeMs: number | null;
  readonly mode: PortalMode;
  readonly journalWritable: boolean;
}

/** How somebody showed who they are. */
export interface Proof {
  /** A member's number is typed at a keypad and proves nothing without a PIN. */
  readonly by: 'card' | 'number';
  /**
   * `none`: not given, or not in time. `refused`: the reader takes no PINs for a while, after too many wrong ones. A duress
   * PIN is `right`: nothing that follows from here may differ.
   */
  readonly pin: 'none' | 'right' | 'wrong' | 'refused';
  /** The member has a PIN that is valid, so that it makes sense to ask for it. */
  readonly hasPin: boolean;
}
/** A card, before anybody was asked for anything. */
export const cardAlone: Proof = { by: 'card', pin: 'none', hasPin: false };

export interface AccessDecision {
  readonly granted: boolean;
  /** The first check that failed; null when granted. */
  readonly reason: DenyReason | null;
  readonly checks: readonly CheckResult[];
  /** The rule that permitted it; null when none did. */
  readonly ruleId: string | null;
  /** The member needs the longer access time. */
  readonly extended: boolean;
}

const reasonByCheck: Readonly<Record<AccessCheck, DenyReason>> = {
  credentialKnown: 'unknownCredential',
  cardUnambiguous: 'ambiguousCard',
  credentialActive: 'credentialInactive',
  memberActive: 'memberInactive',
  noHold: 'hold',
  waiverSigned: 'waiverMissing',
  membershipValid: 'noMembership',
  portalNotLocked: 'portalLocked',
  snapshotFresh: 'staleSnapshot',
  clockTrusted: 'clockUntrusted',
  rulePermits: 'noPermission',
  withinTimeWindow: 'timeWindow',
  withinOpeningHours: 'openingHours',
  notHoliday: 'holiday',
  assuranceSufficient: 'assuranceTooLow',
  attemptsLeft: 'tooManyAttempts',
  pinGiven: 'pinRequired',
  pinRight: 'pinWrong',
  journalWritable: 'journalFault',
};

type Policy = Pick<PolicyDocument, 'zone' | 'rules' | 'areaParents' | 'openingHours' | 'exceptions'>;

/** Whether `at` lies in [from, until). An unknown time is taken as not before `from` only if `lenient`. */
function isInRange(from: number | null, until: number | null, at: AccessMoment, lenient: boolean): boolean {
  if (until !== null && at.wallMs >= until) return false;
  return from === null || at.wallMs >= from || lenient;
}

function isForSubject(rule: PolicyRule, facts: CredentialFacts): boolean {
  switch (rule.subject.kind) {
    case 'everyone':
      return true;
    case 'plan':
      return facts.planId === rule.subject.id;
    case 'group':
      return facts.groupIds.includes(rule.subject.id);
    case 'member':
      return facts.memberId === rule.subject.id;
    default:
      return unreachable(rule.subject);
  }
}

function isForPortal(rule: PolicyRule, portal: PolicyPortal, chain: readonly string[]): boolean {
  switch (rule.target.kind) {
    case 'site':
      return true;
    case 'area':
      return chain.includes(rule.target.id);
    case 'portal':
      return portal.id === rule.target.id;
    default:
      return unreachable(rule.target);
  }
}

interface RuleOutcome {
  readonly checks: readonly CheckResult[];
  readonly ruleId: string | null;
}

/** Rules only permit. Each candidate must hold by itself: its window and its hours, not one rule's window and another's hours. */
function checkRules(
  policy: Policy,
  portal: PolicyPortal,
  facts: CredentialFacts,
  at: AccessMoment,
): RuleOutcome {
  const trusted = isClockTrusted(at.clockTrust);
  const { onUntrustedClock } = portal.settings;
  const lenient = !trusted && onUntrustedClock === 'ignoreWindows';
  const chain = areaChain(portal.areaId, policy.areaParents);
  const candidates = policy.rules.filter(
    (rule) =>
      isForSubject(rule, facts) &&
      isForPortal(rule, portal, chain) &&
      isInRange(rule.validFromMs, rule.validUntilMs, at, lenient),
  );
  const moment = localMomentAt(policy.zone, at.wallMs);
  const opening = openingAt(policy, portal.areaId, moment);
  const hasHours =
    policy.exceptions.length > 0 || chain.some((areaId) => policy.openingHours[areaId] !== undefined);
  // The time known is only a lower bound, so an end date may have passed unnoticed.
  const isUntimed = (rule: PolicyRule): boolean =>
    rule.windows.length === 0 && rule.validUntilMs === null && (rule.outsideOpeningHours || !hasHours);

  if (!trusted) {
    const usable =
      onUntrustedClock === 'ignoreWindows'
        ? candidates
        : onUntrustedClock === 'denyTimed'
          ? candidates.filter(isUntimed)
          : [];
    const permits = candidates.length > 0;
    return {
      checks: [
        { check: 'clockTrusted', passed: permits ? usable.length > 0 : onUntrustedClock !== 'deny' },
        { check: 'rulePermits', passed: permits },
      ],
      ruleId: usable[0]?.id ?? null,
    };
  }

  const inWindow = candidates.filter(
    (rule) => rule.windows.length === 0 || rule.windows.some((window) => isInWindow(window, moment)),
  );
  const granting = inWindow.find((rule) => rule.outsideOpeningHours || opening === 'open');
  const hoursMatter = inWindow.length > 0 && granting === undefined;
  return {
    checks: [
      { check: 'clockTrusted', passed: true },
      { check: 'rulePermits', passed: candidates.length > 0 },
      ...(candidates.length > 0
        ? ([
            { check: 'withinTimeWindow', passed: inWindow.length > 0 },
            { check: 'withinOpeningHours', passed: !(hoursMatter && opening === 'closed') },
            { check: 'notHoliday', passed: !(hoursMatter && opening === 'holiday') },
          ] as const)
        : []),
    ],
    ruleId: granting?.id ?? null,
  };
}

function checkPerson(portal: PolicyPortal, facts: CredentialFacts, at: AccessMoment): CheckResult[] {
  const lenient = !isClockTrusted(at.clockTrust) && portal.settings.onUntrustedClock === 'ignoreWindows';
  return [
    { check: 'credentialKnown', passed: true },
    {
      check: 'credentialActive',
      passed:
        (facts.credentialStatus === 'active' || facts.credentialStatus === 'temporary') &&
        isInRange(facts.validFromMs, facts.validUntilMs, at, lenient),
    },
    { check: 'memberActive', passed: facts.memberStatus === 'active' },
    { check: 'noHold', passed: !facts.onHold },
    ...(portal.settings.requiresWaiver
      ? [{ check: 'waiverSigned', passed: !facts.waiverMissing } as const]
      : []),
    {
      check: 'membershipValid',
      passed:
        admittingMembershipStates.includes(facts.membershipState) &&
        isInRange(facts.membershipFromMs, facts.membershipUntilMs, at, lenient),
    },
  ];
}

function checkPortal(portal: PolicyPortal, at: AccessMoment): CheckResult[] {
  const { maxPolicyAgeMinutes, onStalePolicy, onUntrustedClock } = portal.settings;
  // Without a clock no age is known: a box that lost its power and its hub goes on by what the door says of unknown time.
  const stale =
    at.policyAgeMs === null
      ? isClockTrusted(at.clockTrust) || onUntrustedClock === 'deny'
      : at.policyAgeMs > maxPolicyAgeMinutes * 60_000;
  return [
    { check: 'portalNotLocked', passed: at.mode !== 'lockdown' && at.mode !== 'locked' },
    { check: 'snapshotFresh', passed: !stale || onStalePolicy === 'grant' },
  ];
}

/** What is said of a card or a number that is not in the policy: a number and a wrong PIN cannot be told apart. */
function unknownBy({ by, pin }: Proof): AccessCheck {
  if (by === 'card') return 'credentialKnown';
  return pin === 'refused' ? 'attemptsLeft' : 'pinRight';
}

/**
 * Whether what was shown is enough for the door. A PIN stands last, so that a door asks for it only where it would open, and
 * `pinRequired` means just that: with the right PIN it opens.
 */
function checkIdentification(
  policy: Policy,
  portal: PolicyPortal,
  facts: CredentialFacts,
  at: AccessMoment,
  proof: Proof,
): CheckResult[] {
  const { minAssurance } = portal.settings;
  const ways = waysInAt(portal.settings, policy.zone, at.wallMs, isClockTrusted(at.clockTrust));
  const isCard = proof.by === 'card';
  const asksForPin = !isCard || !ways.card || facts.assurance < minAssurance;
  const withPin = isCard ? Math.max(facts.assurance, 1) : facts.assurance;
  const isTaken = isCard ? !asksForPin || proof.hasPin || proof.pin !== 'none' : ways.number;
  return [
    {
      check: 'assuranceSufficient',
      passed: isTaken && (asksForPin ? withPin : facts.assurance) >= minAssurance,
    },
    ...(asksForPin
      ? ([
          { check: 'attemptsLeft', passed: proof.pin !== 'refused' },
          { check: 'pinGiven', passed: proof.pin !== 'none' },
          { check: 'pinRight', passed: proof.pin === 'right' },
        ] as const)
      : []),
  ];
}

/**
 * Decides whether a credential may pass a portal at a moment. The only place where access is decided: the tap, the
 * "why", the what-if and the replay all call it. Denies by default.
 * @param credential facts of the credential, or undefined when card or number are not in the policy
 * @param proof how they were shown
 */
export function decideAccess(
  policy: Policy,
  portal: PolicyPortal,
  credential: CredentialFacts | undefined,
  at: AccessMoment,
  proof: Proof = cardAlone,
): AccessDecision {
  const journal: CheckResult[] =
    at.journalWritable || portal.settings.onJournalFault === 'grantAndCount'
      ? []
      : [{ check: 'journalWritable', passed: false }];
  if (credential === undefined) {
    const unknown = unknownBy(proof);
    const checks: CheckResult[] = [{ check: unknown, passed: false }, ...checkPortal(portal, at), ...journal];
    return { granted: false, reason: reasonByCheck[unknown], checks, ruleId: null, extended: false };
  }
  const byRules = checkRules(policy, portal, credential, at);
  const checks = [
    ...checkPerson(portal, credential, at),
    ...checkPortal(portal, at),
    ...byRules.checks,
    ...journal,
    ...checkIdentification(policy, portal, credential, at, proof),
  ];
  const failed = checks.find((entry) => !entry.passed);
  const granted = failed === undefined && byRules.ruleId !== null;
  return {
    granted,
    reason: granted ? null : failed === undefined ? 'noPermission' : reasonByCheck[failed.check],
    checks,
    ruleId: granted ? byRules.ruleId : null,
    extended: credential.extendedAccess,
  };
}

/** Whether all of these credentials are one member's. */
export const isOneMember = (owners: readonly CredentialFacts[]): boolean =>
  owners.every(({ memberId }) => memberId === owners[0]?.memberId);

/**
 * The same where a reader cannot tell several cards apart: opens for nobody who would not be let in as the owner of each of
 * them. Of cards of several members none is asked for a PIN, since nobody knows whose it would have to be.
 * @param owners every credential that was perhaps presented; none: card or number are not in the policy
 */
export function decideAmong(
  policy: Policy,
  portal: PolicyPortal,
  owners: readonly CredentialFacts[],
  at: AccessMoment,
  proof: Proof = cardAlone,
): AccessDecision {
  const [first, ...others] = owners;
  if (others.length === 0) return decideAccess(policy, portal, first, at, proof);
  const isOne = isOneMember(owners);
  const shown: Proof = isOne ? proof : { ...proof, pin: 'none', hasPin: false };
  const decisions = owners.map((owner) => decideAccess(policy, portal, owner, at, shown));
  const reasons = new Set(decisions.map(({ reason }) => reason));
  const extended = decisions.every((decision) => decision.extended);
  const [decision] = decisions;
  const isCommon = reasons.size === 1 && (isOne || !reasons.has('assuranceTooLow'));
  if (decision !== undefined && isCommon) return { ...decision, extended };
  const asking = decisions.find(({ reason }) => reason === 'pinRequired');
  const isRefused = decisions.some(({ granted, reason }) => !granted && reason !== 'pinRequired');
  if (asking !== undefined && !isRefused) return { ...asking, extended };
  const checks: CheckResult[] = [
    { check: 'credentialKnown', passed: true },
    { check: 'cardUnambiguous', passed: false },
    ...checkPortal(portal, at),
  ];
  return { granted: false, reason: reasonByCheck.cardUnambiguous, checks, ruleId: null, extended };
}
