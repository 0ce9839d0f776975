import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import { MqttClient } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Appliance } from '../_support/appliance.ts';

const patience = { timeout: 60_000 };
const testTimeoutMs = 120_000;
const root = path.resolve(import.meta.dirname, '../..');
const deviceAnswer = z.object({ id: z.string(), username: z.string(), token: z.string() });
type DeviceAnswer = z.infer<typeof deviceAnswer>;

const cleanUps: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function started(options: Parameters<typeof Appliance.create>[0] = {}): Promise<Appliance> {
  const appliance = await Appliance.create(options);
  cleanUps.push(() => appliance.close());
  await appliance.start('hub');
  return appliance;
}

const addDevice = async (appliance: Appliance, body: unknown): Promise<DeviceAnswer> =>
  deviceAnswer.parse(await appliance.ask('POST', '/api/system/mqtt-devices', body));

const authority = async (appliance: Appliance): Promise<string> =>
  await (await fetch(`${appliance.url}/ca.crt`)).text();

/** A device as its owner would write it: TLS with the hub's own authority, user name and token. */
async function connect(
  appliance: Appliance,
  device: DeviceAnswer,
  clientId: string,
  clean: boolean,
): Promise<{ client: MqttClient; heard: string[] }> {
  const ca = await authority(appliance);
  const client = new MqttClient(
    () => connectTls({ host: '127.0.0.1', port: appliance.mqttPort, servername: 'localhost', ca }),
    { clientId, clean, username: device.username, password: device.token, reconnectPeriod: 0 },
  );
  cleanUps.push(() => void client.end(true));
  const heard: string[] = [];
  client.on('error', () => undefined);
  client.on('message', (topic, payload, { qos }) => heard.push(`${topic} ${payload.toString()} ${qos}`));
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
  });
  return { client, heard };
}

describe('the hub, killed without warning', () => {
  it(
    'still delivers what it acknowledged, shows what is retained, and tells of the wills',
    async () => {
      const appliance = await started();
      const device = await addDevice(appliance, { username: 'lamp', name: 'Lamp' });
      const { client: away } = await connect(appliance, device, 'away', false);
      await away.subscribeAsync('devices/lamp/#', { qos: 2 });
      await away.endAsync();
      const { client } = await connect(appliance, device, 'sender', true);
      const ca = await authority(appliance);
      const dying = new MqttClient(
        () => connectTls({ host: '127.0.0.1', port: appliance.mqttPort, servername: 'localhost', ca }),
        {
          clientId: 'dying',
          username: device.username,
          password: device.token,
          reconnectPeriod: 0,
          will: { topic: 'devices/lamp/status', payload: Buffer.from('offline'), qos: 1, retain: true },
        },
      );
      dying.on('error', () => undefined);
      cleanUps.push(() => void dying.end(true));
      await new Promise((resolve) => dying.once('connect', resolve));
      const acknowledged: string[] = [];
      const sent = Array.from({ length: 200 }, (_, index) => `${index}`).map((word, index) =>
        client.publishAsync('devices/lamp/cmd', word, { qos: index % 5 === 4 ? 2 : 1 }).then(
          () => acknowledged.push(word),
          () => undefined,
        ),
      );
      await client.publishAsync('devices/lamp/kept', 'here', { qos: 1, retain: true });
      await appliance.stop('hub', 'SIGKILL');
      client.end(true);
      await Promise.race([Promise.all(sent), new Promise((resolve) => setImmediate(resolve))]);
      expect(acknowledged.length).toBeGreaterThan(0);

      await appliance.start('hub');
      const { heard } = await connect(appliance, device, 'away', false);
      const words = (): Set<string> => new Set(heard.map((line) => line.split(' ')[1] ?? ''));
      await expect.poll(() => acknowledged.filter((word) => !words().has(word)), patience).toEqual([]);
      const { client: late, heard: retained } = await connect(appliance, device, 'late', true);
      await late.subscribeAsync('devices/lamp/#');
      await expect
        .poll(() => retained.toSorted(), patience)
        .toEqual(['devices/lamp/kept here 0', 'devices/lamp/status offline 0']);
    },
    testTimeoutMs,
  );
});

describe('a door controller on another machine', () => {
  it(
    'reaches the hub over TLS by its name, and nobody else gets to its broker',
    async () => {
      const hub = await started();
      const bridge = await hub.ask('POST', '/api/access-control/bridges', { name: 'Workshop' });
      const stateDir = await mkdtemp(path.join(tmpdir(), 'mc-'));
      cleanUps.push(() => rm(stateDir, { recursive: true, force: true }));
      await mkdir(path.join(stateDir, 'bridge'), { mode: 0o700 });
      await writeFile(
        path.join(stateDir, 'bridge/device.json'),
        JSON.stringify({ bridgeId: bridge.bridgeId, token: bridge.token }),
        { mode: 0o600 },
      );
      await writeFile(path.join(stateDir, 'bridge/ca.pem'), await authority(hub));
      const example = await readFile(path.join(root, 'config/bridge.example.yaml'), 'utf8');
      const bridgeConfig = path.join(stateDir, 'bridge.yaml');
      await writeFile(
        bridgeConfig,
        example.replace(
          /# url: mqtts:.*\n.*# caFile: (.*)\n/,
          `url: mqtts://localhost:${hub.mqttPort}\n  caFile: $1\n`,
        ),
      );
      const remote = await Appliance.create({ stateDir, bridgeConfig });
      cleanUps.push(() => remote.close());
      await remote.start('simulator');
      await remote.start('bridge');
      await expect
        .poll(async () => {
          const { items } = await hub.ask('GET', '/api/access-control/bridges');
          return (items as { name: string; connected: boolean; policy: { state: string } }[])
            .filter(({ name }) => name === 'Workshop')
            .map(({ connected, policy }) => [connected, policy.state]);
        }, patience)
        .toEqual([[true, 'applied']]);

      // A device's token opens nothing on the bridges' broker, and a bridge's nothing on the devices'.
      const device = await addDevice(hub, { username: 'lamp', name: 'Lamp' });
      const ca = await authority(hub);
      const outcome = (username: string, password: string, ALPNProtocols: string[]): Promise<string> =>
        new Promise((resolve) => {
          const client = new MqttClient(
            () =>
              connectTls({
                host: '127.0.0.1',
                port: hub.mqttPort,
                servername: 'localhost',
                ca,
                ALPNProtocols,
              }),
            { clientId: username, username, password, reconnectPeriod: 0 },
          );
          cleanUps.push(() => void client.end(true));
          client.once('connect', () => resolve('connected'));
          client.once('error', ({ message }) => resolve(message));
        });
      expect(await outcome(device.username, device.token, ['makrcave-bridge'])).toMatch(
        /Bad username|Not auth/,
      );
      expect(await outcome(String(bridge.bridgeId), String(bridge.token), ['mqtt'])).toMatch(
        /Bad username|Not auth/,
      );
      expect(await outcome(device.username, device.token, ['mqtt'])).toBe('connected');
    },
    testTimeoutMs,
  );
});

describe('devices in the interface', () => {
  it(
    'are added, shown, changed and removed; their token is shown once and kept nowhere',
    async () => {
      const appliance = await started();
      const device = await addDevice(appliance, {
        username: 'laser',
        name: 'Laser sensor',
        rights: [{ filter: 'tele/laser/#', action: 'publish' }],
      });
      const place = `/api/system/mqtt-devices/${device.id}`;
      const { client } = await connect(appliance, device, 'one', true);
      const gone = new Promise<void>((resolve) => client.once('close', () => resolve()));
      client.publish('tele/other/x', '1');
      await gone;
      expect(await appliance.ask('GET', place)).toMatchObject({
        username: 'laser',
        version: 1,
        lastDenied: { action: 'publish', topic: 'tele/other/x' },
      });
      const rights = [{ filter: 'tele/#', action: 'publish' }];
      expect(await appliance.ask('PATCH', place, { version: 1, rights })).toMatchObject({ rights });
      for (const [body, code] of [
        [{ username: 'laser', name: 'Again' }, 'deviceUsernameTaken'],
        [{ username: 'x', name: 'X', rights: [{ filter: 'mc/#', action: 'subscribe' }] }, 'rightInvalid'],
        [{ username: 'x', name: 'X', rights: [{ filter: '$SYS/#', action: 'publish' }] }, 'rightInvalid'],
        [{ username: 'x', name: 'X', rights: [{ filter: 'a#', action: 'publish' }] }, 'rightInvalid'],
      ] as const)
        expect((await appliance.console('POST', '/api/system/mqtt-devices', body)).json).toMatchObject({
          code,
        });
      expect(await appliance.ask('GET', '/api/system/mqtt')).toMatchObject({ port: appliance.mqttPort });
      await appliance.ask('DELETE', place);
      expect((await appliance.console('GET', place)).json).toMatchObject({ code: 'deviceNotFound' });
      expect(appliance.output.hub.join('\n')).not.toContain(device.token);
      const audit = await appliance.ask('GET', '/api/access-control/audit-logs');
      expect(JSON.stringify(audit)).not.toContain(device.token);
    },
    testTimeoutMs,
  );

  it(
    'keep nothing from starting when their port belongs to another program',
    async () => {
      const first = await started();
      const second = await started({ env: { MAKRCAVE_MQTT_TLS_PORT: String(first.mqttPort) } });
      expect(second.output.hub.join('\n')).toContain('no MQTT for devices: the port cannot be opened');
      expect(await second.ask('GET', '/api/system/mqtt')).toMatchObject({ port: null });
    },
    testTimeoutMs,
  );
});
