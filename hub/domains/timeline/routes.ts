import { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { activityQuerySchema, memberActivitySchema } from './schema.ts';
import { listActivities, type TimelineDeps } from './workflow.ts';

/** A member's history, from every part of the hub. */
export const timelineEndpoints = (deps: TimelineDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: '/api/members/{id}/activities',
    summary: 'What happened with a member, by its time, the newest first',
    description:
      'Changes of the member, memberships and holds; cards with the permission `credential.read`, doors with ' +
      '`accessEvent.read`. A reason that was emptied in the audit log is not here either.',
    tag: 'members',
    access: { permission: 'member.read' },
    params: z.strictObject({ id: idSchema }),
    query: activityQuerySchema,
    response: pageOf(memberActivitySchema),
    refusals: ['memberNotFound', ...pageRefusals],
    async handle({ principal, params, query }) {
      return await listActivities(deps, principal, params.id, query);
    },
  }),
];
