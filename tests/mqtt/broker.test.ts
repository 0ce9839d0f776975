import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BridgeHandler } from '#hub/domains/access/controllers/link.ts';
import { bridgeTopic, fromBridge, toBridge } from '#hub/domains/access/controllers/link-schema.ts';
import { type Broker, createBroker, parseBridgeTopic } from '#hub/mqtt/broker.ts';
import { createLog } from '#hub/platform/log.ts';

const front = 'bridge-front';
const back = 'bridge-back';

/** Writes down what arrives, and lets a test wait for the next of it. */
class RecordingHandler implements BridgeHandler {
  readonly heard: { bridgeId: string; name: string; payload: unknown }[] = [];
  readonly presence: string[] = [];
  #waiting: (() => void)[] = [];
  hold: Promise<void> = Promise.resolve();

  authenticate(username: string, token: string): Promise<string | null> {
    return Promise.resolve(token === `token of ${username}` ? username : null);
  }
  onConnected(bridgeId: string): void {
    this.presence.push(`+${bridgeId}`);
    this.#wake();
  }
  onDisconnected(bridgeId: string): void {
    this.presence.push(`-${bridgeId}`);
    this.#wake();
  }
  readonly onMessage = Object.fromEntries(
    fromBridge.map((name) => [
      name,
      async (bridgeId: string, payload: unknown) => {
        await this.hold;
        this.heard.push({ bridgeId, name, payload });
        this.#wake();
      },
    ]),
  ) as unknown as BridgeHandler['onMessage'];

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** `once` would reject at the error that comes before the end. */
const closed = (client: MqttClient): Promise<void> =>
  new Promise((resolve) => client.once('close', () => resolve()));

const connected = (client: MqttClient): Promise<void> =>
  new Promise((resolve) => client.once('connect', () => resolve()));

describe('the broker', () => {
  let folder: string;
  let broker: Broker;
  let handler: RecordingHandler;
  let socketPath: string;
  const clients: MqttClient[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mc-'));
    socketPath = path.join(folder, 'mqtt.sock');
    handler = new RecordingHandler();
    broker = await createBroker({ log: createLog({ level: 'silent' }) });
    broker.handledBy(handler);
    await broker.listen(socketPath);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.end(true);
    await broker.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (clientId: string, options: { username?: string; password?: string } = {}): MqttClient => {
    const client = new MqttClient(() => connectSocket(socketPath), {
      clientId,
      username: options.username ?? clientId,
      password: options.password ?? `token of ${options.username ?? clientId}`,
      reconnectPeriod: 0,
    });
    client.on('error', () => undefined);
    clients.push(client);
    return client;
  };
  const opened = async (clientId: string): Promise<MqttClient> => {
    const client = open(clientId);
    await connected(client);
    await handler.until(() => broker.isConnected(clientId));
    return client;
  };
  const ask = { requestId: 'r1', epoch: 0, revision: 0, digestKeyId: '' };

  it('listens on a socket that only its owner may open', async () => {
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
  });

  it('takes what a bridge says below its own id', async () => {
    const client = await opened(front);
    client.publish(bridgeTopic(front, 'policy-ask'), JSON.stringify(ask));
    await handler.until(() => handler.heard.length === 1);
    expect(handler.heard).toEqual([{ bridgeId: front, name: 'policy-ask', payload: ask }]);
  });

  it('sends a bridge what is for it, and says when it is not there', async () => {
    const client = await opened(front);
    const arrived = new Promise<[string, Buffer]>((resolve) =>
      client.once('message', (topic, payload) => resolve([topic, payload])),
    );
    expect(broker.send(front, 'policy-nudge', { epoch: 1, revision: 2 })).toBe(true);
    const [topic, payload] = await arrived;
    expect([topic, JSON.parse(payload.toString())]).toEqual([
      bridgeTopic(front, 'policy-nudge'),
      { epoch: 1, revision: 2 },
    ]);
    expect(broker.send(back, 'policy-nudge', { epoch: 1, revision: 2 })).toBe(false);
  });

  it.each([
    ['a wrong token', front, { password: 'token of somebody else' }],
    ['no token', front, { password: '' }],
    ["another bridge's id as client id", back, { username: front }],
  ])('refuses %s', async (_what, clientId, options) => {
    const client = open(clientId, options);
    await closed(client);
    expect(handler.presence).toEqual([]);
    expect(broker.isConnected(front) || broker.isConnected(back)).toBe(false);
  });

  it.each([
    ["another bridge's topic", bridgeTopic(back, 'policy-ask')],
    ['what only the hub says', bridgeTopic(front, 'command')],
    ['a topic of nobody', 'anything'],
    ['a system topic', '$SYS/broker'],
  ])('cuts off a bridge that publishes to %s', async (_what, topic) => {
    const client = await opened(front);
    client.publish(topic, JSON.stringify(ask));
    await closed(client);
    expect(handler.heard).toEqual([]);
  });

  it('gives a bridge no subscription to what is not its own', async () => {
    const client = await opened(front);
    const topics = [bridgeTopic(back, 'command'), '#', bridgeTopic(front, 'command')];
    const refused = await client.subscribeAsync(topics).catch((error: unknown) => error);
    expect(refused).toMatchObject({ packet: { granted: [128, 128, 0] } });
  });

  it.each([
    ['no JSON', '{'],
    ['another shape', JSON.stringify({ requestId: 5 })],
  ])('cuts off a bridge that sends %s', async (_what, payload) => {
    const client = await opened(front);
    client.publish(bridgeTopic(front, 'policy-ask'), payload);
    await closed(client);
    expect(handler.heard).toEqual([]);
  });

  it('cuts off a bridge that sends more than it waits for, and takes the next connection', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    handler.hold = promise;
    const client = await opened(front);
    for (let count = 0; count < 300; count += 1)
      client.publish(bridgeTopic(front, 'policy-ask'), JSON.stringify(ask));
    await closed(client);
    resolve();
    await opened(front);
    expect(broker.isConnected(front)).toBe(true);
  });

  it('lets a bridge that reconnects take the place of its old connection', async () => {
    await opened(front);
    const second = open(front);
    await connected(second);
    await handler.until(() => handler.presence.filter((entry) => entry === `+${front}`).length === 2);
    expect(broker.isConnected(front)).toBe(true);
    expect(broker.send(front, 'policy-nudge', { epoch: 1, revision: 1 })).toBe(true);
  });

  it('survives bytes that are no MQTT', async () => {
    const socket = connectSocket(socketPath);
    socket.on('error', () => undefined);
    socket.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await once(socket, 'close');
    await opened(front);
    expect(broker.isConnected(front)).toBe(true);
  });

  it('refuses a socket that another hub listens on', async () => {
    const other = await createBroker({ log: createLog({ level: 'silent' }) });
    await expect(other.listen(socketPath)).rejects.toMatchObject({ code: 'socketInUse' });
    await other.close();
  });
});

describe('parseBridgeTopic', () => {
  it('reads what bridgeTopic prints', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.constantFrom(...fromBridge, ...toBridge), (bridgeId, name) => {
        expect(parseBridgeTopic(bridgeTopic(bridgeId, name))).toEqual({ bridgeId, name });
      }),
    );
  });

  it('never throws, and takes only what has exactly an id and a name', () => {
    fc.assert(
      fc.property(fc.string(), (topic) => {
        const parsed = parseBridgeTopic(topic);
        if (parsed !== null) expect(`mc/1/bridge/${parsed.bridgeId}/${parsed.name}`).toBe(topic);
      }),
    );
  });
});
