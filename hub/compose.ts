import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Chore, runChores } from './chores.ts';
import { composeHealth } from './compose-health.ts';
import { composeMqtt } from './compose-mqtt.ts';
import { activityEndpoints } from './domains/access/activity-routes.ts';
import { listBridges, renewToken } from './domains/access/bridge-workflow.ts';
import { processTimers } from './domains/access/context.ts';
import { recoveryHealth } from './domains/access/recovery-workflow.ts';
import { accessEndpoints } from './domains/access/routes.ts';
import { type Access, createAccess } from './domains/access/workflow.ts';
import { createAuthenticator } from './domains/identity/authenticator.ts';
import { startIdentity } from './domains/identity/claim-workflow.ts';
import type { IdentityDeps } from './domains/identity/deps.ts';
import { createPasswordHasher } from './domains/identity/password.ts';
import { identityEndpoints } from './domains/identity/routes.ts';
import { csrfHeaderName, sessionCookieName } from './domains/identity/session-token.ts';
import { openTokenKeys } from './domains/identity/token-keys.ts';
import { loadSite } from './domains/identity/workflow.ts';
import { advanceDueMemberships } from './domains/members/membership-workflow.ts';
import { createPlanInside } from './domains/members/plan-workflow.ts';
import { findMember, findMemberNames, listMemberParts } from './domains/members/repository.ts';
import { memberEndpoints } from './domains/members/routes.ts';
import {
  loadAdmissionFacts,
  type MemberDeps,
  reindexAllMembers,
  subjectExists,
} from './domains/members/workflow.ts';
import { describedWebhooks, notificationEndpoints } from './domains/notifications/routes.ts';
import { eventTopics } from './domains/notifications/topic-schema.ts';
import { createNotifications } from './domains/notifications/workflow.ts';
import { createApp } from './http/app.ts';
import { authorityEndpoint } from './http/authority-endpoint.ts';
import type { Endpoint } from './http/endpoint.ts';
import { healthEndpoint } from './http/health.ts';
import { Idempotency } from './http/idempotency.ts';
import { idempotencyHealth } from './http/idempotency-health.ts';
import { createLiveEvents } from './http/live-events.ts';
import { liveHealth } from './http/live-health.ts';
import { openapiEndpoint } from './http/openapi.ts';
import type { RawEndpoint } from './http/raw-endpoint.ts';
import { RequestMeter } from './http/request-meter.ts';
import { type HubServer, startServer } from './http/server.ts';
import { readStaticFiles, type StaticFiles } from './http/static-files.ts';
import { systemEndpoints } from './http/system-endpoints.ts';
import { Fault } from './kernel/result.ts';
import { createBroker } from './mqtt/broker.ts';
import type { Clock } from './platform/clock.ts';
import { makePrivateDirectory, writeFileDurably } from './platform/durable-file.ts';
import type { ErrorReports } from './platform/error-report.ts';
import { type HubConfig, hubPaths, loadHubConfig } from './platform/hub-config.ts';
import { readKey, readOrMakeKey } from './platform/keys.ts';
import { createLog, type Logger } from './platform/log.ts';
import { readMachineInstance } from './platform/machine-instance.ts';
import { newId } from './platform/new-id.ts';
import { createSystemClock } from './platform/system-clock.ts';
import { openTls } from './platform/tls.ts';
import { tlsHealth } from './platform/tls-health.ts';
import { hubRetention, pruneAllChanges } from './store/change-retention.ts';
import { hubRelease } from './store/migrations.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import { createFollow } from './sync/followers.ts';
import { isRestoring, noteRestored } from './sync/restore-workflow.ts';
import { syncEndpoints } from './sync/routes.ts';
import { syncHealth } from './sync/sync-health.ts';
import { createSync } from './sync/workflow.ts';
import { hubTables } from './tables.ts';

const root = path.resolve(import.meta.dirname, '..');
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

export interface HubOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * `all`: HTTP, HTTPS, bridges and the control socket. `console`: the control socket alone, for the command line.
   * `restore`: the same for a store that a restore has filled and that no other hub may start on.
   */
  readonly listen: 'all' | 'console' | 'restore';
}

export interface Hub {
  readonly config: HubConfig;
  readonly log: Logger;
  readonly endpoints: readonly Endpoint[];
  readonly httpPort: number | undefined;
  readonly httpsPort: number | undefined;
  /** Where faults are reported to; undefined when nowhere. */
  readonly errorReports: ErrorReports | undefined;
  /** Reads the whole store for damage and verifies the audit log; what is found is in the health report. */
  checkWhole(): Promise<void>;
  /** Makes what is not replicated out of what is: searches, doors, cards. Then the hub may start. */
  finishRestore(): Promise<FinishedRestore>;
  /** Ends in order: no more requests, bridges gone, the store closed last. */
  close(): Promise<void>;
}

export interface FinishedRestore {
  readonly members: number;
  /** Credentials whose readings or PIN are here again, and the ids of those that could not be unlocked. */
  readonly cards: number;
  readonly lostCards: readonly string[];
}

/** The store with every domain's tables; its key is made with the first store and never again. */
export async function openHubStore(
  config: HubConfig,
  deps: { readonly clock: { nowMs(): number }; readonly log: Logger },
  options: { readonly isBulkLoad?: boolean } = {},
): Promise<Store> {
  const paths = hubPaths(config);
  const keyPlace = path.join(paths.keys, 'store.key');
  return openStore({
    path: paths.store,
    key: existsSync(paths.store) ? await readKey(keyPlace) : await readOrMakeKey(keyPlace),
    keyPlace,
    registry: hubTables,
    migrationsDir: path.join(root, 'migrations/sqlite'),
    ...deps,
    ...options,
  });
}

/** The built web UI; without it the API works all the same. */
async function staticFilesOf(config: HubConfig, log: Logger): Promise<{ staticFiles?: StaticFiles }> {
  const directory = path.resolve(root, config.uiDir);
  if (existsSync(path.join(directory, 'index.html')))
    return { staticFiles: await readStaticFiles(directory) };
  log.warn({ directory }, 'the web UI is not built, only the API answers: ./scripts/start builds it');
  return {};
}

/** Undefined when nothing is to be reported: what would do it is not even loaded then. */
async function errorReportsOf(
  config: HubConfig,
  clock: Clock,
  log: Logger,
): Promise<ErrorReports | undefined> {
  const { dsn, environment } = config.errorReporting;
  if (dsn === null) return undefined;
  const { createSentryReports } = await import('./platform/error-report-sentry.ts');
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

/** A hub on half of its rows would write what is not so. */
async function refuseHalfRestored(store: Store): Promise<void> {
  if (!(await isRestoring(store.read))) return;
  await store.close();
  throw new Fault(
    'restoreUnfinished',
    'a restore was begun here and is not finished: run `makrcave-hub restore --from-central` again, it goes on where it stopped',
  );
}

const localBridgeName = 'This box';

/**
 * The bridge on this machine is paired by its device file, written with the first bridge. A file that was lost (or never
 * written, by a power cut) is replaced together with its token.
 */
async function pairLocalBridge(access: Access, config: HubConfig, log: Logger): Promise<void> {
  const file = path.resolve(config.stateDir, 'bridge/device.json');
  let made = await access.ensureLocalBridge(localBridgeName);
  if (made === null && !existsSync(file)) {
    const local = (await listBridges(access.parts)).find((bridge) => bridge.name === localBridgeName);
    if (local === undefined) return;
    const renewed = await renewToken(access.parts, { kind: 'system' }, local.id);
    made = renewed.ok ? renewed.value : null;
  }
  if (made === null) return;
  await makePrivateDirectory(path.dirname(file));
  const device = { bridgeId: made.bridgeId, token: made.token };
  await writeFileDurably(file, Buffer.from(`${JSON.stringify(device, null, 2)}\n`), 0o600);
  log.info({ bridgeId: made.bridgeId, file }, 'local bridge paired');
}

/**
 * Puts the hub together and starts it: config, log, store, broker, HTTP, chores.
 * Throws `ConfigProblems`, and the Faults of the parts.
 */
export async function startHub({ env, listen }: HubOptions): Promise<Hub> {
  const config = loadHubConfig({ file: env.MAKRCAVE_CONFIG, env });
  const paths = hubPaths(config);
  const log = createLog({ level: listen === 'all' ? config.log.level : 'silent', isBuffered: true });
  await makePrivateDirectory(paths.directory);
  const clock = createSystemClock({ markFile: paths.clock, trustSystem: config.clock.trustSystem });
  if (clock.markFault !== undefined) log.warn({ err: clock.markFault }, 'the clock starts without its mark');
  const store = await openHubStore(config, { clock, log: log.child({ subsystem: 'store' }) });
  if (listen !== 'restore') await refuseHalfRestored(store);
  const broker = await createBroker({ log: log.child({ subsystem: 'mqtt' }) });
  const common = { store, clock, newId };

  const tokens = await openTokenKeys(await readOrMakeKey(path.join(paths.keys, 'tokens.key')));
  const authenticator = createAuthenticator({ store, clock, log, tokens });
  const live = createLiveEvents({
    ...config.live,
    topics: eventTopics,
    recheck: (principal) => authenticator.recheck(principal),
    log,
  });
  const notifications = createNotifications({
    ...common,
    ...config.webhooks,
    log: log.child({ subsystem: 'webhooks' }),
    after: processTimers,
    announce: live.announce,
    release: hubRelease,
  });
  const { announceIn, webhooks } = notifications;
  await notifications.load();
  const access = createAccess({
    ...common,
    cardKey: await readOrMakeKey(path.join(paths.keys, 'cards.key')),
    log: log.child({ subsystem: 'access' }),
    announce: live.announce,
    announceIn,
    webhooks,
    link: broker,
    after: processTimers,
    loadSite,
    loadAdmissionFacts,
    loadMemberNames: findMemberNames,
    subjectExists,
  });
  const memberDeps: MemberDeps = {
    ...common,
    announceIn,
    onAdmissionChanged: access.onAdmissionChanged,
  };
  const identityDeps: IdentityDeps = {
    ...common,
    log: log.child({ subsystem: 'identity' }),
    passwords: createPasswordHasher(),
    tokens,
    onClaimed: async (tx, claimed) => {
      await access.onSiteChanged(tx);
      if (!claimed.starterRules) return;
      const actor = { kind: 'system' } as const;
      await createPlanInside(memberDeps, tx, actor, {
        name: 'Member',
        description: null,
        priceMinor: 0,
        currency: 'EUR',
        interval: 'none',
        graceDays: 7,
        overdueDays: 30,
        active: true,
      });
      await access.createStarterSet(tx, actor);
    },
    onSiteChanged: access.onSiteChanged,
    onSessionsEnded: () => void live.recheck(),
    memberExists: async (reader, id) => (await findMember(reader, id)) !== undefined,
  };
  const follow = createFollow({
    announceIn,
    onAdmissionChanged: access.onAdmissionChanged,
    onCredentialsChanged: access.parts.keeper.refreshCredentials,
    onPlacesChanged: access.onSiteChanged,
    onWebhooksChanged: () => void notifications.load(),
    onRightsChanged: () => void live.recheck(),
    isConnected: (bridgeId) => broker.isConnected(bridgeId),
  });
  const meter = new RequestMeter();
  const sync = createSync({
    ...common,
    log: log.child({ subsystem: 'sync' }),
    announce: live.announce,
    follow,
    findSiteId: async (reader) => (await loadSite(reader))?.id ?? null,
    instance: await readMachineInstance(paths.instance),
    release: hubRelease,
    pollSeconds: config.sync.pollSeconds,
    answeredRequests: () => meter.answered,
  });
  await sync.load();
  await startIdentity(identityDeps);
  await access.start();

  let server: HubServer | undefined;
  const ports = (): { httpPort: number | undefined; httpsPort: number | undefined } => ({
    httpPort: server?.httpPort,
    httpsPort: server?.httpsPort,
  });
  const tls =
    listen === 'all'
      ? await openTls({ directory: paths.tls, configuredNames: config.tls.names, clock, log })
      : undefined;
  const mqtt = await composeMqtt({
    ...common,
    log: log.child({ subsystem: 'mqtt' }),
    config: config.mqtt,
    tls,
    bridges: broker,
  });
  const errorReports = await errorReportsOf(config, clock, log);
  const health = composeHealth({
    store,
    storePath: paths.store,
    directory: paths.directory,
    clock,
    announce: live.announce,
    log: log.child({ subsystem: 'health' }),
    parts: [
      access.health,
      access.cardHealth,
      recoveryHealth({ store, isLinked: () => sync.isLinked() }),
      notifications.health,
      syncHealth(sync, clock),
      liveHealth(live, clock),
      meter.part,
      ...(errorReports === undefined ? [] : [errorReports.part]),
      mqtt.part,
      ...(tls === undefined ? [] : [tlsHealth(tls, clock)]),
    ],
  });
  const endpoints = [
    ...systemEndpoints({ ports }),
    ...health.endpoints,
    ...identityEndpoints(identityDeps),
    ...memberEndpoints(memberDeps),
    ...accessEndpoints(access),
    ...activityEndpoints({
      store,
      loadMemberNames: findMemberNames,
      loadMemberParts: async (reader, id) =>
        (await findMember(reader, id)) === undefined ? null : listMemberParts(reader, id),
    }),
    ...notificationEndpoints(notifications.parts),
    ...syncEndpoints(sync, { store, tables: hubTables, sync, follow }),
    ...mqtt.endpoints,
  ];
  const probes = {
    store: async () => void (await store.read.selectFrom('migration').select('number').limit(1).execute()),
  };
  const openRaw: readonly RawEndpoint[] = [
    healthEndpoint({ probes, release: hubRelease, clock }),
    live.endpoint,
    ...health.rawEndpoints,
    ...(tls === undefined ? [] : [authorityEndpoint(tls)]),
  ];
  const idempotency = new Idempotency({ store, clock, log: log.child({ subsystem: 'http' }) });
  health.add(idempotencyHealth(idempotency, clock));
  const app = createApp({
    endpoints,
    idempotency,
    rawEndpoints: [
      ...openRaw,
      openapiEndpoint({
        endpoints,
        rawEndpoints: openRaw,
        webhooks: describedWebhooks,
        version: hubRelease,
        sessionCookie: sessionCookieName,
        csrfHeader: csrfHeaderName,
      }),
    ],
    authenticator,
    ...(listen === 'all' ? await staticFilesOf(config, log) : {}),
    bodyLimitBytes: config.http.bodyLimitBytes,
    localRateFactor: config.http.localRateFactor,
    log: log.child({ subsystem: 'http' }),
    clock,
    meter,
    onFault: (error, { method, route, requestId }) =>
      errorReports?.report(error, { where: `${method} ${route}`, requestId }),
  });

  const chores: readonly Chore[] = [
    ...health.chores,
    {
      name: 'memberships',
      everyMs: minuteMs,
      run: async () => void (await advanceDueMemberships({ ...memberDeps, clock })),
    },
    { name: 'webhooks', everyMs: minuteMs, run: notifications.maintain },
    { name: 'cards', everyMs: minuteMs, run: access.sealCards },
    { name: 'policy', everyMs: dayMs, run: access.maintain },
    {
      name: 'changes',
      everyMs: 10 * minuteMs,
      run: async () => pruneAllChanges(store, { ...hubRetention, keepFrom: await sync.neededFrom() }),
    },
    { name: 'repetitions', everyMs: minuteMs, run: () => idempotency.prune() },
    { name: 'sync', everyMs: minuteMs, run: () => sync.maintain() },
    { name: 'clock', everyMs: minuteMs, run: () => clock.saveMark() },
  ];
  const running = runChores(
    listen === 'all' ? chores : [],
    log.child({ subsystem: 'chores' }),
    (cause, chore) => errorReports?.report(cause, { where: `chore ${chore}` }),
  );
  health.add(running.part);

  if (listen === 'all') {
    await pairLocalBridge(access, config, log);
    broker.handledBy(access.handler);
    await broker.listen(paths.mqttSocket);
    notifications.start();
    await mqtt.start();
    await sync.start();
  }
  server = await startServer({
    app,
    controlSocket: paths.controlSocket,
    log,
    ...(tls === undefined
      ? {}
      : { httpPort: config.http.port, https: { port: config.http.httpsPort, certificates: tls } }),
  });
  const started = server;
  return {
    config,
    log,
    endpoints,
    errorReports,
    checkWhole: () => health.checkWhole(),
    async finishRestore() {
      const members = await reindexAllMembers(store);
      const { restored, failed } = await access.finishRestore();
      await store.transact('restore.end', noteRestored);
      return { members, cards: restored, lostCards: failed };
    },
    ...ports(),
    async close() {
      live.close();
      await started.close();
      await broker.close();
      await mqtt.close();
      await running.stop();
      await sync.close();
      await notifications.close();
      health.close();
      await errorReports?.close();
      tls?.close();
      await clock.saveMark();
      clock.close();
      await store.close();
      log.info('stopped');
    },
  };
}
