import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  admissionPeriod,
  allowedMembershipEvents,
  decideMembershipTransition,
  effectiveMembership,
  isAdmitting,
  type MembershipEvent,
  type MembershipFacts,
  nextTimeEvent,
  type StoredMembershipState,
  settleMembership,
  staffMembershipEvents,
  timeMembershipEvents,
} from '#hub/domains/members/memberships/rules.ts';
import { membershipStates } from '#hub/domains/members/schema.ts';

const dayMs = 86_400_000;
const nowMs = Date.parse('2026-11-22T12:00:00Z');
const states = membershipStates.filter((state) => state !== 'none');
const events: readonly MembershipEvent[] = [...staffMembershipEvents, ...timeMembershipEvents];

const facts = (changes: Partial<MembershipFacts> = {}): MembershipFacts => ({
  state: 'active',
  stateSinceMs: nowMs - 30 * dayMs,
  fromMs: nowMs - 30 * dayMs,
  untilMs: nowMs + 30 * dayMs,
  renews: true,
  graceDays: 7,
  overdueDays: 30,
  ...changes,
});

/** Every step of the state machine that people make, on a monthly membership with 30 days left. */
const staffSteps: readonly [StoredMembershipState, MembershipEvent, StoredMembershipState][] = [
  ['applied', 'approve', 'pending'],
  ['applied', 'startTrial', 'trial'],
  ['applied', 'activate', 'active'],
  ['applied', 'cancel', 'ended'],
  ['applied', 'end', 'ended'],
  ['pending', 'startTrial', 'trial'],
  ['pending', 'activate', 'active'],
  ['pending', 'cancel', 'ended'],
  ['pending', 'end', 'ended'],
  ['trial', 'activate', 'active'],
  ['trial', 'cancel', 'ended'],
  ['trial', 'end', 'ended'],
  ['active', 'renew', 'active'],
  ['active', 'paymentMissed', 'grace'],
  ['active', 'pause', 'paused'],
  ['active', 'suspend', 'suspended'],
  ['active', 'cancel', 'cancelling'],
  ['active', 'end', 'ended'],
  ['grace', 'renew', 'active'],
  ['grace', 'paymentMissed', 'overdue'],
  ['grace', 'suspend', 'suspended'],
  ['grace', 'cancel', 'cancelling'],
  ['grace', 'end', 'ended'],
  ['overdue', 'renew', 'active'],
  ['overdue', 'suspend', 'suspended'],
  ['overdue', 'cancel', 'ended'],
  ['overdue', 'end', 'ended'],
  ['paused', 'resume', 'active'],
  ['paused', 'suspend', 'suspended'],
  ['paused', 'cancel', 'ended'],
  ['paused', 'end', 'ended'],
  ['suspended', 'reinstate', 'active'],
  ['suspended', 'cancel', 'ended'],
  ['suspended', 'end', 'ended'],
  ['cancelling', 'keep', 'active'],
  ['cancelling', 'suspend', 'suspended'],
  ['cancelling', 'end', 'ended'],
];

describe('the state machine of memberships', () => {
  it.each(staffSteps)('%s -%s-> %s', (state, event, expected) => {
    const untilMs = nowMs + 30 * dayMs;
    const decided = decideMembershipTransition(facts({ state }), { event, atMs: nowMs, untilMs }, null);
    expect(decided).toMatchObject({ ok: true, value: { state: expected } });
  });

  it('refuses every other event of people and names those that are allowed', () => {
    const known = new Set(staffSteps.map(([state, event]) => `${state} ${event}`));
    let refused = 0;
    for (const state of states) {
      const allowed = staffSteps.filter(([from]) => from === state).map(([, event]) => event);
      expect([...allowedMembershipEvents(state)].sort()).toEqual([...allowed].sort());
      for (const event of staffMembershipEvents) {
        if (known.has(`${state} ${event}`)) continue;
        refused += 1;
        expect(decideMembershipTransition(facts({ state }), { event, atMs: nowMs }, null)).toEqual({
          ok: false,
          refusal: {
            code: 'transitionNotAllowed',
            state,
            event,
            allowed: allowedMembershipEvents(state),
          },
        });
      }
    }
    expect(refused).toBe(states.length * staffMembershipEvents.length - staffSteps.length);
  });

  it.each([
    ['pending', { fromMs: nowMs }, 'periodStarted', 'active'],
    ['trial', { untilMs: nowMs }, 'periodEnded', 'grace'],
    ['trial', { untilMs: nowMs, renews: false }, 'periodEnded', 'ended'],
    ['active', { untilMs: nowMs }, 'periodEnded', 'grace'],
    ['active', { untilMs: nowMs, renews: false }, 'periodEnded', 'ended'],
    ['cancelling', { untilMs: nowMs }, 'periodEnded', 'ended'],
    ['grace', { stateSinceMs: nowMs - 7 * dayMs }, 'graceEnded', 'overdue'],
    ['overdue', { stateSinceMs: nowMs - 30 * dayMs }, 'overdueEnded', 'lapsed'],
  ] as const)(
    'time moves %s with %o on by %s to %s, and not a moment earlier',
    (state, changes, event, next) => {
      const due = facts({ state, ...changes });
      expect(nextTimeEvent(due)).toEqual({ event, atMs: nowMs });
      expect(decideMembershipTransition(due, { event, atMs: nowMs }, null)).toMatchObject({
        ok: true,
        value: { state: next, stateSinceMs: nowMs },
      });
      expect(decideMembershipTransition(due, { event, atMs: nowMs - 1 }, null)).toMatchObject({
        ok: false,
        refusal: { code: 'transitionNotAllowed' },
      });
    },
  );

  it('begins now when nobody says from when', () => {
    const applied = facts({ state: 'applied', fromMs: null, untilMs: null });
    expect(decideMembershipTransition(applied, { event: 'activate', atMs: nowMs }, null)).toMatchObject({
      value: { fromMs: nowMs, untilMs: null },
    });
  });

  it('does not end the membership that follows a trial with the trial', () => {
    const trial = facts({ state: 'trial' });
    expect(decideMembershipTransition(trial, { event: 'activate', atMs: nowMs }, null)).toMatchObject({
      value: { state: 'active', fromMs: trial.fromMs, untilMs: null },
    });
  });

  it('ends at once what is cancelled without time left', () => {
    const grace = facts({ state: 'grace', untilMs: nowMs - dayMs });
    expect(decideMembershipTransition(grace, { event: 'cancel', atMs: nowMs }, null)).toMatchObject({
      value: { state: 'ended', untilMs: nowMs - dayMs },
    });
    const open = facts({ untilMs: null });
    expect(decideMembershipTransition(open, { event: 'cancel', atMs: nowMs }, null)).toMatchObject({
      value: { state: 'ended', untilMs: nowMs },
    });
  });

  it.each([
    ['active', { event: 'renew' }, 'untilMissing'],
    ['applied', { event: 'startTrial', untilMs: null }, 'untilMissing'],
    ['active', { event: 'renew', untilMs: nowMs }, 'untilPassed'],
    ['paused', { event: 'resume', untilMs: nowMs - 1 }, 'untilPassed'],
    ['applied', { event: 'activate', fromMs: nowMs + dayMs, untilMs: nowMs + dayMs }, 'untilBeforeFrom'],
  ] as const)('refuses dates that make no period: %s %o', (state, occurrence, problem) => {
    expect(decideMembershipTransition(facts({ state }), { atMs: nowMs, ...occurrence }, null)).toEqual({
      ok: false,
      refusal: { code: 'periodInvalid', problem },
    });
  });

  it('refuses to resume a membership whose period went by in the pause', () => {
    const paused = facts({ state: 'paused', untilMs: nowMs - dayMs });
    expect(decideMembershipTransition(paused, { event: 'resume', atMs: nowMs }, null)).toEqual({
      ok: false,
      refusal: { code: 'periodInvalid', problem: 'untilPassed' },
    });
  });
});

const anyFacts = fc.record({
  state: fc.constantFrom(...states),
  stateSinceMs: fc.integer({ min: nowMs - 100 * dayMs, max: nowMs }),
  fromMs: fc.option(fc.integer({ min: nowMs - 400 * dayMs, max: nowMs + 100 * dayMs })),
  untilMs: fc.option(fc.integer({ min: nowMs - 100 * dayMs, max: nowMs + 400 * dayMs })),
  renews: fc.boolean(),
  graceDays: fc.integer({ min: 0, max: 366 }),
  overdueDays: fc.integer({ min: 0, max: 366 }),
});
const anyStep = fc.record({
  which: fc.nat({ max: 3 }),
  event: fc.constantFrom(...events),
  afterMs: fc.integer({ min: 0, max: 60 * dayMs }),
  fromMs: fc.option(fc.integer({ min: nowMs - dayMs, max: nowMs + 400 * dayMs }), { nil: undefined }),
  untilMs: fc.option(fc.integer({ min: nowMs - dayMs, max: nowMs + 800 * dayMs }), { nil: undefined }),
});

describe('any sequence of events', () => {
  it('never leads out of a final state', () => {
    fc.assert(
      fc.property(anyFacts, fc.constantFrom('lapsed', 'ended'), anyStep, (start, state, step) => {
        const over = { ...start, state } as const;
        expect(decideMembershipTransition(over, { ...step, atMs: nowMs }, null).ok).toBe(false);
        expect(settleMembership(over, null, nowMs + 10_000 * dayMs).facts).toEqual(over);
      }),
    );
  });

  it('never leaves a member with two memberships that admit', () => {
    let reachedAdmitting = 0;
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
        const applied = facts({ state: 'applied', fromMs: null, untilMs: null, stateSinceMs: nowMs });
        const memberships: MembershipFacts[] = [applied, applied, applied, applied];
        let atMs = nowMs;
        for (const { which, event, afterMs, fromMs, untilMs } of steps) {
          atMs += afterMs;
          const other = memberships.findIndex((one, index) => index !== which && isAdmitting(one.state));
          const otherId = other === -1 ? null : String(other);
          const decided = decideMembershipTransition(
            memberships[which]!,
            { event, atMs, fromMs, untilMs },
            otherId,
          );
          if (decided.ok) memberships[which] = settleMembership(decided.value, otherId, atMs).facts;
          const admitting = memberships.filter((one) => isAdmitting(one.state));
          reachedAdmitting += admitting.length;
          expect(admitting.length).toBeLessThanOrEqual(1);
        }
      }),
    );
    expect(reachedAdmitting).toBeGreaterThan(0);
  });

  it('comes to rest: after time has settled a membership, nothing is due', () => {
    fc.assert(
      fc.property(anyFacts, fc.integer({ min: 0, max: 3000 * dayMs }), (start, afterMs) => {
        const { facts: settled, blocked } = settleMembership(start, null, nowMs + afterMs);
        expect(blocked).toBe(false);
        expect(nextTimeEvent(settled)?.atMs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(nowMs + afterMs);
      }),
    );
  });

  it('gives a bridge that heard nothing since the same answer as a hub that moved the membership on', () => {
    fc.assert(
      fc.property(anyFacts, fc.integer({ min: 0, max: 800 * dayMs }), (start, afterMs) => {
        const atMs = nowMs + afterMs;
        const published = settleMembership(start, null, nowMs).facts;
        // What was not to begin at `nowMs` needs the hub to begin.
        if (published.state === 'pending') return;
        const admits = (one: MembershipFacts): boolean => {
          const period = admissionPeriod(one);
          return (
            period !== null &&
            (period.fromMs === null || atMs >= period.fromMs) &&
            (period.untilMs === null || atMs < period.untilMs)
          );
        };
        expect(admits(published)).toBe(admits(settleMembership(published, null, atMs).facts));
      }),
    );
  });
});

describe('the effective membership', () => {
  const pick = (...memberships: MembershipFacts[]): MembershipFacts | undefined =>
    effectiveMembership(memberships, nowMs);

  it('is none without any', () => {
    expect(pick()).toBeUndefined();
  });
  it('is the one that admits now, before one that will', () => {
    const current = facts({ state: 'cancelling' });
    const next = facts({ fromMs: nowMs + dayMs });
    expect(pick(next, current)).toBe(current);
  });
  it('is the one that admits next, the soonest', () => {
    const later = facts({ fromMs: nowMs + 9 * dayMs });
    const sooner = facts({ fromMs: nowMs + 2 * dayMs });
    expect(pick(later, sooner, facts({ state: 'overdue' }))).toBe(sooner);
  });
  it('is the next one rather than one that is over and that nobody has moved on yet', () => {
    const past = facts({ state: 'cancelling', stateSinceMs: nowMs, untilMs: nowMs });
    const next = facts({ fromMs: nowMs + dayMs });
    expect(pick(past, next)).toBe(next);
  });
  it('is otherwise the one that says most about why not', () => {
    const overdue = facts({ state: 'overdue' });
    expect(pick(facts({ state: 'ended' }), facts({ state: 'applied' }), overdue)).toBe(overdue);
  });
  it('is the latest among those that are over', () => {
    const older = facts({ state: 'ended', stateSinceMs: nowMs - 2 * dayMs });
    const newer = facts({ state: 'ended', stateSinceMs: nowMs - dayMs });
    expect(pick(older, newer)).toBe(newer);
    expect(pick(newer, older)).toBe(newer);
  });
  it('does not depend on the order in which memberships are read', () => {
    fc.assert(
      fc.property(fc.array(anyFacts, { maxLength: 5 }), (memberships) => {
        const spans = (one: MembershipFacts | undefined) => one && [one.state, one.stateSinceMs, one.fromMs];
        const stamps = memberships.map((one, index) => ({
          ...one,
          stateSinceMs: one.stateSinceMs + index,
          fromMs: one.fromMs === null ? null : one.fromMs + index,
        }));
        fc.pre(new Set(stamps.map((one) => one.stateSinceMs)).size === stamps.length);
        fc.pre(new Set(stamps.map((one) => one.fromMs)).size === stamps.length);
        expect(spans(effectiveMembership(stamps.toReversed(), nowMs))).toEqual(
          spans(effectiveMembership(stamps, nowMs)),
        );
      }),
    );
  });
});
