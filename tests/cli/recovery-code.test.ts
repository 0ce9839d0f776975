import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';
import { runCli } from './run-cli.ts';

const sheetPath = '/api/access-control/recovery';
let appliance: Appliance;
let password = '';
beforeAll(async () => {
  appliance = await Appliance.create({ env: { MAKRCAVE_LOG_LEVEL: 'trace' } });
  await appliance.start('hub');
  ({ password } = await appliance.furnish('201:54321'));
}, 60_000);
afterAll(() => appliance.close());

const cli = (...args: string[]) => runCli(['recovery-code', '--state', appliance.stateDir, ...args]);
/** The code out of a sheet as it is printed. */
const codeOn = (sheet: string): string =>
  [...sheet.matchAll(/^ {4}(\w{4} - \w{4} - \w{4} - \w{4})$/gm)].map(([, line]) => line).join(' - ');

it('prints the sheet once, replaces it only when told to, and neither code is in a log', async () => {
  const first = await cli();
  expect([first.stderr, first.code]).toEqual(['', 0]);
  expect(first.stdout).toContain('RECOVERY SHEET of ');
  expect(first.stdout).toContain('What it is for:');
  expect(first.stdout).toContain('enrolled anew');
  expect(Math.max(...first.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(76);
  const code = codeOn(first.stdout);
  expect(code).toHaveLength(8 * 4 + 7 * 3);
  expect(await appliance.ask('POST', `${sheetPath}/check`, { recoveryCode: code })).toMatchObject({
    fits: true,
  });

  const again = await cli();
  expect([again.code, again.stdout]).toEqual([1, '']);
  expect(again.stderr).toContain('run this again with --replace');
  const replaced = await cli('--replace', '--json');
  expect(replaced.code).toBe(0);
  const { recoveryCode } = JSON.parse(replaced.stdout) as { recoveryCode: string };
  expect(recoveryCode).toMatch(/^(\w{4}-){7}\w{4}$/);
  await expect(appliance.ask('POST', `${sheetPath}/check`, { recoveryCode: code })).rejects.toThrow(
    'recoveryCodeWrong',
  );
  const log = appliance.output.hub.join('\n');
  expect(log).toContain('/api/access-control/recovery/check');
  for (const secret of [code, code.replaceAll(' - ', '-'), recoveryCode, recoveryCode.replaceAll('-', '')])
    expect(log).not.toContain(secret);
});

it('is answered to the owner by HTTP without anything that a cache may keep', async () => {
  const login = await fetch(`${appliance.url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'olga', password }),
  });
  const { accessToken } = (await login.json()) as { accessToken: string };
  const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' };
  const made = await fetch(`${appliance.url}${sheetPath}/sheet`, { method: 'POST', headers, body: '{}' });
  expect([made.status, made.headers.get('cache-control')]).toEqual([201, 'no-store']);
  const mistyped = await fetch(`${appliance.url}${sheetPath}/check`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ recoveryCode: '1234-56U8' }),
  });
  expect(mistyped.status).toBe(422);
  expect(await mistyped.json()).toMatchObject({
    code: 'recoveryCodeMistyped',
    groups: [],
    nextStep: expect.stringContaining('Compare it with the sheet'),
  });
  const state = await fetch(`${appliance.url}${sheetPath}`, { headers });
  expect(await state.json()).toMatchObject({ fits: true, sealedCards: 1 });
});

it('the card key is a file of its own that nobody else may read, and works with the hub stopped too', async () => {
  const file = path.join(appliance.stateDir, 'hub/keys/cards.key');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const key = readFileSync(file);
  expect(key).toHaveLength(32);
  await appliance.stop('hub');
  const made = await cli('--replace');
  expect([made.stderr, made.code]).toEqual(['', 0]);
  await appliance.start('hub');
  expect(
    await appliance.ask('POST', `${sheetPath}/check`, { recoveryCode: codeOn(made.stdout) }),
  ).toMatchObject({
    fits: true,
  });
  expect(readFileSync(file)).toEqual(key);
});
