import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addAccount, claim, type IdentityHub, makeFolder, owner, passwordOf, startHub } from './hub.ts';

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
});
