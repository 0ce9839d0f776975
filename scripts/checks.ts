import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '..');
export const bin = (name: string): string => path.join(root, 'node_modules/.bin', name);

/** How many checks, and how many tests, went well and did not. */
export interface Count {
  passed: number;
  failed: number;
}

const knip = [bin('node'), bin('knip'), '--no-progress'];

/**
 * Each check: commands that exit 0 when all is well. Those that take longest come first.
 * @param uiFolder where the UI is built; tests read it there
 */
const checksWith = (uiFolder: string): Readonly<Record<string, readonly (readonly string[])[]>> => ({
  lint: [[bin('oxlint'), '--type-aware', '--deny-warnings', 'hub', 'firmware-bridge', 'tests', 'scripts']],
  svelte: [
    [bin('svelte-check'), '--workspace', 'hub/ui', '--tsconfig', './tsconfig.json', '--fail-on-warnings'],
  ],
  ui: [[bin('node'), 'tests/_support/run/build-ui-process.ts', uiFolder]],
  types: [[bin('tsc'), '--noEmit', '-p', '.']],
  imports: [
    [
      bin('node'),
      bin('depcruise'),
      'hub',
      'firmware-bridge',
      '--config',
      '.dependency-cruiser.cjs',
      '--output-type',
      'err-long',
    ],
  ],
  // In production nothing may be exported that only tests use.
  'dead-code': [knip, [...knip, '--production']],
  format: [[bin('biome'), 'check', '--error-on-warnings', '.']],
});

export const checkNames = Object.keys(checksWith(''));

/** Runs a command to its end; its output goes where ours goes. */
export function run(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
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

/** Runs a command to its end and keeps what it prints: several run at a time. */
function runQuietly(command: readonly string[]): Promise<{ code: number; printed: string }> {
  const [file = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code: code ?? 1, printed: Buffer.concat(chunks).toString('utf8') }),
    );
  });
}

/** Makes the types by which the UI calls the hub from its document; checks and tests read them. */
async function makeApiTypes(): Promise<Count> {
  const failed = (await run([bin('node'), path.join(root, 'scripts/api-types.ts')])) !== 0;
  if (failed) process.stdout.write('FAILED the types of the API could not be made\n');
  return { passed: 0, failed: failed ? 1 : 0 };
}

/** Runs the checks of these names, as many at a time as there are cores. */
export async function runChecks(isWanted: (name: string) => boolean, uiFolder: string): Promise<Count> {
  const count = await makeApiTypes();
  const waiting = Object.entries(checksWith(uiFolder)).filter(([name]) => isWanted(name));
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [name, commands] = next;
      const startedMs = Date.now();
      const runs = [];
      for (const command of commands) runs.push(await runQuietly(command));
      const failed = runs.some(({ code }) => code !== 0);
      count[failed ? 'failed' : 'passed'] += 1;
      const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
      if (failed) process.stdout.write(runs.map(({ printed }) => printed).join(''));
      process.stdout.write(`${failed ? 'FAILED' : 'ok    '} ${name} (${seconds} s)\n`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return count;
}
