import type { Clock } from '#hub/platform/clock/clock.ts';
import type { SessionWrites } from './session-writes.ts';
import type { PendingWrite, StoredSession, Subscription } from './stored-packet.ts';
import { TopicTree } from './topic-tree.ts';

interface Session {
  readonly subscriptions: Map<string, Subscription>;
  seenAtMs: number;
}
export type Subscriber = Subscription & { readonly clientId: string };

/** Client ids start with the device's user name: `<username>:<client id>`. */
export const usernameOf = (clientId: string): string => clientId.slice(0, Math.max(0, clientId.indexOf(':')));

/** Holds the persistent sessions and their subscriptions; changes go to `writes`. */
export class Sessions {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #writes: SessionWrites;
  readonly #byClient = new Map<string, Session>();
  /** Subscriptions above QoS 0: only these have messages queued. */
  readonly #tree = new TopicTree<Subscriber>();

  constructor(clock: Pick<Clock, 'nowMs'>, writes: SessionWrites) {
    this.#clock = clock;
    this.#writes = writes;
  }

  get size(): number {
    return this.#byClient.size;
  }
  get subscriptionCount(): number {
    return this.#tree.size;
  }

  /** Restores a session from the disk. */
  load({ clientId, subscriptions, seenAtMs }: StoredSession): void {
    const session = this.#getOrCreate(clientId);
    session.seenAtMs = seenAtMs;
    for (const subscription of subscriptions) this.#set(clientId, session, subscription);
  }

  has(clientId: string): boolean {
    return this.#byClient.has(clientId);
  }

  clientIds(): string[] {
    return [...this.#byClient.keys()];
  }

  clientIdsOf(username: string): string[] {
    return this.clientIds().filter((clientId) => usernameOf(clientId) === username);
  }

  clientIdsSubscribedTo(filter: string): string[] {
    return [...this.#byClient]
      .filter(([, { subscriptions }]) => subscriptions.has(filter))
      .map(([clientId]) => clientId);
  }

  /** Client ids not seen since `beforeMs`. */
  clientIdsUnseenSince(beforeMs: number): string[] {
    return [...this.#byClient]
      .filter(([, { seenAtMs }]) => seenAtMs < beforeMs)
      .map(([clientId]) => clientId);
  }

  /** Picks the client id that was seen longest ago. */
  longestUnseen(clientIds: readonly string[]): string | undefined {
    const seenAtMs = (clientId: string): number => this.#byClient.get(clientId)?.seenAtMs ?? 0;
    return clientIds.toSorted((left, right) => seenAtMs(left) - seenAtMs(right))[0];
  }

  /** Notes that the client is here now. False when it has no session. */
  touch(clientId: string): boolean {
    const session = this.#byClient.get(clientId);
    if (session === undefined) return false;
    session.seenAtMs = this.#clock.nowMs();
    this.#saveLater(clientId);
    return true;
  }

  /** Adds subscriptions, and the session where there is none; resolves when they are on the disk. */
  async subscribe(clientId: string, subscriptions: readonly Subscription[]): Promise<void> {
    const session = this.#getOrCreate(clientId);
    for (const subscription of subscriptions) this.#set(clientId, session, subscription);
    await this.#writes.now(this.#writeOf(clientId));
  }

  /** Removes subscriptions; a session without any is removed too. Resolves when that is on the disk. */
  async unsubscribe(clientId: string, filters: readonly string[]): Promise<void> {
    const session = this.#byClient.get(clientId);
    if (session === undefined) return;
    for (const filter of filters) {
      this.#tree.delete(filter, clientId);
      session.subscriptions.delete(filter);
    }
    if (session.subscriptions.size === 0) this.#byClient.delete(clientId);
    await this.#writes.now(this.#writeOf(clientId));
  }

  subscriptionsOf(clientId: string): Subscription[] {
    return [...(this.#byClient.get(clientId)?.subscriptions.values() ?? [])].map((one) => ({ ...one }));
  }

  /** Finds the subscriptions above QoS 0 that match. */
  match(topic: string): Subscriber[] {
    return this.#tree.match(topic);
  }

  end(clientId: string): void {
    const session = this.#byClient.get(clientId);
    if (session === undefined) return;
    for (const filter of session.subscriptions.keys()) this.#tree.delete(filter, clientId);
    this.#byClient.delete(clientId);
    this.#saveLater(clientId);
  }

  #getOrCreate(clientId: string): Session {
    const known = this.#byClient.get(clientId);
    if (known !== undefined) return known;
    const session = { subscriptions: new Map<string, Subscription>(), seenAtMs: this.#clock.nowMs() };
    this.#byClient.set(clientId, session);
    return session;
  }

  #set(clientId: string, session: Session, subscription: Subscription): void {
    const { topic, qos, rh, rap, nl, subscriptionIdentifier } = subscription;
    const record = { topic, qos, rh, rap, nl };
    session.subscriptions.set(
      topic,
      subscriptionIdentifier === undefined ? record : { ...record, subscriptionIdentifier },
    );
    if (qos > 0) this.#tree.set(topic, clientId, { clientId, ...record });
    else this.#tree.delete(topic, clientId);
  }

  #writeOf(clientId: string): PendingWrite {
    const session = this.#byClient.get(clientId);
    if (session === undefined) return { kind: 'session', clientId, session: null };
    const { subscriptions, seenAtMs } = session;
    return {
      kind: 'session',
      clientId,
      session: { clientId, subscriptions: [...subscriptions.values()], seenAtMs },
    };
  }

  #saveLater(clientId: string): void {
    this.#writes.later(this.#writeOf(clientId));
  }
}
