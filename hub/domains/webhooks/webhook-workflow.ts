import { actorOf, recordAudit } from '#hub/domains/identity/workflow.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { type FieldRefusal, fieldRefusal, type Stale } from '#hub/store/written.ts';
import {
  countDeliveries,
  findDelivery,
  removeDeliveries,
  removeOldest,
  requeue,
} from './delivery-repository.ts';
import type { WebhookDeps } from './deps.ts';
import { resolveTarget } from './guarded-post.ts';
import {
  findSecrets,
  findStatus,
  findWebhook,
  listWebhooks,
  removeSecrets,
  saveSecrets,
  saveStatus,
  type WebhookRow,
  webhookColumns,
} from './repository.ts';
import { freshStatus, retriedStatus } from './rules.ts';
import { type Delivery, pingTopic, type Webhook, type WebhookCreate, type WebhookPatch } from './schema.ts';
import { newSecret, secretToText } from './signature.ts';
import { readTarget } from './target-rules.ts';
import { deliveryToWire, loadWebhooks } from './webhook-view.ts';

const maxWebhooks = 20;
/** Time-out for resolving a name while the caller waits. */
const checkTimeoutMs = 3_000;
const hourMs = 3_600_000;

type NotFound = Refusal<'webhookNotFound'>;
interface BeyondOwnPermissions extends Refusal<'beyondOwnPermissions'> {
  readonly permissions: readonly PermissionName[];
}
export type WebhookRefusal = FieldRefusal<'targetRefused' | 'webhookNameTaken'> | BeyondOwnPermissions;

export interface WebhookWithSecret {
  readonly webhook: Webhook;
  /** Shown once. */
  readonly secret: string;
}

const targetRefused = (message: string): FieldRefusal<'targetRefused'> =>
  fieldRefusal('targetRefused', 'url', message);

/**
 * Whether the hub would send there as things are now. A name that cannot be resolved just now is taken: the hub may be
 * offline. Every attempt checks again.
 */
async function checkTarget(
  deps: Pick<WebhookDeps, 'resolve' | 'allowed' | 'ownNetworks'>,
  url: string,
): Promise<Result<null, FieldRefusal<'targetRefused'>>> {
  const target = readTarget(url);
  if (!target.ok) return refuse(targetRefused(target.refusal.message));
  const signal = AbortSignal.timeout(checkTimeoutMs);
  const addresses = await resolveTarget(target.value, { ...deps, signal });
  if (addresses.ok || addresses.refusal.code !== 'addressRefused') return ok(null);
  const address = addresses.refusal.detail ?? target.value.host;
  return refuse(
    targetRefused(
      `leads to ${address}, which is not on the internet: allow its network by webhooks.allowPrivateNetworks in the hub's configuration`,
    ),
  );
}

/** Checks that the asker may see everything that the webhook would be sent. */
function checkTopics(
  { catalog }: Pick<WebhookDeps, 'catalog'>,
  asker: Principal,
  topics: readonly string[],
): Result<null, BeyondOwnPermissions> {
  const needed = Object.entries(catalog.topics)
    .filter(([topic]) => topics.includes(topic))
    .map(([, { permission }]) => permission);
  const missing = [...new Set(needed)].filter((permission) => !asker.permissions.has(permission));
  return missing.length === 0 ? ok(null) : refuse({ code: 'beyondOwnPermissions', permissions: missing });
}

const nameTaken = fieldRefusal('webhookNameTaken', 'name', 'is the name of another webhook');
const isNamed = (name: string, webhook: WebhookRow): boolean =>
  webhook.name.toLowerCase() === name.toLowerCase();

/** An address may hold a secret of its receiver: the log keeps only where it leads. */
const auditable = (webhook: Pick<WebhookRow, 'name' | 'url' | 'topics' | 'active'>) => ({
  name: webhook.name,
  origin: URL.parse(webhook.url)?.origin ?? '',
  topics: [...webhook.topics],
  active: webhook.active,
});

async function record(
  tx: Transaction,
  asker: Principal,
  id: string,
  verb: string,
  payload: Parameters<typeof recordAudit>[1]['payload'],
): Promise<void> {
  await recordAudit(tx, {
    actor: actorOf(asker),
    action: `webhook.${verb}`,
    target: { table: 'webhook', id },
    payload,
  });
}

/** Finishes a change of a webhook: updates the subscribers, announces it and wakes the dispatcher. */
async function follow(deps: WebhookDeps, tx: Transaction, id: string): Promise<void> {
  const webhooks = await listWebhooks(tx);
  tx.afterCommit(() => {
    deps.queue.setSubscribers(webhooks);
    deps.onChanged(id);
    deps.wake();
  });
}

export async function loadWebhook(
  deps: Pick<WebhookDeps, 'clock'>,
  reader: Reader,
  id: string,
): Promise<Result<Webhook, NotFound>> {
  const [webhook] = await loadWebhooks(reader, deps.clock.nowMs(), { id });
  return webhook === undefined ? refuse({ code: 'webhookNotFound' }) : ok(webhook);
}

async function loadWritten(deps: WebhookDeps, tx: Transaction, id: string): Promise<Webhook> {
  const shown = await loadWebhook(deps, tx, id);
  assert(shown.ok, 'a webhook that was just written is there');
  return shown.value;
}

export async function createWebhook(
  deps: WebhookDeps,
  asker: Principal,
  body: WebhookCreate,
): Promise<Result<WebhookWithSecret, WebhookRefusal | Refusal<'tooManyWebhooks'>>> {
  const allowed = checkTopics(deps, asker, body.topics);
  if (!allowed.ok) return allowed;
  const target = await checkTarget(deps, body.url);
  if (!target.ok) return target;
  const secret = newSecret();
  return deps.store.transact('webhook.create', async (tx) => {
    const others = await listWebhooks(tx);
    if (others.length >= maxWebhooks) return refuse({ code: 'tooManyWebhooks' });
    if (others.some((other) => isNamed(body.name, other))) return refuse(nameTaken);
    const id = deps.newId();
    await tx.insert('webhook', { id, ...webhookColumns(body) });
    await saveSecrets(tx, id, { secret, previous: null });
    await saveStatus(tx, id, freshStatus);
    await record(tx, asker, id, 'create', auditable(body));
    await follow(deps, tx, id);
    return ok({ webhook: await loadWritten(deps, tx, id), secret: secretToText(secret) });
  });
}

/** Changes a webhook. Switching it on or changing its address resets its failures. */
export async function changeWebhook(
  deps: WebhookDeps,
  asker: Principal,
  id: string,
  patch: WebhookPatch,
): Promise<Result<Webhook, NotFound | Stale<Webhook> | WebhookRefusal>> {
  const target = patch.url === undefined ? ok(null) : await checkTarget(deps, patch.url);
  if (!target.ok) return target;
  return deps.store.transact('webhook.change', async (tx) => {
    const row = await findWebhook(tx, id);
    if (row === null) return refuse({ code: 'webhookNotFound' });
    const after = {
      name: patch.name ?? row.name,
      url: patch.url ?? row.url,
      topics: patch.topics ?? row.topics,
      active: patch.active ?? row.active,
    };
    // Also for what it is told already: another address would let its changer read it.
    const allowed = checkTopics(deps, asker, after.topics);
    if (!allowed.ok) return allowed;
    if (row.version !== patch.version)
      return refuse({ code: 'staleVersion', current: await loadWritten(deps, tx, id) });
    const others = (await listWebhooks(tx)).filter((other) => other.id !== id);
    if (others.some((other) => isNamed(after.name, other))) return refuse(nameTaken);
    assert(
      (await tx.write('webhook', id, webhookColumns(after))).ok,
      'a webhook that was just read is there',
    );
    if (after.url !== row.url || (after.active && !row.active))
      await saveStatus(tx, id, retriedStatus(await findStatus(tx, id)));
    await record(tx, asker, id, 'change', { before: auditable(row), after: auditable(after) });
    await follow(deps, tx, id);
    return ok(await loadWritten(deps, tx, id));
  });
}

/** Removes a webhook with everything that waits for it. */
export function removeWebhook(
  deps: WebhookDeps,
  asker: Principal,
  id: string,
): Promise<Result<Webhook, NotFound>> {
  return deps.store.transact('webhook.remove', async (tx) => {
    const row = await findWebhook(tx, id);
    if (row === null) return refuse({ code: 'webhookNotFound' });
    const removed = await loadWritten(deps, tx, id);
    await removeDeliveries(tx, id);
    await removeSecrets(tx, id);
    assert((await tx.remove('webhook', id)).ok, 'a webhook that was just read is there');
    await record(tx, asker, id, 'remove', { ...auditable(row), pending: removed.pending });
    await follow(deps, tx, id);
    return ok(removed);
  });
}

/** Gives a webhook another secret; the one before signs along for `overlapHours`. */
export function rotateSecret(
  deps: WebhookDeps,
  asker: Principal,
  id: string,
  overlapHours: number,
): Promise<Result<WebhookWithSecret, NotFound>> {
  const secret = newSecret();
  return deps.store.transact('webhook.rotateSecret', async (tx) => {
    const before = await findSecrets(tx, id);
    if ((await findWebhook(tx, id)) === null || before === null) return refuse({ code: 'webhookNotFound' });
    const previous =
      overlapHours === 0 ? null : { secret: before.secret, untilMs: tx.nowMs + overlapHours * hourMs };
    await saveSecrets(tx, id, { secret, previous });
    await record(tx, asker, id, 'rotateSecret', { overlapHours });
    await follow(deps, tx, id);
    return ok({ webhook: await loadWritten(deps, tx, id), secret: secretToText(secret) });
  });
}

/** Resumes a paused webhook immediately. */
export function resumeWebhook(
  deps: WebhookDeps,
  asker: Principal,
  id: string,
): Promise<Result<Webhook, NotFound | Refusal<'webhookInactive'>>> {
  return deps.store.transact('webhook.resume', async (tx) => {
    const row = await findWebhook(tx, id);
    if (row === null) return refuse({ code: 'webhookNotFound' });
    if (!row.active) return refuse({ code: 'webhookInactive' });
    await saveStatus(tx, id, retriedStatus(await findStatus(tx, id)));
    await record(tx, asker, id, 'resume', {});
    await follow(deps, tx, id);
    return ok(await loadWritten(deps, tx, id));
  });
}

type DeliveryRefusal = NotFound | Refusal<'webhookInactive'>;

async function loadDelivery(tx: Transaction, webhookId: string, id: string): Promise<Delivery> {
  const row = await findDelivery(tx, webhookId, id);
  assert(row !== null, 'a delivery that was just written is there');
  return deliveryToWire(row);
}

async function findActive(tx: Transaction, id: string): Promise<Result<WebhookRow, DeliveryRefusal>> {
  const row = await findWebhook(tx, id);
  if (row === null) return refuse({ code: 'webhookNotFound' });
  return row.active ? ok(row) : refuse({ code: 'webhookInactive' });
}

/** Sends a message that only tries the webhook out; its delivery shows what came of it. */
export function pingWebhook(
  deps: WebhookDeps,
  asker: Principal,
  id: string,
): Promise<Result<Delivery, DeliveryRefusal>> {
  return deps.store.transact('webhook.ping', async (tx) => {
    const webhook = await findActive(tx, id);
    if (!webhook.ok) return webhook;
    const data = { webhookId: id, name: webhook.value.name };
    const deliveryId = await deps.queue.enqueueFor(tx, id, { topic: pingTopic, data });
    await record(tx, asker, id, 'ping', { deliveryId });
    tx.afterCommit(() => deps.onChanged(id));
    return ok(await loadDelivery(tx, id, deliveryId));
  });
}

/** Requeues one delivery whatever its state; the receiver sees the same webhook-id. */
export function redeliver(
  deps: WebhookDeps,
  asker: Principal,
  id: string,
  deliveryId: string,
): Promise<Result<Delivery, DeliveryRefusal | Refusal<'deliveryNotFound'>>> {
  return deps.store.transact('webhook.redeliver', async (tx) => {
    const webhook = await findActive(tx, id);
    if (!webhook.ok) return webhook;
    if ((await findDelivery(tx, id, deliveryId)) === null) return refuse({ code: 'deliveryNotFound' });
    await requeue(tx, id, { id: deliveryId });
    await record(tx, asker, id, 'redeliver', { deliveryId });
    await follow(deps, tx, id);
    return ok(await loadDelivery(tx, id, deliveryId));
  });
}

/** Requeues the dead letters of a webhook, newest first, as many as the queue has room for. */
export function redeliverDead(
  deps: WebhookDeps,
  asker: Principal,
  id: string,
): Promise<Result<{ readonly requeued: number; readonly left: number }, DeliveryRefusal>> {
  return deps.store.transact('webhook.redeliverDead', async (tx) => {
    const webhook = await findActive(tx, id);
    if (!webhook.ok) return webhook;
    const room = deps.maxPending - (await countDeliveries(tx, id, 'pending'));
    const requeued = await requeue(tx, id, { newestDead: Math.max(0, room) });
    const left = await countDeliveries(tx, id, 'dead');
    await forgetLosses(tx, id);
    await record(tx, asker, id, 'redeliverDead', { requeued, left });
    await follow(deps, tx, id);
    return ok({ requeued, left });
  });
}

/** Deletes the dead letters of a webhook. */
export function clearDead(
  deps: WebhookDeps,
  asker: Principal,
  id: string,
): Promise<Result<{ readonly removed: number }, NotFound>> {
  return deps.store.transact('webhook.clearDead', async (tx) => {
    if ((await findWebhook(tx, id)) === null) return refuse({ code: 'webhookNotFound' });
    const removed = await countDeliveries(tx, id, 'dead');
    await removeOldest(tx, id, 'dead', removed);
    await forgetLosses(tx, id);
    await record(tx, asker, id, 'clearDead', { removed });
    await follow(deps, tx, id);
    return ok({ removed });
  });
}

/** Resets the counts of lost deliveries, once somebody has seen them. */
async function forgetLosses(tx: Transaction, id: string): Promise<void> {
  await saveStatus(tx, id, { ...(await findStatus(tx, id)), overflowed: 0, discarded: 0 });
}
