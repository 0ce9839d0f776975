import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { openPage } from '#hub/http/endpoint/page-cursor.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import {
  memberPartsQuerySchema,
  membershipCreateSchema,
  membershipEventSchema,
  membershipPatchSchema,
  membershipSchema,
} from '../member/schema.ts';
import { membershipsToWire } from '../member/view.ts';
import { countOf, creationOrder, findMember } from '../repository.ts';
import type { MemberDeps } from '../workflow.ts';
import { listMemberships } from './repository.ts';
import { applyMembershipEvent, correctMembership, createMembership } from './workflow.ts';

const params = z.strictObject({ id: idSchema });
const membershipParams = params.extend({ membershipId: idSchema });
const tag = 'members';
const toManage = { permission: 'member.manage' } as const;

export const membershipEndpoints = (deps: MemberDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: '/api/members/{id}/memberships',
    summary: 'Memberships of a member, the newest first',
    tag,
    access: { permission: 'member.read' },
    params,
    query: memberPartsQuerySchema,
    response: pageOf(membershipSchema),
    refusals: ['memberNotFound', 'cursorInvalid'],
    async handle({ params: { id }, query }) {
      const { read } = deps.store;
      if ((await findMember(read, id)) === undefined) return refuse({ code: 'memberNotFound' });
      const asked = openPage({ ...query, memberId: id }, 1);
      if (!asked.ok) return asked;
      const { after, limit, cut, count } = asked.value;
      const order = creationOrder(query.sort);
      const rows = await listMemberships(read, id, { order, after, limit });
      const page = cut(rows, (membership) => [membership.id]);
      const total = await count(deps.store, (reader) => countOf(reader, 'membership', id));
      const items = await membershipsToWire(read, page.rows);
      return ok({ items, nextCursor: page.nextCursor, ...total });
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: '/api/members/{id}/memberships',
    summary: 'Give a member a membership',
    tag,
    access: toManage,
    params,
    body: membershipCreateSchema,
    response: membershipSchema,
    status: 201,
    refusals: [
      'memberNotFound',
      'memberLeft',
      'planNotFound',
      'planInactive',
      'periodInvalid',
      'membershipOverlaps',
    ],
    async handle({ principal, params: { id }, body }) {
      return await createMembership(deps, actorOf(principal), id, body);
    },
  }),
  defineEndpoint({
    method: 'PATCH',
    path: '/api/members/{id}/memberships/{membershipId}',
    summary: 'Correct the plan or the dates of a membership',
    tag,
    access: toManage,
    params: membershipParams,
    body: membershipPatchSchema,
    response: membershipSchema,
    refusals: [
      'memberNotFound',
      'membershipNotFound',
      'planNotFound',
      'planInactive',
      'membershipOver',
      'periodInvalid',
      'staleVersion',
    ],
    async handle({ principal, params: { id, membershipId }, body }) {
      const target = { memberId: id, membershipId };
      return await correctMembership(deps, actorOf(principal), target, body);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: '/api/members/{id}/memberships/{membershipId}/events',
    summary: 'Approve, activate, renew, pause, suspend, cancel, end ... a membership',
    tag,
    access: toManage,
    params: membershipParams,
    body: membershipEventSchema,
    response: membershipSchema,
    refusals: [
      'memberNotFound',
      'membershipNotFound',
      'transitionNotAllowed',
      'periodInvalid',
      'membershipOverlaps',
    ],
    async handle({ principal, params: { id, membershipId }, body }) {
      const target = { memberId: id, membershipId };
      return await applyMembershipEvent(deps, actorOf(principal), target, body);
    },
  }),
];
