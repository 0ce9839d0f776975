import type { TopicUser } from './topic-rules.ts';

/** The last action of a device that was denied. */
export interface Denial {
  readonly atMs: number;
  readonly action: 'publish' | 'subscribe' | 'will';
  readonly topic: string;
}

/** Controls the connections of devices; the device broker implements it. */
export interface DeviceLink {
  /** Open connections of one device. */
  connectionsOf(username: string): number;
  lastDenialOf(username: string): Denial | null;
  /** Messages that wait for it while it is away. */
  queuedFor(username: string): number;
  /** Ends its connections, for example after its token was replaced. */
  disconnect(username: string): void;
  /** Ends its connections and deletes its sessions and the retained messages below its own topics. */
  forget(username: string): Promise<void>;
}

/** Authenticates devices. Called for every message, so it answers from memory. */
export interface DeviceHandler {
  /** Null: unknown user name or wrong token. */
  authenticate(username: string, token: string): TopicUser | null;
  /** Returns its current rights; null if the device was removed. */
  find(username: string): TopicUser | null;
  /** It connected, or its last connection ended. */
  onSeen(username: string): void;
}
