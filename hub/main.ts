// Guards before anything native is loaded: the encrypted SQLite crashes Node 20 instead of refusing.
if (Number(process.versions.napi) < 10) {
  process.stderr.write('The hub needs Node 24: start it with ./scripts/start\n');
  process.exit(69);
}

/*
 * A small young generation, a heap that grows in small steps (a backlog of events would leave 130 MiB of garbage
 * uncollected) and one malloc arena keep some 100 MiB free on a box that has 1 GiB. Node takes them only at its start, so
 * the process replaces itself, under the same process id.
 */
const flags = ['--max-semi-space-size=4', '--heap-growing-percent=50'];
if (process.execve !== undefined && !flags.every((flag) => process.execArgv.includes(flag))) {
  const args = [...process.execArgv, ...flags, ...process.argv.slice(1)];
  process.execve(process.execPath, [process.execPath, ...args], {
    ...process.env,
    MALLOC_ARENA_MAX: process.env['MALLOC_ARENA_MAX'] ?? '1',
  });
}

const { ConfigProblems } = await import('./platform/config/config.ts');
const { startHub } = await import('./compose.ts');

try {
  const hub = await startHub({ env: process.env, listen: 'all' });
  // The process ends of it all the same, and systemd or the start script starts it again.
  process.on('uncaughtExceptionMonitor', (error) => {
    hub.log.fatal({ err: error }, 'uncaught');
    hub.errorReports?.keep(error, { where: 'uncaught' });
  });
  const stop = (signal: string): void => {
    hub.log.info({ signal }, 'stopping');
    // A second signal, or a close that hangs, ends the process at once; the store survives that.
    setTimeout(() => process.exit(1), 7000).unref();
    hub.close().then(
      () => process.exit(0),
      (cause: unknown) => {
        hub.log.fatal({ err: cause }, 'could not stop in order');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (cause) {
  process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exit(cause instanceof ConfigProblems ? cause.exitCode : 1);
}
