import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Browser, claim, type IdentityHub, makeFolder, owner, startHub } from './hub.ts';

let folder: ReturnType<typeof makeFolder>;
let hub: IdentityHub;

beforeEach(async () => {
  folder = makeFolder();
  hub = await startHub(folder.folder);
});
afterEach(async () => {
  await hub.close();
  folder.remove();
});

const send = (code: string | null, changes: Readonly<Record<string, unknown>> = {}) =>
  hub.call(null, 'POST', '/api/system/claim', { ...owner, code, ...changes });
const anotherCode = (code: string) => (code.startsWith('2') ? `3${code.slice(1)}` : `2${code.slice(1)}`);

describe('a hub without an owner', () => {
  it('shows a code at its start, keeps only a hash of it, and lets nobody in otherwise', async () => {
    expect(hub.claimCode).toMatch(/^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$/);
    const stored = JSON.stringify(await hub.store.read.selectFrom('claim_code').selectAll().execute());
    expect(stored).not.toContain(hub.claimCode!);
    expect(stored).not.toContain(hub.claimCode!.replace('-', ''));
    expect((await hub.call(null, 'GET', '/api/system/claim')).body).toEqual({
      claimed: false,
      siteName: null,
    });
    expect((await hub.call(null, 'POST', '/api/system/claim-code', {})).status).toBe(401);
    const signIn = await hub.call(null, 'POST', '/auth/session', { username: 'admin', password: 'admin' });
    expect(signIn.status).toBe(401);
  });

  it('becomes the owner’s with the code: site, account with every right, session, all at once', async () => {
    const browser: Browser = { cookie: null, csrfToken: null };
    const typed = hub.claimCode!.toLowerCase().replace('-', ' ');
    const answer = await hub.call(browser, 'POST', '/api/system/claim', { ...owner, code: typed });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ account: { username: 'ada' }, siteName: owner.siteName });
    expect(answer.body.permissions).toContain('role.manage');
    expect((await hub.call(browser, 'GET', '/api/accounts')).body.items[0].roles[0].name).toBe('super_admin');
    expect((await hub.call(browser, 'GET', '/api/system/site')).body).toMatchObject({
      name: owner.siteName,
      timeZone: owner.timeZone,
    });
    expect(hub.claimed).toEqual([
      expect.objectContaining({
        starterRules: true,
        site: expect.objectContaining({ name: owner.siteName }),
      }),
    ]);
    expect((await hub.call(null, 'GET', '/api/system/claim')).body).toEqual({
      claimed: true,
      siteName: owner.siteName,
    });
  });

  it('is claimed once: neither the same code nor a fresh one makes a second owner', async () => {
    await claim(hub);
    const second = await send(hub.claimCode, { username: 'mallory' });
    expect([second.status, second.body.code]).toEqual([409, 'alreadyClaimed']);
    expect((await hub.console('POST', '/api/system/claim-code', {})).body.code).toBe('alreadyClaimed');
    await hub.close();
    hub = await startHub(folder.folder);
    expect(hub.claimCode).toBeNull();
  });

  it('is claimed by one of two who send the right code at the same moment', async () => {
    const answers = await Promise.all([send(hub.claimCode), send(hub.claimCode, { username: 'bob' })]);
    expect(answers.map((answer) => answer.status).sort((left, right) => left - right)).toEqual([201, 409]);
    expect(await hub.store.read.selectFrom('site').selectAll().execute()).toHaveLength(1);
    expect(await hub.store.read.selectFrom('account').selectAll().execute()).toHaveLength(1);
  });

  it('voids the code after five wrong tries; a fresh one is made on the console only', async () => {
    const wrong = anotherCode(hub.claimCode!);
    const left = [];
    for (let count = 0; count < 5; count += 1) left.push((await send(wrong)).body.triesLeft);
    expect(left).toEqual([4, 3, 2, 1, 0]);
    const locked = await send(hub.claimCode);
    expect([locked.status, locked.body.code]).toEqual([429, 'tooManyAttempts']);
    expect(locked.headers.get('retry-after')).toBe('30');
    hub.clock.advance(30_000);
    const gone = await send(hub.claimCode);
    expect([gone.status, gone.body.code]).toEqual([410, 'claimCodeExpired']);
    expect(gone.body.nextStep).toContain('makrcave-hub claim-code');
    const fresh = await hub.console('POST', '/api/system/claim-code', {});
    expect(fresh.status).toBe(201);
    hub.clock.advance(60_000);
    expect((await send(fresh.body.code)).status).toBe(201);
  });

  it('remembers the wrong tries over a restart, which makes a fresh code', async () => {
    const { claimCode: before, clock } = hub;
    for (let count = 0; count < 5; count += 1) await send(anotherCode(before!));
    await hub.close();
    hub = await startHub(folder.folder, { clock });
    expect(hub.claimCode).not.toBe(before);
    expect((await send(hub.claimCode)).body.code).toBe('tooManyAttempts');
    clock.advance(30_000);
    expect((await send(before)).body.code).toBe('claimCodeWrong');
    clock.advance(60_000);
    expect((await send(hub.claimCode)).status).toBe(201);
  });

  it('takes no code that is older than a quarter of an hour', async () => {
    hub.clock.advance(15 * 60_000);
    expect((await send(hub.claimCode)).body.code).toBe('claimCodeExpired');
  });

  it('names the field that is wrong, and counts no try for it', async () => {
    const zone = await send(hub.claimCode, { timeZone: 'Europe/Atlantis' });
    expect([zone.status, zone.body.errors[0].pointer]).toEqual([422, '/body/timeZone']);
    const weak = await send(hub.claimCode, { password: 'Werkraum Nord' });
    expect([weak.status, weak.body.errors[0].pointer, weak.body.reason]).toEqual([
      422,
      '/body/password',
      'likeTheName',
    ]);
    const odd = await send(hub.claimCode, { username: 'a b', extra: 1 });
    expect(odd.body.errors.map((error: { pointer: string }) => error.pointer).sort()).toEqual([
      '/body/extra',
      '/body/username',
    ]);
    expect((await hub.store.read.selectFrom('claim_code').selectAll().executeTakeFirstOrThrow()).tries).toBe(
      0,
    );
    expect(await hub.store.read.selectFrom('attempt_counter').selectAll().execute()).toEqual([]);
  });

  it('is left as it was when what is set up with the claim fails, and the code still works', async () => {
    const { clock } = hub;
    await hub.close();
    hub = await startHub(folder.folder, { clock, failClaim: true });
    expect((await send(hub.claimCode)).status).toBe(500);
    expect(await hub.store.read.selectFrom('account').selectAll().execute()).toEqual([]);
    expect((await hub.call(null, 'GET', '/api/system/claim')).body.claimed).toBe(false);
    expect(await hub.store.read.selectFrom('claim_code').selectAll().execute()).toHaveLength(1);
  });
});

describe('the site', () => {
  it('changes its name and zone, tells whoever depends on it, and refuses what is stale', async () => {
    const browser = await claim(hub);
    const { body: site } = await hub.call(browser, 'GET', '/api/system/site');
    const change = (body: unknown) => hub.call(browser, 'PATCH', '/api/system/site', body);
    const changed = await change({ version: site.version, timeZone: 'Europe/London' });
    expect(changed.body).toMatchObject({ name: owner.siteName, timeZone: 'Europe/London', version: 2 });
    expect(hub.changedSites.map((one) => one.timeZone)).toEqual(['Europe/Berlin', 'Europe/London']);
    const stale = await change({ version: site.version, name: 'Elsewhere' });
    expect([stale.status, stale.body.code, stale.body.current.timeZone]).toEqual([
      409,
      'staleVersion',
      'Europe/London',
    ]);
    expect((await change({ version: 2, timeZone: 'Mars/Base' })).body.code).toBe('timeZoneUnknown');
  });
});
