import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority, makeServerCertificate } from '#hub/platform/tls/certificate.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import type { PostgresServer } from '#tests/_support/postgres.ts';
import { until } from '#tests/_support/until.ts';
import { startWithTls } from '#tests/sync/centre/fixture.ts';
import { runCli } from '../cli/run-cli.ts';

// One space from its first link to its second box: the whole product and a real Postgres, over TLS, under a hub's role.

const card = '123:4567';
const authority = makeAuthority({ commonName: 'Central', dnsNames: ['localhost'], nowMs: Date.now() });
let server: PostgresServer;
let admin: Client;
let adminUrl: string;
let hubUrl: string;
let folder: string;
let caFile: string;
let site: string;
let hub: string;
let memberId: string;
let recoveryCode: string;
let first: Appliance;
let second: Appliance | null = null;

/** What whoever runs the centre types; its answer. */
async function central(...args: string[]): Promise<Record<string, unknown>> {
  const run = await runCli(['central', ...args, '--ca', caFile, '--json'], {
    MAKRCAVE_CENTRAL_URL: adminUrl,
  });
  expect(run.stderr).toBe('');
  return JSON.parse(run.stdout) as Record<string, unknown>;
}
const value = async (sql: string, ...values: unknown[]): Promise<unknown> =>
  (await admin.query({ text: sql, values, rowMode: 'array' })).rows[0]?.[0];
const state = async (appliance: Appliance): Promise<unknown> =>
  (await appliance.ask('GET', '/api/sync')).state;
const untilUpToDate = (appliance: Appliance): Promise<boolean> =>
  until('both sides to be equal', async () => (await state(appliance)) === 'upToDate', 30_000);
const restore = (stateDir: string, ...args: string[]) =>
  runCli(['restore', '--from-central', '--state', stateDir, '--ca', caFile, ...args], {
    MAKRCAVE_CENTRAL_URL: hubUrl,
    MAKRCAVE_CLOCK_TRUST_SYSTEM: 'true',
  });

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mc-central-'));
  caFile = path.join(folder, 'ca.pem');
  await writeFile(caFile, authority.cert);
  server = await startWithTls(
    makeServerCertificate({
      authority,
      authorityName: 'Central',
      dnsNames: ['localhost'],
      addresses: ['127.0.0.1'],
      nowMs: Date.now(),
    }),
  );
  adminUrl = (await server.createDatabase()).url;
  admin = new Client({ connectionString: adminUrl });
  await admin.connect();
  const migrated = await runCli(['central', 'migrate', adminUrl]);
  expect(migrated.stderr).toBe('');
  await admin.query("create role space_hub login password 'very secret' in role makrcave_hub");
  const address = new URL(adminUrl);
  address.username = 'space_hub';
  address.password = 'very secret';
  hubUrl = address.href;
  site = String((await central('add-site', 'Fab Lab'))['site']);
  first = await Appliance.start();
  ({ memberId } = await first.furnish(card));
  const sheet = await runCli(['recovery-code', '--state', first.stateDir, '--json']);
  recoveryCode = String((JSON.parse(sheet.stdout) as Record<string, unknown>)['recoveryCode']);
}, 120_000);
afterAll(async () => {
  await first.close();
  await second?.close();
  await admin.end();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('a hub and its centre', () => {
  it('are linked by a one-time code, and become equal', async () => {
    const added = await central('add-hub', site, '--name', 'box', '--role', 'space_hub');
    hub = String(added['hub']);
    await first.tap(card);
    const wrong = await first.console('POST', '/api/sync/link', {
      url: hubUrl,
      ca: authority.cert,
      code: 'AAAA-AAAA',
    });
    expect(wrong).toMatchObject({ status: 422, json: { code: 'codeWrong' } });
    const untrusted = await first.console('POST', '/api/sync/link', {
      url: `${hubUrl}?sslmode=verify-full`,
      code: added['code'],
    });
    expect(untrusted).toMatchObject({ status: 503, json: { code: 'centralTlsFailed' } });
    await first.ask('POST', '/api/sync/link', { url: hubUrl, ca: authority.cert, code: added['code'] });
    await untilUpToDate(first);
    expect(
      await value('select name from makrcave.member where stream_id = $1 and id = $2', site, memberId),
    ).toBe('Mia Maker');
    expect(Number(await value("select count(*) from makrcave.access_event where kind = 'granted'"))).toBe(1);
    expect(await value("select usename from pg_stat_activity where application_name = 'makrcave-hub'")).toBe(
      'space_hub',
    );
    // No card's number is anywhere there: sealed rows only.
    expect(Number(await value('select count(*) from makrcave.credential_seal'))).toBe(1);
    expect((await central('status'))['hubs']).toMatchObject([
      { site, hub, status: 'active', behind: 0, dead: 0 },
    ]);
  });

  it('bring what another application writes to the hub within five seconds, and what happens at a door to the centre', async () => {
    const ops = [{ tbl: 'member', pk: memberId, set: { email: 'mia@example.org' } }];
    await admin.query('select sync.submit($1, $2)', [site, JSON.stringify(ops)]);
    await until(
      'the address to be here',
      async () => (await first.ask('GET', `/api/members/${memberId}`)).email === 'mia@example.org',
      5_000,
    );
    const found = await first.ask('GET', '/api/members?q=mia%40example.org');
    expect(found.items).toMatchObject([{ id: memberId }]);
    await first.tap(card);
    await until(
      'the tap to be there',
      async () =>
        Number(await value("select count(*) from makrcave.access_event where kind = 'granted'")) === 2,
    );
  });
});

describe('a dead hub', () => {
  it('is replaced by another machine, whose cards work by the recovery sheet alone', async () => {
    await first.stop('bridge', 'SIGKILL');
    await first.stop('simulator');
    await first.stop('hub', 'SIGKILL');
    const stateDir = path.join(folder, 'second');
    const noCode = await restore(stateDir);
    expect(noCode).toMatchObject({ code: 1 });
    expect(noCode.stderr).toContain('--code CODE');
    expect(existsSync(path.join(stateDir, 'hub/hub.sqlite'))).toBe(false);

    const { code } = await central('replace-hub', site, hub);
    const noSheet = await restore(stateDir, '--code', String(code));
    expect(noSheet).toMatchObject({ code: 1 });
    expect(noSheet.stderr).toContain('every card would be dead');
    second = await Appliance.create({ stateDir });
    await expect(second.start('hub')).rejects.toThrow('a restore was begun here and is not finished');
    const wrongSheet = await restore(stateDir, '--recovery-code', recoveryCode.replace(/^..../, 'ZZZZ'));
    expect(wrongSheet).toMatchObject({ code: 1 });

    const done = await restore(stateDir, '--recovery-code', recoveryCode);
    expect(done.stderr).toBe('');
    expect(done.stdout).toContain('1 members are here again, and 1 cards and PINs.');
    const again = await restore(stateDir, '--code', 'XXXX');
    expect(again.stderr).toContain('there is a hub in');
    const password = await runCli(['password', 'olga', '--state', stateDir]);
    expect(password.stdout).toMatch(/^The new password of olga: \S{20}$/m);

    await second.start('hub');
    await second.start('simulator');
    await second.start('bridge');
    await second.untilApplied();
    const decision = await second.tap(card);
    expect(decision).toMatchObject({ kind: 'granted', member: { name: 'Mia Maker' } });
    await untilUpToDate(second);
    expect(Number(await value("select count(*) from makrcave.access_event where kind = 'granted'"))).toBe(3);
    expect(await second.ask('GET', '/api/system/verify')).toMatchObject({ ok: true });
    const { items } = await second.ask('GET', '/api/access-control/events?kind=granted');
    expect(items).toHaveLength(3);
  });

  it('that comes back is shut out, says so, and goes on at its doors', async () => {
    await first.start('hub');
    const status = await until('the centre to refuse it', async () => {
      const read = await first.ask('GET', '/api/sync');
      return read.state === 'stopped' && read;
    });
    expect(status.problem).toMatchObject({ code: 'tokenWrong' });
    const { findings } = await first.ask('GET', '/health/detailed');
    expect((findings as { id: string }[]).map(({ id }) => id)).toContain('sync.stopped');
  });

  it('that is revoked hears so', async () => {
    const run = await runCli(['central', 'revoke-hub', site, hub, '--ca', caFile], {
      MAKRCAVE_CENTRAL_URL: adminUrl,
    });
    expect(run.stdout).toContain('Revoked');
    await second?.ask('POST', '/api/sync/run', {});
    const status = await until('the centre to refuse it', async () => {
      const read = await second?.ask('GET', '/api/sync');
      return read?.state === 'stopped' && read;
    });
    expect(status.problem).toMatchObject({ code: 'revoked' });
  });
});
