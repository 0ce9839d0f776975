import fc from 'fast-check';
import type {
  CredentialFacts,
  PolicyDocument,
  PolicyPortal,
} from '#hub/domains/access/decide/policy-schema.ts';
import type { AccessMoment } from '#hub/domains/access/decide/rules.ts';
import { defaultPortalSettings, type PolicyRule, portalModes } from '#hub/domains/access/schema.ts';
import { credentialStatuses, memberStatuses, membershipStates } from '#hub/domains/members/schema.ts';
import { clockTrusts } from '#hub/kernel/time.ts';
import { zoneOffsets } from '#hub/kernel/zone.ts';

export const berlin = zoneOffsets(
  'Europe/Berlin',
  Date.parse('2025-01-01T00:00:00Z'),
  Date.parse('2030-01-01T00:00:00Z'),
);
export const newYork = zoneOffsets(
  'America/New_York',
  Date.parse('2025-01-01T00:00:00Z'),
  Date.parse('2030-01-01T00:00:00Z'),
);

export const portal = (change: Partial<PolicyPortal> = {}): PolicyPortal => ({
  id: 'front',
  key: 'front',
  name: 'Front door',
  areaId: null,
  settings: defaultPortalSettings,
  override: null,
  ...change,
});
export const portalWith = (settings: Partial<PolicyPortal['settings']>): PolicyPortal =>
  portal({ settings: { ...defaultPortalSettings, ...settings } });

export const rule = (change: Partial<PolicyRule> = {}): PolicyRule => ({
  id: 'rule',
  name: 'Everyone',
  subject: { kind: 'everyone' },
  target: { kind: 'site' },
  windows: [],
  outsideOpeningHours: false,
  validFromMs: null,
  validUntilMs: null,
  ...change,
});

export type RulePolicy = Pick<
  PolicyDocument,
  'zone' | 'rules' | 'areaParents' | 'openingHours' | 'exceptions'
>;
export const policy = (change: Partial<RulePolicy> = {}): RulePolicy => ({
  zone: berlin,
  rules: [rule()],
  areaParents: {},
  openingHours: {},
  exceptions: [],
  ...change,
});

export const ada: CredentialFacts = {
  credentialId: 'card',
  memberId: 'ada',
  credentialStatus: 'active',
  assurance: 0,
  validFromMs: null,
  validUntilMs: null,
  memberStatus: 'active',
  onHold: false,
  waiverMissing: false,
  extendedAccess: false,
  membershipState: 'active',
  membershipFromMs: null,
  membershipUntilMs: null,
  planId: 'standard',
  groupIds: ['lasers'],
};

/** Monday 2026-11-23, 10:00 in Berlin. */
export const mondayTenMs = Date.parse('2026-11-23T09:00:00Z');
export const moment = (change: Partial<AccessMoment> = {}): AccessMoment => ({
  wallMs: mondayTenMs,
  clockTrust: 'ntp',
  policyAgeMs: 0,
  mode: 'controlled',
  journalWritable: true,
  ...change,
});
export const at = (text: string): AccessMoment => moment({ wallMs: Date.parse(text) });

const dayMs = 86_400_000;
const timeMs = fc.integer({ min: mondayTenMs - 10 * dayMs, max: mondayTenMs + 10 * dayMs });
const bound = fc.option(timeMs, { nil: null });
const areas = ['hall', 'workshop', 'laser-room'] as const;
const windowArbitrary = fc.record({
  weekday: fc.integer({ min: 1, max: 7 }),
  startMinute: fc.integer({ min: 0, max: 1439 }),
  endMinute: fc.integer({ min: 0, max: 1440 }),
});
export const ruleArbitrary: fc.Arbitrary<PolicyRule> = fc.record({
  id: fc.uuid(),
  name: fc.constant('rule'),
  subject: fc.constantFrom(
    { kind: 'everyone' } as const,
    { kind: 'plan', id: 'standard' } as const,
    { kind: 'group', id: 'lasers' } as const,
    { kind: 'member', id: 'ada' } as const,
    { kind: 'member', id: 'bob' } as const,
  ),
  target: fc.constantFrom(
    { kind: 'site' } as const,
    { kind: 'area', id: 'hall' } as const,
    { kind: 'area', id: 'laser-room' } as const,
    { kind: 'portal', id: 'front' } as const,
    { kind: 'portal', id: 'other' } as const,
  ),
  windows: fc.array(windowArbitrary, { maxLength: 3 }),
  outsideOpeningHours: fc.boolean(),
  validFromMs: bound,
  validUntilMs: bound,
});
export const factsArbitrary: fc.Arbitrary<CredentialFacts> = fc.record({
  credentialId: fc.constant('card'),
  memberId: fc.constantFrom('ada', 'bob'),
  credentialStatus: fc.constantFrom(...credentialStatuses),
  assurance: fc.constant(0),
  validFromMs: bound,
  validUntilMs: bound,
  memberStatus: fc.constantFrom(...memberStatuses),
  onHold: fc.boolean(),
  waiverMissing: fc.boolean(),
  extendedAccess: fc.boolean(),
  membershipState: fc.constantFrom(...membershipStates),
  membershipFromMs: bound,
  membershipUntilMs: bound,
  planId: fc.constantFrom('standard', 'student', null),
  groupIds: fc.constantFrom([], ['lasers'], ['board', 'lasers']),
});
/** Facts of somebody who is in order, so that rules and hours get their say. */
export const goodFactsArbitrary: fc.Arbitrary<CredentialFacts> = factsArbitrary.map((facts) => ({
  ...facts,
  credentialStatus: 'active',
  validFromMs: null,
  validUntilMs: null,
  memberStatus: 'active',
  onHold: false,
  waiverMissing: false,
  membershipState: 'active',
  membershipFromMs: null,
  membershipUntilMs: null,
}));
export const policyArbitrary: fc.Arbitrary<RulePolicy> = fc.record({
  zone: fc.constantFrom(berlin, newYork),
  rules: fc.array(ruleArbitrary, { maxLength: 6 }),
  areaParents: fc.constantFrom<RulePolicy['areaParents']>(
    {},
    { hall: null, workshop: 'hall', 'laser-room': 'workshop' },
    { hall: 'laser-room', 'laser-room': 'hall' },
  ),
  openingHours: fc.dictionary(fc.constantFrom('', ...areas), fc.array(windowArbitrary, { maxLength: 3 }), {
    maxKeys: 3,
  }),
  exceptions: fc.array(
    fc.record({
      date: fc.constantFrom('2026-11-22', '2026-11-23', '2026-11-24'),
      name: fc.constant('day'),
      areaId: fc.constantFrom(null, ...areas),
      windows: fc.constantFrom(
        [],
        [{ startMinute: 600, endMinute: 720 }],
        [{ startMinute: 1320, endMinute: 120 }],
      ),
    }),
    { maxLength: 3 },
  ),
});
export const portalArbitrary: fc.Arbitrary<PolicyPortal> = fc
  .record({
    areaId: fc.constantFrom(null, ...areas),
    requiresWaiver: fc.boolean(),
    onStalePolicy: fc.constantFrom('grant' as const, 'deny' as const),
    onUntrustedClock: fc.constantFrom('ignoreWindows' as const, 'denyTimed' as const, 'deny' as const),
    onJournalFault: fc.constantFrom('deny' as const, 'grantAndCount' as const),
  })
  .map(({ areaId, ...settings }) => ({ ...portalWith(settings), areaId }));
/** A moment at which nothing but rules, hours and the person decides. */
export const goodMomentArbitrary: fc.Arbitrary<AccessMoment> = timeMs.map((wallMs) => moment({ wallMs }));
export const momentArbitrary: fc.Arbitrary<AccessMoment> = fc.record({
  wallMs: timeMs,
  clockTrust: fc.constantFrom(...clockTrusts),
  policyAgeMs: fc.constantFrom(0, 40 * dayMs, null),
  mode: fc.constantFrom(...portalModes),
  journalWritable: fc.boolean(),
});
