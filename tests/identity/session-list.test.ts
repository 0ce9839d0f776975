import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  addAccount,
  type Browser,
  callAsProgram,
  claim,
  type IdentityHub,
  makeFolder,
  passwordOf,
  startHub,
} from './hub.ts';

const { folder, remove } = makeFolder();
const all = '/api/access-control/sessions';
let hub: IdentityHub;
let ownerBrowser: Browser;
let admin: Browser;

beforeAll(async () => {
  hub = await startHub(folder);
  ownerBrowser = await claim(hub);
  await addAccount(hub, 'admin', 'makerspace_admin');
  admin = await hub.signIn('admin', passwordOf('admin'));
});
afterAll(async () => {
  await hub.close();
  remove();
});

async function logIn(username: string): Promise<string> {
  const body = { username, password: passwordOf(username) };
  const { body: pair } = await callAsProgram(hub.baseUrl, null, 'POST', '/auth/login', body, {
    'User-Agent': 'door-display/1.2',
  });
  return pair.accessToken;
}
const statusOf = async (token: string) =>
  (await callAsProgram(hub.baseUrl, token, 'GET', '/auth/session')).status;

describe('the own sessions', () => {
  it('are those of browsers and programs alike, with what each is', async () => {
    await addAccount(hub, 'lena', 'member');
    const browser = await hub.signIn('lena', passwordOf('lena'));
    hub.clock.advance(1000);
    const token = await logIn('lena');
    const { body } = await callAsProgram(hub.baseUrl, token, 'GET', '/auth/sessions');
    expect(body.items).toEqual([
      expect.objectContaining({ kind: 'api', device: 'door-display/1.2', current: true }),
      expect.objectContaining({ kind: 'browser', current: false, device: expect.any(String) }),
    ]);
    const [api] = body.items;
    expect(Date.parse(api.expiresAt) - hub.clock.nowMs()).toBe(7 * 86_400_000);
    expect(api.remoteAddress).toMatch(/^(127\.0\.0\.1|::1)$/);
    expect((await hub.call(browser, 'DELETE', `/auth/sessions/${api.id}`)).status).toBe(200);
    expect(await statusOf(token)).toBe(401);
  });

  it('end all at once but the one that asks', async () => {
    await addAccount(hub, 'forgetful', null);
    const elsewhere = await hub.signIn('forgetful', passwordOf('forgetful'));
    const token = await logIn('forgetful');
    const here = await hub.signIn('forgetful', passwordOf('forgetful'));
    const answer = await hub.call(here, 'POST', '/auth/sessions/revoke-others');
    expect([answer.status, answer.body]).toEqual([200, { ended: 2 }]);
    expect((await hub.call(elsewhere, 'GET', '/auth/session')).status).toBe(401);
    expect(await statusOf(token)).toBe(401);
    expect((await hub.call(here, 'GET', '/auth/session')).status).toBe(200);
    expect((await hub.call(here, 'POST', '/auth/sessions/revoke-others')).body).toEqual({ ended: 0 });
  });
});

describe('everybody’s sessions', () => {
  it('are paged, the newest first, and chosen by account and kind', async () => {
    const id = await addAccount(hub, 'busy', null);
    for (let count = 0; count < 3; count += 1) {
      await hub.signIn('busy', passwordOf('busy'));
      await logIn('busy');
    }
    const first = await hub.call(admin, 'GET', `${all}?accountId=${id}&limit=4`);
    expect(first.body.items.map((item: { kind: string }) => item.kind)).toEqual([
      'api',
      'browser',
      'api',
      'browser',
    ]);
    expect(first.body.items[0].account).toEqual({ id, username: 'busy', displayName: 'Name of busy' });
    const rest = await hub.call(
      admin,
      'GET',
      `${all}?accountId=${id}&limit=4&cursor=${first.body.nextCursor}`,
    );
    expect([rest.body.items.length, rest.body.nextCursor]).toEqual([2, null]);
    // A cursor counts for the list it came from: not with another filter, and not when somebody made it up.
    for (const query of [`kind=api&cursor=${first.body.nextCursor}`, `cursor=${first.body.items[0].id}`]) {
      const refused = await hub.call(admin, 'GET', `${all}?limit=4&${query}`);
      expect([refused.status, refused.body.code]).toEqual([400, 'cursorInvalid']);
    }
    const api = await hub.call(admin, 'GET', `${all}?accountId=${id}&kind=api`);
    expect(api.body.items).toHaveLength(3);
    const mine = await hub.call(admin, 'GET', all);
    expect(mine.body.items.filter((item: { current: boolean }) => item.current)).toHaveLength(1);
  });

  it('leave out those that time has ended', async () => {
    const id = await addAccount(hub, 'sleepy', null);
    await hub.signIn('sleepy', passwordOf('sleepy'));
    const token = await logIn('sleepy');
    hub.clock.advance(12 * 3_600_000);
    admin = await hub.signIn('admin', passwordOf('admin'));
    const { body } = await hub.call(admin, 'GET', `${all}?accountId=${id}`);
    expect(body.items.map((item: { kind: string }) => item.kind)).toEqual(['api']);
    expect(await statusOf(token)).toBe(401);
  });

  it('are ended by an administrator, but not those of who may do more', async () => {
    const id = await addAccount(hub, 'victim', 'staff');
    const token = await logIn('victim');
    const { body } = await hub.call(admin, 'GET', `${all}?accountId=${id}`);
    expect((await hub.call(admin, 'DELETE', `${all}/${body.items[0].id}`)).status).toBe(200);
    expect(await statusOf(token)).toBe(401);
    const { body: log } = await hub.console('GET', '/api/access-control/audit-logs?action=session.revoke');
    expect(log.items[0]).toMatchObject({
      actor: { kind: 'account', name: 'Name of admin' },
      target: { table: 'account', id },
      payload: { sessionId: body.items[0].id },
    });
    ownerBrowser = await hub.signIn('ada', 'a long walk to the lathe');
    const { body: own } = await hub.call(ownerBrowser, 'GET', '/auth/sessions');
    const refused = await hub.call(admin, 'DELETE', `${all}/${own.items[0].id}`);
    expect([refused.status, refused.body.code]).toEqual([403, 'beyondOwnPermissions']);
    expect((await hub.call(ownerBrowser, 'GET', '/auth/session')).status).toBe(200);
    const gone = await hub.call(admin, 'DELETE', `${all}/${body.items[0].id}`);
    expect([gone.status, gone.body.code]).toEqual([404, 'sessionNotFound']);
  });
});
