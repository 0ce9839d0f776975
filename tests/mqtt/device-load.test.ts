import { afterEach, describe, expect, it } from 'vitest';
import { DeviceScene, hear } from './device-scene.ts';

const patience = { timeout: 30_000 };

let scene: DeviceScene;
afterEach(async () => {
  await scene.close();
});

describe('load of devices', () => {
  it('touches the disk neither for quality 0 nor for two hundred idle connections', async () => {
    scene = await DeviceScene.open();
    const names = Array.from({ length: 25 }, (_, index) => `d${index}`);
    for (const name of names) await scene.add(name);
    const before = scene.broker.figures().transactions;
    // From several addresses of this machine, because one address may have only so many.
    const clients = await Promise.all(
      names.flatMap((name, index) =>
        Array.from({ length: 8 }, (_, count) =>
          scene.connected(name, { clientId: `c${count}` }, `127.0.0.${2 + (index % 10)}`),
        ),
      ),
    );
    expect(scene.broker.figures().connections).toBe(200);
    await Promise.all(
      clients.map((client) => client.publishAsync(`devices/${client.options.username}/telemetry`, '1')),
    );
    await expect.poll(() => scene.broker.figures().received, patience).toBe(200);
    const { transactions, pendingRows } = scene.broker.figures();
    expect([transactions - before, pendingRows]).toEqual([0, 0]);
  });

  it('keeps the order of what one device says, retained and not, with and without acknowledgement', async () => {
    scene = await DeviceScene.open();
    await scene.add('lamp');
    await scene.add('panel', [{ filter: 'devices/lamp/#', action: 'subscribe' }]);
    const panel = await scene.connected('panel');
    const heard = hear(panel);
    await panel.subscribeAsync('devices/lamp/#', { qos: 2 });
    const lamp = await scene.connected('lamp');
    const expected: string[] = [];
    for (let index = 0; index < 60; index += 1) {
      const qos = index % 2 === 0 ? 1 : 0;
      lamp.publish('devices/lamp/x', `${index}`, { qos, retain: index % 3 === 0 });
      expected.push(`devices/lamp/x ${index}`);
    }
    await expect.poll(() => heard, patience).toEqual(expected);
  });

  it('writes what many publish at once in few transactions', async () => {
    scene = await DeviceScene.open();
    await scene.add('panel', [{ filter: 'tele/#', action: 'subscribe' }]);
    const away = await scene.connected('panel', { clean: false });
    await away.subscribeAsync('tele/#', { qos: 1 });
    await away.endAsync();
    await scene.add('sensor', [{ filter: 'tele/#', action: 'publish' }]);
    const sensors = await Promise.all(
      Array.from({ length: 8 }, (_, index) => scene.connected('sensor', { clientId: `s${index}` })),
    );
    const before = scene.broker.figures().transactions;
    await Promise.all(
      sensors.flatMap((sensor, index) =>
        Array.from({ length: 20 }, (_, count) =>
          sensor.publishAsync(`tele/${index}`, `${count}`, { qos: 1 }),
        ),
      ),
    );
    expect(scene.broker.figures().queued).toBe(160);
    expect(scene.broker.figures().transactions - before).toBeLessThan(80);
  });
});
