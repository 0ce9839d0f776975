import { recordAudit } from '#hub/domains/identity/workflow.ts';
import type { Transaction } from '#hub/store/store.ts';
import {
  countDeliveries,
  type DueDelivery,
  findDelivery,
  findDue,
  findNextDueMs,
  movePendingToDeadLetters,
  removeOldest,
  saveAttempt,
} from './delivery-repository.ts';
import type { WebhookDeps } from './deps.ts';
import { postGuarded } from './guarded-post.ts';
import { keepDeadBound } from './queue-workflow.ts';
import {
  findSecrets,
  findStatus,
  findStatuses,
  findWebhook,
  listWebhooks,
  saveStatus,
  type WebhookRow,
} from './repository.ts';
import {
  type AttemptOutcome,
  answerToOutcome,
  decideStatus,
  freshStatus,
  retryDelayMs,
  slotsOf,
  type WebhookStatus,
} from './rules.ts';
import { signedHeaders } from './signature.ts';
import { readTarget } from './target-rules.ts';

/** Deliveries that were made are kept in the log so far; a few more until the next are settled. */
const keptDelivered = 200;
const trimEvery = 50;
/** Outcomes that are written in one transaction. */
const settledAtOnce = 50;
const settleAgainMs = 1_000;
/** A clock may jump, and the store may have been busy: looked at least so often. */
const longestSleepMs = 60_000;

export interface DispatchDeps extends WebhookDeps {
  /** Runs something once after `ms`; the returned function calls it off. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** For the whole of an attempt. */
  readonly attemptTimeoutMs: number;
  readonly random: () => number;
  readonly userAgent: string;
}

interface Attempted {
  readonly webhookId: string;
  readonly delivery: DueDelivery;
  readonly outcome: AttemptOutcome;
  readonly durationMs: number;
}

/**
 * Sends what waits. Every webhook has slots of its own, so a slow target delays nobody else; what came of an attempt is
 * written in batches, and until it is, the delivery is not tried again.
 */
export class Dispatcher {
  /** Since the start of the process. */
  readonly attempts = { delivered: 0, failed: 0 };
  readonly #deps: DispatchDeps;
  readonly #underWay = new Map<string, Set<string>>();
  readonly #attempts = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly #unsettled: { readonly attempted: Attempted; readonly done: () => void }[] = [];
  #settling = false;
  #looking = false;
  #lookAgain = false;
  #cancelTimer = (): void => undefined;

  constructor(deps: DispatchDeps) {
    this.#deps = deps;
  }

  /** Schedules a look for due deliveries. */
  wake(): void {
    this.#lookAgain = true;
    if (this.#looking || this.#closing.signal.aborted) return;
    this.#looking = true;
    // After the commit that woke it has been answered.
    setImmediate(() => void this.#lookOut());
  }

  /** Aborts running attempts; their deliveries stay queued for the next start. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancelTimer();
    await Promise.all(this.#attempts);
  }

  async #lookOut(): Promise<void> {
    try {
      while (this.#lookAgain && !this.#closing.signal.aborted) {
        this.#lookAgain = false;
        this.#sleepUntil(await this.#startDue());
      }
    } catch (error) {
      this.#deps.log.error({ err: error }, 'what waits for webhooks could not be read');
      this.#sleepUntil(null);
    } finally {
      this.#looking = false;
    }
  }

  #sleepUntil(atMs: number | null): void {
    this.#cancelTimer();
    if (this.#closing.signal.aborted) return;
    const waitMs = atMs === null ? longestSleepMs : atMs - this.#deps.clock.nowMs();
    this.#cancelTimer = this.#deps.after(Math.min(Math.max(waitMs, 0), longestSleepMs), () => this.wake());
  }

  /** Starts due deliveries; returns when the next is due, UTC ms. */
  async #startDue(): Promise<number | null> {
    const { clock, store } = this.#deps;
    const nowMs = clock.nowMs();
    const statuses = await findStatuses(store.read);
    let next: number | null = null;
    for (const webhook of await listWebhooks(store.read)) {
      if (!webhook.active) continue;
      const at = await this.#startFor(webhook, statuses.get(webhook.id) ?? freshStatus, nowMs);
      if (at !== null) next = Math.min(next ?? at, at);
    }
    return next;
  }

  async #startFor(webhook: WebhookRow, status: WebhookStatus, nowMs: number): Promise<number | null> {
    const { store } = this.#deps;
    const underWay = this.#underWay.get(webhook.id) ?? new Set<string>();
    const slots = slotsOf(status, nowMs);
    if (slots === 0) return status.holdUntilMs;
    const due = await findDue(store.read, webhook.id, nowMs, slots + underWay.size);
    for (const delivery of due) {
      if (underWay.size >= slots) break;
      if (underWay.has(delivery.id)) continue;
      underWay.add(delivery.id);
      this.#underWay.set(webhook.id, underWay);
      this.#start(webhook, delivery, underWay);
    }
    return await findNextDueMs(store.read, webhook.id, nowMs);
  }

  #start(webhook: WebhookRow, delivery: DueDelivery, underWay: Set<string>): void {
    const { log } = this.#deps;
    const attempt = this.#attempt(webhook, delivery)
      .catch((error: unknown) => log.error({ err: error, webhookId: webhook.id }, 'a delivery broke off'))
      .finally(() => {
        underWay.delete(delivery.id);
        this.#attempts.delete(attempt);
        this.wake();
      });
    this.#attempts.add(attempt);
  }

  async #attempt(webhook: WebhookRow, delivery: DueDelivery): Promise<void> {
    const startedMs = this.#deps.clock.monotonicMs();
    const outcome = await this.#post(webhook, delivery);
    // What was aborted by the end of the process was no attempt.
    if (outcome === null || this.#closing.signal.aborted) return;
    this.attempts[outcome.kind] += 1;
    const durationMs = Math.round(this.#deps.clock.monotonicMs() - startedMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    const attempted = { webhookId: webhook.id, delivery, outcome, durationMs };
    this.#unsettled.push({ attempted, done: resolve });
    if (!this.#settling) void this.#settleAll();
    await promise;
    this.#deps.onChanged(webhook.id);
  }

  async #post(webhook: WebhookRow, delivery: DueDelivery): Promise<AttemptOutcome | null> {
    const { clock, store, resolve, allowed, ownNetworks, attemptTimeoutMs, userAgent } = this.#deps;
    const target = readTarget(webhook.url);
    const secrets = await findSecrets(store.read, webhook.id);
    if (!target.ok || secrets === null) return null;
    const nowMs = clock.nowMs();
    const { previous } = secrets;
    const signing =
      previous !== null && previous.untilMs > nowMs ? [secrets.secret, previous.secret] : [secrets.secret];
    const message = { id: delivery.messageId, body: delivery.body, atMs: nowMs };
    const headers = {
      'content-type': 'application/json',
      'user-agent': userAgent,
      ...signedHeaders(message, signing),
    };
    const posted = await postGuarded(
      target.value,
      { headers, body: delivery.body },
      { resolve, allowed, ownNetworks, timeoutMs: attemptTimeoutMs, signal: this.#closing.signal },
    );
    if (posted.ok) return answerToOutcome({ ...posted.value, nowMs: clock.nowMs() });
    const { code, detail } = posted.refusal;
    return { kind: 'failed', problem: code, status: null, retryAfterMs: null, detail };
  }

  async #settleAll(): Promise<void> {
    const { log, store } = this.#deps;
    this.#settling = true;
    while (this.#unsettled.length > 0) {
      const batch = this.#unsettled.slice(0, settledAtOnce);
      try {
        await store.transact('webhook.settle', async (tx) => {
          for (const { attempted } of batch) await this.#settle(tx, attempted);
        });
      } catch (error) {
        log.error({ err: error }, 'what came of deliveries could not be written');
        // Not written is not made: after the next start they are tried again, and receivers know them by their id.
        if (!this.#closing.signal.aborted && (await this.#pause())) continue;
      }
      this.#unsettled.splice(0, batch.length);
      for (const { done } of batch) done();
    }
    this.#settling = false;
  }

  /** False when the process ends meanwhile. */
  async #pause(): Promise<boolean> {
    const { signal } = this.#closing;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#deps.after(settleAgainMs, resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    cancel();
    return !signal.aborted;
  }

  async #settle(tx: Transaction, { webhookId, delivery, outcome, durationMs }: Attempted): Promise<void> {
    const row = await findDelivery(tx, webhookId, delivery.id);
    // Removed meanwhile.
    if (row === null || (await findWebhook(tx, webhookId)) === null) return;
    const before = await findStatus(tx, webhookId);
    const status = decideStatus(before, outcome, tx.nowMs);
    const attempts = delivery.attempts + 1;
    await saveStatus(tx, webhookId, status);
    if (outcome.kind === 'delivered') {
      await saveAttempt(tx, delivery.id, {
        state: 'delivered',
        attempts,
        nextAttemptAtMs: null,
        durationMs,
        responseStatus: outcome.status,
        problem: null,
        detail: null,
      });
      await trimDelivered(tx, webhookId);
    } else {
      const delayMs =
        outcome.problem === 'gone' ? null : retryDelayMs(attempts, outcome.retryAfterMs, this.#deps.random());
      // What was given up while it was under way stays given up.
      const again = delayMs !== null && row.state === 'pending';
      await saveAttempt(tx, delivery.id, {
        state: again ? 'pending' : 'dead',
        attempts,
        nextAttemptAtMs: again ? tx.nowMs + delayMs : null,
        durationMs,
        responseStatus: outcome.status,
        problem: row.state === 'dead' ? row.problem : outcome.problem,
        detail: outcome.detail,
      });
      if (!again) await keepDeadBound(tx, webhookId);
    }
    if (status.ended !== null && before.ended === null) await this.#end(tx, webhookId);
    if ((status.pausedAtMs === null) !== (before.pausedAtMs === null))
      await auditTurn(tx, webhookId, status.pausedAtMs === null ? 'recover' : 'pause', status.lastFailure);
  }

  /** Ends a webhook whose target is gone: switches it off and moves pending deliveries to the dead letters. */
  async #end(tx: Transaction, webhookId: string): Promise<void> {
    const { queue } = this.#deps;
    await tx.write('webhook', webhookId, { active: 0 });
    await movePendingToDeadLetters(tx, webhookId, 'gone');
    await keepDeadBound(tx, webhookId);
    await auditTurn(tx, webhookId, 'end', 'the target answered 410 Gone');
    const webhooks = await listWebhooks(tx);
    tx.afterCommit(() => queue.setSubscribers(webhooks));
  }
}

async function trimDelivered(tx: Transaction, webhookId: string): Promise<void> {
  const count = await countDeliveries(tx, webhookId, 'delivered');
  if (count >= keptDelivered + trimEvery)
    await removeOldest(tx, webhookId, 'delivered', count - keptDelivered);
}

async function auditTurn(
  tx: Transaction,
  webhookId: string,
  verb: 'pause' | 'recover' | 'end',
  reason: string | null,
): Promise<void> {
  await recordAudit(tx, {
    actor: { kind: 'system' },
    action: `webhook.${verb}`,
    target: { table: 'webhook', id: webhookId },
    payload: { reason },
  });
}
