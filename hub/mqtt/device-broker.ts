import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes';
import type { Denial, DeviceHandler, DeviceLink } from '#hub/domains/devices/device-link.ts';
import {
  filterMatches,
  maxTopicLevels,
  mayPublish,
  mayReceive,
  maySubscribe,
  ownFilter,
  type TopicUser,
} from '#hub/domains/devices/topic-rules.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Store } from '#hub/store/store.ts';
import { type DeviceLimits, deviceLimits } from './device-limits.ts';
import { FrameGuard } from './frame-guard.ts';
import { LoginAttempts } from './login-attempts.ts';
import { PublishQueue } from './publish-queue.ts';
import { type PersistenceFigures, SessionPersistence } from './session-persistence.ts';
import { usernameOf } from './sessions.ts';
import type { Subscription } from './stored-packet.ts';
import { type ClientIdFight, Takeovers } from './takeovers.ts';

/** Counted since the start. */
export interface DeviceFigures extends PersistenceFigures {
  readonly connections: number;
  readonly received: number;
  readonly sent: number;
  readonly denied: number;
  readonly wrongLogins: number;
  /** Devices that did not read what was sent. */
  readonly cutOff: number;
}

export interface DeviceBroker extends DeviceLink {
  /** Sets the handler that knows the devices. Call once, before the first connection. */
  handledBy(handler: DeviceHandler): void;
  /** Publishes the wills of what was connected when the hub ended, and forgets what is too old. */
  start(): Promise<void>;
  /** Takes a connection over. */
  handle(socket: Duplex, remoteAddress: string): void;
  figures(): DeviceFigures;
  /** Error of the last write to the store; null when it succeeded. */
  readonly fault: unknown;
  /** Addresses locked out after repeated wrong logins. */
  readonly lockedAddresses: readonly string[];
  /** Client ids for which connections fight. */
  readonly fights: readonly ClientIdFight[];
  close(): Promise<void>;
}

interface Connection {
  readonly guard: FrameGuard;
  readonly address: string;
  username: string;
  problem: 2 | 5 | null;
  willTopic: string | null;
  /** Subscribed filters with the requested quality of service. */
  readonly filters: Map<string, 0 | 1 | 2>;
  /** Orders the messages that it publishes; null before it is admitted. */
  publishes: PublishQueue | null;
}

const maintainMs = 10 * 60_000;
const heartbeatMs = 60_000;
const logDenialEveryMs = 60_000;

type Options = Required<
  Pick<
    AedesOptions,
    | 'preConnect'
    | 'authenticate'
    | 'authorizePublish'
    | 'authorizeSubscribe'
    | 'authorizeForward'
    | 'published'
  >
>;

export interface DeviceBrokerDeps {
  readonly store: Pick<Store, 'transact' | 'report'>;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly log: Logger;
  readonly limits?: DeviceLimits;
}

/**
 * The broker for devices and programs of the house: everything but the door controllers, which have one of their own
 * and cannot be reached or slowed down from here. Denied unless a right says so.
 */
export async function createDeviceBroker(deps: DeviceBrokerDeps): Promise<DeviceBroker> {
  const broker = new DeviceBrokerState(
    deps,
    await openPersistence(deps, (username) => broker.find(username)),
  );
  await broker.open();
  return broker;
}

const openPersistence = (
  { store, clock, log, limits = deviceLimits }: DeviceBrokerDeps,
  find: (username: string) => TopicUser | null,
): Promise<SessionPersistence> =>
  SessionPersistence.open({
    store,
    clock,
    log,
    limits: limits.sessions,
    mayReceive(clientId, topic) {
      const user = find(usernameOf(clientId));
      return user !== null && mayReceive(user, topic);
    },
    maySubscribe(clientId, filter) {
      const user = find(usernameOf(clientId));
      return user !== null && maySubscribe(user, filter);
    },
  });

type Published = (error?: Error) => void;

/**
 * Says when the broker begins to pass on what a client sent; aedes tells only when it is done. And passes over messages
 * that are to be dropped: aedes knows only to accept one or to end the connection.
 */
class ObservableAedes extends Aedes {
  onBegin: (packet: PublishPacket, client: Client) => void = () => undefined;
  readonly dropped = new WeakSet<object>();

  override publish(packet: PublishPacket, sender: Client | Published | null, done?: Published): void {
    if (this.dropped.has(packet)) return typeof sender === 'function' ? sender() : done?.();
    if (typeof sender === 'function') return super.publish(packet, sender);
    if (sender !== null) this.onBegin(packet, sender);
    super.publish(packet, sender, done ?? (() => undefined));
  }
}

class DeviceBrokerState implements DeviceBroker {
  readonly #log: Logger;
  readonly #clock: DeviceBrokerDeps['clock'];
  readonly #limits: DeviceLimits;
  readonly #persistence: SessionPersistence;
  readonly #connections = new WeakMap<Duplex, Connection>();
  readonly #admitted = new Map<string, Set<Client>>();
  readonly #denials = new Map<string, Denial>();
  readonly #attempts: LoginAttempts;
  readonly #takeovers: Takeovers;
  readonly #aedes: ObservableAedes;
  readonly #counts = { received: 0, sent: 0, denied: 0, cutOff: 0 };
  #handler: DeviceHandler | null = null;
  #maintenance: NodeJS.Timeout | null = null;

  constructor(deps: DeviceBrokerDeps, persistence: SessionPersistence) {
    this.#log = deps.log;
    this.#clock = deps.clock;
    this.#limits = deps.limits ?? deviceLimits;
    this.#persistence = persistence;
    this.#attempts = new LoginAttempts(() => deps.clock.monotonicMs());
    this.#takeovers = new Takeovers(() => deps.clock.monotonicMs());
    this.#aedes = new ObservableAedes({
      persistence,
      maxTopicLevels,
      connectTimeout: 10_000,
      drainTimeout: 10_000,
      heartbeatInterval: heartbeatMs,
      queueLimit: 100,
      maxInflightInbound: 100,
      ...this.#hooks(),
    });
    this.#aedes.onBegin = (packet, client) => this.#of(client)?.publishes?.begun(packet);
  }

  async open(): Promise<void> {
    await this.#aedes.listen();
    this.#aedes.on('clientReady', (client) => this.#onReady(client));
    this.#aedes.on('clientDisconnect', (client) => this.#onGone(client));
    this.#aedes.on('unsubscribe', (filters, client) => {
      for (const filter of filters) this.#of(client)?.filters.delete(filter);
    });
    this.#aedes.on('clientError', (client, error) =>
      this.#log.info({ why: error.message, clientId: client.id }, 'device connection ended'),
    );
    this.#aedes.on('connectionError', (client, error) =>
      this.#log.info({ why: error.message, address: this.#of(client)?.address }, 'device connection refused'),
    );
    this.#maintenance = setInterval(() => this.#persistence.maintain(this.#isConnected), maintainMs);
    this.#maintenance.unref();
  }

  handledBy(handler: DeviceHandler): void {
    this.#handler = handler;
  }

  find(username: string): TopicUser | null {
    return this.#handler?.find(username) ?? null;
  }

  async start(): Promise<void> {
    this.#persistence.maintain(this.#isConnected);
    for (const { clientId, packet } of this.#persistence.takeWills()) {
      const user = this.find(usernameOf(clientId));
      const { topic, payload, qos = 0, retain = false } = packet;
      if (user === null || topic === undefined || payload === undefined || !mayPublish(user, topic)) continue;
      await this.#publish({ topic, payload, qos, retain });
    }
  }

  handle(socket: Duplex, address: string): void {
    const { connectBytes, packetBytes, packetsPerSecond, burstPackets, unsentBytes } = this.#limits;
    const guard = new FrameGuard(socket, {
      firstPacketBytes: connectBytes,
      packetBytes,
      packetsPerSecond,
      burstPackets,
      // Whoever may still be sent to has room for one packet more, so that no live message ever waits for one device.
      unsentBytes: unsentBytes + packetBytes + 1024,
    });
    this.#connections.set(guard, {
      guard,
      address,
      username: '',
      problem: null,
      willTopic: null,
      filters: new Map(),
      publishes: null,
    });
    this.#aedes.handle(guard);
  }

  connectionsOf(username: string): number {
    return this.#admitted.get(username)?.size ?? 0;
  }

  lastDenialOf(username: string): Denial | null {
    return this.#denials.get(username) ?? null;
  }

  queuedFor(username: string): number {
    return this.#persistence.queuedFor(username);
  }

  disconnect(username: string): void {
    for (const client of this.#admitted.get(username) ?? []) client.close();
  }

  async forget(username: string): Promise<void> {
    this.disconnect(username);
    this.#denials.delete(username);
    await this.#persistence.forgetDevice(username, ownFilter(username));
  }

  figures(): DeviceFigures {
    return {
      ...this.#persistence.figures,
      ...this.#counts,
      connections: this.#aedes.connectedClients,
      wrongLogins: this.#attempts.wrong,
    };
  }

  get fault(): unknown {
    return this.#persistence.fault;
  }

  get lockedAddresses(): readonly string[] {
    return this.#attempts.lockedAddresses;
  }
  get fights(): readonly ClientIdFight[] {
    return this.#takeovers.fights();
  }

  async close(): Promise<void> {
    if (this.#maintenance !== null) clearInterval(this.#maintenance);
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    await this.#persistence.destroy();
  }

  readonly #isConnected = (clientId: string): boolean =>
    [...(this.#admitted.get(usernameOf(clientId)) ?? [])].some(({ id }) => id === clientId);

  #of(client: Client): Connection | undefined {
    return this.#connections.get(client.conn);
  }

  #publish(packet: {
    topic: string;
    payload: Buffer | string;
    qos: 0 | 1 | 2;
    retain: boolean;
  }): Promise<void> {
    return new Promise((resolve) => {
      this.#aedes.publish({ cmd: 'publish', dup: false, ...packet }, (error) => {
        if (error) this.#log.error({ err: error }, 'message of a device could not be published');
        resolve();
      });
    });
  }

  #hooks(): Options {
    return {
      preConnect: (client, packet, done) => {
        this.#prepare(client, packet);
        done(null, true);
      },
      authenticate: (client, username, password, done) => {
        const returnCode = this.#admit(client, username, password);
        if (returnCode === 0) done(null, true);
        else done(Object.assign(new Error('not authorised'), { returnCode }), false);
      },
      authorizePublish: (client, packet, done) => this.#authorizePublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) =>
        done(null, this.#maySubscribe(client, subscription) ? subscription : null),
      authorizeForward: (client, packet) => {
        if (!this.#mayForward(client, packet)) return null;
        // The broker knows no second sending [MQTT-3.3.1-1].
        if (this.#persistence.isSentAgain(packet)) packet.dup = true;
        const qos = this.#askedQos(client, packet);
        return qos === packet.qos ? packet : { ...packet, qos };
      },
      published: (packet, client, done) => {
        // The broker's own news have no client, whatever the type says.
        const connection: Connection | undefined = this.#connections.get(client?.conn);
        connection?.publishes?.passed(packet);
        done(null);
      },
    };
  }

  /** Client ids are the device's own affair: it is told apart from others' by the user name in front. */
  #prepare(client: Client, packet: Parameters<Options['preConnect']>[1]): void {
    const connection = this.#of(client);
    if (connection === undefined) return;
    const { clientId } = packet;
    if (Buffer.byteLength(clientId) > this.#limits.clientIdBytes || /\p{Cc}/u.test(clientId))
      connection.problem = 2;
    if (clientId === '' && packet.clean !== true) connection.problem = 2;
    packet.clientId = `${packet.username ?? ''}:${clientId === '' ? randomUUID() : clientId}`;
    const { keepaliveSeconds } = this.#limits;
    const keepalive = packet.keepalive ?? 0;
    packet.keepalive = keepalive === 0 ? keepaliveSeconds : Math.min(keepalive, keepaliveSeconds);
    connection.willTopic = packet.will?.topic ?? null;
  }

  /** MQTT's return code; 0: come in. */
  #admit(client: Client, username: string | undefined, password: Buffer | undefined): 0 | 2 | 3 | 4 | 5 {
    const connection = this.#of(client);
    if (connection === undefined || this.#handler === null) return 3;
    const { address, guard, willTopic } = connection;
    if (this.#attempts.isLocked(address)) return 5;
    const user =
      username === undefined || password === undefined
        ? null
        : this.#handler.authenticate(username, password.toString('utf8'));
    if (user === null) {
      if (this.#attempts.noteWrong(address) === 1)
        this.#log.warn({ address, username: username?.slice(0, 40) }, 'device refused: wrong name or token');
      return 4;
    }
    connection.username = user.username;
    if (connection.problem !== null) return connection.problem;
    if (willTopic !== null && !mayPublish(user, willTopic)) {
      this.#deny(user.username, 'will', willTopic);
      return 5;
    }
    const connected = [...(this.#admitted.get(user.username) ?? [])];
    const others = connected.filter(({ id }) => id !== client.id);
    if (others.length >= this.#limits.connectionsPerDevice) return 3;
    if (!client.clean && !this.#persistence.admitSession(client.id, this.#isConnected)) return 3;
    const same = connected.filter(({ id }) => id === client.id).map((one) => this.#of(one)?.address ?? '');
    if (same.length > 0)
      this.#takeovers.note(user.username, client.id.slice(user.username.length + 1), [...same, address]);
    guard.admit();
    this.#count(user.username, client);
    connection.publishes = new PublishQueue(
      {
        persistence: this.#persistence,
        publish: ({ topic, payload, qos = 0, retain = false }) => {
          if (topic !== undefined && payload !== undefined)
            void this.#publish({ topic, payload, qos, retain });
        },
        onStoreFailed: (cause) => this.#log.error({ err: cause }, 'message of a device could not be kept'),
      },
      client,
    );
    return 0;
  }

  #authorizePublish(
    client: Client | null,
    packet: Parameters<Options['authorizePublish']>[1],
    done: (error?: Error | null) => void,
  ): void {
    const connection = client === null ? undefined : this.#of(client);
    const user = connection === undefined ? null : this.find(connection.username);
    if (
      client === null ||
      connection?.publishes === undefined ||
      connection.publishes === null ||
      user === null
    )
      return done(new Error('not authorised'));
    if (!mayPublish(user, packet.topic)) {
      this.#deny(user.username, client.closed ? 'will' : 'publish', packet.topic);
      if (user.dropsRefused === true && packet.qos === 0) {
        this.#aedes.dropped.add(packet);
        return done(null);
      }
      return done(new Error(`may not publish to ${packet.topic.slice(0, 100)}`));
    }
    this.#counts.received += 1;
    // Said by the publisher of its own sending, not of ours [MQTT-3.3.1-3].
    packet.dup = false;
    if (!client.closed) return connection.publishes.enter(packet, done);
    // Its will: the connection is over, so there is no order to keep and nobody to answer.
    const kept = this.#persistence.keep(packet, null, client.id);
    if (kept === null) return done(null);
    const goOn = (): void => done(null);
    void kept.then(goOn, goOn);
  }

  #maySubscribe(client: Client, { topic: filter, qos }: Subscription): boolean {
    const connection = this.#of(client);
    const user = connection === undefined ? null : this.find(connection.username);
    if (connection === undefined || user === null) return false;
    const { subscriptionsPerClient } = this.#limits.sessions;
    if (
      maySubscribe(user, filter) &&
      (connection.filters.has(filter) || connection.filters.size < subscriptionsPerClient)
    ) {
      connection.filters.set(filter, qos);
      return true;
    }
    this.#deny(user.username, 'subscribe', filter);
    return false;
  }

  #mayForward(
    client: Client,
    packet: { topic: string; retain: boolean; messageId?: number | undefined },
  ): boolean {
    const connection = this.#of(client);
    const user = connection === undefined ? null : this.find(connection.username);
    if (connection === undefined || user === null || !mayReceive(user, packet.topic)) return false;
    // What is retained or waited for it is sent at its own pace; live messages would hold everybody else up.
    const isLive = !packet.retain && packet.messageId === undefined;
    if (isLive && connection.guard.writableLength >= this.#limits.unsentBytes) {
      this.#counts.cutOff += 1;
      this.#log.warn({ clientId: client.id }, 'device cut off: it does not read what is sent');
      client.close();
      return false;
    }
    this.#counts.sent += 1;
    return true;
  }

  /** Nobody gets a higher quality of service than he asked for; the broker sees to that only without wildcards. */
  #askedQos(client: Client, { topic, qos }: { topic: string; qos: 0 | 1 | 2 }): 0 | 1 | 2 {
    let asked: 0 | 1 | 2 = 0;
    if (qos === 0) return 0;
    for (const [filter, wanted] of this.#of(client)?.filters ?? [])
      if (wanted > asked && filterMatches(filter, topic)) asked = wanted;
    return asked < qos ? asked : qos;
  }

  #deny(username: string, action: Denial['action'], topic: string): void {
    const last = this.#denials.get(username);
    const atMs = this.#clock.nowMs();
    this.#counts.denied += 1;
    this.#denials.set(username, { atMs, action, topic: topic.slice(0, 256) });
    if (last === undefined || atMs - last.atMs > logDenialEveryMs)
      this.#log.warn({ username, action, topic: topic.slice(0, 256) }, 'device has no right to this topic');
  }

  #count(username: string, client: Client): void {
    const clients = this.#admitted.get(username) ?? new Set<Client>();
    clients.add(client);
    this.#admitted.set(username, clients);
    client.conn.once('close', () => {
      clients.delete(client);
      if (clients.size === 0 && this.#admitted.get(username) === clients) this.#admitted.delete(username);
    });
  }

  #onReady(client: Client): void {
    const connection = this.#of(client);
    if (connection === undefined) return;
    this.#log.info({ clientId: client.id, address: connection.address }, 'device connected');
    this.#handler?.onSeen(connection.username);
  }

  #onGone(client: Client): void {
    const connection = this.#of(client);
    if (connection === undefined) return;
    connection.publishes?.close();
    if (!client.clean) this.#persistence.noteSeen(client.id);
    this.#log.info({ clientId: client.id }, 'device disconnected');
    this.#handler?.onSeen(connection.username);
  }
}
