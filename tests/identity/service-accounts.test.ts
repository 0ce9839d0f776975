import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { maxServiceAccounts, maxTokensPerServiceAccount } from '#hub/domains/identity/tokens/rules.ts';
import {
  addAccount,
  type Browser,
  callAsProgram,
  claim,
  type IdentityHub,
  makeFolder,
  passwordOf,
  roleId,
  startHub,
} from './hub.ts';

const { folder, remove } = makeFolder();
const base = '/api/access-control/service-accounts';
let hub: IdentityHub;
/** May manage accounts and service accounts, and no roles. */
let admin: Browser;
let adminId: string;
let count = 0;

beforeAll(async () => {
  hub = await startHub(folder);
  await claim(hub);
  adminId = await addAccount(hub, 'admin', 'makerspace_admin');
  admin = await hub.signIn('admin', passwordOf('admin'));
});
afterAll(async () => {
  await hub.close();
  remove();
});

const program = (token: string, method: string, address: string, body?: unknown) =>
  callAsProgram(hub.baseUrl, token, method, address, body);

/** The hub's answer to a request of the token: `200`, or the code of the refusal. */
async function sayTo(token: string, address = '/auth/session'): Promise<string> {
  const { status, body } = await program(token, 'GET', address);
  return status === 200 ? '200' : body.code;
}

async function addService(scopes: string[], by: Browser | null = admin, ownerId?: string) {
  count += 1;
  const draft = { name: `Service ${count}`, purpose: 'A test', scopes, ...(ownerId && { ownerId }) };
  const made = by === null ? await hub.console('POST', base, draft) : await hub.call(by, 'POST', base, draft);
  expect(made.status).toBe(201);
  return made.body;
}

async function addToken(serviceId: string, draft: object = {}): Promise<{ token: string; id: string }> {
  count += 1;
  const made = await hub.call(admin, 'POST', `${base}/${serviceId}/tokens`, {
    name: `token ${count}`,
    ...draft,
  });
  expect(made.status).toBe(201);
  return { token: made.body.token, id: made.body.accessToken.id };
}

describe('a token of a service account', () => {
  it('is shown once, in a form that scanners of secrets know, and only its hash is kept', async () => {
    const service = await addService(['member.read']);
    const { token } = await addToken(service.id);
    expect(token).toMatch(/^mkc_[0-9A-Za-z]{49}$/);
    const { read } = hub.store;
    const stored = JSON.stringify([
      await read.selectFrom('access_token').selectAll().execute(),
      await read.selectFrom('audit_payload').selectAll().execute(),
      await read.selectFrom('change').selectAll().execute(),
    ]);
    expect(stored).not.toContain(token);
    expect(stored).not.toContain(token.slice(4, 47));
    const { body } = await hub.call(admin, 'GET', `${base}/${service.id}`);
    expect(JSON.stringify(body)).not.toContain(token);
    expect(body.tokens[0]).toMatchObject({ ending: token.slice(-4), lastUsedAt: null, expired: false });
  });

  it('says who asks, and is named in the audit log', async () => {
    const service = await addService(['account.read', 'account.manage']);
    const { token } = await addToken(service.id);
    const { body: self } = await program(token, 'GET', '/auth/session');
    expect(self).toMatchObject({
      account: null,
      serviceAccount: { id: service.id, name: service.name },
      permissions: ['account.read', 'account.manage'],
      csrfToken: null,
    });
    const draft = { username: 'by-service', displayName: 'By service', password: 'nine red cranes fold' };
    expect((await program(token, 'POST', '/api/accounts', draft)).status).toBe(201);
    const { body: log } = await hub.console(
      'GET',
      `/api/access-control/audit-logs?actorKind=service&actorId=${service.id}`,
    );
    expect(log.items).toEqual([
      expect.objectContaining({
        action: 'account.create',
        actor: { kind: 'service', id: service.id, name: service.name },
      }),
    ]);
    expect((await hub.console('GET', '/api/system/verify')).body.ok).toBe(true);
  });

  it('that is mistyped, cut, of another kind or revoked counts for nothing', async () => {
    const service = await addService(['member.read']);
    const { token, id } = await addToken(service.id);
    const last = token.endsWith('0') ? '1' : '0';
    for (const wrong of [
      `${token.slice(0, -1)}${last}`,
      token.slice(0, -1),
      `${token}0`,
      token.replace('mkc', 'mkr'),
    ])
      expect(await sayTo(wrong)).toBe('credentialsInvalid');
    expect(await sayTo(token)).toBe('200');
    expect((await hub.call(admin, 'DELETE', `${base}/${service.id}/tokens/${id}`)).status).toBe(200);
    expect(await sayTo(token)).toBe('credentialsInvalid');
  });

  it('ends at its end, and with its service account', async () => {
    const service = await addService(['member.read']);
    const expiresAt = new Date(hub.clock.nowMs() + 60_000).toISOString();
    const short = await addToken(service.id, { expiresAt });
    const long = await addToken(service.id);
    hub.clock.advance(60_000);
    expect([await sayTo(short.token), await sayTo(long.token)]).toEqual(['accessTokenExpired', '200']);
    await hub.call(admin, 'POST', `${base}/${service.id}/disable`);
    expect(await sayTo(long.token)).toBe('accessTokenExpired');
    await hub.call(admin, 'POST', `${base}/${service.id}/enable`);
    expect(await sayTo(long.token)).toBe('200');
    await hub.call(admin, 'DELETE', `${base}/${service.id}`);
    expect(await sayTo(long.token)).toBe('credentialsInvalid');
    expect((await hub.call(admin, 'GET', `${base}/${service.id}`)).status).toBe(404);
  });

  it('gets a fresh secret in its place; the one before stops at once', async () => {
    const service = await addService(['member.read']);
    const { token, id } = await addToken(service.id);
    const rotated = await hub.call(admin, 'POST', `${base}/${service.id}/tokens/${id}/rotate`, {});
    const { body: after } = await hub.call(admin, 'GET', `${base}/${service.id}`);
    expect([rotated.status, after.tokens]).toEqual([200, [rotated.body.accessToken]]);
    expect([await sayTo(token), await sayTo(rotated.body.token)]).toEqual(['credentialsInvalid', '200']);
  });

  it('shows when and from where it was used last, to the minute', async () => {
    const service = await addService(['member.read']);
    const { token } = await addToken(service.id);
    const lastUse = async () => {
      await hub.store.transact('drain', async () => null);
      const { body } = await hub.call(admin, 'GET', `${base}/${service.id}`);
      return body.tokens[0];
    };
    const firstMs = hub.clock.nowMs();
    await sayTo(token);
    const first = await lastUse();
    expect(first.lastUsedAt).toBe(new Date(firstMs).toISOString());
    expect(first.lastUsedAddress).toMatch(/^(127\.0\.0\.1|::1)$/);
    hub.clock.advance(59_000);
    await sayTo(token);
    expect((await lastUse()).lastUsedAt).toBe(first.lastUsedAt);
    hub.clock.advance(1000);
    await sayTo(token);
    expect((await lastUse()).lastUsedAt).toBe(new Date(firstMs + 60_000).toISOString());
  });
});

describe('the scopes of a token', () => {
  it('narrow: nothing works that is not in token, service account and owner alike', async () => {
    const service = await addService(['account.read', 'role.read', 'audit.read']);
    const { token } = await addToken(service.id, { scopes: ['account.read'] });
    expect(await sayTo(token, '/api/accounts')).toBe('200');
    for (const address of ['/api/access-control/roles', '/api/access-control/audit-logs', base])
      expect(await sayTo(token, address)).toBe('permissionMissing');
  });

  it('never reach beyond the service account, and nobody hands out what they do not hold', async () => {
    const service = await addService(['member.read']);
    const wide = await hub.call(admin, 'POST', `${base}/${service.id}/tokens`, {
      name: 'wide',
      scopes: ['member.read', 'member.manage'],
    });
    expect([wide.status, wide.body.code, wide.body.permissions]).toEqual([
      422,
      'scopesTooWide',
      ['member.manage'],
    ]);
    const draft = { name: 'Roles', purpose: 'Too much', scopes: ['role.manage'] };
    const beyond = await hub.call(admin, 'POST', base, draft);
    expect([beyond.status, beyond.body.code, beyond.body.permissions]).toEqual([
      403,
      'beyondOwnPermissions',
      ['role.manage'],
    ]);
    const owners = await addService(['role.manage'], null, adminId);
    for (const [method, path, body] of [
      ['POST', '/tokens', { name: 'mine' }],
      ['PATCH', '', { version: 1, scopes: ['role.manage', 'role.read'], ownerId: adminId }],
    ] as const) {
      // The owner may curb it, and neither widen it nor get a token of it.
      const answer = await hub.call(admin, method, `${base}/${owners.id}${path}`, body);
      if (method === 'POST') expect(answer.body.code).toBe('beyondOwnPermissions');
    }
    const curbed = await hub.call(admin, 'POST', `${base}/${owners.id}/disable`);
    expect(curbed.status).toBe(200);
  });

  it('follow whoever made a token for somebody else: it ends with the maker, until the other makes it theirs', async () => {
    const makerId = await addAccount(hub, 'maker', 'makerspace_admin');
    const maker = await hub.signIn('maker', passwordOf('maker'));
    const service = await addService(['account.read', 'member.read'], maker, adminId);
    const made = await hub.call(maker, 'POST', `${base}/${service.id}/tokens`, { name: 'of another' });
    const { token, accessToken } = made.body;
    expect(accessToken.madeBy).toEqual({ id: makerId, displayName: 'Name of maker', active: true });
    expect(await sayTo(token, '/api/accounts')).toBe('200');
    const role = await roleId(hub, 'makerspace_admin');
    await hub.console('POST', `/api/access-control/roles/${role}/revoke/${makerId}`);
    expect(await sayTo(token, '/api/accounts')).toBe('permissionMissing');
    await hub.console('POST', `/api/access-control/roles/${role}/assign`, { accountId: makerId });
    await hub.call(admin, 'POST', `/api/accounts/${makerId}/disable`);
    expect(await sayTo(token)).toBe('accessTokenExpired');
    const { body } = await hub.call(admin, 'GET', `${base}/${service.id}`);
    expect(body.tokens[0].madeBy.active).toBe(false);
    const rotate = `${base}/${service.id}/tokens/${accessToken.id}/rotate`;
    const theirs = await hub.call(admin, 'POST', rotate, {});
    expect([await sayTo(token), await sayTo(theirs.body.token)]).toEqual(['credentialsInvalid', '200']);
  });

  it('follow what the owner may do now: a right that the owner loses is lost at once', async () => {
    const ownerId = await addAccount(hub, 'passing', 'makerspace_admin');
    const passing = await hub.signIn('passing', passwordOf('passing'));
    const service = await addService(['account.read', 'plan.read'], passing);
    const { token } = await addToken(service.id);
    expect(await sayTo(token, '/api/accounts')).toBe('200');
    const role = await roleId(hub, 'makerspace_admin');
    await hub.console('POST', `/api/access-control/roles/${role}/revoke/${ownerId}`);
    expect(await sayTo(token, '/api/accounts')).toBe('permissionMissing');
    const staff = await roleId(hub, 'staff');
    await hub.console('POST', `/api/access-control/roles/${staff}/assign`, { accountId: ownerId });
    const { body } = await program(token, 'GET', '/auth/session');
    expect(body.permissions).toEqual(['plan.read']);
    expect((await hub.call(admin, 'GET', `${base}/${service.id}`)).body).toMatchObject({
      scopes: ['account.read', 'plan.read'],
      effectiveScopes: ['plan.read'],
    });
    await hub.console('POST', `/api/accounts/${ownerId}/disable`);
    expect(await sayTo(token)).toBe('accessTokenExpired');
    // Handed over to somebody who stays, it works again.
    const over = { version: service.version, ownerId: adminId };
    expect((await hub.call(admin, 'PATCH', `${base}/${service.id}`, over)).status).toBe(200);
    expect(await sayTo(token, '/api/accounts')).toBe('200');
  });

  it('make no tokens: a leaked one cannot outlive its end', async () => {
    const service = await addService(['serviceAccount.read', 'serviceAccount.manage', 'member.read']);
    const { token, id } = await addToken(service.id);
    const own = `${base}/${service.id}`;
    for (const [method, address, body] of [
      ['POST', base, { name: 'Another', purpose: 'To stay', scopes: ['member.read'] }],
      ['POST', `${own}/tokens`, { name: 'another' }],
      ['POST', `${own}/tokens/${id}/rotate`, {}],
      ['PATCH', own, { version: 1, name: 'Renamed' }],
      ['POST', `${own}/enable`, undefined],
    ] as const) {
      const answer = await program(token, method, address, body);
      expect([method, address, answer.body.code]).toEqual([method, address, 'personNeeded']);
    }
    expect((await program(token, 'DELETE', `${own}/tokens/${id}`)).status).toBe(200);
  });
});

describe('service accounts', () => {
  it('are not changed by who could not hand out their rights, only by their owner', async () => {
    const { body: roles } = await hub.console('POST', '/api/access-control/roles', {
      name: 'Token keeper',
      permissions: ['serviceAccount.read', 'serviceAccount.manage', 'plan.read'],
    });
    const keeperId = await addAccount(hub, 'keeper', null);
    await hub.console('POST', `/api/access-control/roles/${roles.id}/assign`, { accountId: keeperId });
    const keeper = await hub.signIn('keeper', passwordOf('keeper'));
    const strong = await addService(['member.manage']);
    const { id } = await addToken(strong.id);
    for (const [method, path, body] of [
      ['PATCH', '', { version: 1, name: 'Mine now' }],
      ['PATCH', '', { version: 1, ownerId: keeperId }],
      ['POST', '/disable', undefined],
      ['DELETE', '', undefined],
      ['DELETE', `/tokens/${id}`, undefined],
      ['POST', `/tokens/${id}/rotate`, {}],
    ] as const) {
      const answer = await hub.call(keeper, method, `${base}/${strong.id}${path}`, body);
      expect([method, path, answer.body.code]).toEqual([method, path, 'beyondOwnPermissions']);
    }
    const own = await addService(['plan.read'], keeper);
    expect(own.owner).toEqual({ id: keeperId, displayName: 'Name of keeper', active: true });
    expect((await hub.call(keeper, 'PATCH', `${base}/${own.id}`, { version: 1, name: 'Board' })).status).toBe(
      200,
    );
  });

  it('need an owner who can sign in; the command line names one', async () => {
    const draft = { name: 'Ownerless', purpose: 'A test', scopes: ['member.read'] };
    const none = await hub.console('POST', base, draft);
    expect([none.status, none.body.code]).toEqual([422, 'ownerUnknown']);
    const gone = await addAccount(hub, 'gone', null);
    await hub.console('POST', `/api/accounts/${gone}/disable`);
    const disabled = await hub.console('POST', base, { ...draft, ownerId: gone });
    expect(disabled.body.code).toBe('ownerUnknown');
    expect((await hub.console('POST', base, { ...draft, ownerId: adminId })).status).toBe(201);
  });

  it('refuse names that are taken, ends that are over and changes of what somebody else has changed', async () => {
    const service = await addService(['member.read']);
    await addToken(service.id, { name: 'Board' });
    const path = `${base}/${service.id}`;
    const answers = [
      await hub.call(admin, 'POST', base, {
        name: service.name.toUpperCase(),
        purpose: 'x',
        scopes: ['member.read'],
      }),
      await hub.call(admin, 'POST', `${path}/tokens`, { name: 'board' }),
      await hub.call(admin, 'POST', `${path}/tokens`, { name: 'late', expiresAt: '2020-01-01T00:00:00Z' }),
      await hub.call(admin, 'PATCH', path, { version: 7, name: 'x' }),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual([
      [409, 'serviceAccountNameTaken'],
      [409, 'accessTokenNameTaken'],
      [422, 'endsInThePast'],
      [409, 'staleVersion'],
    ]);
    expect(answers[3]!.body.current).toMatchObject({ id: service.id, version: 1 });
  });

  it('and their tokens are bounded, and say so', async () => {
    const service = await addService(['member.read']);
    for (let made = 0; made < maxTokensPerServiceAccount; made += 1) await addToken(service.id);
    const full = await hub.call(admin, 'POST', `${base}/${service.id}/tokens`, { name: 'one more' });
    expect([full.status, full.body.code, full.body.max]).toEqual([409, 'tooManyAccessTokens', 20]);
    const { body } = await hub.call(admin, 'GET', `${base}?limit=200`);
    for (let there = body.items.length; there < maxServiceAccounts; there += 1)
      await addService(['member.read']);
    const draft = { name: 'One more', purpose: 'A test', scopes: ['member.read'] };
    const answer = await hub.call(admin, 'POST', base, draft);
    expect([answer.status, answer.body.code, answer.body.max]).toEqual([409, 'tooManyServiceAccounts', 100]);
    const pages = [];
    let cursor = '';
    do {
      const page = await hub.call(admin, 'GET', `${base}?limit=30${cursor}`);
      pages.push(page.body.items.length);
      cursor = page.body.nextCursor === null ? '' : `&cursor=${page.body.nextCursor}`;
    } while (cursor !== '');
    expect(pages).toEqual([30, 30, 30, 10]);
    const counted = await hub.call(admin, 'GET', `${base}?limit=1&count=true`);
    expect(counted.body).toMatchObject({ items: [{}], total: maxServiceAccounts });
    const refused = await hub.call(admin, 'GET', `${base}?cursor=${service.id}`);
    expect([refused.status, refused.body.code]).toEqual([400, 'cursorInvalid']);
  });
});
