import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';
import { runCli } from './run-cli.ts';

const root = path.resolve(import.meta.dirname, '../..');

it('the list of commands keeps usage and summary apart', async () => {
  const { stdout } = await runCli(['--help']);
  expect(stdout).toContain('[--pin PIN]\n');
  expect(stdout).toMatch(/^ {38}tap a card, or type a number/m);
  expect(stdout).not.toMatch(/\](?=[a-z])/);
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
});

it('times, ids and offsets are taken as people give them', async () => {
  const appliance = await Appliance.create();
  try {
    await appliance.start('hub');
    await appliance.start('simulator');
    await appliance.start('bridge');
    await appliance.untilApplied();
    const { memberId } = await appliance.furnish('201:54321');
    const explain = (at: string) =>
      runCli(['explain', '201:54321', 'front', '--at', at, '--json', '--state', appliance.stateDir]);
    const atOf = async (at: string): Promise<unknown> => JSON.parse((await explain(at)).stdout).at;
    // The site is in Berlin.
    expect(await atOf('2026-11-23T18:30')).toBe('2026-11-23T17:30:00.000Z');
    expect(await atOf('2026-07-23 18:30:15')).toBe('2026-07-23T16:30:15.000Z');
    expect(await atOf('2026-11-23T18:30:00+05:00')).toBe('2026-11-23T13:30:00.000Z');
    const wrong = await explain('6 pm');
    expect(wrong.code).toBe(64);
    expect(wrong.stderr).toContain('in the time zone of the site');

    const capitals = memberId.toUpperCase();
    expect(await appliance.ask('GET', `/api/members/${capitals}`)).toMatchObject({ id: memberId });
    expect(
      await appliance.ask('POST', `/api/members/${capitals}/holds`, { reason: 'lost card' }),
    ).toMatchObject({
      memberId,
    });
    const check = { memberId: capitals, portalKey: 'front' };
    expect(await appliance.ask('POST', '/api/access-control/check', check)).toMatchObject({
      member: { id: memberId },
    });

    const expiresAt = '2099-01-01T00:00:00+01:00';
    const { items: accounts } = await appliance.ask('GET', '/api/accounts');
    const { id: accountId } = (accounts as { id: string }[])[0] ?? {};
    const { id } = await appliance.ask('POST', '/api/access-control/service-accounts', {
      name: 'Display',
      purpose: 'shows doors',
      scopes: ['portal.read'],
      ownerId: accountId?.toUpperCase(),
    });
    const token = await appliance.ask('POST', `/api/access-control/service-accounts/${String(id)}/tokens`, {
      name: 'first',
      expiresAt,
    });
    expect(token).toMatchObject({ accessToken: { expiresAt: '2098-12-31T23:00:00.000Z' } });
    const { items: roles } = await appliance.ask('GET', '/api/access-control/roles');
    const viewer = (roles as { id: string; name: string }[]).find(({ name }) => /instructor/i.test(name));
    const second = await appliance.ask('POST', '/api/accounts', {
      username: 'ina',
      displayName: 'Ina',
      password: 'seven rivers hum below Olten',
    });
    await appliance.ask('POST', `/api/access-control/roles/${viewer?.id ?? ''}/assign`, {
      accountId: second.id,
      expiresAt,
    });
    expect(await appliance.ask('GET', `/api/accounts/${String(second.id)}`)).toMatchObject({
      roles: [{ expiresAt: '2098-12-31T23:00:00.000Z' }],
    });
  } finally {
    await appliance.close();
  }
}, 60_000);

/** Every file of a folder, with what is in it. */
const textsBelow = (folder: string, ends: RegExp): readonly string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ends.test(name) && !/(^|\/)(dist|node_modules)\//.test(name))
    .map((name) => readFileSync(path.join(root, folder, name), 'utf8'));

it('a page of Settings that a text sends people to is there', () => {
  const sections = textsBelow('hub/ui/src/pages', /section\.ts$/).join('\n');
  const titles = [...sections.matchAll(/path: '\/settings[^']*',\s+title: '([^']+)'/g)].map(
    ([, title]) => title,
  );
  expect(titles.length).toBeGreaterThan(8);
  const texts = [
    ...textsBelow('hub', /\.(ts|svelte)$/),
    ...textsBelow('firmware-bridge', /\.(ts|md)$/),
    ...textsBelow('docs', /\.md$/),
    ...textsBelow('config', /\.yaml$/),
  ].join('\n');
  const named = [...texts.matchAll(/\bSettings, (?:\*\*)?([A-Z][a-z]+(?: [a-z]+)*)/g)].map(
    ([, words]) => words ?? '',
  );
  expect(named.length).toBeGreaterThan(20);
  for (const words of named)
    expect(
      titles.some((title) => title !== undefined && words.startsWith(title)),
      words,
    ).toBe(true);
});

it('a command of makrcave-hub that a text names is there, and no unit of systemd is named that does not ship', async () => {
  const { stdout } = await runCli(['--help']);
  const commands = [...stdout.matchAll(/^ {2}([a-z][a-z-]+) ?/gm)].map(([, name]) => name);
  const texts = [
    ...textsBelow('hub', /\.(ts|svelte)$/),
    ...textsBelow('firmware-bridge', /\.(ts|md)$/),
    ...textsBelow('docs', /\.md$/),
    ...textsBelow('config', /\.yaml$/),
    ...textsBelow('scripts', /\.ts$/),
  ].join('\n');
  const named = [...texts.matchAll(/`(?:\.\/scripts\/)?makrcave-hub ([a-z-]+)/g)].map(([, name]) => name);
  expect(named.length).toBeGreaterThan(10);
  for (const name of named) expect(commands).toContain(name);
  expect(texts).not.toContain('systemctl');
  // The file that it asks for comes from the hub's page, not from a command.
  expect(texts).not.toContain('that `makrcave-hub pair` gave you');
});
