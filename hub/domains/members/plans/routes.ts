import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { openPage } from '#hub/http/endpoint/page-cursor.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { csvLines } from '#hub/platform/csv.ts';
import { groupToWire, planToWire } from '../member/view.ts';
import type { MemberDeps } from '../workflow.ts';
import { planCsvColumns, planToCsv, streamPlans } from './csv.ts';
import {
  countGroups,
  countPlans,
  findGroup,
  findPlan,
  listGroups,
  listPlans,
  nameOrder,
  placeInNameOrder,
} from './repository.ts';
import {
  groupCreateSchema,
  groupListQuerySchema,
  groupPatchSchema,
  groupSchema,
  planCreateSchema,
  planListQuerySchema,
  planPatchSchema,
  planSchema,
} from './schema.ts';
import {
  changeGroup,
  changePlan,
  createGroup,
  createPlan,
  removeGroup,
  removePlan,
  setGroupMember,
} from './workflow.ts';

const planParams = z.strictObject({ planId: idSchema });
const groupParams = z.strictObject({ groupId: idSchema });
const groupMemberParams = groupParams.extend({ memberId: idSchema });
const toReadPlans = { permission: 'plan.read' } as const;
const toManagePlans = { permission: 'plan.manage' } as const;
const toReadMembers = { permission: 'member.read' } as const;
const toManageMembers = { permission: 'member.manage' } as const;

export const planEndpoints = (deps: MemberDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: '/api/members/plans',
    summary: 'Plans in the order of names',
    tag: 'plans',
    access: toReadPlans,
    query: planListQuerySchema,
    response: pageOf(planSchema),
    csv: {
      fileName: 'plans',
      columns: planCsvColumns,
      async *lines({ query }, delimiter) {
        for await (const plans of streamPlans(deps.store, query))
          yield csvLines(plans.map(planToCsv), delimiter);
      },
    },
    refusals: ['cursorInvalid'],
    async handle({ query }) {
      const { sort, active } = query;
      const order = nameOrder(sort);
      const asked = openPage(query, order.columns.length);
      if (!asked.ok) return asked;
      const { after, limit, cut, count } = asked.value;
      const rows = await listPlans(deps.store.read, { active }, { order, after, limit });
      const page = cut(rows, (plan) => placeInNameOrder(sort, plan));
      const total = await count(deps.store, (reader) => countPlans(reader, active));
      return ok({ items: page.rows.map(planToWire), nextCursor: page.nextCursor, ...total });
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: '/api/members/plans',
    summary: 'Add a plan',
    tag: 'plans',
    access: toManagePlans,
    body: planCreateSchema,
    response: planSchema,
    status: 201,
    refusals: ['planNameTaken'],
    async handle({ principal, body }) {
      return await createPlan(deps, actorOf(principal), body);
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: '/api/members/plans/{planId}',
    summary: 'One plan',
    tag: 'plans',
    access: toReadPlans,
    params: planParams,
    response: planSchema,
    refusals: ['planNotFound'],
    async handle({ params: { planId } }) {
      const plan = await findPlan(deps.store.read, planId);
      return plan === undefined ? refuse({ code: 'planNotFound' }) : ok(planToWire(plan));
    },
  }),
  defineEndpoint({
    method: 'PATCH',
    path: '/api/members/plans/{planId}',
    summary: 'Change a plan; memberships keep the terms they were agreed on until they are renewed',
    tag: 'plans',
    access: toManagePlans,
    params: planParams,
    body: planPatchSchema,
    response: planSchema,
    refusals: ['planNotFound', 'staleVersion', 'planNameTaken'],
    async handle({ principal, params: { planId }, body }) {
      return await changePlan(deps, actorOf(principal), planId, body);
    },
  }),
  defineEndpoint({
    method: 'DELETE',
    path: '/api/members/plans/{planId}',
    summary: 'Remove a plan that no membership ever had',
    tag: 'plans',
    access: toManagePlans,
    params: planParams,
    response: planSchema,
    refusals: ['planNotFound', 'planInUse'],
    async handle({ principal, params: { planId } }) {
      return await removePlan(deps, actorOf(principal), planId);
    },
  }),
];

const groupListEndpoints = (deps: MemberDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: '/api/members/groups',
    summary: 'Groups in the order of names',
    tag: 'groups',
    access: toReadMembers,
    query: groupListQuerySchema,
    response: pageOf(groupSchema),
    refusals: ['cursorInvalid'],
    async handle({ query }) {
      const { sort } = query;
      const order = nameOrder(sort);
      const asked = openPage(query, order.columns.length);
      if (!asked.ok) return asked;
      const { after, limit, cut, count } = asked.value;
      const rows = await listGroups(deps.store.read, { order, after, limit });
      const page = cut(rows, (group) => placeInNameOrder(sort, group));
      const total = await count(deps.store, countGroups);
      return ok({ items: page.rows.map(groupToWire), nextCursor: page.nextCursor, ...total });
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: '/api/members/groups',
    summary: 'Add a group',
    tag: 'groups',
    access: toManageMembers,
    body: groupCreateSchema,
    response: groupSchema,
    status: 201,
    refusals: ['groupNameTaken'],
    async handle({ principal, body }) {
      return await createGroup(deps, actorOf(principal), body);
    },
  }),
];

export const groupEndpoints = (deps: MemberDeps): readonly Endpoint[] => [
  ...groupListEndpoints(deps),
  defineEndpoint({
    method: 'GET',
    path: '/api/members/groups/{groupId}',
    summary: 'One group',
    tag: 'groups',
    access: toReadMembers,
    params: groupParams,
    response: groupSchema,
    refusals: ['groupNotFound'],
    async handle({ params: { groupId } }) {
      const group = await findGroup(deps.store.read, groupId);
      return group === undefined ? refuse({ code: 'groupNotFound' }) : ok(groupToWire(group));
    },
  }),
  defineEndpoint({
    method: 'PATCH',
    path: '/api/members/groups/{groupId}',
    summary: 'Change a group',
    tag: 'groups',
    access: toManageMembers,
    params: groupParams,
    body: groupPatchSchema,
    response: groupSchema,
    refusals: ['groupNotFound', 'staleVersion', 'groupNameTaken'],
    async handle({ principal, params: { groupId }, body }) {
      return await changeGroup(deps, actorOf(principal), groupId, body);
    },
  }),
  defineEndpoint({
    method: 'DELETE',
    path: '/api/members/groups/{groupId}',
    summary: 'Remove a group without members',
    tag: 'groups',
    access: toManageMembers,
    params: groupParams,
    response: groupSchema,
    refusals: ['groupNotFound', 'groupInUse'],
    async handle({ principal, params: { groupId } }) {
      return await removeGroup(deps, actorOf(principal), groupId);
    },
  }),
  defineEndpoint({
    method: 'PUT',
    path: '/api/members/groups/{groupId}/members/{memberId}',
    summary: 'Put a member into a group',
    tag: 'groups',
    access: toManageMembers,
    params: groupMemberParams,
    response: groupSchema,
    refusals: ['groupNotFound', 'memberNotFound'],
    async handle({ principal, params }) {
      return await setGroupMember(deps, actorOf(principal), params, true);
    },
  }),
  defineEndpoint({
    method: 'DELETE',
    path: '/api/members/groups/{groupId}/members/{memberId}',
    summary: 'Take a member out of a group',
    tag: 'groups',
    access: toManageMembers,
    params: groupMemberParams,
    response: groupSchema,
    refusals: ['groupNotFound', 'memberNotFound'],
    async handle({ principal, params }) {
      return await setGroupMember(deps, actorOf(principal), params, false);
    },
  }),
];
