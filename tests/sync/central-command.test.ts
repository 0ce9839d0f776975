import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { central } from '#hub/cli/central.ts';
import type { CommandContext } from '#hub/cli/command.ts';
import { makeAuthority, makeServerCertificate } from '#hub/platform/certificate.ts';
import { freePort, type PostgresServer } from '#tests/_support/postgres.ts';
import { runCli } from '../cli/run-cli.ts';
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
    [[], 'central takes migrate.'],
    [['fly'], 'central takes migrate.'],
    [['migrate'], `Which database? Give its URL, or put it into ${urlVariable}.`],
    [['migrate', 'postgres://a@localhost/b', 'more'], 'central migrate [URL]'],
  ])('shows how it is called when it is called wrongly: %j', async (operands, problem) => {
    const { code, stderr } = await runCli(['central', ...operands], { [urlVariable]: '' });
    expect(code).toBe(64);
    expect(stderr).toContain(`${problem}\n`);
    expect(stderr).toContain('Usage: makrcave-hub central migrate [URL]');
  });
});
