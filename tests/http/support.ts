import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import type { Authenticator, Caller } from '#hub/http/endpoint/auth.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import { type Endpoint, type Principal, Reply } from '#hub/http/endpoint/endpoint.ts';
import { type AppOptions, createApp } from '#hub/http/serving/app.ts';
import { authorityEndpoint } from '#hub/http/serving/authority-endpoint.ts';
import type { ConnectionBounds } from '#hub/http/serving/connection-bounds.ts';
import { type HubServer, type ServerOptions, startServer } from '#hub/http/serving/server.ts';
import { Fault, ok, refuse } from '#hub/kernel/result.ts';
import { createLog, type Logger } from '#hub/platform/log.ts';
import { openTls } from '#hub/platform/tls/tls.ts';
import { testCatalog } from './problems.ts';

export const clock = { monotonicMs: () => performance.now() };

export function logInto(lines: Record<string, unknown>[] = []): {
  log: Logger;
  lines: Record<string, unknown>[];
} {
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return { log: createLog({ level: 'debug', destination }), lines };
}

export const ada: Principal = {
  kind: 'account',
  accountId: 'ada',
  displayName: 'Ada',
  permissions: new Set(['member.read', 'portal.read']),
  sessionId: 'session-ada',
};

/** Knows one session by `Authorization: Bearer ada`; refuses what the other values name. */
export const authenticator: Authenticator & { seen: Caller[] } = {
  seen: [],
  async authenticate(caller) {
    this.seen.push(caller);
    if (caller.headers['sec-fetch-site'] === 'cross-site' && caller.method !== 'GET')
      return refuse({ code: 'csrfFailed' });
    if (caller.headers.authorization === 'Bearer ada') return ok(ada);
    if (caller.headers.authorization !== undefined) return refuse({ code: 'sessionExpired' });
    return ok(null);
  },
  recheck: async (principal) => principal,
};

export function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'mc-http-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

export const echo = defineEndpoint({
  method: 'POST',
  path: '/api/things/{id}',
  summary: 'Says what it got',
  tag: 'things',
  access: { permission: 'member.read' },
  params: z.strictObject({ id: z.string().max(20) }),
  query: z.strictObject({ limit: z.coerce.number<string>().int().max(200).default(50) }),
  body: z.strictObject({
    name: z.string().min(1),
    tags: z.array(z.string()).optional(),
    'a/b~c': z.number().optional(),
  }),
  response: z.strictObject({
    id: z.string(),
    limit: z.number(),
    name: z.string(),
    at: z.number().transform((ms) => new Date(ms).toISOString()),
  }),
  status: 201,
  refusals: ['thingMissing', 'staleVersion', 'resting'],
  async handle({ params, query, body }) {
    if (body.name === 'missing') return refuse({ code: 'thingMissing' });
    if (body.name === 'stale') return refuse({ code: 'staleVersion', current: { version: 7 } });
    if (body.name === 'resting')
      return refuse({ code: 'resting', retryAfterSeconds: 2.5, nextStep: 'Wait.' });
    if (body.name === 'diskFull') throw new Fault('diskFull', 'no space left: /secret/path');
    if (body.name === 'storeBusy') throw new Fault('storeBusy', 'queue full');
    if (body.name === 'broken') throw new Error('secret detail');
    return ok(
      new Reply(
        { id: params.id, limit: query.limit, name: body.name, at: 0 },
        { headers: { 'Set-Cookie': ['a=1', 'b=2'] } },
      ),
    );
  },
});
const simple = (spec: Partial<Endpoint> & { path: string }): Endpoint => ({
  ...defineEndpoint({
    method: 'GET',
    path: spec.path,
    summary: spec.path,
    tag: 'things',
    access: { open: 'test' },
    response: z.looseObject({}),
    refusals: [],
    handle: async () => ok({ path: spec.path }),
  }),
  ...spec,
});
export const things: readonly Endpoint[] = [
  echo,
  simple({ path: '/api/things' }),
  simple({ path: '/api/limited', ratePerMinute: 2 }),
  simple({ path: '/api/me', access: { signedIn: true } }),
  simple({ path: '/api/managed', access: { permission: 'member.manage' } }),
  simple({ path: '/api/open', method: 'POST' }),
  simple({
    path: '/api/leaky',
    response: z.strictObject({ name: z.string() }),
    invoke: async () => ok(new Reply({ name: 'Ada', passwordHash: 'x' })),
  }),
  defineEndpoint({
    method: 'GET',
    path: '/api/things/{id}',
    summary: 'One',
    tag: 'things',
    access: { open: 'test' },
    params: z.strictObject({ id: z.string() }),
    response: z.strictObject({ id: z.string() }),
    refusals: [],
    handle: async ({ params }) => ok(params),
  }),
  simple({ path: '/api/things/special' }),
];

export interface Running extends HubServer {
  readonly origin: string;
  readonly lines: Record<string, unknown>[];
}

/** A hub's HTTP side on free ports, closed when the test ends. */
export async function serve(
  app: Partial<AppOptions> = {},
  server: Partial<ServerOptions> = {},
): Promise<Running> {
  const { log, lines } = logInto();
  const made = createApp({ endpoints: things, authenticator, ...testCatalog, log, clock, ...app });
  const running = await startServer({ app: made, httpPort: 0, log, ...server });
  onTestFinished(() => running.close(0));
  return { ...running, origin: `http://127.0.0.1:${running.httpPort}`, lines };
}

/** A hub over HTTPS under a certificate of its own; its callers are without credentials. */
export async function secureHub(
  nowMs = Date.now(),
  app: Partial<AppOptions> = {},
  bounds: Partial<ConnectionBounds> = {},
) {
  const directory = folder();
  const time = { nowMs };
  const addresses = ['127.0.0.1', '::1'];
  const tls = await openTls({
    directory,
    configuredNames: [],
    clock: { nowMs: () => time.nowMs },
    log: logInto().log,
    hostname: () => 'testbox',
    addresses: () => addresses,
  });
  onTestFinished(() => tls.close());
  const callers: Caller[] = [];
  const nobody = {
    authenticate: async (caller: Caller) => {
      callers.push(caller);
      return ok(null);
    },
    recheck: async () => null,
  };
  const running = await serve(
    { authenticator: nobody, rawEndpoints: [authorityEndpoint(tls)], ...app },
    { https: { port: 0, host: '127.0.0.1', certificates: tls }, bounds },
  );
  return { ...running, tls, time, addresses, callers };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly bytes: Buffer;
  json(): unknown;
}

/** One request by node:http, which sends paths and headers as they are (fetch would tidy them). */
export async function ask(options: RequestOptions & { readonly body?: string | Buffer }): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request({ agent: false, ...options }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const text = bytes.toString();
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text,
        bytes,
        json: () => JSON.parse(text),
      });
    });
  });
  sent.on('error', reject);
  sent.end(options.body);
  return promise;
}
