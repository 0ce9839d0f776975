import { chmod } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { Aedes, type AedesOptions, type Client } from 'aedes';
import type { Logger } from 'pino';
import type { BridgeHandler, BridgeLink, ToBridgePayload } from '#hub/domains/access/controllers/link.ts';
import {
  bridgeTopic,
  bridgeTopicPrefix,
  type FromBridge,
  fromBridge,
  type ToBridge,
} from '#hub/domains/access/controllers/link-schema.ts';
import { claimSocketPath } from '#hub/platform/files/unix-socket.ts';
import { BridgeConnection, maxUnsentBytes } from './bridge-connection.ts';
import { FrameGuard } from './frame-guard.ts';

/** Bytes of one MQTT payload. The largest of ours is a page of 500 records or a batch of 500 events. */
const maxPayloadBytes = 1_048_576;

/** A bridge elsewhere proves who it is with its first packet, which holds a name and a token. */
const remoteBounds = {
  firstPacketBytes: 4096,
  packetBytes: maxPayloadBytes + 1024,
  packetsPerSecond: 1000,
  burstPackets: 5000,
  unsentBytes: maxUnsentBytes,
} as const;

export interface Broker extends BridgeLink {
  /** Sets the handler of bridges' messages. Call once, before `listen`. */
  handledBy(handler: BridgeHandler): void;
  /** Listens on a Unix socket of mode 0600. A stale socket file is replaced; one in use is the Fault `socketInUse`. */
  listen(socketPath: string): Promise<void>;
  /** Accepts a connection of a bridge elsewhere, not yet authenticated. */
  handle(socket: Duplex): void;
  close(): Promise<void>;
}

const isFromBridge = (name: string): name is FromBridge => fromBridge.some((known) => known === name);

/** Splits a bridge topic into bridge and message name; null for any other topic. */
export function parseBridgeTopic(topic: string): { bridgeId: string; name: string } | null {
  if (!topic.startsWith(`${bridgeTopicPrefix}/`)) return null;
  const [bridgeId, name, ...rest] = topic.slice(bridgeTopicPrefix.length + 1).split('/');
  if (bridgeId === undefined || name === undefined || rest.length > 0) return null;
  return { bridgeId, name };
}

type Hooks = Required<Pick<AedesOptions, 'authenticate' | 'authorizePublish' | 'authorizeSubscribe'>>;

/**
 * Starts the MQTT broker for this space's bridges. Every bridge is a user of its own, may publish only what bridges say
 * below its own id, and may subscribe only there. Nothing is retained or queued here: both ends count and acknowledge.
 */
export async function createBroker(deps: { readonly log: Logger }): Promise<Broker> {
  const broker = new BridgeBroker(deps.log);
  await broker.open();
  return broker;
}

class BridgeBroker implements Broker {
  readonly #log: Logger;
  readonly #bridgeIds = new WeakMap<Client, string>();
  readonly #connections = new Map<string, BridgeConnection>();
  readonly #aedes: Aedes;
  readonly #server: Server;
  #handler: BridgeHandler | null = null;

  constructor(log: Logger) {
    this.#log = log;
    this.#aedes = new Aedes({
      maxClientsIdLength: 64,
      connectTimeout: 10_000,
      drainTimeout: 10_000,
      queueLimit: 100,
      ...this.#hooks(),
    });
    this.#server = createServer((socket) => this.#aedes.handle(socket));
  }

  async open(): Promise<void> {
    await this.#aedes.listen();
    this.#aedes.on('clientReady', (client) => this.#onReady(client));
    this.#aedes.on('clientDisconnect', (client) => this.#onGone(client));
    this.#aedes.on('clientError', (client, error) =>
      this.#log.warn({ err: error, clientId: client.id }, 'bridge connection failed'),
    );
    this.#aedes.on('connectionError', (_client, error) =>
      this.#log.warn({ err: error }, 'connection refused'),
    );
    this.#aedes.on('publish', (packet, client) => {
      if (client !== null) this.#onPublished(client, packet.topic, packet.payload);
    });
  }

  handledBy(handler: BridgeHandler): void {
    this.#handler = handler;
  }

  isConnected(bridgeId: string): boolean {
    return this.#connections.has(bridgeId);
  }

  send<N extends ToBridge>(bridgeId: string, name: N, payload: ToBridgePayload<N>): boolean {
    const connection = this.#connections.get(bridgeId);
    return connection?.send(name, bridgeTopic(bridgeId, name), payload) ?? false;
  }

  disconnect(bridgeId: string): void {
    this.#connections.get(bridgeId)?.client.close();
  }

  handle(socket: Duplex): void {
    this.#aedes.handle(new FrameGuard(socket, remoteBounds));
  }

  async listen(socketPath: string): Promise<void> {
    await claimSocketPath(socketPath);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socketPath, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    await chmod(socketPath, 0o600);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    await closed;
  }

  #hooks(): Hooks {
    return {
      authenticate: (client, username, password, done) => {
        const refuse = (): void => done(Object.assign(new Error('not authorised'), { returnCode: 4 }), false);
        void this.#identify(client, username, password).then((bridgeId) => {
          if (bridgeId === null) return refuse();
          this.#bridgeIds.set(client, bridgeId);
          if (client.conn instanceof FrameGuard) client.conn.admit();
          // oxlint-disable-next-line promise/no-callback-in-promise -- the broker wants a callback
          return done(null, true);
        });
      },
      authorizePublish: (client, packet, done) => {
        const topic = parseBridgeTopic(packet.topic);
        const own = client === null ? undefined : this.#bridgeIds.get(client);
        if (topic === null || own === undefined || topic.bridgeId !== own || !isFromBridge(topic.name))
          return done(new Error('this bridge may not publish here'));
        if (packet.retain || packet.payload.length > maxPayloadBytes)
          return done(new Error('retained or too large'));
        done(null);
      },
      authorizeSubscribe: (client, subscription, done) => {
        const own = this.#bridgeIds.get(client);
        const allowed = own !== undefined && subscription.topic.startsWith(`${bridgeTopicPrefix}/${own}/`);
        done(null, allowed ? subscription : null);
      },
    };
  }

  /** Returns the bridge's id; null on an unknown name, a wrong token, or a client id that is not its own. */
  async #identify(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<string | null> {
    if (this.#handler === null || username === undefined || password === undefined) return null;
    try {
      const bridgeId = await this.#handler.authenticate(username, password.toString('utf8'));
      if (bridgeId !== null && client.id === bridgeId) return bridgeId;
      this.#log.warn({ clientId: client.id }, 'bridge refused: unknown name or wrong token');
    } catch (cause) {
      this.#log.error({ err: cause }, 'bridge could not be authenticated');
    }
    return null;
  }

  #onReady(client: Client): void {
    const bridgeId = this.#bridgeIds.get(client);
    if (bridgeId === undefined) return;
    this.#connections.set(bridgeId, new BridgeConnection(bridgeId, client, this.#log));
    this.#log.info({ bridgeId }, 'bridge connected');
    this.#handler?.onConnected(bridgeId);
  }

  #onGone(client: Client): void {
    const bridgeId = this.#bridgeIds.get(client);
    // A bridge that reconnects faster than its old connection ends has already taken its place.
    if (bridgeId === undefined || this.#connections.get(bridgeId)?.client !== client) return;
    this.#connections.delete(bridgeId);
    this.#log.info({ bridgeId }, 'bridge disconnected');
    this.#handler?.onDisconnected(bridgeId);
  }

  #onPublished(client: Client, topicText: string, payload: Buffer | string): void {
    const topic = parseBridgeTopic(topicText);
    const bridgeId = this.#bridgeIds.get(client);
    const connection = bridgeId === undefined ? undefined : this.#connections.get(bridgeId);
    if (topic === null || connection === undefined || !isFromBridge(topic.name)) return;
    if (this.#handler === null) return;
    connection.receive(topic.name, payload.toString('utf8'), this.#handler.onMessage);
  }
}
