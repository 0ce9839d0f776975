import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPasswordHasher } from '#hub/domains/identity/accounts/password.ts';
import { recordWaitingRefusals } from '#hub/domains/identity/sessions/refused-sign-ins.ts';
import { signIn } from '#hub/domains/identity/sessions/workflow.ts';
import { holdLock } from '#tests/_support/crash/hold-lock.ts';
import { until } from '#tests/_support/until.ts';
import {
  addAccount,
  callAsPage,
  cheapPasswords,
  claim,
  type IdentityHub,
  makeFolder,
  owner,
  passwordOf,
  startHub,
} from './hub.ts';

let folder: ReturnType<typeof makeFolder>;
let hub: IdentityHub;

beforeEach(async () => {
  folder = makeFolder();
  hub = await startHub(folder.folder);
  await claim(hub);
});
afterEach(async () => {
  await hub.close();
  folder.remove();
});

const send = (username: string, password = 'wrong wrong wrong') =>
  hub.call(null, 'POST', '/auth/session', { username, password });
async function fail(times: number, username: string): Promise<number[]> {
  const statuses = [];
  for (let count = 0; count < times; count += 1) statuses.push((await send(username)).status);
  return statuses;
}

describe('wrong sign-ins', () => {
  it('lock the account from this address, tell for how long, and even the right password waits', async () => {
    expect(await fail(6, 'ada')).toEqual([401, 401, 401, 401, 401, 429]);
    const locked = await send('ada', owner.password);
    expect(locked.body).toMatchObject({ code: 'tooManyAttempts', retryAfterSeconds: 30 });
    expect(locked.headers.get('retry-after')).toBe('30');
    hub.clock.advance(30_000);
    expect((await send('ada', owner.password)).status).toBe(201);
    expect(await fail(4, 'ada')).toEqual([401, 401, 401, 401]);
  });

  it('grow dearer with each one, and a restart clears none', async () => {
    await fail(5, 'ada');
    hub.clock.advance(30_000);
    expect(await fail(2, 'ada')).toEqual([401, 429]);
    const { clock } = hub;
    await hub.close();
    hub = await startHub(folder.folder, { clock });
    expect((await send('ada', owner.password)).body.retryAfterSeconds).toBe(60);
  });

  it('leave other accounts alone, until the address has failed twenty times in all', async () => {
    await addAccount(hub, 'bob', null);
    await fail(5, 'ada');
    expect((await send('bob', passwordOf('bob'))).status).toBe(201);
    for (const username of ['carl', 'dana', 'emil']) expect((await fail(5, username)).at(-1)).toBe(401);
    expect((await send('bob', passwordOf('bob'))).body.code).toBe('tooManyAttempts');
  });

  it('of an address that has failed twenty times lock it once, and no right sign-in locks it again', async () => {
    await addAccount(hub, 'bob', null);
    for (let name = 0; name < 20; name += 1) expect(await fail(1, `nobody${name}`)).toEqual([401]);
    expect((await send('bob', passwordOf('bob'))).body).toMatchObject({ retryAfterSeconds: 30 });
    hub.clock.advance(30_000);
    const statuses = [];
    for (const username of ['bob', 'ada', 'bob', 'bob'])
      statuses.push((await send(username, username === 'ada' ? owner.password : passwordOf('bob'))).status);
    expect(statuses).toEqual([201, 201, 201, 201]);
    expect((await fail(1, 'nobody')).concat(await fail(1, 'nobody'))).toEqual([401, 429]);
  });

  it('from ever new addresses lock the account, of one IPv6 network at once, and never the device it is known on', async () => {
    const known = await hub.call(null, 'POST', '/auth/session', {
      username: 'ada',
      password: owner.password,
    });
    const proof = known.headers.getSetCookie().find((cookie) => cookie.startsWith('__Host-makrcave-device='));
    expect(proof).toMatch(/; Path=\/; Max-Age=15552000; HttpOnly; Secure; SameSite=Strict$/);
    const guess = async (remoteAddress: string): Promise<string> => {
      const place = { kind: 'browser', device: 'a browser', remoteAddress } as const;
      const asked = { username: 'ada', password: 'wrong wrong wrong', replacesSessionId: null, ...place };
      const answer = await signIn(hub.deps, asked);
      return answer.ok ? 'in' : answer.refusal.code;
    };
    const ofNetwork = [];
    for (let host = 1; host <= 6; host += 1) ofNetwork.push(await guess(`2001:db8:1:2::${host}`));
    expect(ofNetwork).toEqual([...Array(5).fill('credentialsWrong'), 'tooManyAttempts']);
    for (let host = 1; host <= 25; host += 1) expect(await guess(`10.0.0.${host}`)).toBe('credentialsWrong');
    expect(await guess('10.0.0.99')).toBe('tooManyAttempts');
    expect((await send('ada', owner.password)).status).toBe(429);
    const onDevice = (password: string, username = 'ada') =>
      callAsPage(hub.baseUrl, null, 'POST', '/auth/session', { username, password }, { Cookie: proof! });
    expect((await onDevice(owner.password)).status).toBe(201);
    const wrong = [];
    for (let count = 0; count < 6; count += 1) wrong.push((await onDevice('wrong wrong wrong')).status);
    expect(wrong).toEqual([401, 401, 401, 401, 401, 429]);
    // It proves nothing for another account.
    await addAccount(hub, 'bob', null);
    await fail(5, 'bob');
    expect((await onDevice(passwordOf('bob'), 'bob')).status).toBe(429);
  });

  it('of one account within a minute are one line of the audit log with their number', async () => {
    const lines = async () => {
      const { body } = await hub.console('GET', '/api/access-control/audit-logs?action=session.refuse');
      return body.items.map((entry: { payload: unknown }) => entry.payload);
    };
    await fail(4, 'ada');
    await fail(3, 'nobody');
    expect(await lines()).toHaveLength(2);
    hub.clock.advance(60_000);
    await hub.store.transact('test', recordWaitingRefusals);
    await hub.store.transact('test', recordWaitingRefusals);
    expect(await lines()).toEqual([
      { count: 3 },
      { count: 2 },
      { count: 1, remoteAddress: '127.0.0.1' },
      { count: 1, remoteAddress: '127.0.0.1' },
    ]);
    hub.clock.advance(60_000);
    await fail(1, 'ada');
    expect((await lines())[0]).toEqual({ count: 1, remoteAddress: '127.0.0.1' });
  });

  it('at other accounts are not forgotten because one password was right', async () => {
    await addAccount(hub, 'bob', null);
    for (const username of ['ada', 'carl', 'dana']) await fail(5, username);
    expect((await send('bob', passwordOf('bob'))).status).toBe(201);
    expect(await fail(5, 'emil')).toEqual([401, 401, 401, 401, 401]);
    expect((await send('bob', passwordOf('bob'))).status).toBe(429);
  });

  it('side by side gain nothing: no more passwords are looked at than one after the other', async () => {
    const answers = await Promise.all(Array.from({ length: 15 }, () => send('ada')));
    const statuses = answers.map((answer) => answer.status).sort((left, right) => left - right);
    expect(statuses).toEqual([...Array(5).fill(401), ...Array(10).fill(429)]);
  });

  it('never lock the command line, which can set a new password meanwhile', async () => {
    await fail(6, 'ada');
    const { body: accounts } = await hub.console('GET', '/api/accounts');
    const reset = await hub.console('PUT', `/api/accounts/${accounts.items[0].id}/password`, {
      password: 'eleven wooden clamps',
    });
    expect(reset.status).toBe(200);
    hub.clock.advance(30_000);
    expect((await send('ada', 'eleven wooden clamps')).status).toBe(201);
  });

  it('keep neither the typed username nor the address in clear', async () => {
    await send('my-password-in-the-wrong-field');
    const kept = JSON.stringify([
      await hub.store.read.selectFrom('attempt_counter').selectAll().execute(),
      await hub.store.read.selectFrom('audit_payload').selectAll().execute(),
      await hub.store.read.selectFrom('audit_entry').selectAll().execute(),
    ]);
    expect(kept).not.toContain('wrong-field');
    expect(kept).toContain('signIn:');
  });

  it('of the current password at a change of it lock like those at the sign-in', async () => {
    const browser = await hub.signIn('ada', owner.password);
    const change = (currentPassword: string) =>
      hub.call(browser, 'PUT', '/api/accounts/me/password', {
        currentPassword,
        newPassword: 'eleven wooden clamps',
      });
    const statuses = [];
    for (let count = 0; count < 6; count += 1) statuses.push((await change('not the password')).status);
    expect(statuses).toEqual([422, 422, 422, 422, 422, 429]);
    expect((await send('ada', owner.password)).status).toBe(429);
  });

  it('do not count where another program kept the right password from opening a session', async () => {
    const counters = async () => await hub.store.read.selectFrom('attempt_counter').select('id').execute();
    await hub.close();
    const hasher = createPasswordHasher(cheapPasswords);
    let isHindered = false;
    let lock: Awaited<ReturnType<typeof holdLock>> | undefined;
    const passwords = {
      ...hasher,
      async verify(...given: Parameters<typeof hasher.verify>) {
        const verified = await hasher.verify(...given);
        if (isHindered) lock = await holdLock(hub.storePath);
        return verified;
      },
    };
    hub = await startHub(folder.folder, { clock: hub.clock, passwords });
    expect((await send('ada', owner.password)).status).toBe(201);
    expect(await counters()).toEqual([]);
    isHindered = true;
    const busy = await send('ada', owner.password);
    expect(busy).toMatchObject({ status: 503, body: { code: 'storeBusy' } });
    expect(busy.headers.get('retry-after')).toBe('1');
    expect(await counters()).not.toEqual([]);
    await lock?.release();
    await until('the try to be uncounted', async () => (await counters()).length === 0);
  });
});
