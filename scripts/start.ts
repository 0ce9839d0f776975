import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type ControlAnswer, callControlSocket } from '#hub/cli/control-socket.ts';
import { commandToPrint, findState } from '#hub/cli/find-state.ts';
import { readDemoMarker } from '#hub/demo/marker.ts';
import { LogOutput } from '#hub/platform/log-output.ts';
import { HealthWatch } from './health-watch.ts';
import { boundLog } from './log-rotation.ts';
import { Service, stopServices } from './service.ts';

const help = `Usage: ./scripts/start [options]

Installs what is missing, builds the web UI, makes keys and an encrypted store on the first run, and starts the hub
and one door bridge. Without GPIO hardware the bridge runs on simulated lines. Ctrl-C stops everything.

  --state DIR         where everything is kept             (MAKRCAVE_STATE_DIR, the configuration, ./state)
  --http-port PORT    web UI and API on this machine       (MAKRCAVE_HTTP_PORT, default 8080)
  --https-port PORT   the same for the local network       (MAKRCAVE_HTTP_HTTPS_PORT, default 8443)
  --config FILE       the hub's configuration              (MAKRCAVE_CONFIG; see config/hub.example.yaml)
  --bridge-config FILE  the bridge's configuration         (default DIR/bridge.yaml, made from config/bridge.example.yaml)
  --demo              fill an empty state with a makerspace of invented people and a year of taps, and start it
  --demo-size SIZE    small (400 members, the default) or large (10,000 members, 1,000,000 events)
  --demo-seed N       another number gives other people          (default 1)
  --demo-restart      remove the demo that is there, or was interrupted, and make it again
  -h, --help          this text
`;

const root = path.resolve(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h' },
    state: { type: 'string' },
    'http-port': { type: 'string' },
    'https-port': { type: 'string' },
    config: { type: 'string' },
    'bridge-config': { type: 'string' },
    demo: { type: 'boolean', default: false },
    'demo-size': { type: 'string' },
    'demo-seed': { type: 'string' },
    'demo-restart': { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}

// A terminal that is closed or stopped must not end or block what watches over the doors.
const output = new LogOutput({ gapLine: (lines) => `(${lines} lines are missing here)` });
const say = (line: string): void => output.write(`${line}\n`);
const configFile = values.config ?? (process.env.MAKRCAVE_CONFIG || undefined);
const { stateDir } = await findState({ state: values.state, configFile, env: process.env, root });

/** Newest change below a folder, ms. */
async function newestChangeMs(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const times = entries
    .filter((entry) => entry.isFile() && !entry.parentPath.includes(`${path.sep}dist`))
    .map(async (entry) => (await stat(path.join(entry.parentPath, entry.name))).mtimeMs);
  return Math.max(0, ...(await Promise.all(times)));
}

/** The build of the web UI, or the demo's own process. */
let runningScript: ChildProcess | undefined;

/** Runs a script of the project's to its end and gives its exit code. */
async function runScript(args: readonly string[], options: SpawnOptions): Promise<number> {
  const child = spawn(process.execPath, args, { cwd: root, ...options });
  runningScript = child;
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exit) => resolve(exit ?? 1));
    });
  } finally {
    runningScript = undefined;
  }
}

/** The same; rejects when it fails. */
async function runToEnd(args: readonly string[], failure: string): Promise<void> {
  const code = await runScript(args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (code !== 0) throw new Error(failure);
}

async function buildUi(): Promise<void> {
  const failure = 'the web UI could not be built; see above';
  // The names of topics and permissions, which the UI is built with: done anew only where the hub has changed.
  await runToEnd([path.join(root, 'scripts/api-types.ts')], failure);
  const index = path.join(root, 'hub/ui/dist/index.html');
  const builtMs = await stat(index).then(
    (found) => found.mtimeMs,
    () => 0,
  );
  if (builtMs > (await newestChangeMs(path.join(root, 'hub/ui')))) return;
  say('Building the web UI ...');
  const vite = path.join(root, 'node_modules/.bin/vite');
  const args = [vite, 'build', '--config', path.join(root, 'hub/ui/vite.config.ts'), '--logLevel', 'warn'];
  await runToEnd(args, failure);
}

let stopping = false;
// A Raspberry Pi has no clock of its own; on any other machine the owner's clock is taken as right.
const isPi = existsSync('/proc/device-tree/model');
const env: NodeJS.ProcessEnv = {
  ...(isPi ? {} : { MAKRCAVE_CLOCK_TRUST_SYSTEM: 'true' }),
  ...process.env,
  MAKRCAVE_STATE_DIR: stateDir,
  NODE_COMPILE_CACHE: path.join(stateDir, 'cache'),
  ...(values['http-port'] === undefined ? {} : { MAKRCAVE_HTTP_PORT: values['http-port'] }),
  ...(values['https-port'] === undefined ? {} : { MAKRCAVE_HTTP_HTTPS_PORT: values['https-port'] }),
  ...(configFile === undefined ? {} : { MAKRCAVE_CONFIG: path.resolve(configFile) }),
};

const socketPath = path.join(stateDir, 'hub/hub.sock');
const logFileOf = (name: string): string => path.join(stateDir, 'log', `${name}.log`);
const logCheckMs = 10_000;

/** The hub last: it takes what a door controller still has to tell. */
const endOrder = ['simulator', 'bridge', 'hub'];
const services: Service[] = [];
let watch: HealthWatch | undefined;
setInterval(() => {
  for (const service of services)
    boundLog(service.logFile).catch((cause: unknown) => say(`A log could not be bounded: ${String(cause)}`));
}, logCheckMs).unref();

async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  watch?.stop();
  runningScript?.kill('SIGTERM');
  await stopServices(
    services.toSorted((left, right) => endOrder.indexOf(left.name) - endOrder.indexOf(right.name)),
  );
  output.flushSync();
  process.exit(code);
}
process.on('SIGINT', () => {
  say('\nStopping ...');
  void stop(0);
});
process.on('SIGTERM', () => void stop(0));
// The terminal is gone, the doors stay.
process.on('SIGHUP', () => undefined);

/** Runs `args` under supervision, beside what runs already. */
async function startService(name: string, ...args: string[]): Promise<Service> {
  const service = new Service({ name, args, cwd: root, env, logFile: logFileOf(name), say });
  services.push(service);
  await service.start();
  return service;
}

/** Asks the hub until `isThere` accepts its answer; undefined when that does not happen in time, or we are stopping. */
async function waitFor(
  address: string,
  seconds: number,
  isThere: (answer: ControlAnswer) => boolean,
): Promise<ControlAnswer | undefined> {
  const endMs = performance.now() + seconds * 1000;
  for (;;) {
    if (stopping || performance.now() >= endMs) return undefined;
    const answer = await callControlSocket(socketPath, 'GET', address).catch(() => undefined);
    if (answer !== undefined && isThere(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const bridgesOf = (
  answer: ControlAnswer,
): readonly { connected?: unknown; simulated?: unknown; release?: unknown }[] =>
  Array.isArray(answer.json.items) ? answer.json.items : [];

/** Runs the demo's own process; it says by itself what went wrong. */
async function makeDemo(): Promise<void> {
  const args = [path.join(root, 'hub/demo/main.ts'), '--state', stateDir];
  if (values['demo-size'] !== undefined) args.push('--size', values['demo-size']);
  if (values['demo-seed'] !== undefined) args.push('--seed', values['demo-seed']);
  if (values['demo-restart']) args.push('--restart');
  const code = await runScript(args, { env, stdio: 'inherit' });
  if (code !== 0 && !stopping) await stop(code);
}

const again = './scripts/start --demo --demo-restart';

/** Makes the demo where it is asked for and not there. Gives whether one is in the state directory. */
async function settleDemo(): Promise<boolean> {
  const found = await readDemoMarker(stateDir);
  if (found?.state === 'filling' && !values['demo-restart'])
    throw new Error(
      `The demo in ${stateDir} was interrupted before it was complete. Make it again: ${again}`,
    );
  if (!values.demo) return found !== null;
  if (found === null || values['demo-restart']) {
    await makeDemo();
    return !stopping;
  }
  const { size, seed } = found;
  const isOther = (values['demo-size'] ?? size) !== size || Number(values['demo-seed'] ?? seed) !== seed;
  if (isOther) throw new Error(`There is a ${size} demo of seed ${seed} already. For another one: ${again}`);
  say(`The demo is there already (${size}, seed ${seed}). Its password is lost? ${again}`);
  return true;
}

/** Without a configuration of its own, the bridge gets that of one door, or of the demo's six. */
async function settleBridgeConfig(isDemo: boolean): Promise<string> {
  if (values['bridge-config'] !== undefined) return path.resolve(values['bridge-config']);
  const own = path.join(stateDir, isDemo ? 'demo-bridge.yaml' : 'bridge.yaml');
  if (!existsSync(own))
    await cp(path.join(root, 'config', isDemo ? 'demo-bridge.yaml' : 'bridge.example.yaml'), own);
  return own;
}

const recordsIn = (answer: ControlAnswer): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(answer.json.items) ? answer.json.items : [];

/** The key of a door to try: one of this machine's, whatever its configuration calls it. */
async function doorToTry(): Promise<string | undefined> {
  const answer = await callControlSocket(socketPath, 'GET', '/api/access-control/portals');
  const keys = recordsIn(answer).map(({ key }) => String(key));
  return keys.includes('front') ? 'front' : keys[0];
}

/** What must be right before anything runs. Gives the configuration of the bridge; null when we are stopping. */
async function prepare(): Promise<{ readonly isDemo: boolean; readonly bridgeConfig: string } | null> {
  await mkdir(path.join(stateDir, 'log'), { recursive: true, mode: 0o700 });
  const isDemo = await settleDemo();
  return stopping ? null : { isDemo, bridgeConfig: await settleBridgeConfig(isDemo) };
}

/** Doors first: they need neither the hub nor its page. */
async function run({ isDemo, bridgeConfig }: { isDemo: boolean; bridgeConfig: string }): Promise<void> {
  const bridge = path.join(root, 'firmware-bridge/main.ts');
  await startService('bridge', bridge, '--config', bridgeConfig, '--state', stateDir);
  await buildUi().catch((cause: unknown) => say(`${String(cause)}. The hub answers without it.`));
  if (stopping) return;
  const hub = await startService('hub', path.join(root, 'hub/main.ts'));
  watch = new HealthWatch({ service: hub, ask: () => callControlSocket(socketPath, 'GET', '/health'), say });
  while ((await waitFor('/health', 60, ({ status }) => status === 200)) === undefined) {
    if (stopping) return;
    say(`The hub is not ready yet; see ${hub.logFile}`);
  }
  const bridges = await waitFor('/api/access-control/bridges', 30, (answer) =>
    // Connected is not enough: it says what it is a moment later.
    bridgesOf(answer).some(({ connected, release }) => connected === true && release !== null),
  );
  if (stopping) return;
  const simulated = bridges !== undefined && bridgesOf(bridges).some((found) => found.simulated === true);
  const simulator = path.join(root, 'firmware-bridge/gpio/simulator.ts');
  if (simulated) await startService('simulator', simulator, '--state', path.join(stateDir, 'sim'));
  await greet({ isDemo, simulated, isConnected: bridges !== undefined });
}

/** Says where the hub is found and how to begin. */
async function greet(found: { isDemo: boolean; simulated: boolean; isConnected: boolean }): Promise<void> {
  const { isDemo, simulated, isConnected } = found;
  const claim = await callControlSocket(socketPath, 'POST', '/api/system/claim-code', {});
  const addresses = await callControlSocket(socketPath, 'GET', '/api/system/addresses');
  say('');
  say(`MakrCave hub is running.`);
  const { http, https } = addresses.json;
  if (typeof http === 'string') say(`  On this machine   ${http}`);
  if (Array.isArray(https)) for (const address of https) say(`  On the network    ${address}`);
  if (claim.status < 300 && typeof claim.json.code === 'string')
    say(`  Claim code        ${claim.json.code}   (open the page and enter it; good for 15 minutes)`);
  say(`  State and logs    ${stateDir}`);
  if (simulated) {
    say('  Door              simulated: there is no GPIO hardware here');
    const door = await doorToTry();
    const tap = ['--portal', door ?? 'front', '--card', isDemo ? '1:1' : '123:4567'];
    if (door !== undefined) say(`  Try a tap         ${await commandToPrint(stateDir, root, 'tap', ...tap)}`);
  } else if (!isConnected)
    say(`  Door              not connected; see ${path.join(stateDir, 'log/bridge.log')}`);
  say('Ctrl-C stops it.');
}

const prepared = await prepare().catch(async (cause: unknown) => {
  process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`);
  await writeFile(path.join(stateDir, 'log/start.log'), String(cause)).catch(() => undefined);
  await stop(1);
  return null;
});
// From here on nothing but a signal ends the doors.
if (prepared !== null)
  await run(prepared).catch((cause: unknown) => say(cause instanceof Error ? cause.message : String(cause)));
