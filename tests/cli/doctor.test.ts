import { chmodSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';
import { runCli } from './run-cli.ts';

let appliance: Appliance;
beforeAll(async () => {
  appliance = await Appliance.start();
  await appliance.furnish();
}, 60_000);
afterAll(() => appliance.close());

/** A hub may run on the default ports beside these tests. */
const anyPort = { MAKRCAVE_HTTP_PORT: '0', MAKRCAVE_HTTP_HTTPS_PORT: '0' };
const cli = (command: string, ...args: string[]) =>
  runCli([command, '--state', appliance.stateDir, ...args], anyPort);
interface Doctor {
  running: boolean;
  findings: { id: string; severity: string; evidence: string; fix: string }[];
}
async function doctor(env: Record<string, string> = {}): Promise<Doctor & { code: number | null }> {
  const { stdout, stderr, code } = await runCli(['doctor', '--json', '--state', appliance.stateDir], {
    ...anyPort,
    ...env,
  });
  if (stdout === '') throw new Error(stderr);
  return { ...(JSON.parse(stdout) as Doctor), code };
}
/** Without what a full or a busy machine finds of itself. */
const ids = ({ findings }: Doctor): string[] =>
  findings.map(({ id }) => id).filter((id) => !/^(disk|process)\.|^store\.slow$/.test(id));

it('status is one screen: site, release, doors, controllers, findings', async () => {
  const { stdout, code } = await cli('status');
  expect(stdout).toMatch(/^Test space: release \d+\.\d+\.\d+, running for /);
  expect(stdout).toMatch(/^ {2}Front door +\S+/m);
  expect(stdout).toMatch(/^ {2}This box +connected, has the latest rules \(simulated\)$/m);
  expect(stdout.split('\n').length).toBeLessThan(40);
  expect(code).toBe(0);
  const report = JSON.parse((await cli('status', '--json')).stdout) as { siteName: string; doors: unknown[] };
  expect(report.siteName).toBe('Test space');
  expect(report.doors).toHaveLength(1);
});

it('doctor with a running hub finds what the hub finds, and files that others may read', async () => {
  expect(ids(await doctor())).toEqual([]);
  const token = path.join(appliance.stateDir, 'bridge/device.json');
  chmodSync(token, 0o644);
  const found = await doctor();
  chmodSync(token, 0o600);
  expect(found).toMatchObject({ running: true, code: 1 });
  expect(ids(found)).toEqual(['files.exposed:device.json']);
  expect(found.findings[0]?.evidence).toContain('644');
});

it('doctor with the hub stopped looks at the whole store, the ports and the configuration', async () => {
  await appliance.stop('bridge');
  await appliance.stop('hub');
  expect((await cli('status')).code).toBe(69);
  const well = await doctor();
  expect(ids(well)).toEqual(['hub.stopped']);
  expect(well).toMatchObject({ running: false, code: 0 });
  const words = (await cli('doctor')).stdout;
  expect(words).toMatch(/^WARNING {2}hub\.stopped$/m);
  expect(words).toContain('-> Start it with');

  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const taken = await doctor({ MAKRCAVE_HTTP_PORT: String(port) });
  expect(ids(taken)).toEqual([`ports.taken:${port}`, 'hub.stopped']);
  expect(taken.code).toBe(1);

  const wrong = await doctor({ MAKRCAVE_LOG_LEVEL: 'loud' });
  expect(ids(wrong)).toEqual(['config.invalid:1']);
  expect(wrong.findings[0]?.evidence).toContain('MAKRCAVE_LOG_LEVEL');
}, 60_000);

it('doctor finds a damaged store, and a key that is gone', async () => {
  const store = path.join(appliance.stateDir, 'hub/hub.sqlite');
  const whole = readFileSync(store);
  expect(whole.length).toBeGreaterThan(100 * 4096);
  // A page in the middle that a start does not read.
  const descriptor = openSync(store, 'r+');
  for (let page = Math.floor(whole.length / 4096) - 3; page < whole.length / 4096; page += 1)
    writeSync(descriptor, Buffer.alloc(64, 0xff), 0, 64, page * 4096 + 1000);
  const damaged = await doctor();
  expect(damaged.code).toBe(1);
  expect(ids(damaged).filter((id) => id === 'store.damaged' || id === 'start.storeCorrupt')).toHaveLength(1);
  writeFileSync(store, whole);
  for (const end of ['-wal', '-shm']) rmSync(`${store}${end}`, { force: true });
  expect(ids(await doctor())).toEqual(['hub.stopped']);

  const key = path.join(appliance.stateDir, 'hub/keys/store.key');
  const bytes = readFileSync(key);
  rmSync(key);
  const keyless = await doctor();
  writeFileSync(key, bytes, { mode: 0o600 });
  expect(ids(keyless)).toContain('start.keyMissing');
  expect(statSync(key).size).toBe(32);
}, 60_000);

it('config check names every mistake and its place, and prints what holds without secrets', async () => {
  const file = path.join(appliance.stateDir, 'hub.yaml');
  writeFileSync(file, 'http:\n  port: eighty\nlog:\n  level: loud\n');
  const wrong = await runCli(['config', 'check', file]);
  expect(wrong.code).toBe(78);
  expect(wrong.stdout.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/hub\.yaml:2:9: http\.port: /),
    expect.stringMatching(/hub\.yaml:4:10: log\.level: /),
  ]);
  writeFileSync(file, 'errorReporting:\n  dsn: https://secretkey123@errors.example/7\nlog:\n  level: warn\n');
  const right = await runCli(['config', 'check', '--print', file]);
  expect(right.code).toBe(0);
  expect(right.stdout).toContain('level: warn');
  expect(right.stdout + right.stderr).not.toContain('secretkey123');
  expect((await runCli(['config', 'check', '/nowhere.yaml'])).code).toBe(78);
  expect((await runCli(['config'])).code).toBe(64);
});

it('every command has help of its own', async () => {
  const { stdout } = await runCli(['--help']);
  const names = [...stdout.matchAll(/^ {2}([a-z][a-z-]+) /gm)]
    .map((match) => match[1])
    .filter((name) => name !== undefined);
  expect(names.length).toBeGreaterThan(8);
  for (const name of names) {
    const help = await runCli([name, '--help']);
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining(`Usage: makrcave-hub ${name}`) });
  }
}, 60_000);
