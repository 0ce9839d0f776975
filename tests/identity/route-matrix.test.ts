import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createAuthenticator } from '#hub/domains/identity/authenticator.ts';
import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { createApp } from '#hub/http/serving/app.ts';
import { startServer } from '#hub/http/serving/server.ts';
import { ok } from '#hub/kernel/result.ts';
import { appCatalog, builtInRoles } from '#tests/_support/open-domains.ts';
import { addAccount, claim, type IdentityHub, makeFolder, owner, passwordOf, startHub } from './hub.ts';
import { sampleBody, signInEveryRole, signInPrograms, type Walker, walkRoutes } from './route-matrix.ts';

const { folder, remove } = makeFolder();
let hub: IdentityHub;
let walkers: readonly Walker[];
let objects: Record<string, Record<string, string>>;
const secrets = ['victim', owner.displayName];

beforeAll(async () => {
  hub = await startHub(folder);
  await claim(hub);
  const account = await addAccount(hub, 'victim', 'guest');
  const victim = await hub.signIn('victim', passwordOf('victim'));
  const { body: sessions } = await hub.call(victim, 'GET', '/auth/sessions');
  const { body: roles } = await hub.console('GET', '/api/access-control/roles');
  const { body: logs } = await hub.console('GET', `/api/access-control/audit-logs?targetId=${account}`);
  const services = '/api/access-control/service-accounts';
  const draft = { name: 'of the victim', purpose: 'victim', scopes: ['portal.read'], ownerId: account };
  const { body: service } = await hub.console('POST', services, draft);
  const { body: fresh } = await hub.console('POST', `${services}/${service.id}/tokens`, { name: 'victim' });
  objects = {
    [`${services}/`]: { id: service.id, tokenId: fresh.accessToken.id },
    '/api/access-control/sessions/': { id: sessions.items[0].id },
    '/api/accounts/': { id: account },
    '/api/access-control/roles/': { id: roles.items[5].id, account },
    '/api/access-control/audit-logs/': { id: logs.items[0].id },
    '/auth/sessions/': { id: sessions.items[0].id },
  };
  walkers = [
    ...(await signInEveryRole(hub.baseUrl, hub.console, builtInRoles)),
    ...(await signInPrograms(hub.baseUrl, hub.console, builtInRoles)),
  ];
});
afterAll(async () => {
  await hub.close();
  remove();
});

async function stateOfStore(): Promise<string> {
  const { read } = hub.store;
  return JSON.stringify([
    await read.selectFrom('account').selectAll().execute(),
    await read.selectFrom('account_password').selectAll().execute(),
    await read.selectFrom('role').selectAll().execute(),
    await read.selectFrom('role_assignment').selectAll().execute(),
    await read.selectFrom('audit_entry').selectAll().execute(),
    await read.selectFrom('site').selectAll().execute(),
    await read.selectFrom('session').select(['id', 'token_hash']).execute(),
    await read.selectFrom('service_account').selectAll().execute(),
    await read.selectFrom('access_token').select(['id', 'token_hash']).execute(),
  ]);
}

describe('every route of this domain', () => {
  it('opens to the roles that have its permission and to nobody else, and changes nothing for the rest', async () => {
    const before = await stateOfStore();
    const report = await walkRoutes({
      baseUrl: hub.baseUrl,
      routes: hub.endpoints,
      walkers,
      objects,
      secrets,
    });
    expect(report.problems).toEqual([]);
    expect(walkers).toHaveLength(1 + Object.keys(builtInRoles).length + 3);
    expect(report.cells).toBeGreaterThanOrEqual(hub.endpoints.length * walkers.length);
    expect(report.denied).toBeGreaterThan(100);
    expect(report.admitted).toBeGreaterThan(100);
    expect(await stateOfStore()).toBe(before);
  });

  it('is asked with a body that fits, so that a missing gate would do what was asked', () => {
    const misfits = hub.endpoints
      .filter((endpoint) => endpoint.body !== undefined)
      .filter((endpoint) => !endpoint.body!.safeParse(sampleBody(endpoint)).success);
    expect(misfits.map((endpoint) => `${endpoint.method} ${endpoint.path}`)).toEqual([]);
  });
});

describe('the walk itself finds', () => {
  /** The problems found when this endpoint is what the source says, and `mounted` what runs. */
  async function problemsOf(declared: Endpoint, mounted: Endpoint): Promise<readonly string[]> {
    const { deps } = hub;
    const app = createApp({
      endpoints: [mounted],
      authenticator: createAuthenticator(deps),
      ...appCatalog,
      log: deps.log,
      clock: deps.clock,
    });
    const server = await startServer({ app, httpPort: 0, log: deps.log });
    try {
      const baseUrl = `http://localhost:${server.httpPort}`;
      return (await walkRoutes({ baseUrl, routes: [declared], walkers, objects: {}, secrets })).problems;
    } finally {
      await server.close();
    }
  }
  const plant = (access: Endpoint['access'], body = 'done') =>
    defineEndpoint({
      method: 'POST',
      path: '/api/planted/{id}',
      summary: 'planted',
      tag: 'test',
      access,
      params: z.strictObject({ id: z.string() }),
      body: z.strictObject({ reason: z.string() }),
      response: z.string(),
      refusals: [],
      handle: async () => ok(body),
    });

  it('a gate that asks for too little', async () => {
    const problems = await problemsOf(plant({ permission: 'door.unlock' }), plant({ signedIn: true }));
    expect(problems).toContain(
      'POST /api/planted/{id} as guest: 200 "done" where 403 permissionMissing was due',
    );
    expect(problems.some((problem) => problem.includes('as staff'))).toBe(false);
  });

  it('no gate at all', async () => {
    const problems = await problemsOf(plant({ permission: 'door.unlock' }), plant({ open: 'by mistake' }));
    expect(problems).toContain(
      'POST /api/planted/{id} as nobody: 200 "done" where 401 signInRequired was due',
    );
  });

  it('a gate that asks for something else', async () => {
    const problems = await problemsOf(
      plant({ permission: 'portal.read' }),
      plant({ permission: 'audit.read' }),
    );
    expect(problems).toContain(
      'POST /api/planted/{id} as staff: 403 permissionMissing where the gate should have opened',
    );
  });

  it('an object of somebody else that is handed out', async () => {
    const problems = await problemsOf(plant({ signedIn: true }), plant({ signedIn: true }, 'of the victim'));
    expect(problems).toContain('POST /api/planted/{id} as member: 200  to somebody else’s object');
  });
});
