import { chmod } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { Aedes, type Client } from 'aedes';
import type { Logger } from 'pino';
import type { BridgeHandler, BridgeLink } from '#hub/domains/access/controllers/link.ts';
import {
  bridgeTopic,
  bridgeTopicPrefix,
  type FromBridge,
  fromBridge,
  schemaFromBridge,
} from '#hub/domains/access/controllers/link-schema.ts';
import { claimSocketPath } from '#hub/platform/files/unix-socket.ts';
import { FrameGuard } from './frame-guard.ts';

/** Bytes of one MQTT payload. The largest of ours is a page of 500 records or a batch of 500 events. */
const maxPayloadBytes = 1_048_576;
/** Messages of one bridge that wait to be handled; a bridge that sends more without waiting for answers is cut off. */
const maxWaiting = 256;
/** Bytes that may wait in a bridge's socket. */
const maxUnsentBytes = 8 * 1_048_576;

/** A bridge elsewhere proves who it is with its first packet, which holds a name and a token. */
const remoteBounds = {
  firstPacketBytes: 4096,
  packetBytes: maxPayloadBytes + 1024,
  packetsPerSecond: 1000,
  burstPackets: 5000,
  unsentBytes: maxUnsentBytes,
} as const;

export interface Broker extends BridgeLink {
  /** Who handles what bridges say. Set once, before `listen`. */
  handledBy(handler: BridgeHandler): void;
  /** Listens on a Unix socket of mode 0600. A stale socket file is replaced; one in use is the Fault `socketInUse`. */
  listen(socketPath: string): Promise<void>;
  /** Takes over a connection of a bridge elsewhere, which nobody has looked at yet. */
  handle(socket: Duplex): void;
  close(): Promise<void>;
}

interface Connection {
  readonly bridgeId: string;
  readonly client: Client;
  waiting: number;
  tail: Promise<void>;
}

const isFromBridge = (name: string): name is FromBridge => fromBridge.some((known) => known === name);

/** The bridge and the message that a topic names, or null when it is not a bridge's topic. */
export function parseBridgeTopic(topic: string): { bridgeId: string; name: string } | null {
  if (!topic.startsWith(`${bridgeTopicPrefix}/`)) return null;
  const [bridgeId, name, ...rest] = topic.slice(bridgeTopicPrefix.length + 1).split('/');
  if (bridgeId === undefined || name === undefined || rest.length > 0) return null;
  return { bridgeId, name };
}

/**
 * The MQTT broker for this space's bridges. Every bridge is a user of its own, may publish only what bridges say
 * below its own id, and may subscribe only there. Nothing is retained or queued here: both ends count and acknowledge.
 */
export async function createBroker(deps: { readonly log: Logger }): Promise<Broker> {
  const { log } = deps;
  const bridgeIdByClient = new WeakMap<Client, string>();
  const connections = new Map<string, Connection>();
  let handler: BridgeHandler | undefined;

  /** The bridge that a connection is, or null: unknown name, wrong token, or a client id that is not its own. */
  async function identify(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<string | null> {
    if (handler === undefined || username === undefined || password === undefined) return null;
    try {
      const bridgeId = await handler.authenticate(username, password.toString('utf8'));
      if (bridgeId !== null && client.id === bridgeId) return bridgeId;
      log.warn({ clientId: client.id }, 'bridge refused: unknown name or wrong token');
    } catch (cause) {
      log.error({ err: cause }, 'bridge could not be authenticated');
    }
    return null;
  }

  const aedes = await Aedes.createBroker({
    maxClientsIdLength: 64,
    connectTimeout: 10_000,
    drainTimeout: 10_000,
    queueLimit: 100,
    authenticate(client, username, password, done) {
      const refuse = (): void => done(Object.assign(new Error('not authorised'), { returnCode: 4 }), false);
      void identify(client, username, password).then((bridgeId) => {
        if (bridgeId === null) return refuse();
        bridgeIdByClient.set(client, bridgeId);
        if (client.conn instanceof FrameGuard) client.conn.admit();
        // oxlint-disable-next-line promise/no-callback-in-promise -- the broker wants a callback
        return done(null, true);
      });
    },
    authorizePublish(client, packet, done) {
      const topic = parseBridgeTopic(packet.topic);
      const own = client === null ? undefined : bridgeIdByClient.get(client);
      if (topic === null || own === undefined || topic.bridgeId !== own || !isFromBridge(topic.name))
        return done(new Error('this bridge may not publish here'));
      if (packet.retain || packet.payload.length > maxPayloadBytes)
        return done(new Error('retained or too large'));
      done(null);
    },
    authorizeSubscribe(client, subscription, done) {
      const own = bridgeIdByClient.get(client);
      const allowed = own !== undefined && subscription.topic.startsWith(`${bridgeTopicPrefix}/${own}/`);
      done(null, allowed ? subscription : null);
    },
  });

  const cutOff = (connection: Connection, why: string): void => {
    log.warn({ bridgeId: connection.bridgeId, why }, 'bridge cut off');
    connection.client.close();
  };

  function receive(connection: Connection, name: FromBridge, text: string): void {
    const current = handler;
    if (current === undefined) return;
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      cutOff(connection, `${name} is not JSON`);
      return;
    }
    const { bridgeId } = connection;
    const deliver = <N extends FromBridge>(
      parsed:
        | { success: true; data: Parameters<BridgeHandler['onMessage'][N]>[1] }
        | { success: false; error: Error },
      handle: (bridgeId: string, payload: Parameters<BridgeHandler['onMessage'][N]>[1]) => Promise<void>,
    ): void => {
      if (!parsed.success) {
        cutOff(connection, `${name} does not fit its schema: ${parsed.error.message.slice(0, 300)}`);
        return;
      }
      connection.waiting += 1;
      if (connection.waiting > maxWaiting) {
        cutOff(connection, 'too many messages waiting');
        return;
      }
      connection.tail = connection.tail
        .then(() => handle(bridgeId, parsed.data))
        .catch((cause: unknown) => {
          // What the bridge sent is not acknowledged, so it comes again after the reconnect.
          log.error({ err: cause, bridgeId, name }, 'message of a bridge could not be handled');
          connection.client.close();
        })
        .finally(() => {
          connection.waiting -= 1;
        });
    };
    const { onMessage } = current;
    switch (name) {
      case 'hello':
        return deliver<'hello'>(schemaFromBridge.hello.safeParse(json), onMessage.hello);
      case 'events':
        return deliver<'events'>(schemaFromBridge.events.safeParse(json), onMessage.events);
      case 'policy-ask':
        return deliver<'policy-ask'>(schemaFromBridge['policy-ask'].safeParse(json), onMessage['policy-ask']);
      case 'policy-next':
        return deliver<'policy-next'>(
          schemaFromBridge['policy-next'].safeParse(json),
          onMessage['policy-next'],
        );
      case 'policy-applied':
        return deliver<'policy-applied'>(
          schemaFromBridge['policy-applied'].safeParse(json),
          onMessage['policy-applied'],
        );
      case 'reply':
        return deliver<'reply'>(schemaFromBridge.reply.safeParse(json), onMessage.reply);
      case 'state':
        return deliver<'state'>(schemaFromBridge.state.safeParse(json), onMessage.state);
    }
  }

  aedes.on('clientReady', (client) => {
    const bridgeId = bridgeIdByClient.get(client);
    if (bridgeId === undefined) return;
    connections.set(bridgeId, { bridgeId, client, waiting: 0, tail: Promise.resolve() });
    log.info({ bridgeId }, 'bridge connected');
    handler?.onConnected(bridgeId);
  });
  aedes.on('clientDisconnect', (client) => {
    const bridgeId = bridgeIdByClient.get(client);
    // A bridge that reconnects faster than its old connection ends has already taken its place.
    if (bridgeId === undefined || connections.get(bridgeId)?.client !== client) return;
    connections.delete(bridgeId);
    log.info({ bridgeId }, 'bridge disconnected');
    handler?.onDisconnected(bridgeId);
  });
  aedes.on('clientError', (client, error) =>
    log.warn({ err: error, clientId: client.id }, 'bridge connection failed'),
  );
  aedes.on('connectionError', (_client, error) => log.warn({ err: error }, 'connection refused'));
  aedes.on('publish', (packet, client) => {
    if (client === null) return;
    const topic = parseBridgeTopic(packet.topic);
    const bridgeId = bridgeIdByClient.get(client);
    const connection = bridgeId === undefined ? undefined : connections.get(bridgeId);
    if (topic === null || connection === undefined || !isFromBridge(topic.name)) return;
    receive(connection, topic.name, packet.payload.toString('utf8'));
  });

  const server = createServer((socket) => aedes.handle(socket));

  return {
    handledBy(next) {
      handler = next;
    },
    isConnected: (bridgeId) => connections.has(bridgeId),
    send(bridgeId, name, payload) {
      const connection = connections.get(bridgeId);
      if (connection === undefined) return false;
      const { client } = connection;
      if (client.conn.writableLength > maxUnsentBytes) {
        cutOff(connection, 'it does not read what is sent');
        return false;
      }
      const packet = {
        cmd: 'publish',
        topic: bridgeTopic(bridgeId, name),
        payload: JSON.stringify(payload),
        qos: 0,
        dup: false,
        retain: false,
      } as const;
      client.publish(packet, (error) => {
        // The connection ended meanwhile; the bridge asks again when it is back.
        if (error !== undefined && error !== null) log.debug({ err: error, bridgeId, name }, 'not sent');
      });
      return true;
    },
    disconnect(bridgeId) {
      connections.get(bridgeId)?.client.close();
    },
    handle(socket) {
      aedes.handle(new FrameGuard(socket, remoteBounds));
    },
    async listen(socketPath) {
      await claimSocketPath(socketPath);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(socketPath, () => {
          server.off('error', reject);
          resolve();
        });
      });
      await chmod(socketPath, 0o600);
    },
    async close() {
      const closed = new Promise<void>((resolve) => {
        if (server.listening) server.close(() => resolve());
        else resolve();
      });
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      await closed;
    },
  };
}
