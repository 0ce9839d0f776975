import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandToPrint } from '#hub/cli/find-state.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'mc-state-'));
const nowhere = path.join(folder, 'nowhere');
let appliance: Appliance;
beforeAll(async () => {
  appliance = await Appliance.create();
  await appliance.start('hub');
  await appliance.furnish('201:54321');
}, 60_000);
afterAll(async () => {
  await appliance.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A hub may run on the default ports beside these tests. */
const anyPort = { MAKRCAVE_HTTP_PORT: '0', MAKRCAVE_HTTP_HTTPS_PORT: '0' };

describe('where there is no store', () => {
  it.each([
    ['verify'],
    ['recovery-code'],
    ['password', 'olga'],
    ['explain', '201:54321', 'front'],
    ['claim-code'],
    ['status'],
    ['migrate', 'up'],
  ])('%s %s makes none, and says where it looked and where a hub runs', async (...args) => {
    const run = await runCli([...args, '--state', nowhere], anyPort);
    expect([run.code, run.stdout]).toEqual([69, '']);
    expect(run.stderr).toContain(`There is no hub in ${nowhere} (--state).`);
    expect(run.stderr).toContain(`--state ${appliance.stateDir}`);
    expect(existsSync(nowhere)).toBe(false);
  });

  it('doctor, logs and migrate status make none either', async () => {
    // Without a journal, as on a developer's machine.
    const env = { ...anyPort, PATH: '/nowhere' };
    const doctor = await runCli(['doctor', '--state', nowhere], env);
    expect(doctor.stdout).toContain(`There is no store in ${nowhere}`);
    await runCli(['logs', '--state', nowhere], env);
    const migrations = await runCli(['migrate', 'status', '--state', nowhere], env);
    expect(migrations.stderr).toContain(`There is no hub in ${nowhere}`);
    expect(existsSync(nowhere)).toBe(false);
  });

  it('a folder that has other things in it stays as it is', async () => {
    const other = path.join(folder, 'other');
    mkdirSync(path.join(other, 'hub'), { recursive: true });
    const run = await runCli(['verify', '--state', other], anyPort);
    expect([run.code, run.stdout]).toEqual([69, '']);
    expect(readdirSync(path.join(other, 'hub'))).toEqual([]);
  });
});

describe('the hub that runs', () => {
  const configure = (name: string, lines: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, lines);
    return file;
  };

  it('is found by stateDir of MAKRCAVE_CONFIG and of --config, and named with what named it', async () => {
    const file = configure('hub.yaml', `stateDir: ${appliance.stateDir}\n`);
    for (const [args, env] of [
      [[], { MAKRCAVE_CONFIG: file }],
      [['--config', file], {}],
    ] as const) {
      const run = await runCli(['status', ...args], { ...anyPort, ...env, MAKRCAVE_STATE_DIR: '' });
      expect(run.stdout).toMatch(/^Test space: release /);
      expect(run.stderr).toBe(`Hub in ${appliance.stateDir} (stateDir of ${file})\n`);
    }
    const elsewhere = await runCli(['verify', '--state', nowhere], { ...anyPort, MAKRCAVE_CONFIG: file });
    expect(elsewhere.code).toBe(69);
  });

  it('is found although its configuration has a mistake by now', async () => {
    const file = configure('wrong.yaml', `stateDir: ${appliance.stateDir}\nlog:\n  level: loud\n`);
    const run = await runCli(['verify'], { ...anyPort, MAKRCAVE_CONFIG: file, MAKRCAVE_STATE_DIR: '' });
    expect([run.code, run.stdout]).toEqual([
      0,
      expect.stringMatching(/^The audit log of Test space is whole: \d+ entries\.\n$/),
    ]);
  });

  it('--json says nothing but the answer', async () => {
    const run = await runCli(['verify', '--json'], { ...anyPort, MAKRCAVE_STATE_DIR: appliance.stateDir });
    expect(run.stderr).toBe('');
    expect(JSON.parse(run.stdout)).toMatchObject({ ok: true });
  });

  it('a relative stateDir starts at the folder of the product, for the command line and the hub alike', async () => {
    const relative = path.relative(path.resolve(import.meta.dirname, '../..'), appliance.stateDir);
    const file = configure('relative.yaml', `stateDir: ${relative}\n`);
    const found = await runCli(['verify', '--config', file], { ...anyPort, MAKRCAVE_STATE_DIR: '' });
    expect(found.code).toBe(0);
    const checked = await runCli(['config', 'check', '--print', file], { MAKRCAVE_STATE_DIR: '' });
    expect(checked.stdout).toContain(`stateDir: ${appliance.stateDir}`);
  });
});

describe('a command to copy', () => {
  it('names the state only where the command line would look elsewhere, quoted for a shell', async () => {
    const root = path.resolve(import.meta.dirname, '../..');
    const stateDir = path.join(folder, "Olga's state");
    symlinkSync(appliance.stateDir, stateDir);
    const printed = await commandToPrint(stateDir, root, 'verify');
    // Without the wrapper, which would install first.
    const args = printed.replace(/^\S+\/makrcave-hub /, '');
    expect(args).toMatch(/^verify --state '/);
    const cli = `"${process.execPath}" "${path.join(root, 'hub/cli/main.ts')}" ${args}`;
    const run = spawnSync('sh', ['-c', cli], { encoding: 'utf8' });
    expect([run.stderr, run.stdout]).toEqual(['', expect.stringContaining('is whole')]);
    expect(await commandToPrint(path.join(root, 'state'), root, 'tap', '--portal', 'front')).toBe(
      './scripts/makrcave-hub tap --portal front',
    );
  });
});

it('a hub that nobody owns yet gets no recovery sheet', async () => {
  const fresh = await Appliance.create();
  try {
    await fresh.start('hub');
    const run = await runCli(['recovery-code', '--state', fresh.stateDir], anyPort);
    expect([run.code, run.stdout]).toEqual([1, '']);
    expect(run.stderr).toContain('not been claimed');
  } finally {
    await fresh.close();
  }
}, 60_000);
