import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CredentialFacts } from '#hub/domains/access/decide/policy-schema.ts';
import { type AccessMoment, decideAccess } from '#hub/domains/access/decide/rules.ts';
import { wordingByCheck, wordingByReason } from '#hub/domains/access/decide/wording-rules.ts';
import { accessChecks, type DenyReason, denyReasons } from '#hub/domains/access/schema.ts';
import { credentialStatuses, membershipStates } from '#hub/domains/members/schema.ts';
import {
  ada,
  at,
  factsArbitrary,
  goodFactsArbitrary,
  goodMomentArbitrary,
  moment,
  momentArbitrary,
  mondayTenMs,
  policy,
  policyArbitrary,
  portal,
  portalArbitrary,
  portalWith,
  rule,
} from './policy-fixtures.ts';

const dayMs = 86_400_000;

test('somebody who is in order passes by the rule that covers them', () => {
  const decision = decideAccess(policy(), portal(), ada, moment());
  expect(decision).toMatchObject({ granted: true, reason: null, ruleId: 'rule', extended: false });
  expect(decision.checks.every((check) => check.passed)).toBe(true);
});

test('no rule is a no', () => {
  expect(decideAccess(policy({ rules: [] }), portal(), ada, moment())).toMatchObject({
    granted: false,
    reason: 'noPermission',
    ruleId: null,
  });
});

test('a card that is not in the policy is denied, and no check about a person is made up', () => {
  const decision = decideAccess(policy(), portal(), undefined, moment());
  expect(decision).toMatchObject({ granted: false, reason: 'unknownCredential' });
  expect(decision.checks.map((check) => check.check)).toEqual([
    'credentialKnown',
    'portalNotLocked',
    'snapshotFresh',
  ]);
});

describe('each thing that is wrong gives its own reason', () => {
  const cases: [string, Partial<CredentialFacts>, DenyReason][] = [
    ['a lost card', { credentialStatus: 'lost' }, 'credentialInactive'],
    ['a suspended card', { credentialStatus: 'suspended' }, 'credentialInactive'],
    ['a retired card', { credentialStatus: 'retired' }, 'credentialInactive'],
    ['a card from tomorrow on', { validFromMs: mondayTenMs + dayMs }, 'credentialInactive'],
    ['a card until this moment', { validUntilMs: mondayTenMs }, 'credentialInactive'],
    ['a suspended member', { memberStatus: 'suspended' }, 'memberInactive'],
    ['a member who left', { memberStatus: 'left' }, 'memberInactive'],
    ['a hold', { onHold: true }, 'hold'],
    ['no membership', { membershipState: 'none' }, 'noMembership'],
    ['a lapsed membership', { membershipState: 'lapsed' }, 'noMembership'],
    ['a membership that begins tomorrow', { membershipFromMs: mondayTenMs + dayMs }, 'noMembership'],
    ['a membership that ended', { membershipUntilMs: mondayTenMs }, 'noMembership'],
  ];
  test.each(cases)('%s', (_name, change, reason) => {
    expect(decideAccess(policy(), portal(), { ...ada, ...change }, moment())).toMatchObject({
      granted: false,
      reason,
    });
  });

  const places: [string, Parameters<typeof portalWith>[0], Partial<AccessMoment>, DenyReason | null][] = [
    ['a lockdown', {}, { mode: 'lockdown' }, 'portalLocked'],
    ['a schedule that locks', {}, { mode: 'locked' }, 'portalLocked'],
    ['a policy of 31 days', {}, { policyAgeMs: 31 * dayMs }, 'staleSnapshot'],
    ['a policy of unknown age', {}, { policyAgeMs: null }, 'staleSnapshot'],
    ['a policy of exactly 30 days', {}, { policyAgeMs: 30 * dayMs }, null],
    [
      'a policy of unknown age without a clock',
      { onUntrustedClock: 'ignoreWindows' },
      { policyAgeMs: null, clockTrust: 'none' },
      null,
    ],
    [
      'the same where an unknown time denies',
      { onUntrustedClock: 'deny' },
      { policyAgeMs: null, clockTrust: 'none' },
      'staleSnapshot',
    ],
    ['a stale policy where that is allowed', { onStalePolicy: 'grant' }, { policyAgeMs: null }, null],
    ['a journal that cannot be written', {}, { journalWritable: false }, 'journalFault'],
    ['the same where that is counted', { onJournalFault: 'grantAndCount' }, { journalWritable: false }, null],
    [
      'an unknown time where that denies',
      { onUntrustedClock: 'deny' },
      { clockTrust: 'none' },
      'clockUntrusted',
    ],
    ['an unknown time and a rule for any time', {}, { clockTrust: 'none' }, null],
    [
      'a restored time is not trusted either',
      { onUntrustedClock: 'deny' },
      { clockTrust: 'restored' },
      'clockUntrusted',
    ],
    ['the hub as the source of time', { onUntrustedClock: 'deny' }, { clockTrust: 'hub' }, null],
  ];
  test.each(places)('%s', (_name, settings, change, reason) => {
    const decision = decideAccess(policy(), portalWith(settings), ada, moment(change));
    expect([decision.granted, decision.reason]).toEqual([reason === null, reason]);
  });

  test('a missing waiver, only where the door asks for it', () => {
    const unsigned = { ...ada, waiverMissing: true };
    expect(decideAccess(policy(), portal(), unsigned, moment()).granted).toBe(true);
    expect(decideAccess(policy(), portalWith({ requiresWaiver: true }), unsigned, moment()).reason).toBe(
      'waiverMissing',
    );
  });
});

describe('an unknown time', () => {
  const timed = rule({ windows: [{ weekday: 1, startMinute: 540, endMinute: 600 }] });
  const unknown = moment({ clockTrust: 'none' });

  test('denyTimed lets nobody in by a window, whatever the clock shows', () => {
    const now = moment({ clockTrust: 'none', wallMs: Date.parse('2026-11-23T08:30:00Z') });
    expect(decideAccess(policy({ rules: [timed] }), portal(), ada, now).reason).toBe('clockUntrusted');
  });
  test('denyTimed does not use a rule whose end may have passed', () => {
    const ending = rule({ validUntilMs: mondayTenMs + dayMs });
    expect(decideAccess(policy({ rules: [ending] }), portal(), ada, unknown).reason).toBe('clockUntrusted');
    expect(decideAccess(policy({ rules: [ending, rule()] }), portal(), ada, unknown).granted).toBe(true);
  });
  test('denyTimed counts opening hours as a window', () => {
    const hours = { '': [{ weekday: 1, startMinute: 0, endMinute: 1440 }] };
    expect(decideAccess(policy({ openingHours: hours }), portal(), ada, unknown).reason).toBe(
      'clockUntrusted',
    );
    const anyTime = [rule({ outsideOpeningHours: true })];
    expect(
      decideAccess(policy({ openingHours: hours, rules: anyTime }), portal(), ada, unknown).granted,
    ).toBe(true);
  });
  test('ignoreWindows opens for valid cards, but a card that has certainly expired stays shut out', () => {
    const lenient = portalWith({ onUntrustedClock: 'ignoreWindows' });
    expect(decideAccess(policy({ rules: [timed] }), lenient, ada, unknown).granted).toBe(true);
    const expired = { ...ada, validUntilMs: mondayTenMs - 1 };
    expect(decideAccess(policy({ rules: [timed] }), lenient, expired, unknown).reason).toBe(
      'credentialInactive',
    );
  });
});

describe('rules by whom and where', () => {
  const place = portal({ areaId: 'laser-room' });
  const areaParents = { 'laser-room': 'hall', hall: null };
  test.each([
    ['a plan', { subject: { kind: 'plan', id: 'standard' } } as const, true],
    ['another plan', { subject: { kind: 'plan', id: 'student' } } as const, false],
    ['a group', { subject: { kind: 'group', id: 'lasers' } } as const, true],
    ['another group', { subject: { kind: 'group', id: 'board' } } as const, false],
    ['the member', { subject: { kind: 'member', id: 'ada' } } as const, true],
    ['another member', { subject: { kind: 'member', id: 'bob' } } as const, false],
    ['the area', { target: { kind: 'area', id: 'laser-room' } } as const, true],
    ['the area above', { target: { kind: 'area', id: 'hall' } } as const, true],
    ['another area', { target: { kind: 'area', id: 'yard' } } as const, false],
    ['the door', { target: { kind: 'portal', id: 'front' } } as const, true],
    ['another door', { target: { kind: 'portal', id: 'back' } } as const, false],
  ])('%s', (_name, change, granted) => {
    const decision = decideAccess(policy({ rules: [rule(change)], areaParents }), place, ada, moment());
    expect(decision.granted).toBe(granted);
  });

  test("one rule's window and another's hours do not add up", () => {
    const closed = { '': [] };
    const rules = [
      rule({ id: 'inWindow' }),
      rule({
        id: 'anyHours',
        outsideOpeningHours: true,
        windows: [{ weekday: 2, startMinute: 0, endMinute: 60 }],
      }),
    ];
    expect(decideAccess(policy({ rules, openingHours: closed }), portal(), ada, moment()).reason).toBe(
      'openingHours',
    );
  });

  test('a rule has its dates', () => {
    const rules = [rule({ validFromMs: mondayTenMs, validUntilMs: mondayTenMs + 1 })];
    const decide = (wallMs: number) =>
      decideAccess(policy({ rules }), portal(), ada, moment({ wallMs })).granted;
    expect([mondayTenMs - 1, mondayTenMs, mondayTenMs + 1].map(decide)).toEqual([false, true, false]);
  });
});

test('outside the window, outside opening hours and on a holiday each say so', () => {
  const windows = [{ weekday: 1, startMinute: 540, endMinute: 660 }];
  const rules = [rule({ windows })];
  const reasonAt = (text: string, change = {}) =>
    decideAccess(policy({ rules, ...change }), portal(), ada, at(text)).reason;
  expect(reasonAt('2026-11-23T10:00:00Z')).toBe('timeWindow');
  expect(reasonAt('2026-11-23T09:00:00Z')).toBe(null);
  expect(reasonAt('2026-11-23T09:00:00Z', { openingHours: { '': [] } })).toBe('openingHours');
  const exceptions = [{ date: '2026-11-23', name: 'Holiday', areaId: null, windows: [] }];
  expect(reasonAt('2026-11-23T09:00:00Z', { exceptions })).toBe('holiday');
});

test('only active and temporary cards, and only memberships that admit, ever pass', () => {
  for (const credentialStatus of credentialStatuses)
    for (const membershipState of membershipStates) {
      const { granted } = decideAccess(
        policy(),
        portal(),
        { ...ada, credentialStatus, membershipState },
        moment(),
      );
      expect(granted).toBe(
        ['active', 'temporary'].includes(credentialStatus) &&
          ['trial', 'active', 'grace', 'cancelling'].includes(membershipState),
      );
    }
});

const everything = { numRuns: 1500 };

test('granted means: a rule, a sound card, a sound person, an open door, and no failed check', () => {
  let grants = 0;
  fc.assert(
    fc.property(
      policyArbitrary,
      portalArbitrary,
      fc.oneof(factsArbitrary, { weight: 3, arbitrary: goodFactsArbitrary }),
      fc.oneof(momentArbitrary, goodMomentArbitrary),
      (rules, door, facts, when) => {
        const decision = decideAccess(rules, door, facts, when);
        expect(decision.granted).toBe(decision.reason === null);
        expect(decision.granted).toBe(decision.ruleId !== null);
        if (!decision.granted) return;
        grants += 1;
        expect(rules.rules.map((candidate) => candidate.id)).toContain(decision.ruleId);
        expect(decision.checks.every((check) => check.passed)).toBe(true);
        expect(['active', 'temporary']).toContain(facts.credentialStatus);
        expect(facts.memberStatus).toBe('active');
        expect(facts.onHold).toBe(false);
        expect(facts.validUntilMs === null || facts.validUntilMs > when.wallMs).toBe(true);
        expect(facts.membershipUntilMs === null || facts.membershipUntilMs > when.wallMs).toBe(true);
        expect(['lockdown', 'locked']).not.toContain(when.mode);
      },
    ),
    everything,
  );
  expect(grants).toBeGreaterThan(20);
});

test('what is denied stays denied when a rule goes, a hold comes, or a card is lost', () => {
  fc.assert(
    fc.property(
      policyArbitrary,
      portalArbitrary,
      goodFactsArbitrary,
      momentArbitrary,
      fc.nat(),
      (rules, door, facts, when, index) => {
        const without = rules.rules.filter(
          (_, position) => position !== index % Math.max(1, rules.rules.length),
        );
        const worse = [
          decideAccess({ ...rules, rules: without }, door, facts, when),
          decideAccess(rules, door, { ...facts, onHold: true }, when),
          decideAccess(rules, door, { ...facts, credentialStatus: 'lost' }, when),
          decideAccess(rules, door, undefined, when),
        ];
        expect(worse.slice(1).some((decision) => decision.granted)).toBe(false);
        if (!decideAccess(rules, door, facts, when).granted) expect(worse[0]?.granted).toBe(false);
      },
    ),
    everything,
  );
});

test('the order of rules changes which one grants, never whether one does', () => {
  fc.assert(
    fc.property(
      policyArbitrary,
      portalArbitrary,
      goodFactsArbitrary,
      momentArbitrary,
      (rules, door, facts, when) => {
        const turned = { ...rules, rules: [...rules.rules].reverse() };
        expect(decideAccess(turned, door, facts, when).reason).toBe(
          decideAccess(rules, door, facts, when).reason,
        );
      },
    ),
    everything,
  );
});

test('every reason and every check has its words', () => {
  for (const reason of denyReasons) {
    expect(wordingByReason[reason].sentence).toMatch(/\.$/);
    expect(wordingByReason[reason].nextStep).toMatch(/\.$/);
  }
  for (const check of accessChecks)
    expect(wordingByCheck[check].passed).not.toBe(wordingByCheck[check].failed);
});
