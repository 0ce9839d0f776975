import { existsSync } from 'node:fs';
import path from 'node:path';
import { readStaticFiles, type StaticFiles } from './http/serving/static-files.ts';
import type { Chore } from './platform/chores.ts';
import { clockHealth } from './platform/clock/clock-health.ts';
import { createSystemClock, type SystemClock } from './platform/clock/system-clock.ts';
import { type HubConfig, hubPaths } from './platform/config/hub-config.ts';
import type { ErrorReports } from './platform/errors/error-report.ts';
import { makePrivateDirectory } from './platform/files/durable-file.ts';
import { diskHealth } from './platform/health/disk-health.ts';
import type { HealthPart } from './platform/health/health-part.ts';
import { logHealth } from './platform/health/log-health.ts';
import { watchProcess } from './platform/health/process-health.ts';
import { createLog, type Logger } from './platform/log.ts';
import { LogOutput } from './platform/log-output.ts';
import { openTls, type Tls } from './platform/tls/tls.ts';
import { tlsHealth } from './platform/tls/tls-health.ts';
import { storeHealth } from './store/health/store-health.ts';
import { hubRelease } from './store/migrating/migrations.ts';
import type { Store } from './store/store.ts';

/** Checks that read the whole store wait until the hub has started and its pages are open. */
const firstCheckAfterMs = 10 * 60_000;
const root = path.resolve(import.meta.dirname, '..');

/** What there is before the store. */
export interface Ground {
  readonly log: Logger;
  readonly logOutput: LogOutput;
  readonly clock: SystemClock;
}

/** Log and clock, before there is a store. Whatever is opened is closed by `stack`. */
export async function openGround(
  config: HubConfig,
  level: HubConfig['log']['level'] | 'silent',
  stack: AsyncDisposableStack,
): Promise<Ground> {
  const paths = hubPaths(config);
  const logOutput = new LogOutput({ isBuffered: true });
  const log = createLog({ level, destination: logOutput });
  await makePrivateDirectory(paths.directory);
  const clock = createSystemClock({ markFile: paths.clock, trustSystem: config.clock.trustSystem });
  stack.defer(async () => {
    await clock
      .saveMark()
      .catch((cause: unknown) =>
        log.warn({ err: cause }, 'the time of this run was not kept for the next start'),
      );
    clock.close();
  });
  if (clock.markFault !== undefined) log.warn({ err: clock.markFault }, 'the clock starts without its mark');
  return { log, logOutput, clock };
}

/** What the hub stands on beside its store. */
export interface Platform {
  /** Undefined: nothing is offered to the network. */
  readonly tls: Tls | undefined;
  /** Undefined: faults are reported to nobody. */
  readonly errorReports: ErrorReports | undefined;
  readonly parts: readonly HealthPart[];
  readonly chores: readonly Chore[];
}

/** Opens TLS where the hub is offered to the network, error reports where they are wanted, and what watches the box. */
export async function openPlatform(
  config: HubConfig,
  deps: Ground & { readonly store: Store },
  { isOffered, stack }: { readonly isOffered: boolean; readonly stack: AsyncDisposableStack },
): Promise<Platform> {
  const { store, clock, log, logOutput } = deps;
  const paths = hubPaths(config);
  const tls = isOffered
    ? await openTls({ directory: paths.tls, configuredNames: config.tls.names, clock, log })
    : undefined;
  stack.defer(() => tls?.close());
  const errorReports = await openErrorReports(config, clock, log);
  stack.defer(() => errorReports?.close());
  const process = watchProcess();
  stack.defer(() => process.close());
  const ofStore = storeHealth({ store, path: paths.store, clock });
  return {
    tls,
    errorReports,
    parts: [
      ofStore.part,
      diskHealth(paths.directory),
      clockHealth(clock),
      logHealth(logOutput, clock),
      process.part,
      ...(errorReports === undefined ? [] : [errorReports.part]),
      ...(tls === undefined ? [] : [tlsHealth(tls, clock)]),
    ],
    chores: [
      {
        name: 'storeCheck',
        dailyAt: '04:00',
        firstAfterMs: firstCheckAfterMs,
        isWholeCheck: true,
        run: () => ofStore.check(),
      },
      { name: 'clock', everyMs: 60_000, run: () => clock.saveMark() },
    ],
  };
}

/** Undefined when nothing is to be reported: the code that would do it is not even loaded then. */
async function openErrorReports(
  config: HubConfig,
  clock: SystemClock,
  log: Logger,
): Promise<ErrorReports | undefined> {
  const { dsn, environment } = config.errorReporting;
  if (dsn === null) return undefined;
  const { createSentryReports } = await import('./platform/errors/error-report-sentry.ts');
  return createSentryReports({
    dsn,
    environment,
    release: hubRelease,
    root,
    directory: hubPaths(config).errorReports,
    clock,
    log: log.child({ subsystem: 'errorReports' }),
  });
}

/** The built web UI; undefined, with a warning, where it is not built: the API works all the same. */
export async function readBuiltUi(config: HubConfig, log: Logger): Promise<StaticFiles | undefined> {
  const directory = path.resolve(root, config.uiDir);
  if (existsSync(path.join(directory, 'index.html'))) return await readStaticFiles(directory);
  log.warn({ directory }, 'the web UI is not built, only the API answers: ./scripts/start builds it');
  return undefined;
}
