import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createPasswordHasher, type PasswordHasher } from '#hub/domains/identity/accounts/password.ts';
import type { Claimed, IdentityDeps } from '#hub/domains/identity/deps.ts';
import { identity, siteChanged, siteClaimed } from '#hub/domains/identity/domain.ts';
import type { Site } from '#hub/domains/identity/repository.ts';
import { startIdentity } from '#hub/domains/identity/site/workflow.ts';
import { hubTables } from '#hub/domains.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { createApp } from '#hub/http/serving/app.ts';
import { startServer } from '#hub/http/serving/server.ts';
import { createLog } from '#hub/platform/log.ts';
import { openStore } from '#hub/store/open-store.ts';
import type { Store } from '#hub/store/store.ts';
import { appCatalog, hearing, listener, openTestDomains } from '#tests/_support/open-domains.ts';

/** A wall clock that stands still until it is told otherwise. */
export class TestClock {
  atMs = Date.UTC(2026, 10, 22, 12);

  nowMs(): number {
    return this.atMs;
  }
  monotonicMs(): number {
    return performance.now();
  }
  trust(): 'ntp' {
    return 'ntp';
  }
  advance(ms: number): void {
    this.atMs += ms;
  }
}

export const storeKey = Buffer.alloc(32, 7);
export const tokenMaster = Buffer.alloc(32, 3);
/** So cheap that a test can sign in a hundred times. */
export const cheapPasswords = { memoryKiB: 64, passes: 1, lanes: 1 };

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Tests read whatever the answer has.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** A signed-in browser, or one that is not yet. */
export interface Browser {
  cookie: string | null;
  csrfToken: string | null;
}

export interface IdentityHub {
  readonly clock: TestClock;
  readonly store: Store;
  readonly deps: IdentityDeps;
  readonly baseUrl: string;
  readonly storePath: string;
  readonly endpoints: readonly Endpoint[];
  readonly claimed: Claimed[];
  readonly changedSites: Pick<Site, 'timeZone'>[];
  /** The claim code made at the latest start. */
  readonly claimCode: string | null;
  /** As the page of the hub sends it. */
  readonly call: (
    browser: Browser | null,
    method: string,
    address: string,
    body?: unknown,
  ) => Promise<Answer>;
  /** As the command line on the box sends it. */
  readonly console: (method: string, address: string, body?: unknown) => Promise<Answer>;
  signIn(username: string, password: string): Promise<Browser>;
  close(): Promise<void>;
}

/** A folder for one test file. */
export function makeFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'hub-identity-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The real store and the real HTTP application, with this domain's endpoints, as `main.ts` composes them. */
export async function startHub(
  folder: string,
  options: {
    readonly clock?: TestClock;
    readonly passwords?: PasswordHasher;
    readonly failClaim?: boolean;
  } = {},
): Promise<IdentityHub> {
  const clock = options.clock ?? new TestClock();
  const log = createLog({ level: 'silent' });
  const storePath = path.join(folder, 'hub.sqlite');
  const store = await openStore({
    path: storePath,
    key: storeKey,
    registry: hubTables,
    migrationsDir: path.resolve(import.meta.dirname, '../../migrations/sqlite'),
    clock,
    log,
  });
  const claimed: Claimed[] = [];
  const changedSites: Pick<Site, 'timeZone'>[] = [];
  const { running } = await openTestDomains({
    store,
    clock,
    ports: { passwords: options.passwords ?? createPasswordHasher(cheapPasswords) },
    secrets: { tokens: tokenMaster },
    more: [
      listener(
        hearing(siteClaimed, (_tx, made) => {
          if (options.failClaim) throw new Error('the starter plan could not be made');
          claimed.push(made);
        }),
        hearing(siteChanged, (_tx, site) => changedSites.push(site)),
      ),
    ],
  });
  const { deps, endpoints } = running.of(identity);
  const fresh = await startIdentity(deps);
  const { authenticator } = running;
  const app = createApp({ endpoints, authenticator, ...appCatalog, log, clock });
  const controlSocket = path.join(folder, 'hub.sock');
  const server = await startServer({ app, httpPort: 0, controlSocket, log });
  const baseUrl = `http://localhost:${server.httpPort}`;
  const call = (browser: Browser | null, method: string, address: string, body?: unknown) =>
    callAsPage(baseUrl, browser, method, address, body);
  return {
    clock,
    store,
    deps,
    baseUrl,
    storePath,
    endpoints,
    claimed,
    changedSites,
    claimCode: fresh?.code ?? null,
    call,
    console: (method, address, body) => callOnSocket(controlSocket, method, address, body),
    async signIn(username, password) {
      const browser: Browser = { cookie: null, csrfToken: null };
      const answer = await call(browser, 'POST', '/auth/session', { username, password });
      if (answer.status !== 201)
        throw new Error(`${username}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return browser;
    },
    async close() {
      await server.close();
      await store.close();
    },
  };
}

export async function callAsPage(
  baseUrl: string,
  browser: Browser | null,
  method: string,
  address: string,
  body?: unknown,
  extra: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const headers = new Headers({ 'Sec-Fetch-Site': 'same-origin', ...extra });
  if (browser?.cookie) headers.set('Cookie', browser.cookie);
  if (browser?.csrfToken) headers.set('X-CSRF-Token', browser.csrfToken);
  if (body !== undefined) headers.set('Content-Type', 'application/json');
  const response = await fetch(baseUrl + address, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const parsed = text === '' ? null : JSON.parse(text);
  const [cookie] = response.headers.getSetCookie();
  if (browser !== null && cookie !== undefined) {
    const pair = cookie.split(';')[0] ?? '';
    browser.cookie = pair.endsWith('=') ? null : pair;
    browser.csrfToken = parsed?.csrfToken ?? null;
  }
  return { status: response.status, headers: response.headers, body: parsed };
}

/** As a program sends it: no cookie, and nothing of where it comes from. */
export async function callAsProgram(
  baseUrl: string,
  token: string | null,
  method: string,
  address: string,
  body?: unknown,
  extra: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(baseUrl + address, {
    method,
    headers: {
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...extra,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? null : JSON.parse(text),
  };
}

export async function callOnSocket(
  socketPath: string,
  method: string,
  address: string,
  body?: unknown,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const payload = body === undefined ? null : JSON.stringify(body);
  const headers = payload === null ? {} : { 'Content-Type': 'application/json' };
  const sent = request({ socketPath, method, path: address, headers }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      resolve({
        status: response.statusCode ?? 0,
        headers: new Headers(),
        body: text === '' ? null : JSON.parse(text),
      });
    });
  });
  sent.on('error', reject);
  sent.end(payload ?? undefined);
  return promise;
}

export const owner = {
  siteName: 'Werkraum Nord',
  timeZone: 'Europe/Berlin',
  displayName: 'Ada Owner',
  username: 'ada',
  password: 'a long walk to the lathe',
};

/** Claims the hub; the owner's browser. */
export async function claim(hub: IdentityHub): Promise<Browser> {
  const browser: Browser = { cookie: null, csrfToken: null };
  const answer = await hub.call(browser, 'POST', '/api/system/claim', { ...owner, code: hub.claimCode });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return browser;
}

/** An account with a built-in role, made on the command line; its id. */
export async function addAccount(
  hub: IdentityHub,
  username: string,
  roleName: string | null,
): Promise<string> {
  const made = await hub.console('POST', '/api/accounts', {
    username,
    displayName: `Name of ${username}`,
    password: passwordOf(username),
  });
  if (made.status !== 201) throw new Error(JSON.stringify(made.body));
  if (roleName !== null) {
    const assigned = await hub.console(
      'POST',
      `/api/access-control/roles/${await roleId(hub, roleName)}/assign`,
      { accountId: made.body.id },
    );
    if (assigned.status !== 200) throw new Error(JSON.stringify(assigned.body));
  }
  return made.body.id as string;
}

export const passwordOf = (username: string): string => `turning ${username} into chips`;

export async function roleId(hub: IdentityHub, name: string): Promise<string> {
  const { body } = await hub.console('GET', '/api/access-control/roles');
  const role = (body.items as { id: string; name: string }[]).find((item) => item.name === name);
  if (role === undefined) throw new Error(`no role ${name}`);
  return role.id;
}
