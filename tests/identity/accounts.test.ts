import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#hub/platform/new-id.ts';
import {
  addAccount,
  type Browser,
  claim,
  type IdentityHub,
  makeFolder,
  owner,
  passwordOf,
  roleId,
  startHub,
} from './hub.ts';

const { folder, remove } = makeFolder();
let hub: IdentityHub;
let ownerBrowser: Browser;
let ownerId: string;
let adminBrowser: Browser;

beforeAll(async () => {
  hub = await startHub(folder);
  ownerBrowser = await claim(hub);
  ownerId = (await hub.call(ownerBrowser, 'GET', '/auth/session')).body.account.id;
  await addAccount(hub, 'manfred', 'makerspace_admin');
  adminBrowser = await hub.signIn('manfred', passwordOf('manfred'));
});
afterAll(async () => {
  await hub.close();
  remove();
});

/** A member who is there, for an account to belong to. */
const memberRow = (id: string) => ({
  id,
  number: 1,
  name: 'Mia Maker',
  email: null,
  phone: null,
  locale: null,
  date_of_birth: null,
  guardian: null,
  notes: null,
  waiver_version: null,
  waiver_date: null,
  extended_access: 0 as const,
  status: 'active' as const,
  status_reason: null,
  status_since_ms: 0,
});

describe('accounts', () => {
  it('have one username whatever its case, and the answer names the field', async () => {
    const draft = { username: 'Greta', displayName: 'Greta', password: passwordOf('greta') };
    const made = await hub.call(adminBrowser, 'POST', '/api/accounts', draft);
    expect([made.status, made.body.username, made.body.version]).toEqual([201, 'greta', 1]);
    const again = await hub.call(adminBrowser, 'POST', '/api/accounts', { ...draft, username: 'GRETA' });
    expect([again.status, again.body.code, again.body.errors[0].pointer]).toEqual([
      409,
      'usernameTaken',
      '/body/username',
    ]);
  });

  it('belong to a member who exists and has no other account', async () => {
    const memberId = newId();
    const draft = (username: string) => ({
      username,
      displayName: username,
      password: passwordOf(username),
      memberId,
    });
    const missing = await hub.call(adminBrowser, 'POST', '/api/accounts', draft('mia'));
    expect([missing.status, missing.body.code]).toEqual([422, 'memberUnknown']);
    await hub.store.transact('test.member', (tx) => tx.insert('member', memberRow(memberId)));
    expect((await hub.call(adminBrowser, 'POST', '/api/accounts', draft('mia'))).status).toBe(201);
    const second = await hub.call(adminBrowser, 'POST', '/api/accounts', draft('mona'));
    expect([second.status, second.body.code]).toEqual([409, 'memberHasAccount']);
  });

  it('are found by a part of the name, page by page', async () => {
    for (const name of ['zoe-1', 'zoe-2', 'zoe-3']) await addAccount(hub, name, null);
    const first = await hub.call(adminBrowser, 'GET', '/api/accounts?q=ZOE&limit=2');
    const second = await hub.call(
      adminBrowser,
      'GET',
      `/api/accounts?q=ZOE&limit=2&cursor=${first.body.nextCursor}`,
    );
    const names = [...first.body.items, ...second.body.items].map(
      (item: { username: string }) => item.username,
    );
    expect(names).toEqual(['zoe-1', 'zoe-2', 'zoe-3']);
    expect(second.body.nextCursor).toBeNull();
    expect((await hub.call(adminBrowser, 'GET', '/api/accounts?q=%25')).body.items).toEqual([]);
  });

  it('change with their version, and show how they are now when it is stale', async () => {
    const id = await addAccount(hub, 'nadia', null);
    const change = (body: unknown) => hub.call(adminBrowser, 'PATCH', `/api/accounts/${id}`, body);
    expect((await change({ version: 1, displayName: 'Nadia B.' })).body).toMatchObject({
      displayName: 'Nadia B.',
      version: 2,
    });
    const stale = await change({ version: 1, displayName: 'Nobody' });
    expect([stale.status, stale.body.current.displayName]).toEqual([409, 'Nadia B.']);
  });

  it('that are disabled lose their sessions at once and come back when enabled', async () => {
    const id = await addAccount(hub, 'sven', 'staff');
    const browser = await hub.signIn('sven', passwordOf('sven'));
    expect((await hub.call(adminBrowser, 'POST', `/api/accounts/${id}/disable`)).body.status).toBe(
      'disabled',
    );
    expect((await hub.call(browser, 'GET', '/auth/session')).status).toBe(401);
    await hub.call(adminBrowser, 'POST', `/api/accounts/${id}/enable`);
    await hub.signIn('sven', passwordOf('sven'));
  });

  it('get a new password from an administrator and are signed out everywhere', async () => {
    const id = await addAccount(hub, 'tina', 'staff');
    const browser = await hub.signIn('tina', passwordOf('tina'));
    const reset = (password: string) =>
      hub.call(adminBrowser, 'PUT', `/api/accounts/${id}/password`, { password });
    expect((await reset('tina tina tina')).body.reason).toBe('likeTheName');
    expect((await reset('nine rusty anvils')).status).toBe(200);
    expect((await hub.call(browser, 'GET', '/auth/session')).status).toBe(401);
    await hub.signIn('tina', 'nine rusty anvils');
  });
});

describe('nobody rules over who can do more', () => {
  it.each([
    ['a new password', 'PUT', 'password', { password: 'nine rusty anvils' }],
    ['disabling', 'POST', 'disable', undefined],
    ['another name', 'PATCH', '', { version: 1, username: 'taken-over' }],
  ])(
    '%s for the owner is refused to an administrator, naming what is missing',
    async (_name, method, verb, body) => {
      const address = `/api/accounts/${ownerId}${verb === '' ? '' : `/${verb}`}`;
      const answer = await hub.call(adminBrowser, method, address, body);
      expect([answer.status, answer.body.code, answer.body.permissions]).toEqual([
        403,
        'beyondOwnPermissions',
        ['role.manage', 'recovery.manage'],
      ]);
      expect((await hub.call(ownerBrowser, 'GET', '/auth/session')).status).toBe(200);
    },
  );

  it('oneself neither gets round the current password nor is disabled by mistake', async () => {
    const second = await addAccount(hub, 'otto', 'super_admin');
    const reset = await hub.call(ownerBrowser, 'PUT', `/api/accounts/${ownerId}/password`, {
      password: 'nine rusty anvils',
    });
    expect([reset.status, reset.body.code]).toEqual([409, 'ownAccount']);
    expect((await hub.call(ownerBrowser, 'POST', `/api/accounts/${ownerId}/disable`)).body.code).toBe(
      'ownAccount',
    );
    await hub.console('POST', `/api/accounts/${second}/disable`);
  });
});

describe('the last owner', () => {
  it('keeps account and role, even against the command line, until another one is there for good', async () => {
    const owners = await roleId(hub, 'super_admin');
    const disable = () => hub.console('POST', `/api/accounts/${ownerId}/disable`);
    const revoke = () => hub.console('POST', `/api/access-control/roles/${owners}/revoke/${ownerId}`);
    const assign = (accountId: string, expiresAt: string | null) =>
      hub.console('POST', `/api/access-control/roles/${owners}/assign`, { accountId, expiresAt });
    const soon = new Date(hub.clock.nowMs() + 3_600_000).toISOString();
    const heir = await addAccount(hub, 'heir', null);
    await assign(heir, soon);
    for (const answer of [await disable(), await revoke(), await assign(ownerId, soon)])
      expect([answer.status, answer.body.code]).toEqual([409, 'lastOwner']);
    await assign(heir, null);
    expect((await revoke()).status).toBe(200);
    expect((await hub.console('POST', `/api/accounts/${heir}/disable`)).body.code).toBe('lastOwner');
    await assign(ownerId, null);
    await hub.console('POST', `/api/access-control/roles/${owners}/revoke/${heir}`);
    await hub.signIn('ada', owner.password);
  });
});

describe('roles', () => {
  const roles = '/api/access-control/roles';

  it('that are built in are there as rows, cannot be changed or deleted, and survive a restart as they are', async () => {
    const { body } = await hub.call(ownerBrowser, 'GET', roles);
    expect(
      body.items
        .filter((role: { builtIn: boolean }) => role.builtIn)
        .map((role: { name: string }) => role.name),
    ).toEqual([
      'super_admin',
      'makerspace_admin',
      'staff',
      'instructor',
      'member',
      'service_provider',
      'guest',
    ]);
    const id = await roleId(hub, 'staff');
    const changed = await hub.call(ownerBrowser, 'PATCH', `${roles}/${id}`, { version: 1, permissions: [] });
    expect(changed.body.code).toBe('roleBuiltIn');
    expect((await hub.call(ownerBrowser, 'DELETE', `${roles}/${id}`)).body.code).toBe('roleBuiltIn');
    const { clock } = hub;
    await hub.close();
    hub = await startHub(folder, { clock });
    expect((await hub.call(ownerBrowser, 'GET', roles)).body).toEqual(body);
  });

  it('of one’s own are made, changed, given, counted and deleted once nobody has them', async () => {
    const draft = { name: 'Door keeper', permissions: ['door.unlock', 'portal.read'] };
    const made = await hub.call(ownerBrowser, 'POST', roles, draft);
    expect(made.body).toMatchObject({
      builtIn: false,
      accountCount: 0,
      permissions: ['portal.read', 'door.unlock'],
    });
    const same = await hub.call(ownerBrowser, 'POST', roles, { name: 'door KEEPER', permissions: [] });
    expect([same.status, same.body.code]).toEqual([409, 'roleNameTaken']);
    expect((await hub.call(ownerBrowser, 'POST', roles, { name: 'Staff', permissions: [] })).body.code).toBe(
      'roleNameTaken',
    );
    const { id } = made.body;
    const account = await addAccount(hub, 'keeper', 'Door keeper');
    const browser = await hub.signIn('keeper', passwordOf('keeper'));
    const rights = async () => (await hub.call(browser, 'GET', '/auth/session')).body.permissions;
    expect(await rights()).toEqual(['portal.read', 'door.unlock']);
    await hub.call(ownerBrowser, 'PATCH', `${roles}/${id}`, { version: 1, permissions: ['portal.read'] });
    expect(await rights()).toEqual(['portal.read']);
    const used = await hub.call(ownerBrowser, 'DELETE', `${roles}/${id}`);
    expect([used.status, used.body.code, used.body.accountCount]).toEqual([409, 'roleAssigned', 1]);
    await hub.call(ownerBrowser, 'POST', `${roles}/${id}/revoke/${account}`);
    expect(await rights()).toEqual([]);
    expect((await hub.call(ownerBrowser, 'POST', `${roles}/${id}/revoke/${account}`)).body.code).toBe(
      'roleNotAssigned',
    );
    expect((await hub.call(ownerBrowser, 'DELETE', `${roles}/${id}`)).status).toBe(200);
    expect((await hub.call(ownerBrowser, 'PATCH', `${roles}/${id}`, { version: 2 })).status).toBe(404);
  });

  it('with more than one holds oneself can be neither made, changed, given, taken nor deleted', async () => {
    await hub.call(ownerBrowser, 'POST', roles, {
      name: 'Role keeper',
      permissions: ['role.manage', 'role.read'],
    });
    await hub.call(ownerBrowser, 'POST', roles, { name: 'Small', permissions: ['role.read'] });
    await hub.call(ownerBrowser, 'POST', roles, { name: 'Doors', permissions: ['door.unlock'] });
    const account = await addAccount(hub, 'climber', 'Role keeper');
    const browser = await hub.signIn('climber', passwordOf('climber'));
    const small = await roleId(hub, 'Small');
    const doors = await roleId(hub, 'Doors');
    const owners = await roleId(hub, 'super_admin');
    const attempts = [
      await hub.call(browser, 'POST', roles, { name: 'More', permissions: ['door.unlock'] }),
      await hub.call(browser, 'PATCH', `${roles}/${small}`, { version: 1, permissions: ['door.unlock'] }),
      await hub.call(browser, 'PATCH', `${roles}/${doors}`, { version: 1, permissions: [] }),
      await hub.call(browser, 'POST', `${roles}/${owners}/assign`, { accountId: account }),
      await hub.call(browser, 'POST', `${roles}/${doors}/assign`, { accountId: account }),
      await hub.call(browser, 'POST', `${roles}/${owners}/revoke/${ownerId}`),
      await hub.call(browser, 'DELETE', `${roles}/${doors}`),
    ];
    for (const answer of attempts)
      expect([answer.status, answer.body.code]).toEqual([403, 'beyondOwnPermissions']);
    expect((await hub.call(browser, 'POST', `${roles}/${small}/assign`, { accountId: account })).status).toBe(
      200,
    );
  });

  it('are not given for a time that is over, or to nobody', async () => {
    const id = await roleId(hub, 'guest');
    const past = new Date(hub.clock.nowMs()).toISOString();
    const assign = (accountId: string, expiresAt: string | null) =>
      hub.call(ownerBrowser, 'POST', `${roles}/${id}/assign`, { accountId, expiresAt });
    const account = await addAccount(hub, 'late', null);
    expect((await assign(account, past)).body.errors[0].pointer).toBe('/body/expiresAt');
    expect((await assign(newId(), null)).body.code).toBe('accountUnknown');
  });
});
