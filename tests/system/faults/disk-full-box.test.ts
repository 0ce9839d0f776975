import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bridge } from '#hub/domains/access/bridges/schema.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { mountSmallDisk, type SmallDisk } from '#tests/_support/crash/small-disk.ts';
import { cardBits, setDoor, untilLevel } from '#tests/_support/doors/doors.ts';
import { startReaper } from '#tests/_support/reaper.ts';
import { until } from '#tests/_support/until.ts';
import { Service, stopServices } from '../../../scripts/service.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const strikeLine = 17;
const card = '123:4567';
const findingIds = (findings: unknown): string[] => (findings as { id: string }[]).map(({ id }) => id);

/** Store, keys, journal, clock marks, sockets and logs on one small file system, under the start script's supervision. */
describe('a box whose only disk is full', () => {
  let appliance: Appliance;
  let disk: SmallDisk | null = null;
  let hub: Service;
  let bridge: Service;
  let simulation = '';
  let reaper: ReturnType<typeof startReaper>;
  const said: string[] = [];

  function supervise(name: string, ...args: string[]): Service {
    return new Service({
      name,
      args,
      cwd: root,
      env: {
        ...process.env,
        MAKRCAVE_STATE_DIR: appliance.stateDir,
        MAKRCAVE_HTTP_PORT: '0',
        MAKRCAVE_HTTP_HTTPS_PORT: '0',
        MAKRCAVE_MQTT_TLS_PORT: '0',
        MAKRCAVE_CLOCK_TRUST_SYSTEM: 'true',
        MAKRCAVE_LOG_LEVEL: 'debug',
        MAKRCAVE_BRIDGE_LOG_LEVEL: 'debug',
        NODE_COMPILE_CACHE: path.join(tmpdir(), 'makrcave-compile-cache'),
      },
      logFile: path.join(appliance.stateDir, 'log', `${name}.log`),
      say: (line) => said.push(line),
      firstPauseMs: 100,
      maxPauseMs: 400,
    });
  }
  const isHealthy = async (): Promise<boolean> =>
    await appliance.console('GET', '/health').then(
      ({ status }) => status === 200,
      () => false,
    );
  const create = (name: string) => appliance.console('POST', '/api/members', { name });
  const bridgeState = async (): Promise<Bridge | undefined> =>
    ((await appliance.ask('GET', '/api/access-control/bridges')).items as Bridge[])[0];
  const opens = async (): Promise<void> => {
    await untilLevel(appliance, strikeLine, 0);
    await appliance.panel({ tap: { bits: cardBits(card), d0: 5, d1: 6 } });
    await untilLevel(appliance, strikeLine, 1);
  };

  beforeAll(async () => {
    const stateDir = await mkdtemp(path.join(tmpdir(), 'mc-'));
    appliance = await Appliance.create({ stateDir });
    reaper = startReaper(null);
    disk = mountSmallDisk(stateDir, 24_576, 'a box whose only disk is full');
    if (disk === null) return;
    await mkdir(path.join(stateDir, 'log'));
    // Lines and readers are hardware, which a full disk does not stop.
    simulation = await mkdtemp(path.join(tmpdir(), 'mc-sim-'));
    await symlink(simulation, appliance.simulationDir);
    await appliance.start('simulator');
    const config = path.join(root, 'config/bridge.example.yaml');
    bridge = supervise(
      'bridge',
      path.join(root, 'firmware-bridge/main.ts'),
      '--config',
      config,
      '--state',
      stateDir,
    );
    hub = supervise('hub', path.join(root, 'hub/main.ts'));
    // Doors first, as the start script does it.
    await bridge.start();
    await hub.start();
    reaper.note('bridge', bridge.pid ?? null);
    reaper.note('hub', hub.pid ?? null);
    await until('the hub', isHealthy, 30_000);
    await until('the bridge', async () => (await bridgeState())?.policy.state === 'applied', 30_000);
    await appliance.furnish(card);
    await setDoor(appliance, 'front', { accessTimeSeconds: 1 });
    await appliance.untilApplied();
  }, 60_000);
  afterAll(async () => {
    if (disk !== null) await stopServices([bridge, hub]);
    reaper.close();
    await appliance.stop('simulator');
    disk?.unmount();
    await appliance.close();
    await rm(simulation, { recursive: true, force: true });
  });

  it('serves doors and pages, says so, comes back when there is room, and ends when told to', {
    timeout: 60_000,
  }, async () => {
    if (disk === null) return;
    await opens();
    disk.fill();
    const refused = await until('a write that finds no room', async () => {
      const answer = await create('Nobody Half');
      return answer.status === 507 && answer;
    });
    expect(refused.json).toMatchObject({ code: 'diskFull' });
    const found = await until('the finding about the log', async () => {
      const ids = findingIds((await appliance.ask('GET', '/health/detailed')).findings);
      return ids.includes('log.linesLost') && ids;
    });
    expect(found).toEqual(expect.arrayContaining(['disk.full', 'store.diskFull']));
    await opens();

    // The power came back, or something ended them: the door is served on the full disk, and the hub tries again.
    bridge.kill();
    await until('the next bridge', () => bridge.starts === 2 && bridge.pid !== undefined);
    reaper.note('bridge', bridge.pid ?? null);
    await until('the bridge to serve', async () => {
      const state = await bridgeState();
      return state?.connected === true && state.policy.state === 'applied';
    });
    await opens();
    hub.kill();
    await until('the next hub', () => hub.starts >= 2 && hub.pid !== undefined);
    reaper.note('hub', hub.pid ?? null);
    await opens();
    expect(bridge.starts).toBe(2);

    disk.free();
    await until('the hub to be back', isHealthy, 20_000);
    await until('a write', async () => (await create('Somebody Whole').catch(() => null))?.status === 201);
    reaper.note('hub', hub.pid ?? null);
    expect(await appliance.ask('GET', '/api/system/verify')).toMatchObject({ ok: true });
    await until(
      'the log to say what it lacks',
      () =>
        readFileSync(hub.logFile, 'utf8').includes('lines of the log were lost') ||
        readFileSync(bridge.logFile, 'utf8').includes('lines of the log were lost'),
    );

    disk.fill();
    await until('a write that finds no room', async () => (await create('Nobody Half')).status === 507);
    const startedMs = performance.now();
    await stopServices([bridge, hub]);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect([bridge.pid, hub.pid]).toEqual([undefined, undefined]);
  });
});
