import { existsSync } from 'node:fs';
import path from 'node:path';
import { composeApp } from './compose-app.ts';
import type { RestoredRows } from './domain.ts';
import { loadSite } from './domains/identity/workflow.ts';
import { domains } from './domains.ts';
import type { Endpoint } from './http/endpoint/endpoint.ts';
import { Idempotency } from './http/idempotency/idempotency.ts';
import { idempotencyHealth } from './http/idempotency/idempotency-health.ts';
import { createLiveEvents } from './http/live/live-events.ts';
import { liveHealth } from './http/live/live-health.ts';
import { RequestMeter } from './http/serving/request-meter.ts';
import { type HubServer, startServer } from './http/serving/server.ts';
import { TrustedProxies } from './http/serving/trusted-proxies.ts';
import { UnreadableRows } from './http/serving/unreadable-rows.ts';
import { Fault } from './kernel/result.ts';
import { loadHubConfig } from './load-hub-config.ts';
import { openBrokers } from './open-brokers.ts';
import { catalogOf, openDomains, type RunningDomains } from './open-domains.ts';
import { openHubStore } from './open-hub-store.ts';
import { openGround, openPlatform, readBuiltUi } from './open-platform.ts';
import { type Chore, runChores } from './platform/chores.ts';
import { type HubConfig, hubPaths } from './platform/config/hub-config.ts';
import type { ErrorReports } from './platform/errors/error-report.ts';
import { readOrMakeKey } from './platform/files/keys.ts';
import { readMachineInstance } from './platform/files/machine-instance.ts';
import type { HealthPart } from './platform/health/health-part.ts';
import type { Logger } from './platform/log.ts';
import { newId } from './platform/new-id.ts';
import { refuseHalfRestored } from './sync/link/restore-workflow.ts';

export interface HubOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * `all`: HTTP, HTTPS, bridges and the control socket. `console`: the control socket alone, for the command line.
   * `restore`: the same for a store that a restore has filled and that no other hub may start on.
   */
  readonly listen: 'all' | 'console' | 'restore';
  /** Makes a store where there is none. Left out, only a hub that listens to everything does. */
  readonly makesStore?: boolean;
}

export interface Hub {
  readonly config: HubConfig;
  readonly log: Logger;
  readonly endpoints: readonly Endpoint[];
  readonly domains: RunningDomains;
  readonly httpPort: number | undefined;
  readonly httpsPort: number | undefined;
  /** Reports faults; undefined when reporting is off. */
  readonly errorReports: ErrorReports | undefined;
  /** Reads the whole store for damage and verifies the audit log; what is found is in the health report. */
  checkWhole(): Promise<void>;
  /** Rebuilds data that is not replicated: searches, doors, cards. Then the hub may start. */
  finishRestore(): Promise<readonly RestoredRows[]>;
  /** Ends in order: no more requests, bridges gone, the store closed last. */
  close(): Promise<void>;
}

const minuteMs = 60_000;

/**
 * Puts the hub together and starts it: config, log, clock, store, platform, domains, HTTP, chores, listening. It ends in
 * the reverse of the order in which it was opened. Throws `ConfigProblems`, and the Faults of the parts.
 */
export async function startHub({ env, listen, makesStore = listen === 'all' }: HubOptions): Promise<Hub> {
  await using stack = new AsyncDisposableStack();
  const isServing = listen === 'all';
  const config = loadHubConfig({ file: env.MAKRCAVE_CONFIG, env });
  const paths = hubPaths(config);
  if (!makesStore && !existsSync(paths.store))
    throw new Fault('storeMissing', `there is no store in ${config.stateDir}; the first start makes it`);
  const ground = await openGround(config, isServing ? config.log.level : 'silent', stack);
  const { log, clock } = ground;
  const store = await openHubStore(config, { clock, log: log.child({ subsystem: 'store' }) });
  stack.defer(() => store.close());
  if (listen !== 'restore') await refuseHalfRestored(store.read);
  const platform = await openPlatform(config, { ...ground, store }, { isOffered: isServing, stack });
  const { tls, errorReports } = platform;
  const brokers = await openBrokers({
    store,
    clock,
    log: log.child({ subsystem: 'mqtt' }),
    config: config.mqtt,
    socketPath: paths.mqttSocket,
    tls,
  });
  stack.defer(() => brokers.close());

  const meter = new RequestMeter();
  let running: RunningDomains;
  let server: HubServer | undefined;
  const live = createLiveEvents({
    ...config.live,
    topics: catalogOf(domains).topics,
    recheck: (principal) => running.authenticator.recheck(principal),
    log,
  });
  const unreadableRows = new UnreadableRows();
  const idempotency = new Idempotency({ store, clock, log: log.child({ subsystem: 'http' }) });
  const parts: HealthPart[] = [
    ...platform.parts,
    liveHealth(live, clock),
    meter.part,
    brokers.part,
    idempotencyHealth(idempotency, clock),
    unreadableRows.part,
  ];
  running = await openDomains(domains, {
    store,
    clock,
    newId,
    log,
    announce: live.announce,
    recheckSessions: () => void live.recheck(),
    config,
    secret: (name) => readOrMakeKey(path.join(paths.keys, `${name}.key`)),
    stateDir: config.stateDir,
    healthParts: parts,
    ports: {
      bridges: brokers.bridges,
      devices: brokers.devices,
      listening: () => ({ httpPort: server?.httpPort, httpsPort: server?.httpsPort }),
      replication: {
        instance: await readMachineInstance(paths.instance),
        answeredRequests: () => meter.answered,
      },
    },
  });
  stack.defer(() => running.close());
  await running.start();

  const { app, endpoints } = composeApp({
    config,
    running,
    store,
    clock,
    log,
    meter,
    idempotency,
    unreadableRows,
    live,
    tls,
    errorReports,
    staticFiles: isServing ? await readBuiltUi(config, log) : undefined,
  });
  const chores: readonly Chore[] = [
    ...running.collect((domain) => domain.chores),
    ...platform.chores,
    { name: 'repetitions', everyMs: minuteMs, run: () => idempotency.prune() },
  ];
  const regular = runChores(isServing ? chores : [], {
    clock,
    timeZone: async () => (await loadSite(store.read))?.timeZone ?? null,
    log: log.child({ subsystem: 'chores' }),
    onFault: (cause, chore) => errorReports?.report(cause, { where: `chore ${chore}` }),
  });
  stack.defer(() => regular.stop());
  parts.push(regular.part);
  if (isServing) {
    await running.serve();
    stack.defer(() => brokers.close());
    await brokers.listen();
  }
  server = await startServer({
    app,
    controlSocket: paths.controlSocket,
    trustedProxies: new TrustedProxies(config.http.trustedProxies),
    log,
    ...(tls === undefined
      ? {}
      : { httpPort: config.http.port, https: { port: config.http.httpsPort, certificates: tls } }),
  });
  const { httpPort, httpsPort } = server;
  stack.defer(() => server.close());
  stack.defer(() => live.close());
  const opened = stack.move();
  return {
    config,
    log,
    endpoints,
    domains: running,
    errorReports,
    async checkWhole() {
      for (const chore of chores) if (chore.isWholeCheck === true) await chore.run();
    },
    finishRestore: () => running.afterRestore(),
    httpPort,
    httpsPort,
    async close() {
      await opened.disposeAsync();
      log.info('stopped');
    },
  };
}
