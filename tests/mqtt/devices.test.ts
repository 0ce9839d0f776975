import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import type { MqttClient, Packet } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { mqttHealth } from '#hub/mqtt/mqtt-health.ts';
import { sessionLimits } from '#hub/mqtt/session-limits.ts';
import { DeviceScene, hear } from './device-scene.ts';

const performanceClock = { monotonicMs: () => performance.now() };
const patience = { timeout: 30_000 };

let scene: DeviceScene;
afterEach(async () => {
  await scene.close();
});

const closed = (client: MqttClient): Promise<void> =>
  new Promise((resolve) => client.once('close', () => resolve()));
const refusal = async (connecting: Promise<MqttClient>): Promise<unknown> =>
  await connecting.then(
    () => 'connected',
    (error: unknown) => error,
  );

describe('sessions', () => {
  it('keeps subscriptions and messages for a client that comes back, across a start of the hub', async () => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    const lamp = await scene.connected('lamp', { clean: false });
    await lamp.subscribeAsync('devices/lamp/#', { qos: 1 });
    await lamp.endAsync();
    const other = await scene.connected('lamp', { clientId: 'two' });
    await other.publishAsync('devices/lamp/cmd', 'on', { qos: 1 });
    await other.publishAsync('devices/lamp/cmd', 'off', { qos: 2 });
    await scene.stop();
    await scene.start();
    const back = scene.connect('lamp', { clean: false });
    const heard = hear(back);
    const isPresent = await new Promise((resolve) =>
      back.once('connect', ({ sessionPresent }) => resolve(sessionPresent)),
    );
    expect(isPresent).toBe(true);
    await expect.poll(() => heard, patience).toEqual(['devices/lamp/cmd on', 'devices/lamp/cmd off']);
    await expect.poll(() => scene.broker.figures().queued, patience).toBe(0);
  });

  it('says of what it sends a second time that it may be there already, and never what the publisher said of his own', async () => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    const lamp = await scene.connected('lamp', { clean: false });
    await lamp.subscribeAsync('devices/lamp/#', { qos: 2 });
    const packets: string[] = [];
    const note = ({ cmd, ...packet }: Packet): void => {
      if (cmd === 'publish' && 'dup' in packet) packets.push(`${String(packet.payload)} ${packet.dup}`);
    };
    lamp.on('packetreceive', note);
    // It takes what comes and never acknowledges it.
    lamp.handleMessage = () => undefined;
    const other = await scene.connected('lamp', { clientId: 'two' });
    await other.publishAsync('devices/lamp/cmd', 'on', { qos: 1, dup: true });
    await expect.poll(() => packets, patience).toEqual(['on false']);
    lamp.end(true);
    await closed(lamp);
    await other.publishAsync('devices/lamp/cmd', 'off', { qos: 2 });
    await other.publishAsync('devices/lamp/cmd', 'dim', { qos: 1, dup: true });
    await scene.stop();
    await scene.start();
    packets.length = 0;
    scene.connect('lamp', { clean: false }).on('packetreceive', note);
    await expect.poll(() => packets, patience).toEqual(['on true', 'off false', 'dim false']);
  });

  it('forgets a session that asks to be clean', async () => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    const lamp = await scene.connected('lamp', { clean: false });
    await lamp.subscribeAsync('devices/lamp/#', { qos: 1 });
    await lamp.endAsync();
    const other = await scene.connected('lamp', { clientId: 'two' });
    await other.publishAsync('devices/lamp/cmd', 'on', { qos: 1 });
    expect(scene.broker.figures()).toMatchObject({ queued: 1, sessions: 1 });
    await scene.connected('lamp', { clean: true });
    expect(scene.broker.figures()).toMatchObject({ queued: 0, sessions: 0 });
  });

  it('lets a client id be taken over by the same device, and by no other', async () => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    await scene.add('fan');
    const first = await scene.connected('lamp', { clientId: 'same' });
    await scene.connected('fan', { clientId: 'same' });
    expect(scene.broker.connectionsOf('lamp')).toBe(1);
    const gone = closed(first);
    await scene.connected('lamp', { clientId: 'same' });
    await gone;
    expect([scene.broker.connectionsOf('lamp'), scene.broker.connectionsOf('fan')]).toEqual([1, 1]);
  });

  it('refuses a session without a client id, and an endless client id', async () => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    const endless = await refusal(scene.connected('lamp', { clientId: 'x'.repeat(200) }));
    expect(endless).toMatchObject({ code: 2 });
    expect(scene.broker.connectionsOf('lamp')).toBe(0);
  });

  it('gives a message that two subscriptions fit once to a client that was away', async () => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    const lamp = await scene.connected('lamp', { clean: false });
    await lamp.subscribeAsync(['devices/lamp/#', 'devices/lamp/cmd', 'devices/lamp/+'], { qos: 1 });
    await lamp.endAsync();
    const other = await scene.connected('lamp', { clientId: 'two' });
    await other.publishAsync('devices/lamp/cmd', 'on', { qos: 1 });
    expect(scene.broker.figures().queued).toBe(1);
  });
});

describe('a sender that leaves at once', () => {
  it('is heard once, not a second time because its connection ended', async () => {
    scene = await DeviceScene.open();
    await scene.add('sensor', [{ filter: 'tele/#', action: 'publish' }]);
    await scene.add('panel', [{ filter: 'tele/#', action: 'subscribe' }]);
    const panel = await scene.connected('panel');
    await panel.subscribeAsync('tele/#', { qos: 1 });
    const heard = hear(panel);
    for (const word of ['one', 'two', 'end']) {
      const sensor = await scene.connected('sensor');
      const gone = closed(sensor);
      // The message and DISCONNECT reach the hub together, however busy either side is.
      sensor.stream.cork();
      sensor.publish('tele/x', word, { qos: 1 });
      sensor.stream.write(Buffer.from([0xe0, 0]));
      sensor.stream.uncork();
      await gone;
    }
    await expect.poll(() => heard, patience).toContain('tele/x end');
    expect(heard).toEqual(['tele/x one', 'tele/x two', 'tele/x end']);
  });
});

describe('rights', () => {
  it('counts a right that was taken away at once, for what is subscribed and for what waits', async () => {
    scene = await DeviceScene.open();
    const id = await scene.add('panel', [{ filter: 'tele/#', action: 'subscribe' }]);
    await scene.add('sensor', [{ filter: 'tele/sensor/#', action: 'publish' }]);
    const panel = await scene.connected('panel', { clean: false });
    const heard = hear(panel);
    await panel.subscribeAsync('tele/#', { qos: 1 });
    await scene.devices.change({ kind: 'system' }, id, { version: 1, rights: [] });
    const sensor = await scene.connected('sensor');
    await sensor.publishAsync('tele/sensor/x', 'secret', { qos: 1 });
    await panel.publishAsync('devices/panel/x', 'done', { qos: 1 });
    expect(scene.broker.figures().queued).toBe(0);
    expect(heard).toEqual([]);
  });

  it('keeps wildcard rights away from door controllers and from other devices', async () => {
    scene = await DeviceScene.open();
    await scene.add('greedy', [
      { filter: '#', action: 'subscribe' },
      { filter: '#', action: 'publish' },
    ]);
    await scene.add('lamp');
    const lamp = await scene.connected('lamp');
    await lamp.publishAsync('devices/lamp/kept', 'mine', { qos: 1, retain: true });
    const greedy = await scene.connected('greedy');
    const heard = hear(greedy);
    await greedy.subscribeAsync('#', { qos: 1 });
    await lamp.publishAsync('devices/lamp/state', 'mine', { qos: 1 });
    await greedy.publishAsync('free/topic', 'ours', { qos: 1 });
    await expect.poll(() => heard, patience).toEqual(['free/topic ours']);
    const gone = closed(greedy);
    greedy.publish('devices/lamp/cmd', 'on');
    await gone;
    expect(scene.broker.lastDenialOf('greedy')).toMatchObject({ topic: 'devices/lamp/cmd' });
  });

  it('publishes a will when a device is cut off, and not where it has no right', async () => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    await scene.add('panel', [{ filter: 'devices/lamp/#', action: 'subscribe' }]);
    const panel = await scene.connected('panel');
    const heard = hear(panel);
    await panel.subscribeAsync('devices/lamp/#', { qos: 1 });
    const will = {
      topic: 'devices/lamp/status',
      payload: Buffer.from('offline'),
      qos: 1,
      retain: true,
    } as const;
    const lamp = await scene.connected('lamp', { will });
    lamp.stream.destroy();
    await expect.poll(() => heard, patience).toEqual(['devices/lamp/status offline']);
    const foreign = { ...will, topic: 'devices/panel/status' };
    expect(await refusal(scene.connected('lamp', { will: foreign }))).toMatchObject({ code: 5 });
    expect(scene.broker.lastDenialOf('lamp')).toMatchObject({ action: 'will' });
  });

  it('lets a device that may send what it likes stay connected, drops that, and says so', async () => {
    scene = await DeviceScene.open();
    await scene.add('plug', [], true);
    await scene.add('watcher', [{ action: 'subscribe', filter: '#' }]);
    const watcher = await scene.connected('watcher');
    await watcher.subscribeAsync('#', { qos: 1 });
    const heard = hear(watcher);
    const plug = await scene.connected('plug');
    await plug.publishAsync('cmnd/plug/POWER', '', { qos: 0 });
    await plug.publishAsync('stat/plug/STATE', 'kept', { qos: 0, retain: true });
    await plug.publishAsync('devices/plug/power', 'on', { qos: 1 });
    expect(plug.connected).toBe(true);
    expect(scene.broker.lastDenialOf('plug')).toMatchObject({ action: 'publish', topic: 'stat/plug/STATE' });
    expect(scene.broker.figures()).toMatchObject({ denied: 2, retained: 0 });
    expect(heard).toEqual([]);
    // With an acknowledgement it would believe that it was taken.
    const cut = closed(plug);
    plug.publish('stat/plug/STATE', 'on', { qos: 1 });
    await cut;
  });

  it('tells of connections that end each other over a client id, and of nobody who reconnects', async () => {
    scene = await DeviceScene.open();
    await scene.add('kiln');
    for (let turn = 0; turn < 4; turn += 1) await scene.connected('kiln', { clientId: 'logger' });
    expect(scene.broker.fights).toEqual([]);
    for (let turn = 0; turn < 3; turn += 1)
      await scene.connected('kiln', { clientId: 'logger' }, turn === 1 ? '127.0.0.2' : '127.0.0.1');
    expect(scene.broker.fights).toEqual([
      {
        username: 'kiln',
        clientId: 'logger',
        addresses: expect.arrayContaining(['127.0.0.1', '127.0.0.2']),
        takeovers: 6,
      },
    ]);
    const health = mqttHealth({ broker: scene.broker, listener: () => null, clock: performanceClock });
    expect(await health.findings?.()).toEqual([
      expect.objectContaining({
        id: 'mqtt.clientIdFight',
        evidence: expect.stringMatching(/^Connections of kiln with the client id logger \(from 127\.0\.0\.1/),
      }),
    ]);
  });

  it('ends the connections of a device whose token was renewed or that was removed', async () => {
    scene = await DeviceScene.open();
    const id = await scene.add('lamp');
    const first = await scene.connected('lamp');
    const firstGone = closed(first);
    const renewed = await scene.devices.renewToken({ kind: 'system' }, id);
    await firstGone;
    expect(await refusal(scene.connected('lamp'))).toMatchObject({ code: 4 });
    scene.tokens.set('lamp', renewed.ok ? renewed.value.token : '');
    const second = await scene.connected('lamp', { clean: false });
    await second.subscribeAsync('devices/lamp/#', { qos: 1 });
    await second.publishAsync('devices/lamp/status', 'online', { qos: 1, retain: true });
    const secondGone = closed(second);
    await scene.devices.remove({ kind: 'system' }, id);
    await secondGone;
    expect(scene.broker.figures()).toMatchObject({ sessions: 0, retained: 0, queued: 0 });
    expect(await refusal(scene.connected('lamp'))).toMatchObject({ code: 4 });
  });

  it('does not listen to an address that is wrong again and again', async () => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    const token = scene.tokens.get('lamp') ?? '';
    scene.tokens.set('lamp', 'wrong');
    for (let count = 0; count < 20; count += 1) await refusal(scene.connected('lamp'));
    scene.tokens.set('lamp', token);
    expect(await refusal(scene.connected('lamp'))).toMatchObject({ code: 5 });
    expect(scene.broker.lockedAddresses).toHaveLength(1);
    expect(JSON.stringify(scene.lines)).not.toContain(token);
  });
});

describe('bounds', () => {
  it('cuts off a client that announces an endless packet before it has proved anything', async () => {
    scene = await DeviceScene.open();
    const socket = connectTls({
      host: '127.0.0.1',
      port: scene.port,
      servername: 'hub.local',
      ca: scene.tls.authorityPem(),
    });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
    socket.resume();
    await once(socket, 'close');
    expect(scene.broker.figures().connections).toBe(0);
  });

  it.each([
    ['no MQTT', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a length without an end', Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0xff])],
    ['a packet before the first', Buffer.from([0xc0, 0x00])],
    ['a CONNECT that is cut short', Buffer.from([0x10, 0x04, 0x00, 0x04, 0x4d, 0x51])],
  ])('survives %s', async (_what, bytes) => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    const socket = connectTls({
      host: '127.0.0.1',
      port: scene.port,
      servername: 'hub.local',
      ca: scene.tls.authorityPem(),
    });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.resume();
    socket.write(bytes);
    await once(socket, 'close');
    await scene.connected('lamp');
    expect(scene.broker.connectionsOf('lamp')).toBe(1);
  });

  it('cuts off a device whose message is too large', async () => {
    scene = await DeviceScene.open({ packetBytes: 10_000 });
    await scene.add('lamp');
    const lamp = await scene.connected('lamp');
    const gone = closed(lamp);
    lamp.publish('devices/lamp/x', Buffer.alloc(20_000));
    await gone;
    expect(scene.broker.figures().received).toBe(0);
  });

  it('slows down a device that sends too fast, and loses nothing of it', async () => {
    scene = await DeviceScene.open({ packetsPerSecond: 200, burstPackets: 20 });
    await scene.add('lamp');
    const lamp = await scene.connected('lamp');
    const heard = hear(lamp);
    await lamp.subscribeAsync('devices/lamp/#', { qos: 1 });
    const startedMs = performance.now();
    for (let index = 0; index < 80; index += 1)
      await lamp.publishAsync('devices/lamp/x', `${index}`, { qos: 1 });
    await expect.poll(() => heard.length, patience).toBe(80);
    // Eighty packets at two hundred a second, less what may come at once: never faster than the bound.
    expect(performance.now() - startedMs).toBeGreaterThan(250);
  });

  it('drops the oldest of a full queue, counts it and says so', async () => {
    scene = await DeviceScene.open({ sessions: { ...sessionLimits, queuedPerClient: 3 } });
    await scene.add('lamp');
    const lamp = await scene.connected('lamp', { clean: false });
    await lamp.subscribeAsync('devices/lamp/#', { qos: 1 });
    await lamp.endAsync();
    const other = await scene.connected('lamp', { clientId: 'two' });
    for (const word of ['a', 'b', 'c', 'd', 'e'])
      await other.publishAsync('devices/lamp/x', word, { qos: 1 });
    expect(scene.broker.figures()).toMatchObject({ queued: 3, dropped: { queued: 2 } });
    const back = scene.connect('lamp', { clean: false });
    const heard = hear(back);
    await expect.poll(() => heard, patience).toEqual(['c', 'd', 'e'].map((word) => `devices/lamp/x ${word}`));
  });

  it('lets a device that fills the retained store lose its own oldest, and names it; what others have stays', async () => {
    const room = { retainedBytes: 42_000, retainedBytesPerDevice: 5250 };
    scene = await DeviceScene.open({ sessions: { ...sessionLimits, ...room } });
    await scene.add('kiln');
    await scene.add('lamp');
    const [kiln, lamp] = [await scene.connected('kiln'), await scene.connected('lamp')];
    await lamp.publishAsync('devices/lamp/before', 'ON', { qos: 1, retain: true });
    const filled = Array.from({ length: 30 }, (_, index) => `devices/kiln/${index}`);
    for (const topic of filled)
      await kiln.publishAsync(topic, Buffer.alloc(2400, 0x61), { qos: 1, retain: true });
    await lamp.publishAsync('devices/lamp/after', 'ON', { qos: 1, retain: true });
    await scene.stop();
    await scene.start();
    const heard = hear(await scene.connected('lamp'));
    await scene.clients.at(-1)?.subscribeAsync('devices/lamp/#');
    await expect
      .poll(() => heard.toSorted(), patience)
      .toEqual(['devices/lamp/after ON R', 'devices/lamp/before ON R']);
    expect(scene.broker.figures().retained).toBe(4);
    const again = await scene.connected('kiln');
    await again.publishAsync('devices/kiln/last', Buffer.alloc(2400, 0x61), { qos: 1, retain: true });
    const part = mqttHealth({
      broker: scene.broker,
      listener: () => null,
      clock: { monotonicMs: () => performance.now() },
    });
    expect((await part.findings?.())?.map(({ evidence }) => evidence)).toEqual([
      expect.stringContaining('1 retained ones that did not fit, of kiln (1)'),
    ]);
  });

  it('takes no more retained messages than fit: the oldest gives way, and what is replaced is the youngest', async () => {
    scene = await DeviceScene.open({ sessions: { ...sessionLimits, retainedMessages: 2 } });
    await scene.add('lamp');
    const lamp = await scene.connected('lamp');
    for (const [topic, word] of [
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
      ['a', '2'],
    ])
      await lamp.publishAsync(`devices/lamp/${topic}`, word ?? '', { qos: 1, retain: true });
    const heard = hear(lamp);
    await lamp.subscribeAsync('devices/lamp/#');
    await expect.poll(() => heard.toSorted(), patience).toEqual(['devices/lamp/a 2 R', 'devices/lamp/c 1 R']);
    expect(scene.broker.figures().dropped.retained).toBe(2);
  });

  it('ends the oldest session that nobody uses when a device makes too many', async () => {
    scene = await DeviceScene.open({ sessions: { ...sessionLimits, sessionsPerDevice: 2 } });
    await scene.add('lamp');
    for (const clientId of ['one', 'two', 'three']) {
      scene.nowMs += 1000;
      const client = await scene.connected('lamp', { clientId, clean: false });
      await client.subscribeAsync('devices/lamp/#', { qos: 1 });
      await client.endAsync();
      await expect.poll(() => scene.broker.connectionsOf('lamp'), patience).toBe(0);
    }
    expect(scene.broker.figures()).toMatchObject({ sessions: 2, dropped: { sessions: 1 } });
  });

  it('forgets messages and sessions that are too old at the next start', async () => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    const lamp = await scene.connected('lamp', { clean: false });
    await lamp.subscribeAsync('devices/lamp/#', { qos: 1 });
    await lamp.endAsync();
    const other = await scene.connected('lamp', { clientId: 'two' });
    await other.publishAsync('devices/lamp/x', 'old', { qos: 1 });
    expect(scene.broker.figures().queued).toBe(1);
    await scene.stop();
    scene.nowMs += 8 * 86_400_000;
    await scene.start();
    expect(scene.broker.figures()).toMatchObject({ queued: 0, sessions: 0 });
  });

  it('gives a device no more connections and subscriptions than it may have', async () => {
    scene = await DeviceScene.open({
      connectionsPerDevice: 2,
      sessions: { ...sessionLimits, subscriptionsPerClient: 3 },
    });
    await scene.add('lamp');
    const lamp = await scene.connected('lamp', { clientId: 'one' });
    await scene.connected('lamp', { clientId: 'two' });
    expect(await refusal(scene.connected('lamp', { clientId: 'three' }))).toMatchObject({ code: 3 });
    for (const name of ['a', 'b', 'c']) await lamp.subscribeAsync(`devices/lamp/${name}`);
    const refused = await lamp.subscribeAsync('devices/lamp/d').catch((error: unknown) => error);
    expect(refused).toMatchObject({ packet: { granted: [128] } });
  });
});
