import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { openPage } from '#hub/http/endpoint/page-cursor.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { holdReleaseSchema, holdSchema, memberPartsQuerySchema, reasonSchema } from '../member/schema.ts';
import { holdToWire } from '../member/view.ts';
import { placeHold, releaseHold } from '../member/workflow.ts';
import { countOf, creationOrder, findMember, listHolds } from '../repository.ts';
import type { MemberDeps } from '../workflow.ts';

const params = z.strictObject({ id: idSchema });
const tag = 'members';

export const holdEndpoints = (deps: MemberDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: '/api/members/{id}/holds',
    summary: 'Holds of a member, the newest first',
    tag,
    access: { permission: 'member.read' },
    params,
    query: memberPartsQuerySchema,
    response: pageOf(holdSchema),
    refusals: ['memberNotFound', 'cursorInvalid'],
    async handle({ params: { id }, query }) {
      const { read } = deps.store;
      if ((await findMember(read, id)) === undefined) return refuse({ code: 'memberNotFound' });
      const asked = openPage({ ...query, memberId: id }, 1);
      if (!asked.ok) return asked;
      const { after, limit, cut, count } = asked.value;
      const order = creationOrder(query.sort);
      const rows = await listHolds(read, id, { order, after, limit });
      const page = cut(rows, (hold) => [hold.id]);
      const total = await count(deps.store, (reader) => countOf(reader, 'hold', id));
      return ok({ items: page.rows.map(holdToWire), nextCursor: page.nextCursor, ...total });
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: '/api/members/{id}/holds',
    summary: 'Place a hold: no door opens for the member until every hold is released',
    tag,
    access: { permission: 'member.manage' },
    params,
    body: reasonSchema,
    response: holdSchema,
    status: 201,
    refusals: ['memberNotFound', 'tooManyHolds'],
    async handle({ principal, params: { id }, body }) {
      return await placeHold(deps, actorOf(principal), id, body.reason);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: '/api/members/{id}/holds/{holdId}/release',
    summary: 'Release a hold',
    tag,
    access: { permission: 'member.manage' },
    params: params.extend({ holdId: idSchema }),
    body: holdReleaseSchema,
    response: holdSchema,
    refusals: ['memberNotFound', 'holdNotFound', 'holdAlreadyReleased'],
    async handle({ principal, params: { id, holdId }, body }) {
      const target = { memberId: id, holdId };
      return await releaseHold(deps, actorOf(principal), target, body.note ?? null);
    },
  }),
];
