import { expect, test } from 'vitest';
import { createRule, removeRule } from '#hub/domains/access/rules/workflow.ts';
import { planCreateSchema } from '#hub/domains/members/plans/schema.ts';
import {
  createGroup,
  createPlan,
  removeGroup,
  removePlan,
  setGroupMember,
} from '#hub/domains/members/plans/workflow.ts';
import {
  createArea,
  createHoliday,
  putOpeningHours,
  removeArea,
  removeHoliday,
  removeOpeningHours,
} from '#hub/domains/places/workflow.ts';
import { accepted, addMember, openBench, staff } from './support.ts';

test('every change of areas, rules, hours, days, plans and groups is announced, with what became of it', async () => {
  const bench = await openBench();
  const { deps } = bench.access;
  const member = await addMember(bench);
  bench.announced.length = 0;
  const area = accepted(await createArea(bench.places, staff, { name: 'Wood shop', parentId: null }));
  const hours = accepted(await putOpeningHours(bench.places, staff, { areaId: area.id, windows: [] }));
  accepted(await removeOpeningHours(bench.places, staff, hours.id));
  const day = { date: '2026-12-25', name: 'Christmas', areaId: null, windows: [] };
  const holiday = accepted(await createHoliday(bench.places, staff, day));
  accepted(await removeHoliday(bench.places, staff, holiday.id));
  accepted(await removeArea(bench.places, staff, area.id));
  const rule = accepted(
    await createRule(deps, staff, {
      name: 'Everybody',
      subject: { kind: 'everyone' },
      target: { kind: 'site' },
      windows: [],
      outsideOpeningHours: true,
      validFrom: null,
      validUntil: null,
    }),
  );
  accepted(await removeRule(deps, staff, rule.id));
  const planInput = planCreateSchema.parse({
    name: 'Standard',
    priceMinor: 0,
    currency: 'EUR',
    interval: 'none',
  });
  const plan = accepted(await createPlan(bench.members, staff, planInput));
  accepted(await removePlan(bench.members, staff, plan.id));
  const group = accepted(await createGroup(bench.members, staff, { name: 'Wood team', description: null }));
  const membership = { groupId: group.id, memberId: member.id };
  accepted(await setGroupMember(bench.members, staff, membership, true));
  accepted(await setGroupMember(bench.members, staff, membership, false));
  accepted(await removeGroup(bench.members, staff, group.id));
  const inGroup = [
    { topic: 'group.changed', data: { groupId: group.id, change: 'changed' } },
    { topic: 'member.changed', data: { memberId: member.id } },
  ];
  expect(bench.announced).toEqual([
    { topic: 'area.changed', data: { areaId: area.id, change: 'created' } },
    { topic: 'hours.changed', data: { hoursId: hours.id, change: 'changed' } },
    { topic: 'hours.changed', data: { hoursId: hours.id, change: 'removed' } },
    { topic: 'holiday.changed', data: { holidayId: holiday.id, change: 'created' } },
    { topic: 'holiday.changed', data: { holidayId: holiday.id, change: 'removed' } },
    { topic: 'area.changed', data: { areaId: area.id, change: 'removed' } },
    { topic: 'rule.changed', data: { ruleId: rule.id, change: 'created' } },
    { topic: 'rule.changed', data: { ruleId: rule.id, change: 'removed' } },
    { topic: 'plan.changed', data: { planId: plan.id, change: 'created' } },
    { topic: 'plan.changed', data: { planId: plan.id, change: 'removed' } },
    { topic: 'group.changed', data: { groupId: group.id, change: 'created' } },
    ...inGroup,
    ...inGroup,
    { topic: 'group.changed', data: { groupId: group.id, change: 'removed' } },
  ]);
});
