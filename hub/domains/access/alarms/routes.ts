import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import type { AccessDeps } from '../deps.ts';
import { alarmAcknowledgeSchema, alarmQuerySchema, alarmSchema } from './schema.ts';
import { acknowledgeAlarm, listAlarms } from './workflow.ts';

const base = '/api/access-control/alarms';
const tag = 'alarms';
const access = { permission: 'alarm.read' } as const;

export const alarmEndpoints = (deps: Pick<AccessDeps, 'store' | 'announceIn'>): Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: base,
    summary: 'Silent alarms, newest first',
    tag,
    access,
    query: alarmQuerySchema,
    response: pageOf(alarmSchema),
    refusals: pageRefusals,
    async handle({ query }) {
      return await listAlarms(deps, query);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/acknowledge`,
    summary: 'Note that somebody has looked after an alarm',
    tag,
    access,
    params: z.strictObject({ id: idSchema }),
    body: alarmAcknowledgeSchema,
    response: alarmSchema,
    refusals: ['alarmNotFound', 'alarmAcknowledged'],
    async handle(call) {
      const actor = actorOf(call.principal);
      return await acknowledgeAlarm(deps, actor, call.params.id, call.body.note ?? null);
    },
  }),
];
