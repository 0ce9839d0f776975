import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Hub, startHub } from '#hub/compose.ts';
import { newId } from '#hub/platform/new-id.ts';
import { builtInRoles } from '#tests/_support/open-domains.ts';
import { type Answer, type Browser, callAsPage, callOnSocket, owner } from './hub.ts';
import {
  sampleBody,
  signInEveryRole,
  signInPrograms,
  type WalkedRoute,
  type Walker,
  walkRoutes,
} from './route-matrix.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'hub-routes-'));
let hub: Hub;
let baseUrl: string;
let walkers: readonly Walker[];
let objects: Record<string, Record<string, string>>;

const callConsole = async (method: string, address: string, body?: unknown): Promise<Answer> => {
  const answer = await callOnSocket(path.join(folder, 'hub/hub.sock'), method, address, body);
  if (answer.status >= 300) throw new Error(`${method} ${address}: ${JSON.stringify(answer.body)}`);
  return answer;
};
/** The id of the first of a list, or of nothing. */
async function firstId(address: string): Promise<string> {
  const { items } = z
    .object({ items: z.array(z.object({ id: z.string() })) })
    .parse((await callConsole('GET', address)).body);
  if (items[0] === undefined) throw new Error(`${address} is empty`);
  return items[0].id;
}

beforeAll(async () => {
  hub = await startHub({
    env: {
      MAKRCAVE_STATE_DIR: folder,
      MAKRCAVE_HTTP_PORT: '0',
      MAKRCAVE_HTTP_HTTPS_PORT: '0',
      MAKRCAVE_MQTT_TLS_PORT: '0',
      MAKRCAVE_LOG_LEVEL: 'silent',
    },
    listen: 'all',
  });
  baseUrl = `http://localhost:${hub.httpPort}`;
  const { body: fresh } = await callConsole('POST', '/api/system/claim-code', {});
  const browser: Browser = { cookie: null, csrfToken: null };
  const claimed = await callAsPage(baseUrl, browser, 'POST', '/api/system/claim', {
    ...owner,
    code: fresh.code,
  });
  expect(claimed.status).toBe(201);
  const { body: member } = await callConsole('POST', '/api/members', { name: 'Victim Victimson' });
  const { body: session } = await callAsPage(baseUrl, browser, 'GET', '/auth/sessions');
  const accessControl = '/api/access-control';
  const { body: service } = await callConsole('POST', `${accessControl}/service-accounts`, {
    name: 'Victim service',
    purpose: 'Belongs to somebody else',
    scopes: ['portal.read'],
    ownerId: claimed.body.account.id,
  });
  const { body: given } = await callConsole(
    'POST',
    `${accessControl}/service-accounts/${service.id}/tokens`,
    { name: 'Victim token' },
  );
  const bridgeId = await firstId(`${accessControl}/bridges`);
  objects = {
    '/api/members/': { id: member.id, memberId: member.id },
    '/api/members/plans/': { planId: await firstId('/api/members/plans') },
    '/api/accounts/': { id: claimed.body.account.id },
    '/auth/sessions/': { id: session.items[0].id },
    [`${accessControl}/roles/`]: {
      id: await firstId(`${accessControl}/roles`),
      account: claimed.body.account.id,
    },
    [`${accessControl}/sessions/`]: { id: session.items[0].id },
    [`${accessControl}/service-accounts/`]: { id: service.id, tokenId: given.accessToken.id },
    [`${accessControl}/audit-logs/`]: { id: await firstId(`${accessControl}/audit-logs`) },
    [`${accessControl}/rules/`]: { id: await firstId(`${accessControl}/rules`) },
    [`${accessControl}/bridges/`]: { id: bridgeId },
    [`${accessControl}/readers/`]: { id: `${bridgeId}:outside` },
  };
  walkers = [
    ...(await signInEveryRole(baseUrl, callConsole, builtInRoles)),
    ...(await signInPrograms(baseUrl, callConsole, builtInRoles)),
  ];
});
afterAll(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const portalId = newId();
const bodies = {
  'POST /api/notifications/webhooks': { url: 'http://203.0.113.1/', topics: ['member.changed'] },
  'POST /api/members/plans': { currency: 'EUR' },
  'POST /api/access-control/check': { card: '123:4567', portalId },
  'POST /api/access-control/simulated-taps': { card: '123:4567', portalId },
  'POST /api/access-control/credentials/{id}/replace': { card: '123:4567' },
  'PUT /api/access-control/pins/{memberId}': { pin: '4711', duressPin: '2093' },
};

describe('every route of the hub', () => {
  it('opens to the roles that have its permission, to nobody else, and leaks nothing of others’ objects', {
    timeout: 120_000,
  }, async () => {
    const raw: WalkedRoute[] = [
      { method: 'GET', path: '/api/events', access: { signedIn: true }, raw: true },
      { method: 'GET', path: '/health', access: { open: 'ok or not' }, raw: true },
    ];
    const routes = [...hub.endpoints, ...raw];
    const secrets = ['Victim', owner.displayName];
    const report = await walkRoutes({ baseUrl, routes, walkers, objects, bodies, secrets });
    expect(report.problems).toEqual([]);
    expect(hub.endpoints.length).toBeGreaterThan(60);
    expect(report.cells).toBeGreaterThan(routes.length * walkers.length);
    const { body: log } = await callConsole(
      'GET',
      '/api/access-control/audit-logs?limit=200&actorKind=account',
    );
    const actions = new Set(log.items.map((item: { action: string }) => item.action));
    expect(actions).toEqual(new Set(['session.open', 'site.claim']));
  });

  it('is asked with a body that it would take', () => {
    const misfits = hub.endpoints.filter(
      (endpoint) =>
        endpoint.body !== undefined && !endpoint.body.safeParse(sampleBody(endpoint, bodies)).success,
    );
    expect(misfits.map((endpoint) => `${endpoint.method} ${endpoint.path}`)).toEqual([]);
  });
});
