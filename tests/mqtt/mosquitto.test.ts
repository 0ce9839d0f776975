import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DeviceScene } from './device-scene.ts';

const patience = { timeout: 30_000 };

describe("Debian's mosquitto_pub and mosquitto_sub, over TLS with user name and token", () => {
  let scene: DeviceScene;
  beforeEach(async () => {
    scene = await DeviceScene.open();
    await scene.add('sensor', [{ filter: 'tele/sensor/#', action: 'publish' }]);
    await scene.add('panel', [
      { filter: 'tele/#', action: 'subscribe' },
      { filter: 'devices/sensor/#', action: 'subscribe' },
    ]);
  });
  afterEach(async () => {
    await scene.close();
  });

  it('passes a message on, at every quality of service', async () => {
    const listening = scene.mosquitto('mosquitto_sub', 'panel', ['-v', '-q', '2', '-d', '-t', 'tele/#']);
    await expect.poll(() => listening.lines, patience).toContainEqual(expect.stringContaining('Subscribed'));
    for (const qos of ['0', '1', '2']) {
      const sent = scene.mosquitto('mosquitto_pub', 'sensor', [
        '-q',
        qos,
        '-t',
        'tele/sensor/STATE',
        '-m',
        `warm ${qos}`,
      ]);
      expect(await sent.ended).toBe(0);
    }
    await expect
      .poll(() => listening.lines.filter((line) => line.startsWith('tele/')), patience)
      .toEqual(['0', '1', '2'].map((qos) => `tele/sensor/STATE warm ${qos}`));
  });

  it('gives a retained message to whoever comes later, also after the hub started again', async () => {
    const sent = scene.mosquitto('mosquitto_pub', 'sensor', [
      '-q',
      '1',
      '-r',
      '-t',
      'devices/sensor/status',
      '-m',
      'online',
    ]);
    expect(await sent.ended).toBe(0);
    await scene.stop();
    await scene.start();
    const late = scene.mosquitto('mosquitto_sub', 'panel', [
      '-C',
      '1',
      '-W',
      '60',
      '-t',
      'devices/sensor/status',
    ]);
    expect(await late.ended).toBe(0);
    expect(late.lines).toEqual(['online']);
  });

  it('keeps messages of quality 1 for a client that is away and keeps its session', async () => {
    const session = ['-i', 'wall', '-c', '-q', '1', '-t', 'tele/#'];
    const first = scene.mosquitto('mosquitto_sub', 'panel', [...session, '-E']);
    expect(await first.ended).toBe(0);
    for (const word of ['one', 'two', 'three'])
      expect(
        await scene.mosquitto('mosquitto_pub', 'sensor', ['-q', '1', '-t', 'tele/sensor/x', '-m', word])
          .ended,
      ).toBe(0);
    const back = scene.mosquitto('mosquitto_sub', 'panel', [...session, '-C', '3', '-W', '60']);
    expect(await back.ended).toBe(0);
    expect(back.lines).toEqual(['one', 'two', 'three']);
  });

  it('refuses a wrong token and an unknown user', async () => {
    scene.tokens.set('nobody', 'guess');
    scene.tokens.set('sensor', 'guess');
    for (const user of ['nobody', 'sensor']) {
      const sent = scene.mosquitto('mosquitto_pub', user, ['-t', 'tele/sensor/x', '-m', '1']);
      expect(await sent.ended).not.toBe(0);
      expect(sent.lines.join()).toMatch(/not authorised|bad user name or password/i);
    }
  });

  it.each([
    ['a topic without a right', 'tele/laser/x'],
    ['the topics of another device', 'devices/panel/status'],
    ['the topics of door controllers', 'mc/1/bridge/x/events'],
    ["the hub's own news", '$SYS/broker/uptime'],
  ])('lets nobody publish to %s', async (_what, topic) => {
    const sent = scene.mosquitto('mosquitto_pub', 'sensor', ['-q', '1', '-t', topic, '-m', '1', '-d']);
    await expect
      .poll(() => scene.broker.lastDenialOf('sensor'), patience)
      .toMatchObject({ action: 'publish', topic });
    sent.kill();
    expect(scene.broker.figures().received).toBe(0);
  });

  it.each([
    ['everything', '#'],
    ['everything below one level', '+/#'],
    ['the topics of door controllers', 'mc/#'],
    ["the hub's own news", '$SYS/#'],
    ['the topics of all devices', 'devices/#'],
    ['a shared subscription', '$share/group/tele/#'],
  ])('refuses a subscription to %s without a right to it', async (_what, filter) => {
    const listening = scene.mosquitto('mosquitto_sub', 'panel', ['-t', filter, '-d', '-W', '60']);
    await expect
      .poll(() => listening.lines.join('\n'), patience)
      .toMatch(/Subscribed \(mid: 1\): 128|All subscription requests were denied/);
    listening.kill();
  });

  it('shows the news of the broker to whoever has the right to it', async () => {
    await scene.add('watcher', [{ filter: '$SYS/#', action: 'subscribe' }]);
    const watching = scene.mosquitto('mosquitto_sub', 'watcher', ['-v', '-d', '-t', '$SYS/+/new/clients']);
    await expect.poll(() => watching.lines, patience).toContainEqual(expect.stringContaining('Subscribed'));
    await scene.mosquitto('mosquitto_pub', 'sensor', ['-i', 'boiler', '-t', 'tele/sensor/x', '-m', '1'])
      .ended;
    await expect
      .poll(() => watching.lines, patience)
      .toContainEqual(expect.stringMatching(/new\/clients sensor:boiler$/));
  });

  it('cuts off a device that does not read, and keeps on serving the others', async () => {
    await scene.close();
    scene = await DeviceScene.open({ unsentBytes: 65_536 });
    await scene.add('slow', [{ filter: 'load/#', action: 'subscribe' }]);
    await scene.add('quick', [
      { filter: 'load/#', action: 'publish' },
      { filter: 'load/#', action: 'subscribe' },
    ]);
    const slow = scene.mosquitto('mosquitto_sub', 'slow', ['-d', '-t', 'load/#']);
    await expect.poll(() => slow.lines, patience).toContainEqual(expect.stringContaining('Subscribed'));
    slow.kill('SIGSTOP');
    const quick = await scene.connected('quick');
    let heard = 0;
    quick.on('message', () => (heard += 1));
    await quick.subscribeAsync('load/#');
    let sent = 0;
    await expect
      .poll(async () => {
        await quick.publishAsync('load/x', Buffer.alloc(100_000), { qos: 1 });
        sent += 1;
        return scene.broker.figures().cutOff;
      }, patience)
      .toBe(1);
    await expect.poll(() => heard, patience).toBe(sent);
    expect(scene.lines.map(({ msg }) => msg)).toContain('device cut off: it does not read what is sent');
  });
});
