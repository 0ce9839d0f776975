import type { z } from 'zod';
import type { eventTopics } from '#hub/domains/notifications/topic-schema.ts';
import { topics } from './topics.ts';

type AnnouncedTopic = (typeof topics)[number];
type Announced = {
  [T in AnnouncedTopic]: { readonly topic: T; readonly data: z.output<(typeof eventTopics)[T]['data']> };
}[AnnouncedTopic];

/** An event of the hub. `reset`: events were missed, reload everything; `signedOut`: the session has ended. */
export type LiveMessage = Announced | { readonly topic: 'reset' | 'signedOut'; readonly data: object };
export type LiveTopic = LiveMessage['topic'];

export const liveTopics: readonly LiveTopic[] = [...topics, 'reset', 'signedOut'];
