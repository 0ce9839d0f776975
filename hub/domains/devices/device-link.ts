import type { TopicUser } from './topic-rules.ts';

/** What a device last tried without a right. */
export interface Denial {
  readonly atMs: number;
  readonly action: 'publish' | 'subscribe' | 'will';
  readonly topic: string;
}

/** The hub's way to its devices; the device broker implements it. */
export interface DeviceLink {
  /** Open connections of one device. */
  connectionsOf(username: string): number;
  lastDenialOf(username: string): Denial | null;
  /** Messages that wait for it while it is away. */
  queuedFor(username: string): number;
  /** Ends its connections, for example after its token was replaced. */
  disconnect(username: string): void;
  /** Ends its connections and forgets its sessions and what it left below its own topics. */
  forget(username: string): Promise<void>;
}

/** Who the devices are. Asked for every message, so it answers from memory. */
export interface DeviceHandler {
  /** Null: unknown user name or wrong token. */
  authenticate(username: string, token: string): TopicUser | null;
  /** What it may do now; null when it is no device any more. */
  find(username: string): TopicUser | null;
  /** It connected, or its last connection ended. */
  onSeen(username: string): void;
}
