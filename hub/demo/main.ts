import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Fault } from '#hub/kernel/result.ts';
import { createLog } from '#hub/platform/log.ts';
import { demoUsername, fillDemo } from './fill.ts';
import { isDemoSize, readDemoMarker, writeDemoMarker } from './marker.ts';
import { demoSizes } from './sizes.ts';

// Fills the state directory of a hub that is not running with demo data; `./scripts/start --demo` runs it.

const { values } = parseArgs({
  options: {
    state: { type: 'string' },
    size: { type: 'string', default: 'small' },
    seed: { type: 'string', default: '1' },
    restart: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function fail(message: string, code: number): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

/** One line that counts up on a terminal; elsewhere a line for every tenth. */
function progressLine(): (share: number) => void {
  let shown = -1;
  return (share) => {
    const percent = Math.floor(share * 100);
    if (percent === shown || (!process.stdout.isTTY && percent % 10 !== 0)) return;
    shown = percent;
    const text = `Making the demo ... ${String(percent).padStart(3)} %`;
    process.stdout.write(process.stdout.isTTY ? `\r${text}` : `${text}\n`);
  };
}

async function main(): Promise<void> {
  const { size, seed: seedText } = values;
  const stateDir = path.resolve(values.state ?? './state');
  const seed = Number(seedText);
  if (!isDemoSize(size)) fail(`--demo-size is small or large, not ${size}`, 64);
  if (!Number.isSafeInteger(seed) || seed < 0) fail('--demo-seed is a whole number', 64);
  const found = await readDemoMarker(stateDir);
  if (values.restart && found !== null)
    for (const folder of ['hub', 'bridge', 'sim'])
      await rm(path.join(stateDir, folder), { recursive: true, force: true });
  const password = randomBytes(12).toString('base64url');
  const startedMs = performance.now();
  const { events } = await fillDemo({
    stateDir,
    seed,
    size: demoSizes[size],
    endMs: Date.now(),
    password,
    // Its transactions are long on purpose.
    log: createLog({ level: 'error' }),
    onBegin: () => writeDemoMarker(stateDir, { size, seed, state: 'filling' }),
    onProgress: progressLine(),
  });
  await writeDemoMarker(stateDir, { size, seed, state: 'complete' });
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  if (process.stdout.isTTY) say('');
  say(
    `The demo is made: ${demoSizes[size].members} members, ${events} events of a year (${seconds} s, seed ${seed}).`,
  );
  say(`  Sign in as        ${demoUsername}`);
  say(`  Password          ${password}   (shown only now)`);
}

process.umask(0o077);
await main().catch((cause: unknown) => {
  if (cause instanceof Fault && cause.code === 'demoNotEmpty')
    fail(`${cause.message}. Choose another folder: ./scripts/start --demo --state DIR`, 73);
  fail(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause), 1);
});
