import { Readable } from 'node:stream';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Store } from '#hub/store/store.ts';
import { RetainedMessages } from './retained-messages.ts';
import { isKept, type SessionDrops, type SessionLimits } from './session-limits.ts';
import { SessionQueues } from './session-queues.ts';
import { loadMqttState, type StoredState } from './session-repository.ts';
import { SessionWrites } from './session-writes.ts';
import { Sessions, type Subscriber, usernameOf } from './sessions.ts';
import { type PendingWrite, queuedCopy, type StoredPacket, type Subscription } from './stored-packet.ts';

/** Connection as aedes passes it. `clean` is missing in its own tests: kept then. */
interface ClientLike {
  readonly id: string;
  readonly clean?: boolean;
}
export interface PersistenceOptions {
  readonly store: Pick<Store, 'transact' | 'report'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Logger;
  readonly limits: SessionLimits;
  /** Checks whether this client may (still) receive what it subscribed to, and may subscribe to it. */
  readonly mayReceive: (clientId: string, topic: string) => boolean;
  readonly maySubscribe: (clientId: string, filter: string) => boolean;
}

export interface PersistenceFigures {
  readonly retained: number;
  readonly retainedBytes: number;
  readonly retainedDroppedOf: ReadonlyMap<string, number>;
  readonly sessions: number;
  readonly queued: number;
  readonly queuedBytes: number;
  readonly dropped: Readonly<SessionDrops>;
  readonly transactions: number;
  readonly pendingRows: number;
}

/**
 * Stores the broker's state: retained messages, sessions, queues and wills, as its persistence interface has
 * it. Memory answers; the disk follows. Everything the broker calls while it passes a message on answers within the
 * same turn of the event loop, or messages would overtake each other and be taken for copies; what has to be on the
 * disk before a message is acknowledged is put there before, by `keep`.
 */
export class SessionPersistence {
  readonly #options: PersistenceOptions;
  readonly #writes: SessionWrites;
  readonly #queues: SessionQueues;
  readonly #retained: RetainedMessages;
  readonly #sessions: Sessions;
  readonly #incoming = new Map<string, Map<number, StoredPacket>>();
  readonly #wills = new Map<string, StoredPacket>();
  readonly #drops: SessionDrops = { retained: 0, queued: 0, expired: 0, sessions: 0 };
  /** Rows that `keep` made for a message in transit, by payload and client. */
  readonly #kept = new WeakMap<Buffer, Map<string, number>>();
  /** Payloads of retained messages that `keep` has dealt with. */
  readonly #keptRetained = new WeakSet<Buffer>();
  /** Payloads of QoS 2 messages of which `keep` has put the publisher's half on the disk. */
  readonly #keptHalves = new WeakSet<Buffer>();
  /** Packets on their way to a client that was sent the same message on an earlier connection. */
  readonly #sentBefore = new WeakSet<object>();
  #broker: { readonly id: string } | null = null;

  private constructor(options: PersistenceOptions, state: StoredState) {
    this.#options = options;
    this.#writes = new SessionWrites(options.store, options.log, rowsOf(state));
    this.#sessions = new Sessions(options.clock, this.#writes);
    this.#queues = new SessionQueues(options.limits, this.#drops, this.#writes);
    this.#retained = new RetainedMessages(options.limits, this.#drops);
    for (const packet of state.retained) this.#retained.load(packet);
    for (const session of state.sessions) this.#sessions.load(session);
    for (const { clientId, ...queued } of state.outgoing) this.#queues.load(clientId, queued);
    for (const { clientId, packet } of state.incoming)
      this.#incomingOf(clientId).set(packet.messageId ?? 0, packet);
    for (const { clientId, packet } of state.wills) this.#wills.set(clientId, packet);
  }

  static async open(options: PersistenceOptions): Promise<SessionPersistence> {
    const state = await options.store.report((reader) => loadMqttState(reader));
    return new SessionPersistence(options, state);
  }

  /** The broker's tests reach for it. */
  get broker(): { readonly id: string } | null {
    return this.#broker;
  }
  get fault(): unknown {
    return this.#writes.fault;
  }
  get figures(): PersistenceFigures {
    return {
      retained: this.#retained.count,
      retainedBytes: this.#retained.bytes,
      retainedDroppedOf: this.#retained.droppedOf,
      sessions: this.#sessions.size,
      queued: this.#queues.count,
      queuedBytes: this.#queues.bytes,
      dropped: { ...this.#drops },
      transactions: this.#writes.transactions,
      pendingRows: this.#writes.pendingRows,
    };
  }

  /** Forgets what is too old. `isConnected` by client id; a session that is in use never ends. */
  maintain(isConnected: (clientId: string) => boolean): void {
    const nowMs = this.#options.clock.nowMs();
    this.#queues.expire(nowMs);
    for (const clientId of this.#sessions.clientIdsUnseenSince(nowMs - this.#options.limits.sessionMs))
      if (!isConnected(clientId)) this.forget(clientId);
    // What waits for a session that is not there any more.
    for (const clientId of this.#queues.clientIds())
      if (!this.#sessions.has(clientId)) this.#queues.removeAll(clientId);
  }

  /** Messages that wait for the sessions of one device. */
  queuedFor(username: string): number {
    let count = 0;
    for (const clientId of this.#sessions.clientIdsOf(username)) count += this.#queues.countOf(clientId);
    return count;
  }

  /** Everything of one client id. */
  forget(clientId: string): void {
    this.#sessions.end(clientId);
    this.#queues.removeAll(clientId);
    this.#dropIncoming(clientId);
  }

  /** A device is gone: its sessions and wills, and what it left retained below its own topics. */
  async forgetDevice(username: string, ownTopics: string): Promise<void> {
    const isOwn = (clientId: string): boolean => usernameOf(clientId) === username;
    const clientIds = new Set([
      ...this.#sessions.clientIds(),
      ...this.#queues.clientIds(),
      ...this.#incoming.keys(),
      ...this.#wills.keys(),
    ]);
    for (const clientId of [...clientIds].filter(isOwn)) {
      this.forget(clientId);
      this.#dropWill(clientId);
    }
    for (const write of this.#retained.removeMatching(ownTopics)) this.#writes.later(write);
    await this.#writes.flush();
  }

  /**
   * Before a message is acknowledged: puts on the disk what must outlive the process. Null: nothing of it has to, or
   * nobody waits for that. `publisher` null: clean session, its half of QoS 2 ends with the connection. `sender`: the
   * client id whose device answers for what is retained.
   */
  keep(packet: StoredPacket, publisher: string | null, sender: string): Promise<void> | null {
    const { topic, payload } = packet;
    if (topic === undefined || !(payload instanceof Buffer) || !isKept(topic)) return null;
    const writes: PendingWrite[] = [];
    if (packet.retain === true) {
      this.#keptRetained.add(payload);
      const changes = this.#retained.set({ ...packet, clientId: sender });
      if ((packet.qos ?? 0) > 0) writes.push(...changes);
      else for (const write of changes) this.#writes.later(write);
    }
    if ((packet.qos ?? 0) === 0) return null;
    const rows = new Map<string, number>();
    for (const [clientId, asked] of this.#waitingClients(this.#sessions.match(topic), topic)) {
      const queued = this.#queues.add(clientId, atMost(packet, asked), this.#options.clock.nowMs(), true);
      if (queued === null) continue;
      rows.set(clientId, queued.id);
      writes.push({ kind: 'outgoing', clientId, id: queued.id, queued });
    }
    this.#kept.set(payload, rows);
    // Last: should only a part get there, the publisher is not answered and sends it again.
    if (packet.qos === 2 && publisher !== null && packet.messageId !== undefined) {
      const { messageId } = packet;
      const half = { ...queuedCopy(packet), messageId };
      writes.push({ kind: 'incoming', clientId: publisher, messageId, packet: half });
      this.#keptHalves.add(payload);
    }
    if (writes.length === 0) return null;
    return this.#writes.now(...writes);
  }

  /** The message was not accepted after all: nobody may get it. */
  drop(packet: StoredPacket): void {
    if (!(packet.payload instanceof Buffer)) return;
    for (const [clientId, id] of this.#kept.get(packet.payload) ?? []) this.#queues.remove(clientId, id);
    this.#kept.delete(packet.payload);
  }

  /** A session that may stay when the connection ends. False: this device has too many that are in use. */
  admitSession(clientId: string, isConnected: (clientId: string) => boolean): boolean {
    if (this.#sessions.touch(clientId)) return true;
    const own = this.#sessions.clientIdsOf(usernameOf(clientId));
    if (own.length >= this.#options.limits.sessionsPerDevice) return this.#evict(own, isConnected);
    if (this.#sessions.size >= this.#options.limits.sessions)
      return this.#evict(this.#sessions.clientIds(), isConnected);
    return true;
  }

  /** A QoS 2 message that was taken in under this id and not released yet. */
  hasIncoming(clientId: string, messageId: number | undefined): boolean {
    return messageId !== undefined && this.#incoming.get(clientId)?.has(messageId) === true;
  }

  /** This packet of the broker's repeats a message that the client may have already. */
  isSentAgain(packet: object): boolean {
    return this.#sentBefore.has(packet);
  }

  noteSeen(clientId: string): void {
    this.#sessions.touch(clientId);
  }

  /** Wills of connections that ended with the last run, to be published now. */
  takeWills(): { readonly clientId: string; readonly packet: StoredPacket }[] {
    const left = [...this.#wills].map(([clientId, packet]) => ({ clientId, packet }));
    for (const { clientId } of left) this.#dropWill(clientId);
    return left;
  }

  // From here on: the broker's interface.

  async setup(broker: { readonly id: string }): Promise<void> {
    this.#broker = broker;
  }

  async storeRetained(packet: StoredPacket): Promise<void> {
    if (packet.topic === undefined || !isKept(packet.topic)) return;
    if (packet.payload instanceof Buffer && this.#keptRetained.has(packet.payload)) return;
    for (const write of this.#retained.set({ ...packet })) this.#writes.later(write);
  }

  createRetainedStream(filter: string): Readable {
    return this.createRetainedStreamCombi([filter]);
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#retained.match(filters));
  }

  async addSubscriptions(client: ClientLike, subscriptions: readonly Subscription[]): Promise<void> {
    // The broker hands over the whole request, with what it has just refused.
    const allowed = subscriptions.filter(({ topic }) => this.#options.maySubscribe(client.id, topic));
    if (allowed.length === 0) return;
    await this.#sessions.subscribe(client.id, allowed);
  }

  async removeSubscriptions(client: ClientLike, filters: readonly string[]): Promise<void> {
    await this.#sessions.unsubscribe(client.id, filters);
  }

  async subscriptionsByClient(client: ClientLike): Promise<Subscription[]> {
    return this.#sessions.subscriptionsOf(client.id);
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    return { subsCount: this.#sessions.subscriptionCount, clientsCount: this.#sessions.size };
  }

  async subscriptionsByTopic(topic: string): Promise<Subscriber[]> {
    return this.#sessions.match(topic);
  }

  async cleanSubscriptions(client: ClientLike): Promise<void> {
    if (!this.#sessions.has(client.id) && this.#queues.countOf(client.id) === 0) return;
    this.#sessions.end(client.id);
    this.#queues.removeAll(client.id);
    await this.#writes.flush();
  }

  async outgoingEnqueue(subscriber: { readonly clientId: string }, packet: StoredPacket): Promise<void> {
    this.#enqueue(subscriber.clientId, packet);
  }

  async outgoingEnqueueCombi(
    subscribers: readonly (Partial<Subscriber> & { readonly clientId: string })[],
    packet: StoredPacket,
  ): Promise<void> {
    if (packet.topic === undefined || !isKept(packet.topic)) return;
    for (const [clientId, asked] of this.#waitingClients(subscribers, packet.topic))
      this.#enqueue(clientId, atMost(packet, asked));
    if (packet.payload instanceof Buffer) this.#kept.delete(packet.payload);
  }

  /** A message that does not wait here (it did not fit) is sent all the same. */
  async outgoingUpdate(client: ClientLike, packet: StoredPacket): Promise<void> {
    const noted = this.#queues.update(client.id, packet);
    if (noted === null) return;
    const { queued, wasSent } = noted;
    if (wasSent) this.#sentBefore.add(packet);
    const write = { kind: 'outgoing', clientId: client.id, id: queued.id, queued } as const;
    // Exactly once: which id it went out under, and that it arrived, has to be known after a restart.
    if (packet.cmd === 'pubrel' || packet.qos === 2) await this.#writes.now(write);
    else this.#writes.later(write);
  }

  async outgoingClearMessageId(client: ClientLike, packet: StoredPacket): Promise<StoredPacket | undefined> {
    return this.#queues.settle(client.id, packet.messageId);
  }

  outgoingStream(client: ClientLike): Readable {
    return Readable.from(this.#queues.list(client.id));
  }

  async incomingStorePacket(client: ClientLike, packet: StoredPacket): Promise<void> {
    const { messageId } = packet;
    if (messageId === undefined) return;
    const stored = { ...queuedCopy(packet), messageId };
    this.#incomingOf(client.id).set(messageId, stored);
    const isOnDisk = packet.payload instanceof Buffer && this.#keptHalves.has(packet.payload);
    if (client.clean !== true && !isOnDisk)
      this.#writes.later({ kind: 'incoming', clientId: client.id, messageId, packet: stored });
  }

  async incomingGetPacket(client: ClientLike, packet: StoredPacket): Promise<StoredPacket> {
    const stored = this.#incoming.get(client.id)?.get(packet.messageId ?? -1);
    if (stored === undefined) throw new Error('no such packet');
    return stored;
  }

  async incomingDelPacket(client: ClientLike, packet: StoredPacket): Promise<void> {
    const { messageId } = packet;
    const packets = this.#incoming.get(client.id);
    if (messageId === undefined || packets?.delete(messageId) !== true) throw new Error('no such packet');
    if (packets.size === 0) this.#incoming.delete(client.id);
    const write = { kind: 'incoming', clientId: client.id, messageId, packet: null } as const;
    if (client.clean === true) this.#writes.later(write);
    else await this.#writes.now(write);
  }

  async cleanIncoming(client: ClientLike): Promise<void> {
    this.#dropIncoming(client.id);
  }

  async putWill(client: ClientLike, packet: StoredPacket): Promise<void> {
    // The broker keeps the object itself and expects these two in it.
    Object.assign(packet, { brokerId: this.#broker?.id, clientId: client.id });
    this.#wills.set(client.id, packet);
    await this.#writes.now({ kind: 'will', clientId: client.id, packet });
  }

  async getWill(client: ClientLike): Promise<StoredPacket | undefined> {
    return this.#wills.get(client.id);
  }

  async delWill(client: ClientLike): Promise<StoredPacket | undefined> {
    const will = this.#wills.get(client.id);
    if (will !== undefined) this.#dropWill(client.id);
    return will;
  }

  streamWill(brokers: Readonly<Record<string, number>> = {}): Readable {
    const left = [...this.#wills.values()];
    return Readable.from(left.filter(({ brokerId }) => brokerId === undefined || !(brokerId in brokers)));
  }

  getClientList(filter: string): Readable {
    return Readable.from(this.#sessions.clientIdsSubscribedTo(filter));
  }

  /** Writes what is left. The store stays open: it is not ours. */
  async destroy(): Promise<void> {
    await this.#writes.close();
  }

  /** Ends the session that was seen longest ago and is not connected. False: all are in use. */
  #evict(clientIds: readonly string[], isConnected: (clientId: string) => boolean): boolean {
    this.#drops.sessions += 1;
    const oldest = this.#sessions.longestUnseen(clientIds.filter((clientId) => !isConnected(clientId)));
    if (oldest === undefined) return false;
    this.forget(oldest);
    return true;
  }

  /** Finds the clients that may receive the topic, each once, with the highest QoS of its matching subscriptions. */
  #waitingClients(
    subscribers: readonly { readonly clientId: string; readonly qos?: 0 | 1 | 2 | undefined }[],
    topic: string,
  ): Map<string, 0 | 1 | 2> {
    const asked = new Map<string, 0 | 1 | 2>();
    for (const { clientId, qos = 2 } of subscribers)
      if (qos > (asked.get(clientId) ?? -1) && this.#options.mayReceive(clientId, topic))
        asked.set(clientId, qos);
    return asked;
  }

  #enqueue(clientId: string, packet: StoredPacket): void {
    const kept = packet.payload instanceof Buffer ? this.#kept.get(packet.payload)?.get(clientId) : undefined;
    if (kept !== undefined) {
      this.#queues.release(clientId, kept, packet);
      return;
    }
    const queued = this.#queues.add(clientId, packet, this.#options.clock.nowMs(), false);
    if (queued !== null) this.#writes.later({ kind: 'outgoing', clientId, id: queued.id, queued });
  }

  #incomingOf(clientId: string): Map<number, StoredPacket> {
    const known = this.#incoming.get(clientId);
    if (known !== undefined) return known;
    const packets = new Map<number, StoredPacket>();
    this.#incoming.set(clientId, packets);
    return packets;
  }

  #dropIncoming(clientId: string): void {
    const packets = this.#incoming.get(clientId);
    if (packets === undefined) return;
    this.#incoming.delete(clientId);
    for (const messageId of packets.keys())
      this.#writes.later({ kind: 'incoming', clientId, messageId, packet: null });
  }

  #dropWill(clientId: string): void {
    this.#wills.delete(clientId);
    this.#writes.later({ kind: 'will', clientId, packet: null });
  }
}

const atMost = (packet: StoredPacket, asked: 0 | 1 | 2): StoredPacket =>
  (packet.qos ?? 0) > asked ? { ...packet, qos: asked } : packet;

/** Lists the rows that are on the disk already. */
const rowsOf = (state: StoredState): PendingWrite[] => [
  ...state.retained.map((packet) => ({ kind: 'retained' as const, topic: packet.topic ?? '', packet })),
  ...state.sessions.map((session) => ({ kind: 'session' as const, clientId: session.clientId, session })),
  ...state.outgoing.map((queued) => ({
    kind: 'outgoing' as const,
    clientId: queued.clientId,
    id: queued.id,
    queued,
  })),
  ...state.incoming.map(({ clientId, packet }) => ({
    kind: 'incoming' as const,
    clientId,
    messageId: packet.messageId ?? 0,
    packet,
  })),
  ...state.wills.map(({ clientId, packet }) => ({ kind: 'will' as const, clientId, packet })),
];
