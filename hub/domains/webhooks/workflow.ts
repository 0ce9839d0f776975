import { dayMs, isClockTrusted } from '#hub/kernel/time.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Announce, AnnouncementQueue } from '#hub/store/announce.ts';
import type { Store } from '#hub/store/store.ts';
import { findOld, moveToDeadLetters, removeByIds } from './delivery-repository.ts';
import { Dispatcher } from './delivery-workflow.ts';
import type { WebhookDeps } from './deps.ts';
import { findWebhookFindings } from './finding-rules.ts';
import { networksOfMachine, type Resolve, resolveBySystem } from './guarded-post.ts';
import { DeliveryQueue, keepDeadBound } from './queue-workflow.ts';
import { findStatus, findStatuses, listWebhooks, saveStatus } from './repository.ts';
import type { Webhook } from './schema.ts';
import { type Networks, parseNetworks } from './target-rules.ts';
import { loadWebhooks } from './webhook-view.ts';

const ages = { pendingMs: 7 * dayMs, deliveredMs: 7 * dayMs, deadMs: 30 * dayMs };
/** Deliveries per turn, of one webhook and state: far below 50 ms of work. */
const agedAtOnce = 200;

export interface WebhooksOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Logger;
  /** Runs something once after `ms`; the returned function calls it off. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** The live stream's end. */
  readonly announce: Announce;
  /** CIDRs beyond the internet that webhooks may reach. */
  readonly allowPrivateNetworks: readonly string[];
  readonly maxPending: number;
  readonly release: string;
  readonly catalog: WebhookDeps['catalog'];
  /** Of tests: names without DNS, waits without chance, impatience. */
  readonly resolve?: Resolve;
  readonly ownNetworks?: () => Networks;
  readonly random?: () => number;
  readonly attemptTimeoutMs?: number;
}

/** Webhooks of a hub that runs. */
export interface Webhooks {
  readonly deps: WebhookDeps;
  readonly queue: AnnouncementQueue;
  /** Loads the subscribers. Call it before anything is announced. */
  readonly load: () => Promise<void>;
  /** Starts delivering. */
  readonly start: () => void;
  /** Expires old deliveries. Call it every few minutes. */
  readonly maintain: () => Promise<void>;
  /** Findings and figures for the health report. */
  readonly health: HealthPart;
  /** Aborts running attempts; they are retried after the next start. */
  readonly close: () => Promise<void>;
}

/**
 * Outgoing webhooks. What is announced in a transaction is queued in it, for every webhook that waits for its topic: it
 * is delivered at least once, or visibly given up.
 */
export function createWebhooks(options: WebhooksOptions): Webhooks {
  const { store, clock, newId, log, maxPending } = options;
  let started = false;
  const wake = (): void => {
    if (started) dispatcher.wake();
  };
  const queue = new DeliveryQueue({
    newId,
    isClockTrusted: () => isClockTrusted(clock.trust()),
    maxPending,
    onQueued: wake,
  });
  const deps: WebhookDeps = {
    store,
    clock,
    newId,
    log,
    queue,
    maxPending,
    catalog: options.catalog,
    resolve: options.resolve ?? resolveBySystem,
    allowed: parseNetworks(options.allowPrivateNetworks),
    ownNetworks: options.ownNetworks ?? networksOfMachine,
    onChanged: (webhookId) => options.announce({ topic: 'webhook.changed', data: { webhookId } }),
    wake,
  };
  const dispatcher = new Dispatcher({
    ...deps,
    after: options.after,
    attemptTimeoutMs: options.attemptTimeoutMs ?? 10_000,
    random: options.random ?? Math.random,
    userAgent: `MakrCave-Hub/${options.release}`,
  });
  return {
    deps,
    queue,
    async load() {
      queue.setSubscribers(await listWebhooks(store.read));
    },
    start() {
      started = true;
      dispatcher.wake();
    },
    maintain: () => ageDeliveries(deps),
    health: webhookHealth(deps, dispatcher),
    close: () => dispatcher.close(),
  };
}

function webhookHealth(
  { store, clock }: Pick<WebhookDeps, 'store' | 'clock'>,
  { attempts }: Pick<Dispatcher, 'attempts'>,
): HealthPart {
  const view = () => loadWebhooks(store.read, clock.nowMs());
  return {
    name: 'webhook',
    title: 'Webhooks',
    async findings() {
      const statuses = await findStatuses(store.read);
      const overflowed = new Map([...statuses].map(([id, status]) => [id, status.overflowed]));
      return findWebhookFindings(await view(), overflowed);
    },
    async figures() {
      const webhooks = await view();
      const sum = (count: (webhook: Webhook) => number): number =>
        webhooks.reduce((total, webhook) => total + count(webhook), 0);
      return [
        { name: 'webhookCount', title: 'Webhooks', unit: 'count', value: webhooks.length },
        {
          name: 'pendingCount',
          title: 'Deliveries that wait',
          unit: 'count',
          value: sum(({ pending }) => pending),
        },
        { name: 'deadCount', title: 'Dead letters', unit: 'count', value: sum(({ dead }) => dead) },
      ];
    },
    metrics: [
      {
        kind: 'counter',
        name: 'webhook_attempts_total',
        help: 'Attempts to deliver to webhooks, by what came of them',
        read: () => Object.entries(attempts).map(([outcome, value]) => ({ labels: { outcome }, value })),
      },
    ],
  };
}

/** Expires old deliveries, unless the clock is not trusted. */
async function ageDeliveries(deps: WebhookDeps): Promise<void> {
  const { store, clock } = deps;
  if (!isClockTrusted(clock.trust())) return;
  for (const { id } of await listWebhooks(store.read))
    await store.transact('webhook.age', async (tx) => {
      const old = (state: 'pending' | 'delivered' | 'dead', ageMs: number) =>
        findOld(tx, id, { state, beforeMs: tx.nowMs - ageMs, limit: agedAtOnce });
      await moveToDeadLetters(tx, await old('pending', ages.pendingMs), 'tooOld');
      await removeByIds(tx, await old('delivered', ages.deliveredMs));
      const forgotten = await old('dead', ages.deadMs);
      await removeByIds(tx, forgotten);
      await keepDeadBound(tx, id);
      if (forgotten.length === 0) return;
      const status = await findStatus(tx, id);
      await saveStatus(tx, id, { ...status, discarded: status.discarded + forgotten.length });
    });
}
