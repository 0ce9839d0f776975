import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPasswordHasher } from '#hub/domains/identity/accounts/password.ts';
import {
  addAccount,
  type Browser,
  callAsPage,
  claim,
  type IdentityHub,
  makeFolder,
  owner,
  passwordOf,
  startHub,
} from './hub.ts';

const { folder, remove } = makeFolder();
let hub: IdentityHub;

beforeAll(async () => {
  hub = await startHub(folder);
  await claim(hub);
});
afterAll(async () => {
  await hub.close();
  remove();
});

describe('signing in', () => {
  it('gives a cookie that only this host can have set, and never the token in the body', async () => {
    const browser: Browser = { cookie: null, csrfToken: null };
    const answer = await hub.call(browser, 'POST', '/auth/session', {
      username: ' ADA ',
      password: owner.password,
    });
    expect(answer.status).toBe(201);
    const [session, device] = answer.headers.getSetCookie();
    expect(session).toMatch(
      /^__Host-makrcave=[\w-]{43}; Path=\/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(device).toMatch(/^__Host-makrcave-device=[\w-]{22}\.[\w-]{43}; /);
    const token = browser.cookie!.split('=')[1]!;
    expect(JSON.stringify(answer.body)).not.toContain(token);
    expect(answer.body).toMatchObject({
      account: { username: 'ada', displayName: owner.displayName },
      siteName: owner.siteName,
      csrfToken: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const stored = await hub.store.read.selectFrom('session').selectAll().execute();
    expect(JSON.stringify(stored)).not.toContain(token);
  });

  it('answers an unknown username, a wrong password and a disabled account alike, as far as strangers can see', async () => {
    const id = await addAccount(hub, 'dora', 'staff');
    await hub.console('POST', `/api/accounts/${id}/disable`);
    const codes = [];
    for (const username of ['nobody-here', 'ada', 'dora']) {
      const answer = await hub.call(null, 'POST', '/auth/session', {
        username,
        password: 'not the password',
      });
      codes.push([answer.status, answer.body.code, answer.body.title]);
    }
    expect(new Set(codes.map(String)).size).toBe(1);
    expect(codes[0]).toEqual([401, 'credentialsWrong', 'Username or password is wrong']);
    const right = await hub.call(null, 'POST', '/auth/session', {
      username: 'dora',
      password: passwordOf('dora'),
    });
    expect([right.status, right.body.code]).toEqual([403, 'accountDisabled']);
  });

  it('ends the session before it when one signs in again, and gives another token', async () => {
    const browser = await hub.signIn('ada', owner.password);
    const before = { ...browser };
    await hub.call(browser, 'POST', '/auth/session', { username: 'ada', password: owner.password });
    expect(browser.cookie).not.toBe(before.cookie);
    expect((await hub.call(before, 'GET', '/auth/session')).body.code).toBe('sessionExpired');
    expect((await hub.call(browser, 'GET', '/auth/session')).status).toBe(200);
  });

  it('hashes the password anew when the parameters have changed since', async () => {
    const id = await addAccount(hub, 'rehash', null);
    const phcOf = async () =>
      (
        await hub.store.read
          .selectFrom('account_password')
          .selectAll()
          .where('account_id', '=', id)
          .executeTakeFirstOrThrow()
      ).phc;
    expect(await phcOf()).toContain('$m=64,t=1,p=1$');
    await hub.close();
    hub = await startHub(folder, {
      clock: hub.clock,
      passwords: createPasswordHasher({ memoryKiB: 128, passes: 1, lanes: 1 }),
    });
    await hub.signIn('rehash', passwordOf('rehash'));
    expect(await phcOf()).toContain('$m=128,t=1,p=1$');
    await hub.signIn('rehash', passwordOf('rehash'));
  });
});

describe('a session', () => {
  it('tells who is signed in, and is gone after signing out', async () => {
    const browser = await hub.signIn('ada', owner.password);
    const old = { ...browser };
    const out = await hub.call(browser, 'DELETE', '/auth/session');
    expect([out.status, browser.cookie]).toEqual([200, null]);
    expect((await hub.call(old, 'GET', '/auth/session')).status).toBe(401);
  });

  it('ends after 12 idle hours and after 30 days whatever happens, and uses in between keep it alive', async () => {
    const idle = await hub.signIn('ada', owner.password);
    hub.clock.advance(12 * 3_600_000 - 1);
    expect((await hub.call(idle, 'GET', '/auth/session')).status).toBe(200);
    await expectTouched();
    hub.clock.advance(12 * 3_600_000);
    expect((await hub.call(idle, 'GET', '/auth/session')).body.code).toBe('sessionExpired');

    const busy = await hub.signIn('ada', owner.password);
    for (let hours = 0; hours < 30 * 24 - 10; hours += 10) {
      expect((await hub.call(busy, 'GET', '/auth/session')).status).toBe(200);
      await expectTouched();
      hub.clock.advance(10 * 3_600_000);
    }
    expect((await hub.call(busy, 'GET', '/auth/session')).status).toBe(200);
    hub.clock.advance(10 * 3_600_000);
    expect((await hub.call(busy, 'GET', '/auth/session')).body.code).toBe('sessionExpired');
  });

  it('records its last use at most once a minute', async () => {
    const browser = await hub.signIn('ada', owner.password);
    const lastUse = async () => (await newest()).last_used_at_ms;
    const opened = await lastUse();
    hub.clock.advance(59_000);
    await hub.call(browser, 'GET', '/auth/session');
    await hub.store.transact('drain', async () => null);
    expect(await lastUse()).toBe(opened);
    hub.clock.advance(1000);
    await hub.call(browser, 'GET', '/auth/session');
    await expectTouched();
    expect(await lastUse()).toBe(opened + 60_000);
  });

  it('exists at most twenty times for one account: the longest unused go', async () => {
    await addAccount(hub, 'many', null);
    const first = await hub.signIn('many', passwordOf('many'));
    hub.clock.advance(1000);
    let last = first;
    for (let count = 0; count < 20; count += 1) {
      hub.clock.advance(1000);
      last = await hub.signIn('many', passwordOf('many'));
    }
    expect((await hub.call(first, 'GET', '/auth/session')).status).toBe(401);
    expect((await hub.call(last, 'GET', '/auth/sessions')).body.items).toHaveLength(20);
  });

  it('is listed and revoked by its own account only', async () => {
    await addAccount(hub, 'lena', 'staff');
    const phone = await hub.signIn('lena', passwordOf('lena'));
    hub.clock.advance(1000);
    const laptop = await hub.signIn('lena', passwordOf('lena'));
    const listed = await hub.call(laptop, 'GET', '/auth/sessions');
    expect(listed.body.items.map((item: { current: boolean }) => item.current)).toEqual([true, false]);
    const phoneId = listed.body.items[1].id;
    const stranger = await hub.signIn('ada', owner.password);
    const refused = await hub.call(stranger, 'DELETE', `/auth/sessions/${phoneId}`);
    expect([refused.status, refused.body.code]).toEqual([404, 'sessionNotFound']);
    expect((await hub.call(phone, 'GET', '/auth/session')).status).toBe(200);
    expect((await hub.call(laptop, 'DELETE', `/auth/sessions/${phoneId}`)).status).toBe(200);
    expect((await hub.call(phone, 'GET', '/auth/session')).status).toBe(401);
  });

  it('loses a permission with the role, at once', async () => {
    const id = await addAccount(hub, 'temp', null);
    const { body: roles } = await hub.console('GET', '/api/access-control/roles');
    const role = roles.items.find((item: { name: string }) => item.name === 'makerspace_admin');
    const until = new Date(hub.clock.nowMs() + 60_000).toISOString();
    await hub.console('POST', `/api/access-control/roles/${role.id}/assign`, {
      accountId: id,
      expiresAt: until,
    });
    const browser = await hub.signIn('temp', passwordOf('temp'));
    expect((await hub.call(browser, 'GET', '/api/accounts')).status).toBe(200);
    hub.clock.advance(60_000);
    const refused = await hub.call(browser, 'GET', '/api/accounts');
    expect([refused.status, refused.body]).toEqual([
      403,
      expect.objectContaining({ code: 'permissionMissing', permission: 'account.read' }),
    ]);
  });

  async function newest() {
    return hub.store.read
      .selectFrom('session')
      .selectAll()
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow();
  }

  /** The last use is written behind the answer, and transactions run in order. */
  async function expectTouched() {
    await hub.store.transact('drain', async () => null);
    expect((await newest()).last_used_at_ms).toBe(hub.clock.nowMs());
  }
});

describe('a write', () => {
  const change = { currentPassword: 'x', newPassword: 'y' };
  const address = '/api/accounts/me/password';

  it.each([
    ['without the session’s token', {}, { csrf: false }],
    ['with the token of another session', {}, { csrf: 'f'.repeat(64) }],
    ['from another site', { 'Sec-Fetch-Site': 'cross-site' }, {}],
    ['from a sibling of this host', { 'Sec-Fetch-Site': 'same-site' }, {}],
    ['from an address typed by hand', { 'Sec-Fetch-Site': 'none' }, {}],
  ] as const)('%s is refused', async (_name, headers, token) => {
    const browser = await hub.signIn('ada', owner.password);
    if ('csrf' in token) browser.csrfToken = token.csrf === false ? null : token.csrf;
    const answer = await callAsPage(hub.baseUrl, browser, 'PUT', address, change, headers);
    expect([answer.status, answer.body.code]).toEqual([403, 'csrfFailed']);
  });

  it('of an older browser counts by its origin', async () => {
    const browser = await hub.signIn('ada', owner.password);
    const send = (origin: string | null) =>
      fetch(hub.baseUrl + address, {
        method: 'PUT',
        headers: {
          Cookie: browser.cookie!,
          'X-CSRF-Token': browser.csrfToken!,
          'Content-Type': 'application/json',
          ...(origin === null ? {} : { Origin: origin }),
        },
        body: JSON.stringify(change),
      });
    expect((await send(hub.baseUrl)).status).toBe(422);
    expect((await send('http://localhost:1')).status).toBe(403);
    expect((await send('null')).status).toBe(403);
    expect((await send(null)).status).toBe(403);
  });

  it('of another site cannot even sign in here', async () => {
    const credentials = { username: 'ada', password: owner.password };
    const answer = await callAsPage(hub.baseUrl, null, 'POST', '/auth/session', credentials, {
      'Sec-Fetch-Site': 'cross-site',
    });
    expect([answer.status, answer.body.code]).toEqual([403, 'csrfFailed']);
  });

  it('with two session cookies is taken for nobody’s', async () => {
    const browser = await hub.signIn('ada', owner.password);
    browser.cookie = `${browser.cookie}; ${browser.cookie}`;
    const answer = await hub.call(browser, 'GET', '/auth/session');
    expect([answer.status, answer.body.code]).toEqual([401, 'credentialsInvalid']);
  });
});

describe('changing the own password', () => {
  it('takes the current one, signs out everywhere else and goes on with a fresh session', async () => {
    await addAccount(hub, 'paula', 'staff');
    const elsewhere = await hub.signIn('paula', passwordOf('paula'));
    const browser = await hub.signIn('paula', passwordOf('paula'));
    const change = (currentPassword: string, newPassword: string) =>
      hub.call(browser, 'PUT', '/api/accounts/me/password', { currentPassword, newPassword });
    const wrong = await change('not it at all', 'seven brass hinges');
    expect([wrong.status, wrong.body.errors]).toEqual([
      422,
      [{ pointer: '/body/currentPassword', message: 'is not the password of this account' }],
    ]);
    const weak = await change(passwordOf('paula'), 'Werkraum-Nord-2026');
    expect([weak.status, weak.body.code, weak.body.reason]).toEqual([422, 'passwordRefused', 'likeTheName']);
    expect((await change(passwordOf('paula'), 'seven brass hinges')).status).toBe(200);
    expect((await hub.call(elsewhere, 'GET', '/auth/session')).status).toBe(401);
    expect((await hub.call(browser, 'GET', '/auth/session')).body.account.username).toBe('paula');
    await expect(hub.signIn('paula', passwordOf('paula'))).rejects.toThrow('401');
    await hub.signIn('paula', 'seven brass hinges');
  });

  it('is nothing for the command line, which has no password', async () => {
    const answer = await hub.console('PUT', '/api/accounts/me/password', {
      currentPassword: 'x',
      newPassword: 'y',
    });
    expect([answer.status, answer.body.code]).toEqual([409, 'noAccount']);
  });
});
