import { csrfHeaderName, sessionCookieName } from './http/endpoint/auth.ts';
import type { Endpoint } from './http/endpoint/endpoint.ts';
import { ProblemCatalog } from './http/endpoint/problem-catalog.ts';
import type { RawEndpoint } from './http/endpoint/raw-endpoint.ts';
import type { Idempotency } from './http/idempotency/idempotency.ts';
import type { LiveEvents } from './http/live/live-events.ts';
import { openapiEndpoint } from './http/openapi/openapi.ts';
import { type App, createApp } from './http/serving/app.ts';
import { authorityEndpoint, deviceAuthorityEndpoint } from './http/serving/authority-endpoint.ts';
import { healthEndpoint } from './http/serving/health.ts';
import type { RequestMeter } from './http/serving/request-meter.ts';
import type { StaticFiles } from './http/serving/static-files.ts';
import { TrustedProxies } from './http/serving/trusted-proxies.ts';
import type { UnreadableRows } from './http/serving/unreadable-rows.ts';
import type { RunningDomains } from './open-domains.ts';
import type { Clock } from './platform/clock/clock.ts';
import type { HubConfig } from './platform/config/hub-config.ts';
import type { ErrorReports } from './platform/errors/error-report.ts';
import type { Logger } from './platform/log.ts';
import type { Tls } from './platform/tls/tls.ts';
import { hubRelease } from './store/migrating/migrations.ts';
import type { Store } from './store/store.ts';

export interface AppDeps {
  readonly config: HubConfig;
  readonly running: RunningDomains;
  readonly store: Pick<Store, 'read'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: RequestMeter;
  readonly idempotency: Idempotency;
  readonly unreadableRows: UnreadableRows;
  readonly live: LiveEvents;
  readonly tls: Tls | undefined;
  readonly errorReports: ErrorReports | undefined;
  /** The built UI; without it only the API answers. */
  readonly staticFiles: StaticFiles | undefined;
}

/** Builds the HTTP application from the endpoints of the domains and the platform. */
export function composeApp(deps: AppDeps): { readonly app: App; readonly endpoints: readonly Endpoint[] } {
  const { config, running, store, clock, live, tls, staticFiles } = deps;
  const { catalog, authenticator } = running;
  const problems = new ProblemCatalog(catalog.problems);
  const endpoints = running.collect((domain) => domain.endpoints);
  const probes = {
    store: async () => void (await store.read.selectFrom('migration').select('number').limit(1).execute()),
  };
  const rawEndpoints: readonly RawEndpoint[] = [
    healthEndpoint({ probes, release: hubRelease, clock }),
    live.endpoint,
    ...running.collect((domain) => domain.rawEndpoints),
    ...(tls === undefined ? [] : [authorityEndpoint(tls), deviceAuthorityEndpoint(tls)]),
  ];
  const document = openapiEndpoint({
    sessionCookie: sessionCookieName,
    csrfHeader: csrfHeaderName,
    permissions: catalog.permissions,
    problems,
    tags: catalog.tags,
    endpoints,
    rawEndpoints,
    webhooks: running.collect((domain) => domain.sends),
    version: hubRelease,
  });
  const app = createApp({
    endpoints,
    rawEndpoints: [...rawEndpoints, document],
    authenticator,
    permissions: catalog.permissions,
    problems,
    idempotency: deps.idempotency,
    unreadableRows: deps.unreadableRows,
    ...(staticFiles === undefined ? {} : { staticFiles }),
    bodyLimitBytes: config.http.bodyLimitBytes,
    localRateFactor: config.http.localRateFactor,
    trustedProxies: new TrustedProxies(config.http.trustedProxies),
    log: deps.log.child({ subsystem: 'http' }),
    clock,
    meter: deps.meter,
    onFault: (error, { method, route, requestId }) =>
      deps.errorReports?.report(error, { where: `${method} ${route}`, requestId }),
  });
  return { app, endpoints };
}
