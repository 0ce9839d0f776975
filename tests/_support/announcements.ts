import { eventTopics } from '#hub/domains/notifications/topic-schema.ts';
import type { Announce, AnnounceIn, Announcement, WebhookQueue } from '#hub/platform/announce.ts';

/** What was announced, as a client would read it. */
export interface Announced {
  readonly topic: string;
  // Tests read whatever was announced.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly data: any;
}

export interface AnnouncementLog {
  readonly announced: Announced[];
  /** What was queued for webhooks alone, in transactions that may still be rolled back. */
  readonly queued: Announced[];
  readonly announce: Announce;
  readonly announceIn: AnnounceIn;
  readonly webhooks: WebhookQueue;
}

/** Takes down what is announced. Each must fit the schema of its topic: that is what clients are told to expect. */
export function recordAnnouncements(announced: Announced[] = []): AnnouncementLog {
  const queued: Announced[] = [];
  const take = (list: Announced[], { topic, data }: Announcement): void => {
    list.push({ topic, data: eventTopics[topic].data.parse(JSON.parse(JSON.stringify(data))) });
  };
  return {
    announced,
    queued,
    announce: (announcement) => take(announced, announcement),
    announceIn: async (tx, announcement) => tx.afterCommit(() => take(announced, announcement)),
    webhooks: {
      wants: () => true,
      enqueue: async (_tx, announcements) => {
        for (const announcement of announcements) take(queued, announcement);
      },
    },
  };
}
