import { z } from 'zod';
import type { Access, Method } from '#hub/http/endpoint/endpoint.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import { newId } from '#hub/platform/new-id.ts';

/** What of an endpoint the walk needs; raw endpoints (a stream, a document) fit as well. */
export interface WalkedRoute {
  readonly method: Method;
  readonly path: string;
  readonly access: Access;
  readonly params?: z.ZodType | undefined;
  readonly body?: z.ZodType | undefined;
  /** Its answer takes no query, so it cannot be probed by a wrong one. */
  readonly raw?: boolean;
}

/** Somebody who is signed in, by name, or nobody. */
export interface Walker {
  readonly role: string;
  readonly permissions: ReadonlySet<PermissionName>;
  readonly cookie: string | null;
  readonly csrfToken: string | null;
  /** A program's access token instead of a cookie. */
  readonly bearer?: string;
}

export type Bodies = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface MatrixOptions {
  /** `http://localhost:PORT` of the running hub. */
  readonly baseUrl: string;
  readonly routes: readonly WalkedRoute[];
  readonly walkers: readonly Walker[];
  /**
   * Ids of real objects that belong to somebody else, by route (`GET /api/accounts/{id}`) or by the longest
   * beginning of its path (`/api/accounts/`); anywhere else an id that nobody has.
   */
  readonly objects?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Fields of a body that JSON Schema cannot tell ("one of both"), by route. */
  readonly bodies?: Bodies;
  /** Words of those objects, which no answer to somebody without the right may contain. */
  readonly secrets?: readonly string[];
}

export interface MatrixReport {
  /** Requests made. */
  readonly cells: number;
  /** Cells in which somebody was let through, and in which somebody was not. */
  readonly admitted: number;
  readonly denied: number;
  /** One sentence for each cell that is not as it must be. */
  readonly problems: readonly string[];
}

interface Sent {
  readonly status: number;
  readonly code: string;
  readonly text: string;
}

const nobody: Walker = { role: 'nobody', permissions: new Set(), cookie: null, csrfToken: null };

const isSomebody = (walker: Walker): boolean => walker.cookie !== null || walker.bearer !== undefined;

/**
 * Walks every route as every walker, with real objects of somebody else.
 * - Without the right the answer is 401 (nobody) or 403 `permissionMissing`, a problem that tells nothing. It is asked
 *   with a body that fits, so a gate that is missing would do what was asked.
 * - With the right the gate opens. It is asked with a query that no route takes, which is looked at after the gate and
 *   before anything happens.
 * - A write of a browser that has the right is refused without the session's token, or from another site.
 * - A program that sends its token beside a browser's cookie is refused.
 * - At a route for anybody signed in, an object of somebody else is not there.
 */
export async function walkRoutes(options: MatrixOptions): Promise<MatrixReport> {
  const report = { cells: 0, admitted: 0, denied: 0, problems: [] as string[] };
  const walk = async (route: WalkedRoute, walker: Walker): Promise<void> => {
    const checks = isAdmitted(route.access, walker) ? admittedChecks : deniedChecks;
    for (const check of checks) {
      const problem = await check(options, route, walker);
      if (problem === notApplicable) continue;
      report.cells += 1;
      report[checks === admittedChecks ? 'admitted' : 'denied'] += 1;
      if (problem !== null)
        report.problems.push(`${route.method} ${route.path} as ${walker.role}: ${problem}`);
    }
  };
  for (const route of options.routes) await Promise.all(options.walkers.map((walker) => walk(route, walker)));
  return report;
}

function isAdmitted(access: Access, walker: Walker): boolean {
  if ('open' in access) return true;
  if (!isSomebody(walker)) return false;
  return 'signedIn' in access || walker.permissions.has(access.permission);
}

/** The check says nothing about such a route. */
const notApplicable = Symbol('not applicable');

type Check = (
  options: MatrixOptions,
  route: WalkedRoute,
  walker: Walker,
) => Promise<string | null | typeof notApplicable>;

const isWrite = (route: WalkedRoute): boolean => route.method !== 'GET';

const deniedChecks: readonly Check[] = [
  async (options, route, walker) => {
    const sent = await send(options, route, walker, { body: sampleBody(route, options.bodies) });
    const expected = !isSomebody(walker) ? '401 signInRequired' : '403 permissionMissing';
    // Without a session a write says nothing of a token, so the gate is what answers.
    if (`${sent.status} ${sent.code}` !== expected)
      return `${sent.status} ${sent.code || sent.text.slice(0, 80)} where ${expected} was due`;
    return findLeak(options, sent);
  },
  async (options, route, walker) => {
    if (route.body === undefined) return notApplicable;
    // The right is looked at before the body: who may not ask learns nothing of what would have been wrong.
    const sent = await send(options, route, walker, { body: { 'no such field': 1 } });
    const isRefused = sent.status === 401 || (sent.status === 403 && sent.code === 'permissionMissing');
    return isRefused ? null : `${sent.status} ${sent.code} to a wrong body`;
  },
];

const admittedChecks: readonly Check[] = [
  async (options, route, walker) => {
    if (route.raw) {
      const sent = await send(options, route, walker, {});
      return [401, 403, 500].includes(sent.status) ? `${sent.status} ${sent.code}` : null;
    }
    const sent = await send(options, route, walker, {
      wrongQuery: true,
      body: sampleBody(route, options.bodies),
    });
    return sent.status === 400 && sent.code === 'invalidRequest'
      ? null
      : `${sent.status} ${sent.code} where the gate should have opened`;
  },
  async (options, route, walker) => {
    if (!isWrite(route) || walker.cookie === null) return notApplicable;
    const body = sampleBody(route, options.bodies);
    const sent = await send(options, route, walker, { wrongQuery: true, body, site: 'cross-site' });
    return sent.code === 'csrfFailed' ? null : `${sent.status} ${sent.code} to a write from another site`;
  },
  async (options, route, walker) => {
    if (!isWrite(route) || walker.cookie === null || 'open' in route.access) return notApplicable;
    const body = sampleBody(route, options.bodies);
    const sent = await send(
      options,
      { ...route },
      { ...walker, csrfToken: null },
      { wrongQuery: true, body },
    );
    return sent.code === 'csrfFailed' ? null : `${sent.status} ${sent.code} to a write without the token`;
  },
  async (options, route, walker) => {
    const browser = options.walkers.find(({ cookie }) => cookie !== null);
    if (walker.bearer === undefined || browser === undefined) return notApplicable;
    const both = { ...browser, bearer: walker.bearer };
    const sent = await send(options, route, both, { body: sampleBody(route, options.bodies) });
    return sent.status === 400 && sent.code === 'credentialsAmbiguous'
      ? null
      : `${sent.status} ${sent.code} to a cookie and a token at once`;
  },
  async (options, route, walker) => {
    if (!('signedIn' in route.access) || !route.path.includes('{')) return notApplicable;
    const sent = await send(options, route, walker, { body: sampleBody(route, options.bodies) });
    if (![403, 404].includes(sent.status)) return `${sent.status} ${sent.code} to somebody else’s object`;
    return findLeak(options, sent);
  },
];

function findLeak(options: MatrixOptions, sent: Sent): string | null {
  const leaked = options.secrets?.find((secret) => sent.text.includes(secret));
  return leaked === undefined ? null : `the refusal contains ${JSON.stringify(leaked)}`;
}

async function send(
  options: MatrixOptions,
  route: WalkedRoute,
  walker: Walker,
  asked: { readonly body?: unknown; readonly wrongQuery?: boolean; readonly site?: string },
): Promise<Sent> {
  const objects = objectsOf(options, route);
  const address = route.path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => {
    const value = objects[name] ?? sampleParameter(route, name);
    return encodeURIComponent(value);
  });
  // A program is no browser and says nothing of where it comes from.
  const isProgram = walker.bearer !== undefined && asked.site === undefined;
  const headers = new Headers(isProgram ? {} : { 'Sec-Fetch-Site': asked.site ?? 'same-origin' });
  if (walker.cookie !== null) headers.set('Cookie', walker.cookie);
  if (walker.bearer !== undefined) headers.set('Authorization', `Bearer ${walker.bearer}`);
  if (walker.csrfToken !== null) headers.set('X-CSRF-Token', walker.csrfToken);
  if (asked.body !== undefined) headers.set('Content-Type', 'application/json');
  const aborter = new AbortController();
  const response = await fetch(
    `${options.baseUrl}${address}${asked.wrongQuery ? '?noSuchParameter=1' : ''}`,
    {
      method: route.method,
      headers,
      redirect: 'manual',
      signal: aborter.signal,
      ...(asked.body === undefined ? {} : { body: JSON.stringify(asked.body) }),
    },
  );
  // A stream never ends: its status says all.
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
    aborter.abort();
    return { status: response.status, code: '', text: '' };
  }
  const text = await response.text();
  return { status: response.status, code: codeOf(text), text };
}

function codeOf(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && 'code' in parsed ? String(parsed.code) : '';
  } catch {
    return '';
  }
}

function objectsOf(options: MatrixOptions, route: WalkedRoute): Readonly<Record<string, string>> {
  const all = options.objects ?? {};
  const exact = all[`${route.method} ${route.path}`];
  if (exact !== undefined) return exact;
  const [longest] = Object.keys(all)
    .filter((beginning) => route.path.startsWith(beginning))
    .sort((left, right) => right.length - left.length);
  return longest === undefined ? {} : (all[longest] ?? {});
}

// Bodies that fit

type JsonSchema = { readonly [key: string]: unknown };

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const toJsonSchema = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;

function sampleParameter(route: WalkedRoute, name: string): string {
  if (route.params === undefined) return newId();
  const root = toJsonSchema(route.params);
  const properties = isSchema(root['properties']) ? root['properties'] : {};
  const value = sample(properties[name], root, 0);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : newId();
}

/** A body that the route's schema takes, as far as JSON Schema tells; undefined where the route takes none. */
export function sampleBody(route: WalkedRoute, bodies: Bodies = {}): unknown {
  if (route.body === undefined) return undefined;
  const root = toJsonSchema(route.body);
  const body = sample(root, root, 0);
  return isSchema(body) ? { ...body, ...bodies[`${route.method} ${route.path}`] } : body;
}

function sample(schema: unknown, root: JsonSchema, depth: number): unknown {
  if (!isSchema(schema) || depth > 8) return null;
  const deeper = (inner: unknown) => sample(inner, root, depth + 1);
  const ref = schema['$ref'];
  if (typeof ref === 'string') return deeper(resolveRef(ref, root));
  if ('const' in schema) return schema['const'];
  if ('default' in schema) return schema['default'];
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  const choices = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(choices)) return deeper(choices[0]);
  if (Array.isArray(schema['allOf'])) return deeper(schema['allOf'][0]);
  switch (schema['type']) {
    case 'object':
      return sampleObject(schema, deeper);
    case 'array':
      return Array.from({ length: Number(schema['minItems'] ?? 0) }, () => deeper(schema['items']));
    case 'string':
      return sampleText(schema);
    case 'integer':
    case 'number':
      return Math.max(1, Number(schema['minimum'] ?? 1));
    case 'boolean':
      return true;
    default:
      return null;
  }
}

function resolveRef(ref: string, root: JsonSchema): unknown {
  if (ref === '#') return root;
  return ref
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>((place, step) => (isSchema(place) ? place[step] : undefined), root);
}

function sampleObject(schema: JsonSchema, deeper: (inner: unknown) => unknown): Record<string, unknown> {
  const properties = isSchema(schema['properties']) ? schema['properties'] : {};
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([name]) => required.includes(name))
      .map(([name, inner]) => [name, deeper(inner)]),
  );
}

function sampleText(schema: JsonSchema): string {
  if (schema['format'] === 'uuid') return newId();
  if (schema['format'] === 'date-time') return '2026-11-22T12:00:00Z';
  if (schema['format'] === 'date') return '2026-11-22';
  if (schema['format'] === 'email') return 'somebody@example.org';
  return 'sample'
    .padEnd(Math.max(6, Number(schema['minLength'] ?? 0)), 'x')
    .slice(0, Number(schema['maxLength'] ?? 64));
}

// Walkers

type CallConsole = (
  method: string,
  address: string,
  body?: unknown,
) => Promise<{ readonly status: number; readonly body: unknown }>;

const rolesSchema = z.object({
  items: z.array(z.object({ id: z.string(), name: z.string(), builtIn: z.boolean() })),
});
const madeSchema = z.object({ id: z.string() });
const pairSchema = z.object({ accessToken: z.string() });
const freshTokenSchema = z.object({ token: z.string() });
const sessionSchema = z.object({ csrfToken: z.string(), permissions: z.array(z.string()) });

/**
 * An account for every built-in role, made on the command line and signed in over HTTP, and nobody. What each may do
 * is taken from `granted` (the roles as the source has them), not from what the hub answers.
 */
export async function signInEveryRole(
  baseUrl: string,
  callConsole: CallConsole,
  granted: Readonly<Record<string, readonly PermissionName[]>>,
): Promise<readonly Walker[]> {
  const { items } = rolesSchema.parse((await callConsole('GET', '/api/access-control/roles')).body);
  const walkers: Walker[] = [nobody];
  for (const [role, permissions] of Object.entries(granted)) {
    const stored = items.find((item) => item.builtIn && item.name === role);
    if (stored === undefined) throw new Error(`the hub has no role ${role}`);
    const username = `walker-${role}`.replaceAll('_', '-');
    const password = `walking as ${role} today`;
    const made = await callConsole('POST', '/api/accounts', { username, displayName: username, password });
    const accountId = madeSchema.parse(made.body).id;
    await callConsole('POST', `/api/access-control/roles/${stored.id}/assign`, { accountId });
    const response = await fetch(`${baseUrl}/auth/session`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Sec-Fetch-Site': 'same-origin' },
      body: JSON.stringify({ username, password }),
    });
    const { csrfToken } = sessionSchema.parse(await response.json());
    const cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? null;
    walkers.push({ role, permissions: new Set(permissions), cookie, csrfToken });
  }
  return walkers;
}

/**
 * Programs: the account `walker-staff` of `signInEveryRole` by its JWT, and two service accounts that it owns. Their
 * scopes reach beyond what staff may do, so that only what both have in common counts: all that staff may do, and one
 * permission alone.
 */
export async function signInPrograms(
  baseUrl: string,
  callConsole: CallConsole,
  granted: Readonly<Record<string, readonly PermissionName[]>>,
): Promise<readonly Walker[]> {
  const staff = granted['staff'] ?? [];
  const everything = granted['super_admin'] ?? [];
  const narrow: PermissionName = 'portal.read';
  const login = await fetch(`${baseUrl}/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ username: 'walker-staff', password: 'walking as staff today' }),
  });
  const { accessToken } = pairSchema.parse(await login.json());
  const { body: accounts } = await callConsole('GET', '/api/accounts?q=walker-staff');
  const [owner] = z.object({ items: z.array(madeSchema) }).parse(accounts).items;
  const program = async (name: string, scopes: readonly PermissionName[] | null): Promise<string> => {
    const base = '/api/access-control/service-accounts';
    const draft = { name, purpose: 'walks', scopes: everything, ownerId: owner?.id };
    const { id } = madeSchema.parse((await callConsole('POST', base, draft)).body);
    const made = await callConsole('POST', `${base}/${id}/tokens`, { name: 'walk', scopes });
    return freshTokenSchema.parse(made.body).token;
  };
  const walker = (role: string, permissions: readonly PermissionName[], bearer: string): Walker => ({
    role,
    permissions: new Set(permissions),
    cookie: null,
    csrfToken: null,
    bearer,
  });
  return [
    walker('staff by JWT', staff, accessToken),
    walker('a service account of staff', staff, await program('walker-wide', null)),
    walker('a token with one scope', [narrow], await program('walker-narrow', [narrow, 'audit.read'])),
  ];
}
