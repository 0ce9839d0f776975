import { randomBytes } from 'node:crypto';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTokenKeys } from '#hub/domains/identity/tokens/keys.ts';
import { printRefreshToken, readRefreshToken } from '#hub/domains/identity/tokens/opaque-token.ts';
import {
  addAccount,
  type Browser,
  callAsPage,
  callAsProgram,
  claim,
  type IdentityHub,
  makeFolder,
  owner,
  passwordOf,
  startHub,
  tokenMaster,
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

interface Pair {
  readonly accessToken: string;
  readonly refreshToken: string;
}

const program = (token: string | null, method: string, address: string, body?: unknown) =>
  callAsProgram(hub.baseUrl, token, method, address, body);

async function logIn(username = 'ada', password = owner.password): Promise<Pair> {
  const answer = await program(null, 'POST', '/auth/login', { username, password });
  expect(answer.status).toBe(200);
  return answer.body;
}
const refresh = (refreshToken: string) => program(null, 'POST', '/auth/refresh', { refreshToken });
/** What the hub says to the access token: `200`, or the code of the refusal. */
async function sayTo(accessToken: string): Promise<string> {
  const { status, body } = await program(accessToken, 'GET', '/auth/session');
  return status === 200 ? '200' : body.code;
}
const sessionRows = () => hub.store.read.selectFrom('session').selectAll().execute();
const claimsOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString());

describe('signing a program in', () => {
  it('gives a short access token and a refresh token, and keeps neither', async () => {
    const answer = await program(null, 'POST', '/auth/login', {
      username: 'ADA',
      password: owner.password,
    });
    expect(answer.body).toMatchObject({ tokenType: 'Bearer', expiresIn: 600, refreshExpiresIn: 604_800 });
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { accessToken, refreshToken } = answer.body;
    const stored = JSON.stringify(await sessionRows());
    const { family, secret } = readRefreshToken(refreshToken)!;
    for (const text of [accessToken, refreshToken, family, secret]) expect(stored).not.toContain(text);
    expect(Object.keys(claimsOf(accessToken)).sort()).toEqual(['aud', 'exp', 'iat', 'iss', 'sid', 'sub']);
    expect(await sayTo(accessToken)).toBe('200');
  });

  it('counts wrong tries with those at the page, and locks both', async () => {
    await addAccount(hub, 'guessed', null);
    const wrong = { username: 'guessed', password: 'not it' };
    const codes = [];
    for (let count = 0; count < 3; count += 1) {
      codes.push((await program(null, 'POST', '/auth/login', wrong)).body.code);
      codes.push((await hub.call(null, 'POST', '/auth/session', wrong)).body.code);
    }
    expect(codes).toEqual([...Array(5).fill('credentialsWrong'), 'tooManyAttempts']);
    const right = { username: 'guessed', password: passwordOf('guessed') };
    expect((await program(null, 'POST', '/auth/login', right)).body.code).toBe('tooManyAttempts');
    hub.clock.advance(3_600_000);
  });

  it('is refused to a disabled account, and disabling ends its tokens at once', async () => {
    const id = await addAccount(hub, 'leaver', 'staff');
    const pair = await logIn('leaver', passwordOf('leaver'));
    await hub.console('POST', `/api/accounts/${id}/disable`);
    expect(await sayTo(pair.accessToken)).toBe('sessionExpired');
    expect((await refresh(pair.refreshToken)).body.code).toBe('refreshTokenInvalid');
    const again = { username: 'leaver', password: passwordOf('leaver') };
    expect((await program(null, 'POST', '/auth/login', again)).body.code).toBe('accountDisabled');
  });

  it('pushes out the oldest of twenty programs and no browser', async () => {
    await addAccount(hub, 'looping', null);
    const browser = await hub.signIn('looping', passwordOf('looping'));
    const pairs: Pair[] = [];
    for (let count = 0; count < 21; count += 1) {
      hub.clock.advance(1000);
      pairs.push(await logIn('looping', passwordOf('looping')));
    }
    expect(await sayTo(pairs[0]!.accessToken)).toBe('sessionExpired');
    expect(await sayTo(pairs[1]!.accessToken)).toBe('200');
    expect((await hub.call(browser, 'GET', '/auth/session')).status).toBe(200);
  });
});

describe('refreshing', () => {
  it('gives the next pair; both access tokens work until their end', async () => {
    const first = await logIn();
    hub.clock.advance(60_000);
    const { status, body: second } = await refresh(first.refreshToken);
    expect(status).toBe(200);
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect([await sayTo(first.accessToken), await sayTo(second.accessToken)]).toEqual(['200', '200']);
    expect((await refresh(second.refreshToken)).status).toBe(200);
  });

  it('with an old token revokes the whole family, and with it the access tokens', async () => {
    const first = await logIn();
    const { body: second } = await refresh(first.refreshToken);
    const { body: third } = await refresh(second.refreshToken);
    const bystander = await logIn();
    const reused = await refresh(first.refreshToken);
    expect([reused.status, reused.body.code]).toEqual([401, 'refreshTokenReused']);
    for (const { accessToken } of [first, second, third])
      expect(await sayTo(accessToken)).toBe('sessionExpired');
    expect((await refresh(third.refreshToken)).body.code).toBe('refreshTokenInvalid');
    expect(await sayTo(bystander.accessToken)).toBe('200');
    const { body: log } = await hub.console(
      'GET',
      '/api/access-control/audit-logs?action=session.refuseReuse',
    );
    expect(log.items[0]).toMatchObject({ actor: { kind: 'system' }, target: { table: 'account' } });
  });

  it('at the same moment by two requests of one client gives both the same, and goes on', async () => {
    const first = await logIn();
    const answers = await Promise.all([1, 2, 3, 4].map(() => refresh(first.refreshToken)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const [next, ...others] = answers.map(({ body }) => body.refreshToken);
    expect(new Set(others)).toEqual(new Set([next]));
    expect((await refresh(next)).status).toBe(200);
  });

  it('again after a lost answer works for 30 seconds, and is taken for a theft after them', async () => {
    const patient = await logIn();
    const { body: lost } = await refresh(patient.refreshToken);
    hub.clock.advance(30_000);
    const { status, body } = await refresh(patient.refreshToken);
    expect([status, body.refreshToken]).toEqual([200, lost.refreshToken]);
    hub.clock.advance(1);
    expect((await refresh(patient.refreshToken)).body.code).toBe('refreshTokenReused');
    expect(await sayTo(body.accessToken)).toBe('sessionExpired');
  });

  it('with the token before is no grace when the clock was set back', async () => {
    const first = await logIn();
    await refresh(first.refreshToken);
    hub.clock.advance(-1000);
    expect((await refresh(first.refreshToken)).body.code).toBe('refreshTokenReused');
    hub.clock.advance(1000);
  });

  it('with a token that was never given out says nothing and ends nothing', async () => {
    const pair = await logIn();
    const { family, secret } = readRefreshToken(pair.refreshToken)!;
    const foreign = readRefreshToken((await logIn()).refreshToken)!;
    for (const token of [
      'nonsense',
      pair.accessToken,
      pair.refreshToken.slice(0, -1),
      `${pair.refreshToken.slice(0, -1)}${pair.refreshToken.endsWith('0') ? '1' : '0'}`,
      printRefreshToken({ family: secret, secret: family }),
    ])
      expect((await refresh(token)).body.code).toBe('refreshTokenInvalid');
    expect(await sayTo(pair.accessToken)).toBe('200');
    // Whoever knows the family has seen one of its tokens.
    const mixed = printRefreshToken({ family, secret: foreign.secret });
    expect((await refresh(mixed)).body.code).toBe('refreshTokenReused');
  });

  it('ends after seven unused days, and after thirty days whatever happens', async () => {
    const idle = await logIn();
    hub.clock.advance(7 * 86_400_000);
    expect((await refresh(idle.refreshToken)).body.code).toBe('refreshTokenExpired');
    let pair = await logIn();
    for (let day = 0; day < 30; day += 6) {
      hub.clock.advance(6 * 86_400_000 - 1);
      const answer = await refresh(pair.refreshToken);
      pair = answer.body;
      expect(answer.body.refreshExpiresIn).toBeLessThanOrEqual((24 - day) * 86_400 + 1);
    }
    hub.clock.advance(10);
    expect((await refresh(pair.refreshToken)).body.code).toBe('refreshTokenExpired');
  });
});

describe('an access token', () => {
  it('ends after ten minutes, a minute of the clocks’ difference allowed', async () => {
    const { accessToken } = await logIn();
    hub.clock.advance(11 * 60_000 - 1000);
    expect(await sayTo(accessToken)).toBe('200');
    hub.clock.advance(1000);
    expect(await sayTo(accessToken)).toBe('accessTokenExpired');
  });

  it('does not last longer because the clock was set back; refreshing goes on', async () => {
    const pair = await logIn();
    hub.clock.advance(-61_000);
    expect(await sayTo(pair.accessToken)).toBe('accessTokenExpired');
    const { status, body } = await refresh(pair.refreshToken);
    expect([status, await sayTo(body.accessToken)]).toEqual([200, '200']);
    hub.clock.advance(61_000);
  });

  it('says nothing of rights: they are what the account may do now', async () => {
    const id = await addAccount(hub, 'promoted', null);
    const { accessToken } = await logIn('promoted', passwordOf('promoted'));
    const read = () => program(accessToken, 'GET', '/api/accounts');
    expect((await read()).body.code).toBe('permissionMissing');
    const { body: roles } = await hub.console('GET', '/api/access-control/roles');
    const admin = roles.items.find((role: { name: string }) => role.name === 'makerspace_admin');
    await hub.console('POST', `/api/access-control/roles/${admin.id}/assign`, { accountId: id });
    expect((await read()).status).toBe(200);
    await hub.console('POST', `/api/access-control/roles/${admin.id}/revoke/${id}`);
    expect((await read()).body.code).toBe('permissionMissing');
  });

  it('that this hub did not make as it is counts for nothing', async () => {
    const { accessToken } = await logIn();
    const [head, payload, signature] = accessToken.split('.') as [string, string, string];
    const claims = claimsOf(accessToken);
    const nowMs = hub.clock.nowMs();
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const keys = await openTokenKeys(tokenMaster);
    const stranger = await openTokenKeys(randomBytes(32));
    const subject = { accountId: claims.sub as string, sessionId: claims.sid as string };
    const secret = new TextEncoder().encode(keys.keyId);
    const hmac = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: keys.keyId, typ: 'at+jwt' });
    const forged: Record<string, string> = {
      'another payload': [head, encode({ ...claims, sub: 'somebody' }), signature].join('.'),
      'another session': [head, encode({ ...claims, sid: claims.sub }), signature].join('.'),
      'no signature': [head, payload, ''].join('.'),
      'alg none': new UnsecuredJWT(claims).encode(),
      'alg none with a signature': [encode({ alg: 'none', typ: 'at+jwt' }), payload, signature].join('.'),
      'a shared secret': await hmac.sign(secret),
      'the key of another hub': await stranger.sign(subject, nowMs),
      'a refresh token': (await logIn()).refreshToken,
      'a session id': claims.sid,
      'two of them': `${accessToken} ${accessToken}`,
      'far too long': `${accessToken}${'A'.repeat(4000)}`,
    };
    for (const [name, token] of Object.entries(forged))
      expect([name, await sayTo(token)]).toEqual([name, 'credentialsInvalid']);
    // Made by the hub's own key, for a session that is not the account's.
    const lena = await addAccount(hub, 'lena', null);
    const crossed = await keys.sign({ ...subject, accountId: lena }, nowMs);
    expect(await sayTo(crossed)).toBe('sessionExpired');
    expect(await sayTo(await keys.sign(subject, nowMs))).toBe('200');
  });

  it('of a browser’s session does not exist', async () => {
    const browser = await hub.signIn('ada', owner.password);
    const { body: own } = await hub.call(browser, 'GET', '/auth/sessions');
    const current = own.items.find((item: { current: boolean }) => item.current);
    const keys = await openTokenKeys(tokenMaster);
    const accountId = (await hub.call(browser, 'GET', '/auth/session')).body.account.id;
    const jwt = await keys.sign({ accountId, sessionId: current.id }, hub.clock.nowMs());
    expect(await sayTo(jwt)).toBe('sessionExpired');
  });

  it('is signed by the same key after a restart', async () => {
    const { accessToken } = await logIn();
    await hub.close();
    hub = await startHub(folder, { clock: hub.clock });
    expect(await sayTo(accessToken)).toBe('200');
  });
});

describe('a request with an access token', () => {
  it('writes without the page’s token and from anywhere, and never gets a cookie', async () => {
    await addAccount(hub, 'writer', 'makerspace_admin');
    const { accessToken } = await logIn('writer', passwordOf('writer'));
    const draft = { username: 'by-program', displayName: 'By program', password: 'four brass gears turn' };
    const answer = await callAsProgram(hub.baseUrl, accessToken, 'POST', '/api/accounts', draft, {
      Origin: 'https://elsewhere.example',
      'Sec-Fetch-Site': 'cross-site',
    });
    expect([answer.status, answer.headers.get('set-cookie')]).toEqual([201, null]);
    const out = await program(accessToken, 'DELETE', '/auth/session');
    expect([out.status, out.headers.get('set-cookie')]).toEqual([200, null]);
    expect(await sayTo(accessToken)).toBe('sessionExpired');
  });

  it('beside a cookie is refused, whoever the two are, and at open addresses too', async () => {
    const browser = await hub.signIn('ada', owner.password);
    const { accessToken } = await logIn();
    for (const address of ['/auth/session', '/api/system/claim']) {
      const extra = { Authorization: `Bearer ${accessToken}` };
      const answer = await callAsPage(hub.baseUrl, browser, 'GET', address, undefined, extra);
      expect([answer.status, answer.body.code]).toEqual([400, 'credentialsAmbiguous']);
    }
  });

  it('of another scheme is refused', async () => {
    const answer = await callAsProgram(hub.baseUrl, null, 'GET', '/auth/session', undefined, {
      Authorization: `Basic ${Buffer.from(`ada:${owner.password}`).toString('base64')}`,
    });
    expect([answer.status, answer.body.code]).toEqual([401, 'credentialsInvalid']);
  });

  it('changes the own password, and stays signed in while everything else is signed out', async () => {
    await addAccount(hub, 'rosa', 'staff');
    const browser = await hub.signIn('rosa', passwordOf('rosa'));
    const elsewhere = await logIn('rosa', passwordOf('rosa'));
    const here = await logIn('rosa', passwordOf('rosa'));
    const answer = await program(here.accessToken, 'PUT', '/api/accounts/me/password', {
      currentPassword: passwordOf('rosa'),
      newPassword: 'eleven oak planks dry',
    });
    expect([answer.status, answer.body.csrfToken, answer.headers.get('set-cookie')]).toEqual([
      200,
      null,
      null,
    ]);
    expect(await sayTo(here.accessToken)).toBe('200');
    expect(await sayTo(elsewhere.accessToken)).toBe('sessionExpired');
    expect((await hub.call(browser, 'GET', '/auth/session')).status).toBe(401);
  });
});

describe('signing a program out', () => {
  it('ends its access and its refresh token at once', async () => {
    const pair = await logIn();
    expect((await program(pair.accessToken, 'POST', '/auth/logout')).status).toBe(200);
    expect(await sayTo(pair.accessToken)).toBe('sessionExpired');
    expect((await refresh(pair.refreshToken)).body.code).toBe('refreshTokenInvalid');
  });

  it('works by the refresh token alone, also with one that was traded already', async () => {
    const pair = await logIn();
    const { body: next } = await refresh(pair.refreshToken);
    hub.clock.advance(3_600_000);
    const { refreshToken } = pair;
    expect((await program(null, 'POST', '/auth/logout', { refreshToken })).status).toBe(200);
    expect((await refresh(next.refreshToken)).body.code).toBe('refreshTokenInvalid');
    // Nobody learns whether there was something to end.
    expect((await program(null, 'POST', '/auth/logout', { refreshToken })).status).toBe(200);
  });

  it('needs to know of whom', async () => {
    const answer = await program(null, 'POST', '/auth/logout');
    expect([answer.status, answer.body.code]).toEqual([401, 'signInRequired']);
  });

  it('signs a browser out too, with its cookie', async () => {
    const browser = await hub.signIn('ada', owner.password);
    const old: Browser = { ...browser };
    expect((await hub.call(browser, 'POST', '/auth/logout', {})).status).toBe(200);
    expect(browser.cookie).toBeNull();
    expect((await hub.call(old, 'GET', '/auth/session')).status).toBe(401);
  });
});
