import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { CommandContext } from '#hub/cli/command.ts';
import { central } from '#hub/cli/commands/central.ts';
import { makeAuthority, makeServerCertificate } from '#hub/platform/tls/certificate.ts';
import { freePort, type PostgresServer } from '#tests/_support/postgres.ts';
import { usePostgres } from '#tests/_support/run/postgres.ts';
import { runCli } from '#tests/cli/run-cli.ts';
import { faultOf, makeFolder, startWithTls } from './fixture.ts';

const urlVariable = 'MAKRCAVE_CENTRAL_URL';

/** A product's folder that has these two migrations. */
function makeRoot(): string {
  const root = makeFolder();
  const migrations = path.join(root, 'migrations/postgres');
  mkdirSync(migrations, { recursive: true });
  writeFileSync(path.join(migrations, '0001_thing.sql'), 'create table thing ();');
  writeFileSync(path.join(migrations, '0002_shelf.sql'), 'create table shelf ();');
  return root;
}

/** Runs `central OPERANDS` as the command line does; what it printed. */
async function run(
  operands: readonly string[],
  { root, ca }: { readonly root: string; readonly ca?: string },
): Promise<readonly string[]> {
  const lines: string[] = [];
  const context: CommandContext = {
    operands,
    text: (option) => (option === 'ca' ? ca : undefined),
    isSet: () => false,
    json: false,
    stateInWords: '/nowhere (--state)',
    configFile: undefined,
    hubEnv: {},
    stateDir: '',
    root,
    controlSocket: '',
    print: (line) => void lines.push(line),
    withHub: () => Promise.reject(new Error('it needs no hub')),
  };
  await central.run(context);
  return lines;
}

describe('central migrate', () => {
  const nowMs = Date.now();
  const authorityName = 'Central';
  const authority = makeAuthority({ commonName: authorityName, dnsNames: ['central.test'], nowMs });
  const certificate = makeServerCertificate({
    authority,
    authorityName,
    dnsNames: ['central.test'],
    addresses: ['127.0.0.1'],
    nowMs,
  });
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startWithTls(certificate);
  });
  afterAll(() => server.stop());

  it('applies what waits and says so, and has nothing to do the second time', async () => {
    const { url } = await server.createDatabase();
    const root = makeRoot();
    expect(await run(['migrate', url], { root })).toEqual([
      expect.stringMatching(/^0001_thing {2}applied \d{4}-\d\d-\d\dT[\d:.]+Z$/),
      expect.stringMatching(/^0002_shelf {2}applied /),
    ]);
    expect(await run(['migrate', url], { root })).toEqual(['Nothing to do: every migration is applied.']);
  });

  it('takes the address from the environment, and the authority from a file', async () => {
    const { url } = await server.createDatabase();
    const root = makeRoot();
    process.env[urlVariable] = `${url}?sslmode=require`;
    onTestFinished(() => void delete process.env[urlVariable]);
    expect((await faultOf(run(['migrate'], { root }))).code).toBe('centralTlsFailed');
    const ca = path.join(makeFolder({ 'ca.pem': authority.cert }), 'ca.pem');
    expect(await run(['migrate'], { root, ca })).toHaveLength(2);
  });

  it('says in words why it could not, without the password', async () => {
    const port = await freePort();
    const { code, stdout, stderr } = await runCli([
      'central',
      'migrate',
      `postgres://hub:s3cret@127.0.0.1:${port}/central`,
    ]);
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: `the central database at 127.0.0.1:${port} cannot be reached: nobody listens there\n`,
    });
  });

  it.each([
    [[], 'central takes migrate, add-site, add-hub, replace-hub, revoke-hub, status.'],
    [['fly'], 'central takes migrate, add-site, add-hub, replace-hub, revoke-hub, status.'],
    [['migrate'], `Which database? Give its URL, or put it into ${urlVariable}.`],
    [['migrate', 'postgres://a@localhost/b', 'more'], 'central migrate [URL]'],
  ])('shows how it is called when it is called wrongly: %j', async (operands, problem) => {
    const { code, stderr } = await runCli(['central', ...operands], { [urlVariable]: '' });
    expect(code).toBe(64);
    expect(stderr).toContain(`${problem}\n`);
    expect(stderr).toContain('Usage: makrcave-hub central ACTION ... [URL]');
  });
});

describe('sites and hubs of a centre', () => {
  const product = path.resolve(import.meta.dirname, '../../..');
  let server: PostgresServer;
  let url: string;
  beforeAll(async () => {
    server = await usePostgres({ version: 15 });
    ({ url } = await server.createDatabase());
    await run(['migrate', url], { root: product });
  });
  afterAll(() => server.stop());
  const say = async (...operands: string[]): Promise<string> =>
    (await run([...operands, url], { root: product })).join('\n');

  it('are added, listed, replaced and shut out, each with the next step', async () => {
    expect(await say('status')).toBe('There is no site yet: central add-site NAME');
    const added = await say('add-site', 'Fab Lab');
    const site = /: (\S{36})$/m.exec(added)?.[1] ?? '';
    expect(added).toContain(`Next: central add-hub ${site}`);
    expect(await say('status')).toBe(`Fab Lab (${site}): no hub yet`);
    const hub = /: (\S{36})$/m.exec(await say('add-hub', site))?.[1] ?? '';
    expect(await say('status')).toBe(
      `Fab Lab (${site}): hub (${hub}) invited, never seen, epoch 0, 0 changes behind`,
    );
    expect(await say('replace-hub', site, hub)).toMatch(/^One-time code, good for a day: (\w{4}-){6}\w\w$/m);
    expect(await say('revoke-hub', site, hub)).toContain('Its doors go on.');
    expect(await say('status')).toContain('revoked');
  });

  it('are named by ids that exist', async () => {
    const nobody = '00000000-0000-4000-8000-000000000000';
    await expect(say('add-hub', 'Fab Lab')).rejects.toThrow('SITE is an id as `central status` prints it');
    await expect(say('add-hub', nobody)).rejects.toThrow(`there is no site ${nobody}`);
    await expect(say('revoke-hub', nobody, nobody)).rejects.toThrow('has no hub');
    await expect(say('add-site', ' ')).rejects.toThrow('1 to 200 letters');
  });
});
