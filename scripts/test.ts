import { spawn, spawnSync } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const help = `Usage: ./scripts/test [--help] [--only NAME]... [FILTER]...

Installs what is missing, then runs every check and every test, and prints "N passed, N failed" last.
Each check counts as one; so does each test.

  --only NAME   run only this step; may be repeated. Steps:
                format, lint, types, svelte, imports, dead-code, ui, tests
  FILTER        with tests: only files whose path contains this
`;

interface Count {
  passed: number;
  failed: number;
}

const root = path.resolve(import.meta.dirname, '..');
const bin = (name: string): string => path.join(root, 'node_modules/.bin', name);

/** Each check: one command that exits 0 when all is well. */
const checks: Readonly<Record<string, readonly string[]>> = {
  format: [bin('biome'), 'check', '--error-on-warnings', '.'],
  lint: [bin('oxlint'), '--type-aware', '--deny-warnings', 'hub', 'firmware-bridge', 'tests', 'scripts'],
  types: [bin('tsc'), '--noEmit', '-p', '.'],
  svelte: [
    bin('svelte-check'),
    '--workspace',
    'hub/ui',
    '--tsconfig',
    './tsconfig.json',
    '--fail-on-warnings',
  ],
  imports: [
    bin('node'),
    bin('depcruise'),
    'hub',
    'firmware-bridge',
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'err-long',
  ],
  'dead-code': [bin('node'), bin('knip'), '--no-progress'],
  ui: [bin('node'), bin('vite'), 'build', '--config', 'hub/ui/vite.config.ts', '--logLevel', 'warn'],
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: 'boolean', short: 'h' }, only: { type: 'string', multiple: true } },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const only = new Set(values.only);
const unknown = [...only].filter((name) => name !== 'tests' && checks[name] === undefined);
if (unknown.length > 0) {
  process.stderr.write(`There is no step ${unknown.join(', ')}.\n\n${help}`);
  process.exit(64);
}
const wanted = (name: string): boolean =>
  only.size === 0 ? positionals.length === 0 || name === 'tests' : only.has(name);

/** Runs a command to its end; its output goes where ours goes. */
function run(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  const [file = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** The types by which the UI calls the hub are made from its document; checks and tests read them. */
async function makeApiTypes(): Promise<Count> {
  const failed = (await run([bin('node'), path.join(root, 'scripts/api-types.ts')])) !== 0;
  if (failed) process.stdout.write('FAILED the types of the API could not be made\n');
  return { passed: 0, failed: failed ? 1 : 0 };
}

async function runChecks(): Promise<Count> {
  const count: Count = await makeApiTypes();
  for (const [name, command] of Object.entries(checks)) {
    if (!wanted(name)) continue;
    const startedMs = Date.now();
    const failed = (await run(command)) !== 0;
    count[failed ? 'failed' : 'passed'] += 1;
    process.stdout.write(
      `${failed ? 'FAILED' : 'ok    '} ${name} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)\n`,
    );
  }
  return count;
}

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

/**
 * The kernel on whose GPIO the bridge is tested: built once into the user's cache. Its path, or null where this machine
 * cannot build it; the reason is then said at the end.
 */
async function findKernel(leftOutFile: string): Promise<string | null> {
  const child = spawn(path.join(root, 'scripts/uml-kernel'), [], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let found = '';
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (found += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    process.stderr.write(chunk);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code === 0) return found.trim();
  const reason = said.trim().split('\n').at(-1) ?? `uml-kernel ended with ${code}`;
  await appendFile(
    leftOutFile,
    `- the bridge on a real kernel's GPIO (tests/system/kernel/*.test.ts): ${reason}\n`,
  );
  return null;
}

/** Debian's programs that tests run against; `command` shows whether a package is there. */
const debianTools = [
  {
    command: 'mosquitto_pub',
    debianPackage: 'mosquitto-clients',
    tested: "the broker with Debian's mosquitto_pub and mosquitto_sub (tests/mqtt/mosquitto.test.ts)",
  },
  {
    command: 'socat',
    debianPackage: 'socat',
    tested: 'serial readers on real pseudo terminals (*serial*.test.ts, osdp/peripheral-process.test.ts)',
  },
] as const;

/** Installed once where this user may; else what they test is said at the end. */
async function findTools(leftOutFile: string): Promise<void> {
  const isThere = (command: string): boolean => spawnSync(command, ['-h']).error === undefined;
  const isMissing = ({ command }: (typeof debianTools)[number]): boolean => !isThere(command);
  const asRoot = process.getuid?.() === 0;
  const wantedPackages = debianTools.filter(isMissing).map(({ debianPackage }) => debianPackage);
  if (wantedPackages.length > 0 && asRoot) {
    process.stderr.write(`Installing ${wantedPackages.join(', ')} ...\n`);
    const bounded = {
      timeout: 120_000,
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    } as const;
    const install = ['install', '-y', '--no-install-recommends', ...wantedPackages];
    if (spawnSync('apt-get', install, bounded).status !== 0) {
      spawnSync('apt-get', ['update'], bounded);
      spawnSync('apt-get', install, bounded);
    }
  }
  for (const { debianPackage, tested } of debianTools.filter(isMissing)) {
    const reason = asRoot
      ? `apt-get could not install ${debianPackage}`
      : `run as root: apt-get install ${debianPackage}`;
    await appendFile(leftOutFile, `- ${tested}: ${reason}\n`);
  }
}

async function runTests(leftOutFile: string, folder: string): Promise<Count> {
  const reportFile = path.join(folder, 'report.json');
  const kernel = await findKernel(leftOutFile);
  await findTools(leftOutFile);
  const code = await run(
    [
      bin('node'),
      bin('vitest'),
      'run',
      '--reporter=dot',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
      ...positionals,
    ],
    { MAKRCAVE_LEFT_OUT_FILE: leftOutFile, ...(kernel === null ? {} : { MAKRCAVE_UML_KERNEL: kernel }) },
  );
  const report: Report = JSON.parse(await readFile(reportFile, 'utf8'));
  // A file that could not even be loaded has no tests to count: it counts as one failure. So does a skipped test.
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  const failed = report.numFailedTests + broken + report.numPendingTests + report.numTodoTests;
  return { passed: report.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed };
}

const folder = await mkdtemp(path.join(tmpdir(), 'makrcave-test-'));
const leftOutFile = path.join(folder, 'left-out.txt');
const total = await runChecks();
if (wanted('tests')) {
  const tests = await runTests(leftOutFile, folder);
  total.passed += tests.passed;
  total.failed += tests.failed;
}
const leftOut = await readFile(leftOutFile, 'utf8').catch(() => '');
await rm(folder, { recursive: true, force: true });
if (leftOut !== '') process.stdout.write(`\nLEFT OUT on this machine:\n${leftOut}\n`);
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed === 0 ? 0 : 1);
