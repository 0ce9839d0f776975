import { readFileSync } from 'node:fs';
import { connect as connectSocket, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { type IClientOptions, MqttClient } from 'mqtt';
import {
  bridgeProtocol,
  bridgeTopic,
  type FromBridge,
  type ToBridge,
  toBridge,
} from '#hub/domains/access/controllers/link-schema.ts';
import type { Device } from './device.ts';
import type { LinkData } from './messages.ts';

export interface HubClient {
  /** False without a connection; true means only that the message was queued. `sent` is called once it is written. */
  send(name: FromBridge, payload: unknown, sent?: () => void): boolean;
  close(): void;
}

export interface HubClientEvents {
  /** Connected and subscribed. */
  readonly onReady: () => void;
  readonly onMessage: (name: ToBridge, json: unknown) => void;
  /** The connection ended, or never came about. Called once. */
  readonly onGone: (reason: string) => void;
}

function openStream(connection: LinkData['connection']): Duplex {
  if (connection.kind === 'socket') return connectSocket(connection.path);
  const { hostname, port } = new URL(connection.url);
  return connectTls({
    host: hostname,
    port: port === '' ? 8883 : Number(port),
    // An address is no server name; the certificate is still checked against it.
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
    ca: readFileSync(connection.caFile),
    minVersion: 'TLSv1.2',
    ALPNProtocols: [bridgeProtocol],
  });
}

/** One connection to the hub's broker. Once it has ended, the caller opens another. */
export function connectHub(
  connection: LinkData['connection'],
  device: Device,
  events: HubClientEvents,
): HubClient {
  const { bridgeId, token } = device;
  const options: IClientOptions = {
    clientId: bridgeId,
    username: bridgeId,
    password: token,
    protocolVersion: 4,
    clean: true,
    keepalive: 20,
    connectTimeout: 10_000,
    // The caller reconnects, with jitter and the current `device.json`.
    reconnectPeriod: 0,
    queueQoSZero: false,
    resubscribe: false,
  };
  const client = new MqttClient(() => openStream(connection), options);
  let gone = false;
  let reason = 'the connection was closed';
  const leave = (): void => {
    if (gone) return;
    gone = true;
    client.end(true);
    events.onGone(reason);
  };
  const names = new Map(toBridge.map((name) => [bridgeTopic(bridgeId, name), name]));
  client.on('connect', () => {
    client.subscribe([...names.keys()], { qos: 0 }, (error, granted) => {
      const refused = granted?.some((entry) => entry.qos === 128) === true;
      if (error === null && !refused) events.onReady();
      else {
        reason = 'the hub refused the subscription';
        leave();
      }
    });
  });
  client.on('message', (topic, payload) => {
    const name = names.get(topic);
    if (name === undefined) return;
    let json: unknown;
    try {
      json = JSON.parse(payload.toString('utf8'));
    } catch {
      reason = `${name} is not JSON`;
      leave();
      return;
    }
    events.onMessage(name, json);
  });
  client.on('error', (error) => {
    reason = error.message;
    leave();
  });
  client.on('close', leave);
  return {
    send(name, payload, sent) {
      if (gone || !client.connected) return false;
      client.publish(bridgeTopic(bridgeId, name), JSON.stringify(payload), { qos: 0 }, () => sent?.());
      return true;
    },
    close() {
      reason = 'closed here';
      leave();
    },
  };
}
