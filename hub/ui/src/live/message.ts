import { type Announced as DataByTopic, type Topic, topics } from '../api/names.ts';

type Announced = { [T in Topic]: { readonly topic: T; readonly data: DataByTopic[T] } }[Topic];

/** An event of the hub. `reset`: events were missed, reload everything; `signedOut`: the session has ended. */
export type LiveMessage = Announced | { readonly topic: 'reset' | 'signedOut'; readonly data: object };
export type LiveTopic = LiveMessage['topic'];

/** An EventSource only delivers named events to listeners for that name. */
export const liveTopics: readonly LiveTopic[] = [...topics, 'reset', 'signedOut'];
