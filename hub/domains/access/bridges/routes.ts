import { z } from 'zod';
import { actorOf } from '#hub/domains/identity/workflow.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok } from '#hub/kernel/result.ts';
import { nameSchema } from '#hub/kernel/text.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import type { BridgeDeps } from './deps.ts';
import { bridgeSchema, simulatedTapSchema } from './schema.ts';
import {
  approveWithheld,
  createBridge,
  listBridges,
  renewToken,
  rotateDigestKey,
  tapSimulated,
} from './workflow.ts';

const base = '/api/access-control';
const tag = 'door controllers';
const params = z.strictObject({ id: idSchema });
/** The token is shown once. */
const tokenSchema = z.strictObject({ bridgeId: idSchema, token: z.string() });
const done = z.strictObject({});

export const bridgeEndpoints = (deps: BridgeDeps): Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: `${base}/bridges`,
    summary: 'Door controllers: connected, applied policy, what waits there',
    tag,
    access: { permission: 'bridge.read' },
    response: pageOf(bridgeSchema),
    refusals: [],
    handle: async () => ok({ items: await listBridges(deps), nextCursor: null }),
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/bridges`,
    summary: 'Add a door controller; its token is shown once',
    tag,
    access: { permission: 'bridge.manage' },
    body: z.strictObject({ name: nameSchema }),
    response: tokenSchema,
    answerIsSecret: true,
    status: 201,
    refusals: [],
    handle: async ({ principal, body }) => ok(await createBridge(deps, actorOf(principal), body.name)),
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/bridges/{id}/renew-token`,
    summary: 'Replace the token of a door controller; the old one opens nothing any more',
    tag,
    access: { permission: 'bridge.manage' },
    params,
    response: tokenSchema,
    answerIsSecret: true,
    refusals: ['bridgeNotFound'],
    async handle(call) {
      return await renewToken(deps, actorOf(call.principal), call.params.id);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/bridges/{id}/rotate-key`,
    summary: 'Give a door controller another key for card digests',
    tag,
    access: { permission: 'bridge.manage' },
    params,
    response: done,
    refusals: ['bridgeNotFound', 'rotationRuns'],
    async handle(call) {
      const rotated = await rotateDigestKey(deps, actorOf(call.principal), call.params.id);
      return rotated.ok ? ok({}) : rotated;
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/bridges/{id}/approve`,
    summary: 'Let cards open again that a restore would have let in',
    tag,
    access: { permission: 'bridge.manage' },
    params,
    body: z.strictObject({ credentialIds: z.array(idSchema).min(1).max(10_000) }),
    response: done,
    refusals: ['bridgeNotFound', 'notConnected', 'noAnswer', 'bridgeRefused'],
    async handle(call) {
      const { credentialIds } = call.body;
      const approved = await approveWithheld(deps, actorOf(call.principal), call.params.id, credentialIds);
      return approved.ok ? ok({}) : approved;
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/simulated-taps`,
    actsOutside: true,
    summary:
      'Tap a card or type a number, and a PIN, at a simulated reader; refused where the lines are real',
    tag,
    access: { permission: 'bridge.manage' },
    body: simulatedTapSchema,
    response: done,
    refusals: [
      'cardText',
      'portalUnknown',
      'portalAmbiguous',
      'noReader',
      'readerCannotRead',
      'notSimulated',
      'notConnected',
      'noAnswer',
      'bridgeRefused',
    ],
    async handle({ body }) {
      const tapped = await tapSimulated(deps, body);
      return tapped.ok ? ok({}) : tapped;
    },
  }),
];
