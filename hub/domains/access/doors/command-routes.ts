import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import {
  holdOpenSchema,
  lockdownSchema,
  overrideAnswerSchema,
  unlockAnswerSchema,
  unlockSchema,
} from './command-schema.ts';
import { endHoldOpen, endLockdown, holdOpen, lockDown, unlockPortal } from './command-workflow.ts';
import type { DoorDeps } from './deps.ts';

const base = '/api/access-control';
const tag = 'doors';
const params = z.strictObject({ id: idSchema });

function overrideEndpoints(deps: DoorDeps): Endpoint[] {
  return [
    defineEndpoint({
      method: 'POST',
      path: `${base}/portals/{id}/hold-open`,
      summary: 'Hold a door open until a moment',
      tag,
      access: { permission: 'door.lockdown' },
      params,
      body: holdOpenSchema,
      response: overrideAnswerSchema,
      refusals: ['portalNotFound', 'lockedDown', 'untilInvalid'],
      async handle(call) {
        return await holdOpen(deps, actorOf(call.principal), call.params.id, call.body);
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/portals/{id}/end-hold-open`,
      summary: 'Hold a door open no longer',
      tag,
      access: { permission: 'door.lockdown' },
      params,
      response: overrideAnswerSchema,
      refusals: ['portalNotFound', 'notHeldOpen'],
      async handle(call) {
        return await endHoldOpen(deps, actorOf(call.principal), call.params.id);
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/portals/{id}/lockdown`,
      summary: 'Lock a door for everybody. Exit buttons and fire release work on',
      tag,
      access: { permission: 'door.lockdown' },
      params,
      body: lockdownSchema,
      response: overrideAnswerSchema,
      refusals: ['portalNotFound'],
      async handle(call) {
        return await lockDown(deps, actorOf(call.principal), call.params.id, call.body.reason);
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: `${base}/portals/{id}/end-lockdown`,
      summary: "End a door's lockdown",
      tag,
      access: { permission: 'door.lockdown' },
      params,
      response: overrideAnswerSchema,
      refusals: ['portalNotFound', 'notLockedDown'],
      async handle(call) {
        return await endLockdown(deps, actorOf(call.principal), call.params.id);
      },
    }),
  ];
}

export const doorEndpoints = (deps: DoorDeps): Endpoint[] => [
  defineEndpoint({
    method: 'POST',
    path: `${base}/portals/{id}/unlock`,
    actsOutside: true,
    summary: 'Release a door for some seconds',
    tag,
    access: { permission: 'door.unlock' },
    params,
    body: unlockSchema,
    response: unlockAnswerSchema,
    ratePerMinute: 60,
    refusals: ['portalNotFound', 'lockedDown', 'notConnected', 'noAnswer', 'bridgeRefused'],
    async handle(call) {
      return await unlockPortal(deps, actorOf(call.principal), call.params.id, call.body);
    },
  }),
  ...overrideEndpoints(deps),
  defineEndpoint({
    method: 'POST',
    path: `${base}/lockdown`,
    summary: 'Lock every door for everybody. Exit buttons and fire release work on',
    tag,
    access: { permission: 'door.lockdown' },
    body: lockdownSchema,
    response: overrideAnswerSchema,
    refusals: ['portalNotFound'],
    async handle({ principal, body }) {
      return await lockDown(deps, actorOf(principal), null, body.reason);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/end-lockdown`,
    summary: 'End the lockdown of every door',
    tag,
    access: { permission: 'door.lockdown' },
    response: overrideAnswerSchema,
    refusals: ['portalNotFound', 'notLockedDown'],
    async handle({ principal }) {
      return await endLockdown(deps, actorOf(principal), null);
    },
  }),
];
