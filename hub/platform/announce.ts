import type { z } from 'zod';
import type { eventTopics, LastingTopic, Topic } from '#hub/domains/notifications/topic-schema.ts';
import type { Transaction } from '#hub/store/store.ts';

/** Something that others should learn of, by a topic of the table in `notifications/topic-schema.ts`. */
export type Announcement = {
  [T in Topic]: { readonly topic: T; readonly data: Readonly<z.input<(typeof eventTopics)[T]['data']>> };
}[Topic];
export type LastingAnnouncement = Extract<Announcement, { readonly topic: LastingTopic }>;

/** Tells live connections now. For passing states, and for what is committed already. */
export type Announce = (announcement: Announcement) => void;

/**
 * Announces a change inside the transaction that makes it: webhooks get it exactly if that commits, whatever happens
 * to the process then; live connections are told after the commit.
 */
export type AnnounceIn = (tx: Transaction, announcement: LastingAnnouncement) => Promise<void>;

/** The webhooks' end alone, for events of which live connections get less than all. */
export interface WebhookQueue {
  /** Whether any webhook waits for the topic. What nobody waits for need not be made. */
  wants(topic: LastingTopic): boolean;
  /** Queues for every webhook that waits for them, in the transaction that makes them so. */
  enqueue(tx: Transaction, announcements: readonly LastingAnnouncement[]): Promise<void>;
}
