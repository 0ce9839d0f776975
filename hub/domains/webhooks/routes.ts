import { z } from 'zod';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { openPage, pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { idSchema } from '#hub/kernel/ids.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { pageOf } from '#hub/kernel/wire.ts';
import { countDeliveries, findDelivery, listDeliveries } from './delivery-repository.ts';
import type { WebhookDeps } from './deps.ts';
import { findWebhook } from './repository.ts';
import {
  deliveryPageSchema,
  deliveryQuerySchema,
  deliverySchema,
  lastingTopicsOf,
  rotateSecretSchema,
  topicListSchemaOf,
  type WebhookBodies,
  webhookBodySchemasOf,
  webhookSchema,
  webhookSecretSchema,
} from './schema.ts';
import { deliveryToWire, loadWebhooks } from './webhook-view.ts';
import {
  changeWebhook,
  clearDead,
  createWebhook,
  loadWebhook,
  pingWebhook,
  redeliver,
  redeliverDead,
  removeWebhook,
  resumeWebhook,
  rotateSecret,
} from './webhook-workflow.ts';

const base = '/api/notifications/webhooks';
const tag = 'webhooks';
const params = z.strictObject({ id: idSchema });
const deliveryParams = params.extend({ deliveryId: idSchema });
const toRead = { permission: 'webhook.read' } as const;
const toManage = { permission: 'webhook.manage' } as const;

const howSigned =
  'Deliveries are signed as [Standard Webhooks](https://www.standardwebhooks.com) describes: verify ' +
  '`webhook-signature` with the secret over `webhook-id.webhook-timestamp.body`, and take each `webhook-id` once: an ' +
  'event is delivered at least once, in no particular order. Answer with any 2xx within 10 s. Anything else is tried ' +
  'again after 5 s, 30 s, 2 min, 10 min, 1 h, 3 h, 8 h and 24 h (`Retry-After` is respected), then it is a dead letter; ' +
  '410 ends the webhook. Redirects are not followed, certificates are verified.';

function topicsEndpoint({ catalog }: Pick<WebhookDeps, 'catalog'>): Endpoint {
  const items = Object.entries(catalog.topics).map(([topic, { permission, text, lasting }]) => ({
    topic,
    description: text,
    permission,
    webhooks: lasting,
  }));
  return defineEndpoint({
    method: 'GET',
    path: '/api/notifications/topics',
    summary: 'What the hub announces: topics of the live stream and of webhooks',
    tag: 'live',
    access: { signedIn: true },
    response: topicListSchemaOf(catalog.permissions.names),
    refusals: [],
    handle: async () => ok({ items }),
  });
}

const webhookEndpoints = (deps: WebhookDeps, inputs: WebhookBodies): readonly Endpoint[] => [
  defineEndpoint({
    method: 'GET',
    path: base,
    summary: 'All webhooks, in the order of creation, and how it goes with them',
    tag,
    access: toRead,
    response: pageOf(webhookSchema),
    refusals: [],
    async handle() {
      const items = await loadWebhooks(deps.store.read, deps.clock.nowMs());
      return ok({ items, nextCursor: null });
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: base,
    summary: 'Add a webhook; its secret is shown this once',
    description: howSigned,
    tag,
    access: toManage,
    body: inputs.create,
    response: webhookSecretSchema,
    answerIsSecret: true,
    status: 201,
    refusals: ['targetRefused', 'webhookNameTaken', 'beyondOwnPermissions', 'tooManyWebhooks'],
    async handle({ principal, body }) {
      return await createWebhook(deps, principal, body);
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: `${base}/{id}`,
    summary: 'One webhook and how it goes with it',
    tag,
    access: toRead,
    params,
    response: webhookSchema,
    refusals: ['webhookNotFound'],
    async handle({ params: { id } }) {
      return await loadWebhook(deps, deps.store.read, id);
    },
  }),
  defineEndpoint({
    method: 'PATCH',
    path: `${base}/{id}`,
    summary: 'Change a webhook, or switch it on or off',
    tag,
    access: toManage,
    params,
    body: inputs.patch,
    response: webhookSchema,
    refusals: [
      'webhookNotFound',
      'staleVersion',
      'targetRefused',
      'webhookNameTaken',
      'beyondOwnPermissions',
    ],
    async handle({ principal, params: { id }, body }) {
      return await changeWebhook(deps, principal, id, body);
    },
  }),
  defineEndpoint({
    method: 'DELETE',
    path: `${base}/{id}`,
    summary: 'Remove a webhook, with everything that waits for it',
    tag,
    access: toManage,
    params,
    response: webhookSchema,
    refusals: ['webhookNotFound'],
    async handle({ principal, params: { id } }) {
      return await removeWebhook(deps, principal, id);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/rotate-secret`,
    summary: 'Give a webhook another secret, shown this once; the one before signs along for a while',
    tag,
    access: toManage,
    params,
    body: rotateSecretSchema,
    response: webhookSecretSchema,
    answerIsSecret: true,
    refusals: ['webhookNotFound'],
    async handle({ principal, params: { id }, body }) {
      return await rotateSecret(deps, principal, id, body.overlapHours);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/resume`,
    summary: 'Try a webhook that is paused again at once',
    tag,
    access: toManage,
    params,
    response: webhookSchema,
    refusals: ['webhookNotFound', 'webhookInactive'],
    async handle({ principal, params: { id } }) {
      return await resumeWebhook(deps, principal, id);
    },
  }),
];

const deliveryEndpoints = (deps: WebhookDeps): readonly Endpoint[] => [
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/ping`,
    summary: 'Send a message of the type `webhook.ping`; its delivery shows what came of it',
    tag,
    access: toManage,
    params,
    response: deliverySchema,
    status: 202,
    refusals: ['webhookNotFound', 'webhookInactive'],
    async handle({ principal, params: { id } }) {
      return await pingWebhook(deps, principal, id);
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: `${base}/{id}/deliveries`,
    summary: 'Deliveries of a webhook, newest first',
    description:
      'What waits, up to 1,000 that were given up (dead letters, kept 30 days), and about the last 200 that were made ' +
      '(kept 7 days).',
    tag,
    access: toRead,
    params,
    query: deliveryQuerySchema,
    response: deliveryPageSchema,
    refusals: ['webhookNotFound', ...pageRefusals],
    async handle({ params: { id }, query }) {
      const { read } = deps.store;
      if ((await findWebhook(read, id)) === null) return refuse({ code: 'webhookNotFound' });
      const asked = openPage({ ...query, webhookId: id }, 1);
      if (!asked.ok) return asked;
      const { after, limit, cut, count } = asked.value;
      const page = cut(await listDeliveries(read, id, { state: query.state, after, limit }), (row) => [
        row.id,
      ]);
      const total = await count(deps.store, (reader) => countDeliveries(reader, id, query.state));
      const items = page.rows.map(deliveryToWire);
      return ok({ items, nextCursor: page.nextCursor, ...total });
    },
  }),
  defineEndpoint({
    method: 'GET',
    path: `${base}/{id}/deliveries/{deliveryId}`,
    summary: 'One delivery',
    tag,
    access: toRead,
    params: deliveryParams,
    response: deliverySchema,
    refusals: ['deliveryNotFound'],
    async handle({ params: { id, deliveryId } }) {
      const row = await findDelivery(deps.store.read, id, deliveryId);
      return row === null ? refuse({ code: 'deliveryNotFound' }) : ok(deliveryToWire(row));
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/deliveries/{deliveryId}/redeliver`,
    summary: 'Deliver again, whatever became of it, with the same webhook-id',
    tag,
    access: toManage,
    params: deliveryParams,
    response: deliverySchema,
    status: 202,
    refusals: ['webhookNotFound', 'deliveryNotFound', 'webhookInactive'],
    async handle({ principal, params: { id, deliveryId } }) {
      return await redeliver(deps, principal, id, deliveryId);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/redeliver-dead`,
    summary: 'Deliver the dead letters of a webhook again, as many as its queue has room for',
    tag,
    access: toManage,
    params,
    response: z.strictObject({
      requeued: z.number().int().meta({ description: 'Dead letters that wait again' }),
      left: z.number().int().meta({ description: 'Dead letters that found no room' }),
    }),
    status: 202,
    refusals: ['webhookNotFound', 'webhookInactive'],
    async handle({ principal, params: { id } }) {
      return await redeliverDead(deps, principal, id);
    },
  }),
  defineEndpoint({
    method: 'POST',
    path: `${base}/{id}/clear-dead`,
    summary: 'Clear the dead letters of a webhook away for good',
    tag,
    access: toManage,
    params,
    response: z.strictObject({ removed: z.number().int() }),
    refusals: ['webhookNotFound'],
    async handle({ principal, params: { id } }) {
      return await clearDead(deps, principal, id);
    },
  }),
];

export const allWebhookEndpoints = (deps: WebhookDeps): readonly Endpoint[] => [
  topicsEndpoint(deps),
  ...webhookEndpoints(deps, webhookBodySchemasOf(lastingTopicsOf(deps.catalog.topics))),
  ...deliveryEndpoints(deps),
];
