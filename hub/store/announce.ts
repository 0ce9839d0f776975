import type { LastingTopic, TopicName, Topics } from '#hub/kernel/vocabulary.ts';
import type { Transaction } from './store.ts';

/** Something that others should learn of, by a topic that a domain declares. */
export type Announcement = {
  [T in TopicName]: { readonly topic: T; readonly data: Topics[T]['data'] };
}[TopicName];
export type LastingAnnouncement = Extract<Announcement, { readonly topic: LastingTopic }>;

/** Tells live connections now. For passing states, and for what is committed already. */
export type Announce = (announcement: Announcement) => void;

/**
 * Announces a change inside the transaction that makes it: webhooks get it exactly if that commits, whatever happens
 * to the process then; live connections are told after the commit.
 */
export type AnnounceIn = (tx: Transaction, announcement: LastingAnnouncement) => Promise<void>;

/** Queues lasting announcements for delivery elsewhere. */
export interface AnnouncementQueue {
  /** True when the topic has subscribers; without any, the announcement need not be made. */
  wants(topic: LastingTopic): boolean;
  /** Queues for everybody who waits for them, in the transaction that makes them so. */
  enqueue(tx: Transaction, announcements: readonly LastingAnnouncement[]): Promise<void>;
}
