// Checked before anything native is loaded: an older Node would crash in it instead of refusing.
if (Number(process.versions.napi) < 10) {
  process.stderr.write('The bridge needs Node 24: start it with ./scripts/start\n');
  process.exit(69);
}

const { parseArgs } = await import('node:util');
const { flushCompileCache } = await import('node:module');
const path = await import('node:path');

const help = `Serves the doors of one door controller.

  node firmware-bridge/main.ts --config FILE --state DIR

  --config FILE   wiring of doors and readers (see config/bridge.example.yaml)
  --state DIR     root of the state; the bridge keeps its own in DIR/bridge
  --help          this text
`;

function fail(text: string, code: number): never {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

function readArguments(): { config: string; state: string } {
  try {
    const { values } = parseArgs({
      options: { config: { type: 'string' }, state: { type: 'string' }, help: { type: 'boolean' } },
    });
    if (values.help === true) {
      process.stdout.write(help);
      process.exit(0);
    }
    if (values.config === undefined || values.state === undefined) fail(help, 64);
    return { config: values.config, state: values.state };
  } catch (cause) {
    return fail(`${cause instanceof Error ? cause.message : String(cause)}\n\n${help}`, 64);
  }
}

const given = readArguments();

/*
 * A small young generation, a heap that prefers size, one malloc arena and compiled code from the disk (from the second
 * start on) keep some 60 MiB free on a box that has 1 GiB. Node takes these only at its start, so the process replaces
 * itself once, under the same process id.
 */
const flags = ['--max-semi-space-size=1', '--optimize-for-size'];
if (process.execve !== undefined && !flags.every((flag) => process.execArgv.includes(flag)))
  process.execve(
    process.execPath,
    [process.execPath, ...process.execArgv, ...flags, ...process.argv.slice(1)],
    {
      ...process.env,
      MALLOC_ARENA_MAX: process.env['MALLOC_ARENA_MAX'] ?? '1',
      // The memory of a PIN check is returned whole instead of lying below later allocations.
      MALLOC_MMAP_THRESHOLD_: process.env['MALLOC_MMAP_THRESHOLD_'] ?? '131072',
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? path.resolve(given.state, 'cache'),
    },
  );

const { ConfigProblems } = await import('#hub/platform/config/config.ts');
const { startBridge } = await import('./bridge.ts');
let running: import('./bridge.ts').RunningBridge | null = null;
let ending = false;

/** Locks every door and ends the process. */
function end(code: number): void {
  if (ending) return;
  ending = true;
  if (running === null) process.exit(code);
  const { log } = running;
  // A hanging stop must not leave a door controller that does nothing.
  setTimeout(() => process.exit(1), 5000).unref();
  running.stop().then(
    () => process.exit(code),
    (cause: unknown) => {
      log.fatal({ err: cause }, 'could not stop in order');
      process.exit(1);
    },
  );
}

process.on('SIGTERM', () => end(0));
process.on('SIGINT', () => end(0));
process.on('uncaughtException', (error) => {
  if (running === null) fail(error.stack ?? error.message, 1);
  running.log.fatal({ err: error }, 'a bug: every door is locked, and the bridge ends');
  running.lockAll();
  process.exit(1);
});
try {
  running = await startBridge({
    configFile: given.config,
    stateDirectory: given.state,
    env: process.env,
    onFatal: (error) => {
      // Without the port nothing is read: lock, end, and be started again from outside.
      running?.log.fatal({ err: error }, 'the GPIO port failed');
      end(1);
    },
  });
  // A bridge is killed more often than stopped, so the compiled code is written early.
  setTimeout(flushCompileCache, 3000).unref();
} catch (cause) {
  fail(
    cause instanceof Error ? cause.message : String(cause),
    cause instanceof ConfigProblems ? cause.exitCode : 1,
  );
}
