import { describe, expect, it } from 'vitest';
import { membershipCreateSchema, membershipEventSchema } from '#hub/domains/members/member/schema.ts';
import { loadMember } from '#hub/domains/members/member/view.ts';
import {
  advanceDueMemberships,
  applyMembershipEvent,
  correctMembership,
  createMembership,
} from '#hub/domains/members/memberships/workflow.ts';
import { planPatchSchema } from '#hub/domains/members/plans/schema.ts';
import { changePlan } from '#hub/domains/members/plans/workflow.ts';
import { loadAdmissionFacts } from '#hub/domains/members/workflow.ts';
import {
  accepted,
  addMember,
  addMembership,
  addPlan,
  dayMs,
  isoAt,
  type MembersBench,
  openBench,
  refused,
  staff,
  startMs,
} from './support.ts';

async function benchWithMember(planInput: Record<string, unknown> = {}) {
  const bench = await openBench();
  const plan = await addPlan(bench, planInput);
  const member = await addMember(bench);
  return { bench, plan, member };
}

const happen = (
  bench: MembersBench,
  memberId: string,
  membershipId: string,
  input: Record<string, unknown>,
) => applyMembershipEvent(bench.deps, staff, { memberId, membershipId }, membershipEventSchema.parse(input));

const attempt = (bench: MembersBench, memberId: string, planId: string, input: Record<string, unknown>) =>
  createMembership(bench.deps, staff, memberId, membershipCreateSchema.parse({ planId, ...input }));

const show = async ({ store, clock }: MembersBench, id: string) => {
  const member = await loadMember(store.read, id, clock.nowMs());
  if (member === undefined) throw new Error('no member');
  return member;
};

describe('a membership', () => {
  it('opens doors from the moment it is given, and the doors are told', async () => {
    const { bench, plan, member } = await benchWithMember();
    bench.admissionChanges.length = 0;
    const membership = await addMembership(bench, member.id, plan.id, { until: isoAt(startMs + 30 * dayMs) });
    expect(membership).toMatchObject({
      state: 'active',
      planName: 'Standard',
      from: isoAt(startMs),
      until: isoAt(startMs + 30 * dayMs),
      // Seven days of grace.
      admitsUntil: isoAt(startMs + 37 * dayMs),
      allowedEvents: ['renew', 'paymentMissed', 'pause', 'suspend', 'cancel', 'end'],
    });
    expect(await show(bench, member.id)).toMatchObject({ admitsNow: true, planName: 'Standard' });
    expect(bench.admissionChanges).toEqual([[member.id]]);
  });

  it('takes times with any offset', async () => {
    const { bench, plan, member } = await benchWithMember();
    const membership = await addMembership(bench, member.id, plan.id, {
      from: '2026-12-01T00:00:00+01:00',
      until: '2027-01-01T00:00:00+01:00',
    });
    expect(membership).toMatchObject({ from: '2026-11-30T23:00:00.000Z', until: '2026-12-31T23:00:00.000Z' });
    expect((await show(bench, member.id)).admitsNow).toBe(false);
  });

  it.each([
    [{ state: 'trial' }, 'untilMissing'],
    [{ until: isoAt(startMs) }, 'untilBeforeFrom'],
    [{ from: isoAt(startMs - 2 * dayMs), until: isoAt(startMs - dayMs) }, 'untilPassed'],
    [{ from: isoAt(startMs + dayMs), until: isoAt(startMs + dayMs) }, 'untilBeforeFrom'],
  ])('is refused when its dates make no period: %o', async (input, problem) => {
    const { bench, plan, member } = await benchWithMember();
    expect(refused(await attempt(bench, member.id, plan.id, input))).toEqual({
      code: 'periodInvalid',
      problem,
    });
  });

  it('is refused on a plan that is not offered, or for a member who left', async () => {
    const { bench, plan, member } = await benchWithMember({ active: false });
    expect(refused(await attempt(bench, member.id, plan.id, {}))).toEqual({ code: 'planInactive' });
    expect(refused(await attempt(bench, member.id, member.id, {}))).toEqual({ code: 'planNotFound' });
    expect(refused(await attempt(bench, plan.id, plan.id, {}))).toEqual({ code: 'memberNotFound' });
  });

  it('goes from an application to the end, each step with its audit entry', async () => {
    const { bench, plan, member } = await benchWithMember();
    const { id } = await addMembership(bench, member.id, plan.id, { state: 'applied' });
    const until = isoAt(startMs + 90 * dayMs);
    for (const [input, state] of [
      [{ event: 'approve' }, 'pending'],
      [{ event: 'startTrial', until: isoAt(startMs + 14 * dayMs) }, 'trial'],
      [{ event: 'activate', until: isoAt(startMs + 30 * dayMs) }, 'active'],
      [{ event: 'pause', reason: 'abroad' }, 'paused'],
      [{ event: 'resume' }, 'active'],
      [{ event: 'paymentMissed' }, 'grace'],
      [{ event: 'paymentMissed' }, 'overdue'],
      [{ event: 'renew', until }, 'active'],
      [{ event: 'cancel' }, 'cancelling'],
      [{ event: 'keep' }, 'active'],
      [{ event: 'end' }, 'ended'],
    ] as const) {
      expect(accepted(await happen(bench, member.id, id, input)).state, input.event).toBe(state);
    }
    const actions = await bench.store.read
      .selectFrom('audit_entry')
      .select('action')
      .where('target_id', '=', id)
      .orderBy('seq')
      .execute();
    expect(actions.map((row) => row.action)).toEqual([
      'membership.create',
      'membership.approve',
      'membership.startTrial',
      'membership.activate',
      'membership.pause',
      'membership.resume',
      'membership.paymentMissed',
      'membership.paymentMissed',
      'membership.renew',
      'membership.cancel',
      'membership.keep',
      'membership.end',
    ]);
    expect(refused(await happen(bench, member.id, id, { event: 'activate' }))).toEqual({
      code: 'transitionNotAllowed',
      state: 'ended',
      event: 'activate',
      allowed: [],
    });
  });

  it('of one member is not reached through another', async () => {
    const { bench, plan, member } = await benchWithMember();
    const other = await addMember(bench, { name: 'Bob' });
    const { id } = await addMembership(bench, member.id, plan.id);
    expect(refused(await happen(bench, other.id, id, { event: 'end' }))).toEqual({
      code: 'membershipNotFound',
    });
  });
});

describe('only one membership opens doors', () => {
  it('a second one is refused, and begins by itself when it waits for the first to end', async () => {
    const { bench, plan, member } = await benchWithMember();
    const first = await addMembership(bench, member.id, plan.id, { until: isoAt(startMs + 30 * dayMs) });
    expect(refused(await attempt(bench, member.id, plan.id, {}))).toEqual({
      code: 'membershipOverlaps',
      membershipId: first.id,
    });
    const yearly = await addPlan(bench, { name: 'Year', interval: 'year' });
    const next = await addMembership(bench, member.id, yearly.id, {
      state: 'pending',
      from: isoAt(startMs + 10 * dayMs),
    });
    bench.clock.ms += 11 * dayMs;
    await advanceDueMemberships(bench.deps);
    expect((await show(bench, member.id)).planName).toBe('Standard');
    // It is not looked at again and again while it waits.
    expect(await advanceDueMemberships(bench.deps)).toBe(0);
    accepted(await happen(bench, member.id, first.id, { event: 'end' }));
    const shown = await show(bench, member.id);
    expect(shown).toMatchObject({ planName: 'Year', admitsNow: true });
    expect(shown.memberships.find((one) => one.id === next.id)?.state).toBe('active');
  });

  it('and the store refuses a second one whatever the code does', async () => {
    const { bench, plan, member } = await benchWithMember();
    const { id } = await addMembership(bench, member.id, plan.id, { state: 'applied' });
    await addMembership(bench, member.id, plan.id);
    await expect(
      bench.store.transact('test', (tx) => tx.write('membership', id, { state: 'grace' })),
    ).rejects.toThrow(/UNIQUE|unique|constraint/);
  });

  it('hands over at the end of the month although both are due at the same moment', async () => {
    const { bench, plan, member } = await benchWithMember();
    const end = startMs + 8 * dayMs;
    const next = await addMembership(bench, member.id, plan.id, { state: 'pending', from: isoAt(end) });
    const first = await addMembership(bench, member.id, plan.id, { until: isoAt(end) });
    accepted(await happen(bench, member.id, first.id, { event: 'cancel' }));
    bench.clock.ms = end;
    await advanceDueMemberships(bench.deps);
    const states = (await show(bench, member.id)).memberships.map(({ id, state }) => [id, state]);
    expect(Object.fromEntries(states)).toEqual({ [first.id]: 'ended', [next.id]: 'active' });
  });
});

describe('time', () => {
  it('moves a monthly membership from active over grace and overdue to lapsed', async () => {
    const { bench, plan, member } = await benchWithMember({ graceDays: 7, overdueDays: 30 });
    await addMembership(bench, member.id, plan.id, { until: isoAt(startMs + 10 * dayMs) });
    const stateAfter = async (days: number) => {
      bench.clock.ms = startMs + days * dayMs;
      await advanceDueMemberships(bench.deps);
      const { membershipState, admitsNow } = await show(bench, member.id);
      return [membershipState, admitsNow];
    };
    expect(await stateAfter(9.9)).toEqual(['active', true]);
    expect(await stateAfter(10)).toEqual(['grace', true]);
    expect(await stateAfter(16.9)).toEqual(['grace', true]);
    expect(await stateAfter(17)).toEqual(['overdue', false]);
    expect(await stateAfter(46.9)).toEqual(['overdue', false]);
    expect(await stateAfter(47)).toEqual(['lapsed', false]);
  });

  it('makes up for weeks in which the hub was off, with the dates on which things were due', async () => {
    const { bench, plan, member } = await benchWithMember({ graceDays: 7, overdueDays: 30 });
    await addMembership(bench, member.id, plan.id, { until: isoAt(startMs + 10 * dayMs) });
    bench.clock.ms += 20 * dayMs;
    bench.admissionChanges.length = 0;
    expect(await advanceDueMemberships(bench.deps)).toBe(1);
    expect(bench.admissionChanges).toEqual([[member.id]]);
    const [membership] = (await show(bench, member.id)).memberships;
    expect(membership).toMatchObject({ state: 'overdue', stateSince: isoAt(startMs + 17 * dayMs) });
    const system = await bench.store.read
      .selectFrom('audit_entry')
      .select('action')
      .where('actor_kind', '=', 'system')
      .execute();
    expect(system).toHaveLength(2);
  });

  it('ends a day pass with its period', async () => {
    const { bench, plan, member } = await benchWithMember({ interval: 'once' });
    await addMembership(bench, member.id, plan.id, { until: isoAt(startMs + dayMs) });
    const facts = (await loadAdmissionFacts(bench.store.read, [member.id], startMs)).get(member.id);
    expect(facts?.membershipUntilMs).toBe(startMs + dayMs);
    bench.clock.ms += dayMs;
    await advanceDueMemberships(bench.deps);
    expect(await show(bench, member.id)).toMatchObject({ membershipState: 'ended', admitsNow: false });
  });

  it('ends nothing while the clock is not trusted', async () => {
    const { bench, plan, member } = await benchWithMember({ interval: 'once' });
    await addMembership(bench, member.id, plan.id, { until: isoAt(startMs + dayMs) });
    bench.clock.ms += 4000 * dayMs;
    bench.clock.trusted = 'none';
    expect(await advanceDueMemberships(bench.deps)).toBe(0);
    expect((await show(bench, member.id)).membershipState).toBe('active');
    bench.clock.trusted = 'ntp';
    expect(await advanceDueMemberships(bench.deps)).toBe(1);
  });

  it('moves many in short transactions', async () => {
    const { bench, plan } = await benchWithMember({ interval: 'once' });
    for (let count = 0; count < 45; count += 1) {
      const { id } = await addMember(bench, { name: `Member ${count}` });
      await addMembership(bench, id, plan.id, { until: isoAt(startMs + dayMs) });
    }
    bench.clock.ms += 2 * dayMs;
    bench.admissionChanges.length = 0;
    expect(await advanceDueMemberships(bench.deps)).toBe(45);
    expect(bench.admissionChanges.map((ids) => ids.length)).toEqual([20, 20, 5]);
  });
});

describe('terms and corrections', () => {
  it('stay as they were agreed when the plan changes, until the membership is renewed', async () => {
    const { bench, plan, member } = await benchWithMember({ graceDays: 7 });
    const { id } = await addMembership(bench, member.id, plan.id, { until: isoAt(startMs + 30 * dayMs) });
    const change = planPatchSchema.parse({ version: plan.version, graceDays: 0 });
    accepted(await changePlan(bench.deps, staff, plan.id, change));
    expect((await show(bench, member.id)).admitsUntil).toBe(isoAt(startMs + 37 * dayMs));
    const until = isoAt(startMs + 60 * dayMs);
    accepted(await happen(bench, member.id, id, { event: 'renew', until }));
    expect((await show(bench, member.id)).admitsUntil).toBe(until);
  });

  it('are made by version, tell the doors, and cannot end a membership by a slip', async () => {
    const { bench, plan, member } = await benchWithMember();
    const other = await addPlan(bench, { name: 'Plus', graceDays: 0 });
    const { id, version } = await addMembership(bench, member.id, plan.id);
    const target = { memberId: member.id, membershipId: id };
    bench.admissionChanges.length = 0;
    const until = isoAt(startMs + 5 * dayMs);
    const corrected = await correctMembership(bench.deps, staff, target, {
      version,
      planId: other.id,
      until,
    });
    expect(accepted(corrected)).toMatchObject({ planName: 'Plus', until, admitsUntil: until });
    expect(bench.admissionChanges).toEqual([[member.id]]);
    expect(
      refused(await correctMembership(bench.deps, staff, target, { version, until: null })),
    ).toMatchObject({
      code: 'staleVersion',
      current: { version: version + 1, planName: 'Plus' },
    });
    const slip = { version: version + 1, from: isoAt(startMs - 9 * dayMs), until: isoAt(startMs - dayMs) };
    expect(refused(await correctMembership(bench.deps, staff, target, slip))).toEqual({
      code: 'periodInvalid',
      problem: 'untilPassed',
    });
  });

  it('are refused once a membership is over', async () => {
    const { bench, plan, member } = await benchWithMember();
    const { id } = await addMembership(bench, member.id, plan.id);
    const ended = accepted(await happen(bench, member.id, id, { event: 'end' }));
    const target = { memberId: member.id, membershipId: id };
    expect(
      refused(await correctMembership(bench.deps, staff, target, { version: ended.version, until: null })),
    ).toEqual({ code: 'membershipOver', state: 'ended' });
  });
});
