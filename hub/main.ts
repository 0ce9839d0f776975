// Guards before anything native is loaded: the encrypted SQLite crashes Node 20 instead of refusing.
if (Number(process.versions.napi) < 10) {
  process.stderr.write('The hub needs Node 24: start it with ./scripts/start\n');
  process.exit(69);
}

const { ConfigProblems } = await import('./platform/config.ts');
const { startHub } = await import('./compose.ts');

try {
  const hub = await startHub({ env: process.env, listen: 'all' });
  const stop = (signal: string): void => {
    hub.log.info({ signal }, 'stopping');
    // A second signal, or a close that hangs, ends the process at once; the store survives that.
    setTimeout(() => process.exit(1), 10_000).unref();
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
