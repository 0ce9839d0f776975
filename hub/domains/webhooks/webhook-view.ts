import { toIso } from '#hub/kernel/time.ts';
import type { Reader } from '#hub/store/store.ts';
import { countDeliveries, type DeliveryRow } from './delivery-repository.ts';
import { findPreviousEnds, findStatuses, listWebhooks, type WebhookRow } from './repository.ts';
import { describeFailure, freshStatus, type WebhookStatus } from './rules.ts';
import type { Delivery, Webhook, WebhookState } from './schema.ts';

const toIsoOrNull = (ms: number | null): string | null => (ms === null ? null : toIso(ms));

function stateOf(webhook: WebhookRow, status: WebhookStatus): WebhookState {
  if (status.ended !== null) return 'ended';
  if (!webhook.active) return 'inactive';
  if (status.pausedAtMs !== null) return 'paused';
  return status.failures > 0 ? 'failing' : 'active';
}

async function webhookToWire(
  reader: Reader,
  webhook: WebhookRow,
  status: WebhookStatus,
  previousUntilMs: number | null,
  nowMs: number,
): Promise<Webhook> {
  return {
    id: webhook.id,
    version: webhook.version,
    createdAt: toIso(webhook.createdAtMs),
    updatedAt: toIso(webhook.updatedAtMs),
    name: webhook.name,
    url: webhook.url,
    topics: [...webhook.topics],
    active: webhook.active,
    state: stateOf(webhook, status),
    failures: status.failures,
    failingSince: toIsoOrNull(status.failingSinceMs),
    lastFailure: status.lastFailure,
    lastSuccessAt: toIsoOrNull(status.lastSuccessAtMs),
    pending: await countDeliveries(reader, webhook.id, 'pending'),
    dead: await countDeliveries(reader, webhook.id, 'dead'),
    lost: status.discarded,
    previousSecretUntil: previousUntilMs !== null && previousUntilMs > nowMs ? toIso(previousUntilMs) : null,
  };
}

/** Loads the webhooks in the order of creation; with `id` only that one. */
export async function loadWebhooks(
  reader: Reader,
  nowMs: number,
  wanted: { readonly id?: string } = {},
): Promise<Webhook[]> {
  const statuses = await findStatuses(reader);
  const ends = await findPreviousEnds(reader);
  const views: Webhook[] = [];
  for (const webhook of await listWebhooks(reader))
    if (wanted.id === undefined || wanted.id === webhook.id)
      views.push(
        await webhookToWire(
          reader,
          webhook,
          statuses.get(webhook.id) ?? freshStatus,
          ends.get(webhook.id) ?? null,
          nowMs,
        ),
      );
  return views;
}

export const deliveryToWire = (row: DeliveryRow): Delivery => ({
  id: row.id,
  messageId: row.messageId,
  topic: row.topic,
  state: row.state,
  at: toIso(row.createdAtMs),
  attempts: row.attempts,
  lastAttemptAt: toIsoOrNull(row.lastAttemptAtMs),
  nextAttemptAt: toIsoOrNull(row.nextAttemptAtMs),
  durationMs: row.durationMs,
  responseStatus: row.responseStatus,
  problem:
    row.problem === null
      ? null
      : {
          code: row.problem,
          sentence: describeFailure(row.problem, row.problem === 'status' ? row.responseStatus : null),
        },
  detail: row.detail,
});
