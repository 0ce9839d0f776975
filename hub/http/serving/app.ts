import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import Koa, { type Context, type Middleware } from 'koa';
import helmet from 'koa-helmet';
import type { PermissionCatalog } from '#hub/kernel/permission-catalog.ts';
import { assert, Fault } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import { type Authenticator, consolePrincipalOf, type Transport } from '../endpoint/auth.ts';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { assertEndpoints } from '../endpoint/endpoint-check.ts';
import { answerProblem, errorToProblem, type Problem, platformProblem } from '../endpoint/problem.ts';
import type { ProblemCatalog } from '../endpoint/problem-catalog.ts';
import type { AnyRequest, AnyResponse, RawEndpoint } from '../endpoint/raw-endpoint.ts';
import type { Idempotency } from '../idempotency/idempotency.ts';
import { admit } from './admission.ts';
import { CallerShares } from './caller-shares.ts';
import { CsvAnswers } from './csv-answer.ts';
import { callerOf, contextOf, type Exchange, openExchange } from './exchange.ts';
import { BoundedCounters, defaultLocalFactor, limitRate } from './rate-limit.ts';
import { createBodyReader } from './request-body.ts';
import { logRequest } from './request-log.ts';
import { RequestMeter } from './request-meter.ts';
import { RouteTable } from './route-table.ts';
import { type ServingDeps, serveEndpoint } from './serve-endpoint.ts';
import type { StaticFiles } from './static-files.ts';
import { TrustedProxies } from './trusted-proxies.ts';
import { UnreadableRows } from './unreadable-rows.ts';

export const defaultBodyLimitBytes = 256 * 1024;
/** Maximum number of counted pairs of address and endpoint; least recently used ones are dropped. */
const maxRateCounters = 20_000;
/** A minute's limit for everything that is no endpoint: the page's files and addresses that do not exist. */
const unroutedRatePerMinute = 1200;

export interface AppOptions {
  readonly endpoints: readonly Endpoint[];
  readonly rawEndpoints?: readonly RawEndpoint[];
  readonly authenticator: Authenticator;
  readonly permissions: PermissionCatalog;
  readonly problems: ProblemCatalog;
  /** The built UI; without it only the API answers. */
  readonly staticFiles?: StaticFiles;
  readonly bodyLimitBytes?: number;
  /** Keeps the answers of writes that come with an Idempotency-Key. */
  readonly idempotency?: Idempotency;
  /** Rows that lists left out; kept by the app alone unless told. */
  readonly unreadableRows?: UnreadableRows;
  /** Multiplies the rate limits for callers on the box itself; `defaultLocalFactor` by default. */
  readonly localRateFactor?: number;
  /** Whose word is taken for who asks; nobody's by default. */
  readonly trustedProxies?: TrustedProxies;
  readonly log: Logger;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Counts requests; without it nobody sees the counts. */
  readonly meter?: RequestMeter;
  /** Called with every error that a request threw: faults and bugs, no refusals. */
  readonly onFault?: (error: unknown, request: FailedRequest) => void;
}

export interface FailedRequest {
  readonly requestId: string;
  readonly method: string;
  /** The route's template. */
  readonly route: string;
}

export interface App {
  /** Answers a request that came in by `transport`; never rejects. */
  handlerFor(transport: Transport): (request: AnyRequest, response: AnyResponse) => void;
}

/**
 * Content only from the hub itself, no inline script or style, nobody may frame it. No HSTS and no upgrade of insecure
 * requests: browsers keep both per host name whatever the port, and http://localhost on the box would stop working.
 */
const protection = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'"],
      connectSrc: ["'self'"],
      mediaSrc: ["'self'"],
      manifestSrc: ["'self'"],
      workerSrc: ["'self'"],
      formAction: ["'self'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  strictTransportSecurity: false,
  xFrameOptions: { action: 'deny' },
  referrerPolicy: { policy: 'same-origin' },
});

/** Sets helmet's headers, which are the same for every answer: computed once, at the start. */
function securityHeaders(): Middleware {
  const probe = new ServerResponse(new IncomingMessage(new Socket()));
  void protection(new Koa().createContext(probe.req, probe), async () => undefined);
  const headers = Object.entries(probe.getHeaders()).map(([name, value]) => [name, String(value)] as const);
  assert(headers.length > 0, 'helmet sets its headers before it returns');
  return (ctx, next) => {
    for (const [name, value] of headers) ctx.res.setHeader(name, value);
    return next();
  };
}

/** Host names under which plain HTTP is answered: a page elsewhere that points its own name at 127.0.0.1 gets nothing. */
const isLoopbackHost = (host: string): boolean =>
  /^(localhost|[\w-]+\.localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host);

/** The app's own state, shared by its steps. */
interface Core extends ServingDeps {
  readonly options: AppOptions;
  readonly log: Logger;
  readonly meter: RequestMeter;
}

const answer = (core: Core, ctx: Context, problem: Problem): void =>
  answerProblem(ctx, problem, core.exchangeOf(ctx).requestId);

function reportFailure(core: Core, ctx: Context, error: unknown): void {
  const { requestId, count } = core.exchangeOf(ctx);
  const facts = { requestId, method: ctx.method, route: count.route };
  if (error instanceof Fault && error.code === 'storeBusy')
    core.log.warn({ ...facts, err: error }, 'store busy');
  else core.log.error({ ...facts, err: error }, 'request failed');
  core.options.onFault?.(error, facts);
}

/** First step of all: identity of the request, timing, the log line, and the last word on whatever is thrown. */
function edge(core: Core): Middleware {
  const { clock } = core.options;
  return async (ctx, next) => {
    const exchange = core.exchangeOf(ctx);
    ctx.set('X-Request-ID', exchange.requestId);
    try {
      const end = core.shares.beginRequest(exchange);
      if (end !== null) ctx.res.once('close', end);
      if (end === null) answer(core, ctx, platformProblem('tooManyAtOnce', { retryAfterSeconds: 1 }));
      else if (exchange.transport === 'http' && !isLoopbackHost(ctx.host))
        answer(core, ctx, platformProblem('misdirectedRequest'));
      else await next();
    } catch (error) {
      reportFailure(core, ctx, error);
      if (ctx.headerSent) throw error;
      answer(core, ctx, errorToProblem(error));
    }
    const durationMs = clock.monotonicMs() - exchange.startedMs;
    if (!ctx.headerSent) ctx.set('X-Response-Time', `${durationMs.toFixed(1)}ms`);
    const { requestId, remoteAddress, accountId, count } = exchange;
    count.add(ctx.status, durationMs);
    logRequest(core.log, {
      requestId,
      method: ctx.method,
      route: count.route,
      params: ctx['params'],
      status: ctx.status,
      durationMs,
      bytes: ctx.length,
      remoteAddress,
      accountId,
    });
  };
}

function serveRawEndpoint(core: Core, endpoint: RawEndpoint): Middleware {
  return async (ctx) => {
    const exchange = core.exchangeOf(ctx);
    const caller = callerOf(ctx, exchange);
    const admission = await admit(endpoint.access, caller, core);
    if (!admission.ok) return answer(core, ctx, admission.problem);
    exchange.accountId = admission.principal?.accountId;
    const reply = await endpoint.serve({
      principal: admission.principal,
      caller,
      context: contextOf(ctx, exchange),
      query: { ...ctx.query },
      request: ctx.req,
      response: ctx.res,
    });
    if (reply === null) {
      ctx.respond = false;
      return;
    }
    if ('problem' in reply) return answer(core, ctx, reply.problem);
    ctx.status = reply.status;
    ctx.body = typeof reply.body === 'string' ? reply.body : Buffer.from(reply.body);
    ctx.set({ 'Cache-Control': 'no-store', ...reply.headers });
  };
}

/** Answers requests without an endpoint: other methods, the page and its files, 404. */
function serveUnrouted(core: Core, methodsByPath: (path: string) => readonly string[]): Middleware {
  return async (ctx) => {
    const allowed = methodsByPath(ctx.path);
    if (allowed.length > 0) {
      ctx.set('Allow', allowed.join(', '));
      if (ctx.method === 'OPTIONS') ctx.status = 204;
      else answer(core, ctx, platformProblem('methodNotAllowed'));
      return;
    }
    const isApi = /^\/(api|auth)(\/|$)/.test(ctx.path);
    const { staticFiles } = core.options;
    if (!isApi && (await staticFiles?.answer(ctx)) === true) return;
    const isPage = staticFiles === undefined && /^\/(docs\/?)?$/.test(ctx.path);
    answer(core, ctx, platformProblem(isPage ? 'pageNotBuilt' : 'notFound'));
  };
}

/** Fixed segments before parameters, so that `/plans` is not taken for an id. */
function bySpecificity(left: { readonly path: string }, right: { readonly path: string }): number {
  const rank = (path: string): string => path.replaceAll(/\{\w+\}/g, '~');
  return rank(left.path) < rank(right.path) ? -1 : 1;
}

type Limits = Omit<Parameters<typeof limitRate>[0], 'name' | 'ratePerMinute'>;

function createRoutes(core: Core, limits: Limits): RouteTable {
  const routes = new RouteTable();
  const { endpoints, rawEndpoints = [] } = core.options;
  const mounted = [
    ...endpoints.map((endpoint) => ({ ...endpoint, serve: serveEndpoint(core, endpoint) })),
    ...rawEndpoints.map((raw) => ({ ...raw, method: 'GET', serve: serveRawEndpoint(core, raw) })),
  ];
  for (const { method, path, ratePerMinute, serve } of mounted.sort(bySpecificity)) {
    const limit = limitRate({ ...limits, name: `${method} ${path}`, ratePerMinute });
    const count = core.meter.route(method, path);
    const countedLimit: Middleware = (ctx, next) => {
      core.exchangeOf(ctx).count = count;
      return limit(ctx, next);
    };
    routes.add(method, path, [countedLimit, serve]);
  }
  return routes;
}

/**
 * The hub's HTTP application: endpoint values become routes; every error is a problem document (RFC 9457). Throws the
 * Fault `endpointsInvalid` when an endpoint does not say who may call it.
 */
export function createApp(options: AppOptions): App {
  assertEndpoints(options);
  const meter = options.meter ?? new RequestMeter();
  const exchanges = new WeakMap<AnyRequest, Exchange>();
  const exchangeOf = (ctx: Context): Exchange => {
    const exchange = exchanges.get(ctx.req);
    assert(exchange !== undefined, 'a request came in by no transport');
    return exchange;
  };
  const log = options.log.child({ subsystem: 'http' });
  const defaultLimitBytes = options.bodyLimitBytes ?? defaultBodyLimitBytes;
  const readBody = createBodyReader(defaultLimitBytes);
  const core: Core = {
    options,
    log,
    meter,
    exchangeOf,
    authenticator: options.authenticator,
    problems: options.problems,
    consolePrincipal: consolePrincipalOf(options.permissions),
    bodyReaderFor: ({ bodyLimitBytes, parseBody }) =>
      bodyLimitBytes === undefined && parseBody === undefined
        ? readBody
        : createBodyReader(bodyLimitBytes ?? defaultLimitBytes, { hasLines: parseBody !== undefined }),
    shares: new CallerShares(),
    unreadableRows: options.unreadableRows ?? new UnreadableRows(),
    csvAnswers: new CsvAnswers(log, () => meter.answered),
    reportFault: (ctx, fault) => reportFailure(core, ctx, fault),
    idempotency: options.idempotency,
  };
  const limits: Limits = {
    counters: new BoundedCounters(maxRateCounters),
    localFactor: options.localRateFactor ?? defaultLocalFactor,
    stateOf: exchangeOf,
  };
  const routes = createRoutes(core, limits);
  const proxies = options.trustedProxies ?? new TrustedProxies([]);
  const koa = new Koa();
  koa.on('error', (error: unknown) => log.debug({ err: error }, 'connection lost'));
  koa.use(edge(core));
  koa.use(securityHeaders());
  koa.use(routes.dispatch);
  koa.use(limitRate({ ...limits, name: 'unrouted', ratePerMinute: unroutedRatePerMinute }));
  koa.use(serveUnrouted(core, (path) => routes.methodsAt(path)));
  const handle = koa.callback();
  return {
    handlerFor: (transport) => (request, response) => {
      const startedMs = options.clock.monotonicMs();
      exchanges.set(request, openExchange(request, transport, startedMs, meter.unrouted, proxies));
      void handle(request, response);
    },
  };
}
