import type { AnnouncementQueue, LastingAnnouncement } from '#hub/store/announce.ts';
import type { Transaction } from '#hub/store/store.ts';
import {
  countDeliveries,
  insertDeliveries,
  insertMessages,
  moveOldestToDeadLetters,
  type NewDelivery,
  type NewMessage,
  removeOldest,
} from './delivery-repository.ts';
import { findStatus, saveStatus, type WebhookRow } from './repository.ts';
import type { MessageTopic } from './schema.ts';

/** Dead letters kept of one webhook; the oldest give way, and that is counted. */
export const maxDead = 1_000;

export interface QueueDeps {
  readonly newId: () => string;
  readonly isClockTrusted: () => boolean;
  /** Deliveries that may wait for one webhook. */
  readonly maxPending: number;
  /** After the commit of everything that was queued. */
  readonly onQueued: () => void;
}

interface Message {
  readonly topic: MessageTopic;
  readonly data: object;
}

/**
 * The way into the queue. Who waits for what is held in memory, so that what nobody waits for costs nothing; it changes
 * right after the commit that changes it, before the next transaction begins.
 */
export class DeliveryQueue implements AnnouncementQueue {
  readonly #deps: QueueDeps;
  #webhookIdsByTopic: ReadonlyMap<string, readonly string[]> = new Map();

  constructor(deps: QueueDeps) {
    this.#deps = deps;
  }

  /** Replaces the webhooks that messages are queued for. */
  setSubscribers(webhooks: readonly WebhookRow[]): void {
    const byTopic = new Map<string, string[]>();
    for (const webhook of webhooks)
      if (webhook.active)
        for (const topic of webhook.topics) byTopic.set(topic, [...(byTopic.get(topic) ?? []), webhook.id]);
    this.#webhookIdsByTopic = byTopic;
  }

  wants(topic: string): boolean {
    return this.#webhookIdsByTopic.has(topic);
  }

  async enqueue(tx: Transaction, announcements: readonly LastingAnnouncement[]): Promise<void> {
    const wanted = announcements.filter(({ topic }) => this.wants(topic));
    if (wanted.length > 0)
      await this.#add(tx, wanted, ({ topic }) => this.#webhookIdsByTopic.get(topic) ?? []);
  }

  /** Queues a message for one webhook, whatever it waits for. Answers the delivery's id. */
  async enqueueFor(tx: Transaction, webhookId: string, message: Message): Promise<string> {
    const [delivery] = await this.#add(tx, [message], () => [webhookId]);
    return delivery?.id ?? '';
  }

  async #add(
    tx: Transaction,
    announced: readonly Message[],
    receivers: (message: Message) => readonly string[],
  ): Promise<readonly NewDelivery[]> {
    const { newId, onQueued } = this.#deps;
    const clockTrusted = this.#deps.isClockTrusted();
    const timestamp = new Date(tx.nowMs).toISOString();
    const messages: NewMessage[] = [];
    const deliveries: NewDelivery[] = [];
    for (const message of announced) {
      const { topic, data } = message;
      const id = newId();
      messages.push({ id, topic, body: JSON.stringify({ type: topic, timestamp, clockTrusted, data }) });
      for (const webhookId of receivers(message)) deliveries.push({ id: newId(), webhookId, messageId: id });
    }
    await insertMessages(tx, messages, clockTrusted);
    await insertDeliveries(tx, deliveries);
    for (const webhookId of new Set(deliveries.map((delivery) => delivery.webhookId)))
      await this.#keepBound(tx, webhookId);
    tx.afterCommit(onQueued);
    return deliveries;
  }

  /** A full queue gives its oldest up, where somebody sees it. */
  async #keepBound(tx: Transaction, webhookId: string): Promise<void> {
    const beyond = (await countDeliveries(tx, webhookId, 'pending')) - this.#deps.maxPending;
    if (beyond <= 0) return;
    await moveOldestToDeadLetters(tx, webhookId, beyond, 'queueFull');
    const status = await findStatus(tx, webhookId);
    await saveStatus(tx, webhookId, { ...status, overflowed: status.overflowed + beyond });
    await keepDeadBound(tx, webhookId);
  }
}

/** Lets the oldest dead letters give way to newer ones, and counts them. */
export async function keepDeadBound(tx: Transaction, webhookId: string): Promise<void> {
  const beyond = (await countDeliveries(tx, webhookId, 'dead')) - maxDead;
  if (beyond <= 0) return;
  await removeOldest(tx, webhookId, 'dead', beyond);
  const status = await findStatus(tx, webhookId);
  await saveStatus(tx, webhookId, { ...status, discarded: status.discarded + beyond });
}
