import { z } from 'zod';
import { defineEndpoint } from '#hub/http/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint.ts';
import { pageRefusals } from '#hub/http/page-cursor.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { activityQuerySchema, memberActivitySchema } from './activity-schema.ts';
import { type ActivityDeps, listActivities } from './activity-workflow.ts';

/** What happened with one member, from every part of the hub. */
export const activityEndpoints = (deps: ActivityDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: '/api/members/{id}/activities',
    summary: 'What happened with a member, the newest first',
    description:
      'Changes of the member, memberships and holds; cards with the permission `credential.read`, doors with ' +
      '`accessEvent.read`. A reason that was emptied in the audit log is not here either.',
    tag: 'members',
    access: { permission: 'member.read' },
    params: z.strictObject({ id: idSchema }),
    query: activityQuerySchema,
    response: pageOf(memberActivitySchema),
    refusals: { memberNotFound: 404, ...pageRefusals },
    async handle({ principal, params, query }) {
      const page = await listActivities(deps, principal, params.id, query);
      return page.ok ? ok({ body: page.value }) : page;
    },
  }),
];
