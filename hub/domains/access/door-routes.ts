import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok } from '#hub/kernel/result.ts';
import {
  holdOpenSchema,
  lockdownSchema,
  overrideAnswerSchema,
  unlockAnswerSchema,
  unlockSchema,
} from './door-schema.ts';
import { endHoldOpen, endLockdown, holdOpen, lockDown, unlockPortal } from './door-workflow.ts';
import type { AccessParts } from './parts.ts';

const base = '/api/access-control';
const tag = 'doors';
const params = z.strictObject({ id: idSchema });

function overrideEndpoints(parts: AccessParts): Endpoint[] {
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
      refusals: { portalNotFound: 404, lockedDown: 423, untilInvalid: 422 },
      async handle(call) {
        const done = await holdOpen(parts, actorOf(call.principal), call.params.id, call.body);
        return done.ok ? ok({ body: done.value }) : done;
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
      refusals: { portalNotFound: 404, notHeldOpen: 409 },
      async handle(call) {
        const done = await endHoldOpen(parts, actorOf(call.principal), call.params.id);
        return done.ok ? ok({ body: done.value }) : done;
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
      refusals: { portalNotFound: 404 },
      async handle(call) {
        const done = await lockDown(parts, actorOf(call.principal), call.params.id, call.body.reason);
        return done.ok ? ok({ body: done.value }) : done;
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
      refusals: { portalNotFound: 404, notLockedDown: 409 },
      async handle(call) {
        const done = await endLockdown(parts, actorOf(call.principal), call.params.id);
        return done.ok ? ok({ body: done.value }) : done;
      },
    }),
  ];
}

export const doorEndpoints = (parts: AccessParts): Endpoint[] => [
  defineEndpoint({
    method: 'POST',
    path: `${base}/portals/{id}/unlock`,
    summary: 'Release a door for some seconds',
    tag,
    access: { permission: 'door.unlock' },
    params,
    body: unlockSchema,
    response: unlockAnswerSchema,
    ratePerMinute: 60,
    refusals: {
      portalNotFound: 404,
      lockedDown: 423,
      notConnected: 503,
      noAnswer: 503,
      bridgeRefused: 409,
    },
    async handle(call) {
      const unlocked = await unlockPortal(parts, actorOf(call.principal), call.params.id, call.body);
      return unlocked.ok ? ok({ body: unlocked.value }) : unlocked;
    },
  }),
  ...overrideEndpoints(parts),
  defineEndpoint({
    method: 'POST',
    path: `${base}/lockdown`,
    summary: 'Lock every door for everybody. Exit buttons and fire release work on',
    tag,
    access: { permission: 'door.lockdown' },
    body: lockdownSchema,
    response: overrideAnswerSchema,
    refusals: { portalNotFound: 404 },
    async handle({ principal, body }) {
      const done = await lockDown(parts, actorOf(principal), null, body.reason);
      return done.ok ? ok({ body: done.value }) : done;
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/end-lockdown`,
    summary: 'End the lockdown of every door',
    tag,
    access: { permission: 'door.lockdown' },
    response: overrideAnswerSchema,
    refusals: { portalNotFound: 404, notLockedDown: 409 },
    async handle({ principal }) {
      const done = await endLockdown(parts, actorOf(principal), null);
      return done.ok ? ok({ body: done.value }) : done;
    },
  }),
];
