import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineBulkEndpoint } from '#hub/http/endpoint/bulk-endpoint.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { csvLines } from '#hub/platform/csv.ts';
import { holdEndpoints } from './holds/routes.ts';
import { memberCsvColumns, memberToCsv } from './member/csv.ts';
import {
  memberAddedSchema,
  memberCreateSchema,
  memberListItemSchema,
  memberListQuerySchema,
  memberPatchSchema,
  memberSchema,
  optionalReasonSchema,
  reasonSchema,
} from './member/schema.ts';
import { loadMember } from './member/view.ts';
import { changeMember, changeMemberStatus, createMember, createMembers } from './member/workflow.ts';
import { membershipEndpoints } from './memberships/routes.ts';
import { groupEndpoints, planEndpoints } from './plans/routes.ts';
import { searchMembers, streamMembers } from './search/listing.ts';
import type { MemberDeps } from './workflow.ts';

const params = z.strictObject({ id: idSchema });
const tag = 'members';
const toRead = { permission: 'member.read' } as const;
const toManage = { permission: 'member.manage' } as const;

const readingEndpoints = (deps: MemberDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: '/api/members',
    summary: 'Members in the order of names; with `q`, those found, exact hits first',
    tag,
    access: toRead,
    query: memberListQuerySchema,
    response: pageOf(memberListItemSchema),
    csv: {
      fileName: 'members',
      columns: memberCsvColumns,
      async *lines({ query }, delimiter) {
        for await (const members of streamMembers(deps.store, query, () => deps.clock.nowMs()))
          yield csvLines(members.map(memberToCsv), delimiter);
      },
    },
    refusals: ['cursorInvalid'],
    async handle({ query }) {
      return await searchMembers(deps.store, query, deps.clock.nowMs());
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: '/api/members/{id}',
    summary: 'One member with groups, memberships and holds',
    tag,
    access: toRead,
    params,
    response: memberSchema,
    refusals: ['memberNotFound'],
    async handle({ params: { id } }) {
      const member = await loadMember(deps.store.read, id, deps.clock.nowMs());
      return member === undefined ? refuse({ code: 'memberNotFound' }) : ok(member);
    },
  }),
];

const writingEndpoints = (deps: MemberDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'POST',
    path: '/api/members',
    summary: 'Add a member',
    description:
      'Names in `similar` whoever may be the same person, as each line of `/api/members/bulk` does.',
    tag,
    access: toManage,
    body: memberCreateSchema,
    response: memberAddedSchema,
    status: 201,
    refusals: ['numberTaken', 'dateInFuture'],
    async handle({ principal, body }) {
      return await createMember(deps, actorOf(principal), body);
    },
  }),
  defineBulkEndpoint({
    path: '/api/members/bulk',
    summary: 'Add up to 1000 members, each by itself',
    tag,
    access: toManage,
    item: memberCreateSchema,
    response: memberAddedSchema,
    lineStatus: 201,
    refusals: ['numberTaken', 'dateInFuture'],
    handleLines: ({ principal }, inputs) => createMembers(deps, actorOf(principal), inputs),
  }),
  defineEndpoint({
    method: 'PATCH',
    path: '/api/members/{id}',
    summary: 'Change what is written about a member',
    tag,
    access: toManage,
    params,
    body: memberPatchSchema,
    response: memberSchema,
    refusals: ['memberNotFound', 'staleVersion', 'dateInFuture'],
    async handle({ principal, params: { id }, body }) {
      return await changeMember(deps, actorOf(principal), id, body);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: '/api/members/{id}/suspend',
    summary: 'Suspend a member: no door opens until the member is reactivated',
    tag,
    access: toManage,
    params,
    body: reasonSchema,
    response: memberSchema,
    refusals: ['memberNotFound', 'memberStatusNotAllowed'],
    async handle({ principal, params: { id }, body }) {
      return await changeMemberStatus(deps, actorOf(principal), id, 'suspend', body.reason);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: '/api/members/{id}/reactivate',
    summary: 'Make a suspended member active again, or one who left and comes back',
    tag,
    access: toManage,
    params,
    body: optionalReasonSchema,
    response: memberSchema,
    refusals: ['memberNotFound', 'memberStatusNotAllowed'],
    async handle({ principal, params: { id }, body }) {
      const reason = body.reason ?? null;
      return await changeMemberStatus(deps, actorOf(principal), id, 'reactivate', reason);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: '/api/members/{id}/leave',
    summary: 'The member leaves: all memberships end',
    tag,
    access: toManage,
    params,
    body: optionalReasonSchema,
    response: memberSchema,
    refusals: ['memberNotFound', 'memberStatusNotAllowed'],
    async handle({ principal, params: { id }, body }) {
      const reason = body.reason ?? null;
      return await changeMemberStatus(deps, actorOf(principal), id, 'leave', reason);
    },
  }),
];

/** Everything under `/api/members`. Fixed words come before `{id}`. */
export const memberEndpoints = (deps: MemberDeps): readonly Endpoint[] => [
  ...planEndpoints(deps),
  ...groupEndpoints(deps),
  ...readingEndpoints(deps),
  ...writingEndpoints(deps),
  ...membershipEndpoints(deps),
  ...holdEndpoints(deps),
];
