import { describe, expect, it } from 'vitest';
import { verifyAudit } from '#hub/domains/identity/audit/workflow.ts';
import {
  memberCreateSchema,
  memberListQuerySchema,
  memberPatchSchema,
} from '#hub/domains/members/member/schema.ts';
import { loadMember } from '#hub/domains/members/member/view.ts';
import {
  changeMember,
  changeMemberStatus,
  createMember,
  placeHold,
  releaseHold,
} from '#hub/domains/members/member/workflow.ts';
import { listMemberIds } from '#hub/domains/members/memberships/repository.ts';
import { groupCreateSchema, planPatchSchema } from '#hub/domains/members/plans/schema.ts';
import {
  changePlan,
  createGroup,
  createPlan,
  removeGroup,
  removePlan,
  setGroupMember,
} from '#hub/domains/members/plans/workflow.ts';
import { searchMembers } from '#hub/domains/members/search/listing.ts';
import { loadAdmissionFacts } from '#hub/domains/members/workflow.ts';
import {
  accepted,
  addMember,
  addMembership,
  addPlan,
  type MembersBench,
  openBench,
  refused,
  staff,
  startMs,
} from './support.ts';

const change = async (bench: MembersBench, id: string, version: number, changes: Record<string, unknown>) =>
  changeMember(bench.deps, staff, id, memberPatchSchema.parse({ version, ...changes }));

const namesFound = async ({ store }: MembersBench, filter: Record<string, unknown>) => {
  const page = await searchMembers(store, memberListQuerySchema.parse(filter), startMs);
  return accepted(page).items.map((item) => item.name);
};

const factsOf = async ({ store, clock }: MembersBench, id: string) =>
  (await loadAdmissionFacts(store.read, [id], clock.nowMs())).get(id);

describe('adding members', () => {
  it('gives numbers that go up from 1001, also above a number that was chosen', async () => {
    const bench = await openBench();
    expect((await addMember(bench)).number).toBe(1001);
    expect((await addMember(bench)).number).toBe(1002);
    expect((await addMember(bench, { number: 7 })).number).toBe(7);
    expect((await addMember(bench, { number: 5000 })).number).toBe(5000);
    expect((await addMember(bench)).number).toBe(5001);
  });

  it('never gives a number twice, however many are added at once', async () => {
    const bench = await openBench();
    const added = await Promise.all(Array.from({ length: 20 }, () => addMember(bench)));
    expect(new Set(added.map((member) => member.number)).size).toBe(20);
  });

  it('leaves no gap and no broken audit log where others are refused or change members at the same time', async () => {
    const bench = await openBench();
    const first = await addMember(bench, { number: 5000 });
    const taken = memberCreateSchema.parse({ name: 'Bob', number: 5000 });
    const added = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        if (index % 3 === 1) refused(await createMember(bench.deps, staff, taken));
        if (index % 3 === 2)
          await change(bench, first.id, Math.floor(index / 3) + 1, { name: `Ada ${index}` });
        return (await addMember(bench)).number;
      }),
    );
    expect(added.toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: 20 }, (_, index) => 5001 + index),
    );
    const verified = await bench.store.report((reader) => verifyAudit(reader));
    expect(verified).toMatchObject({ ok: true, entries: 27 });
  });

  it('refuses a number that somebody has', async () => {
    const bench = await openBench();
    await addMember(bench, { number: 42 });
    const input = memberCreateSchema.parse({ name: 'Bob', number: 42 });
    expect(refused(await createMember(bench.deps, staff, input))).toEqual({
      code: 'numberTaken',
      number: 42,
    });
    expect(await namesFound(bench, {})).toEqual(['Ada Lovelace']);
  });

  it('refuses dates in the future and names the fields', async () => {
    const bench = await openBench();
    const input = memberCreateSchema.parse({
      name: 'Bob',
      dateOfBirth: '2026-11-24',
      waiverDate: '2027-01-01',
    });
    expect(refused(await createMember(bench.deps, staff, input))).toMatchObject({
      code: 'dateInFuture',
      errors: [{ pointer: '/body/dateOfBirth' }, { pointer: '/body/waiverDate' }],
    });
    // It is tomorrow already in Auckland.
    await addMember(bench, { waiverDate: '2026-11-23' });
  });

  it('leaves an audit entry, a change for replication and an announcement after the commit', async () => {
    const bench = await openBench();
    const member = await addMember(bench);
    const audit = await bench.store.read.selectFrom('audit_entry').selectAll().execute();
    expect(audit).toMatchObject([
      { action: 'member.create', actor_kind: 'account', actor_id: staff.kind === 'account' && staff.id },
    ]);
    const changes = await bench.store.read.selectFrom('change').select(['tbl', 'op', 'pk']).execute();
    expect(changes).toContainEqual({ tbl: 'member', op: 'insert', pk: member.id });
    expect(changes.some((row) => row.tbl === 'member_word')).toBe(false);
    expect(bench.announced).toEqual([{ topic: 'member.changed', data: { memberId: member.id } }]);
    expect(bench.admissionChanges).toEqual([[member.id]]);
  });

  it.each([
    { name: '' },
    { name: 'a\u0000b' },
    { name: 'x', email: 'not an address' },
    { name: 'x', phone: 'call me' },
    { name: 'x', locale: 'not_a_locale' },
    { name: 'x', dateOfBirth: '2026-02-30' },
    { name: 'x', dateOfBirth: '1899-12-31' },
    { name: 'x', number: 0 },
    { name: 'x', surprise: true },
  ])('does not take %o', (input) => {
    expect(memberCreateSchema.safeParse(input).success).toBe(false);
  });
});

describe('editing a member', () => {
  it('changes what was sent and leaves the rest', async () => {
    const bench = await openBench();
    const member = await addMember(bench, { phone: '+49 30 1234567', notes: 'left-handed' });
    const changed = accepted(await change(bench, member.id, 1, { name: 'Ada King', notes: null }));
    expect(changed).toMatchObject({ version: 2, name: 'Ada King', notes: null, phone: '+49 30 1234567' });
  });

  it('refuses a stale version and shows the current row', async () => {
    const bench = await openBench();
    const member = await addMember(bench);
    accepted(await change(bench, member.id, 1, { name: 'Ada King' }));
    expect(refused(await change(bench, member.id, 1, { name: 'Ada Byron' }))).toMatchObject({
      code: 'staleVersion',
      current: { version: 2, name: 'Ada King' },
    });
  });

  it('writes nothing when nothing changes', async () => {
    const bench = await openBench();
    const member = await addMember(bench);
    expect(accepted(await change(bench, member.id, 1, { name: 'Ada Lovelace' })).version).toBe(1);
  });

  it('tells the doors about the waiver and the longer door time, and not about a telephone number', async () => {
    const bench = await openBench();
    const member = await addMember(bench);
    bench.admissionChanges.length = 0;
    accepted(await change(bench, member.id, 1, { phone: '030 123' }));
    expect(bench.admissionChanges).toEqual([]);
    expect(await factsOf(bench, member.id)).toMatchObject({ waiverMissing: true, extendedAccess: false });
    accepted(
      await change(bench, member.id, 2, {
        waiverDate: '2026-11-01',
        waiverVersion: '3',
        extendedAccess: true,
      }),
    );
    expect(bench.admissionChanges).toEqual([[member.id]]);
    expect(await factsOf(bench, member.id)).toMatchObject({ waiverMissing: false, extendedAccess: true });
  });

  it('finds the member by the new name only', async () => {
    const bench = await openBench();
    const member = await addMember(bench);
    accepted(await change(bench, member.id, 1, { name: 'Zoë Müller' }));
    expect(await namesFound(bench, { q: 'lovelace' })).toEqual([]);
    expect(await namesFound(bench, { q: 'mueller' })).toEqual(['Zoë Müller']);
  });
});

describe('the status of a member', () => {
  it('goes from active to suspended and back, with the reason, and the doors are told', async () => {
    const bench = await openBench();
    const { id } = await addMember(bench);
    bench.admissionChanges.length = 0;
    const suspended = await changeMemberStatus(bench.deps, staff, id, 'suspend', 'broke the laser');
    expect(accepted(suspended)).toMatchObject({ status: 'suspended', statusReason: 'broke the laser' });
    expect(await namesFound(bench, { status: 'suspended' })).toEqual(['Ada Lovelace']);
    expect(await namesFound(bench, { status: 'active' })).toEqual([]);
    expect(refused(await changeMemberStatus(bench.deps, staff, id, 'suspend', 'again'))).toMatchObject({
      code: 'memberStatusNotAllowed',
      allowed: ['reactivate', 'leave'],
    });
    accepted(await changeMemberStatus(bench.deps, staff, id, 'reactivate', null));
    expect(await factsOf(bench, id)).toMatchObject({ memberStatus: 'active' });
    expect(bench.admissionChanges).toEqual([[id], [id]]);
  });

  it('left ends the memberships, and a return does not bring them back', async () => {
    const bench = await openBench();
    const { id } = await addMember(bench);
    await addMembership(bench, id, (await addPlan(bench)).id);
    const left = accepted(await changeMemberStatus(bench.deps, staff, id, 'leave', 'moved away'));
    expect(left).toMatchObject({ status: 'left', membershipState: 'ended', admitsNow: false });
    const back = accepted(await changeMemberStatus(bench.deps, staff, id, 'reactivate', null));
    expect(back).toMatchObject({ status: 'active', membershipState: 'ended', admitsNow: false });
  });
});

describe('holds', () => {
  it('keep a member out until the last one is released', async () => {
    const bench = await openBench();
    const { id } = await addMember(bench);
    await addMembership(bench, id, (await addPlan(bench)).id);
    const first = accepted(await placeHold(bench.deps, staff, id, 'unpaid invoice'));
    const second = accepted(await placeHold(bench.deps, staff, id, 'talk to the board'));
    expect(first).toMatchObject({ placedBy: 'Grace', releasedAt: null });
    expect(await loadMember(bench.store.read, id, startMs)).toMatchObject({ onHold: true, admitsNow: false });
    accepted(await releaseHold(bench.deps, staff, { memberId: id, holdId: first.id }, 'paid'));
    expect(await factsOf(bench, id)).toMatchObject({ onHold: true });
    const last = await releaseHold(bench.deps, staff, { memberId: id, holdId: second.id }, null);
    expect(accepted(last)).toMatchObject({ releasedBy: 'Grace', releasedAt: '2026-11-22T12:00:00.000Z' });
    expect(await loadMember(bench.store.read, id, startMs)).toMatchObject({ onHold: false, admitsNow: true });
    const again = await releaseHold(bench.deps, staff, { memberId: id, holdId: second.id }, null);
    expect(refused(again)).toEqual({ code: 'holdAlreadyReleased' });
  });

  it('of one member are not released through another', async () => {
    const bench = await openBench();
    const ada = await addMember(bench);
    const bob = await addMember(bench, { name: 'Bob' });
    const hold = accepted(await placeHold(bench.deps, staff, ada.id, 'x'));
    const released = await releaseHold(bench.deps, staff, { memberId: bob.id, holdId: hold.id }, null);
    expect(refused(released)).toEqual({ code: 'holdNotFound' });
    expect(await factsOf(bench, ada.id)).toMatchObject({ onHold: true });
  });

  it('are bounded', async () => {
    const bench = await openBench();
    const { id } = await addMember(bench);
    for (let placed = 0; placed < 20; placed += 1) accepted(await placeHold(bench.deps, staff, id, 'x'));
    expect(refused(await placeHold(bench.deps, staff, id, 'x'))).toEqual({ code: 'tooManyHolds' });
  });
});

describe('plans', () => {
  it('have names that differ by more than case and accents', async () => {
    const bench = await openBench();
    const plan = await addPlan(bench, { name: 'Werkstatt Plus' });
    const { id: _, version: __, createdAt: ___, updatedAt: ____, ...fields } = plan;
    const namesake = await createPlan(bench.deps, staff, { ...fields, name: 'WERKSTÄTT plus' });
    expect(refused(namesake)).toEqual({ code: 'planNameTaken', name: 'WERKSTÄTT plus' });
  });

  it('are changed by version and removed only when nobody ever had them', async () => {
    const bench = await openBench();
    const used = await addPlan(bench);
    const unused = await addPlan(bench, { name: 'Day pass', interval: 'once' });
    const { id } = await addMember(bench);
    await addMembership(bench, id, used.id);
    const cheaper = planPatchSchema.parse({ version: 1, priceMinor: 1 });
    expect(accepted(await changePlan(bench.deps, staff, used.id, cheaper))).toMatchObject({
      priceMinor: 1,
      name: 'Standard',
      version: 2,
    });
    expect(refused(await changePlan(bench.deps, staff, used.id, cheaper))).toMatchObject({
      code: 'staleVersion',
      current: { version: 2 },
    });
    expect(refused(await removePlan(bench.deps, staff, used.id))).toEqual({ code: 'planInUse' });
    accepted(await removePlan(bench.deps, staff, unused.id));
    expect(refused(await removePlan(bench.deps, staff, unused.id))).toEqual({ code: 'planNotFound' });
    await addPlan(bench, { name: 'Day pass' });
  });
});

describe('groups', () => {
  it('take members in and out, and the doors are told each time something changes', async () => {
    const bench = await openBench();
    const { id } = await addMember(bench);
    const input = groupCreateSchema.parse({ name: 'Wood team' });
    const group = accepted(await createGroup(bench.deps, staff, input));
    const target = { groupId: group.id, memberId: id };
    bench.admissionChanges.length = 0;
    expect(accepted(await setGroupMember(bench.deps, staff, target, true)).memberCount).toBe(1);
    accepted(await setGroupMember(bench.deps, staff, target, true));
    expect(bench.admissionChanges).toEqual([[id]]);
    expect(await factsOf(bench, id)).toMatchObject({ groupIds: [group.id] });
    expect(await namesFound(bench, { groupId: group.id })).toEqual(['Ada Lovelace']);
    expect(refused(await removeGroup(bench.deps, staff, group.id))).toEqual({
      code: 'groupInUse',
      memberCount: 1,
    });
    accepted(await setGroupMember(bench.deps, staff, target, false));
    expect(await factsOf(bench, id)).toMatchObject({ groupIds: [] });
    expect(await namesFound(bench, { groupId: group.id })).toEqual([]);
    accepted(await setGroupMember(bench.deps, staff, target, true));
    accepted(await setGroupMember(bench.deps, staff, target, false));
    accepted(await removeGroup(bench.deps, staff, group.id));
  });
});

describe('what doors learn', () => {
  it('is complete for everybody, in slices, and leaves out ids that are nobody’s', async () => {
    const bench = await openBench();
    const plan = await addPlan(bench);
    const ids: string[] = [];
    for (let count = 0; count < 7; count += 1) {
      const { id } = await addMember(bench, { name: `Member ${count}` });
      ids.push(id);
      if (count % 2 === 0) await addMembership(bench, id, plan.id);
    }
    const seen: string[] = [];
    for (let after: string | null = null; ; ) {
      const slice: readonly string[] = await listMemberIds(bench.store.read, after, 3);
      if (slice.length === 0) break;
      seen.push(...slice);
      after = slice.at(-1) ?? null;
    }
    expect(seen).toEqual(ids.toSorted());
    const facts = await loadAdmissionFacts(bench.store.read, [...seen, 'nobody'], startMs);
    expect(facts.size).toBe(7);
    expect([...facts.values()].filter((one) => one.membershipState === 'active')).toHaveLength(4);
    expect(facts.get(ids[1]!)).toEqual({
      memberId: ids[1],
      memberNumber: 1002,
      memberStatus: 'active',
      onHold: false,
      waiverMissing: true,
      extendedAccess: false,
      membershipState: 'none',
      membershipFromMs: null,
      membershipUntilMs: null,
      planId: null,
      groupIds: [],
    });
  });
});
