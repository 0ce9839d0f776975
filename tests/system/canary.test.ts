import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bitsToHex } from '#hub/domains/access/cards/format-rules.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { cardBits } from '#tests/_support/doors/doors.ts';

const name = 'Zyxwalda Quorrington';
const email = 'zyxwalda.canary@example.test';
const known = { text: '201:54321', raw: (201 << 16) | 54_321 };
const unknown = { text: '177:31337', raw: (177 << 16) | 31_337 };

/** How a card number could be written: as people say it, as the reader sends it, with and without parity. */
function writings(card: { text: string; raw: number }): string[] {
  const frame = bitsToHex(Array.from(cardBits(card.text), Number));
  const number = card.text.split(':')[1] ?? '';
  return [
    card.text,
    cardBits(card.text),
    frame,
    String(Number.parseInt(frame, 16)),
    String(card.raw),
    card.raw.toString(16),
    `"${number}"`,
    `:${number}`,
    ` ${number}`,
  ];
}
const passwordCanary = 'quixotic walrus hums Olten';
/** What opens the hub, as it is given out in the course of the test. */
const tokens: string[] = [];
const secrets = ['Zyxwalda', 'Quorrington', 'zyxwalda.canary', ...writings(known), ...writings(unknown)];

/** The bytes from `start` on, two a character. Whole pairs in memory of their own: Node 24 writes beyond its own otherwise. */
function inPairs(bytes: Buffer, start: number): string {
  const end = start + Math.floor((bytes.length - start) / 2) * 2;
  return Buffer.from(bytes.subarray(start, end)).toString('utf16le');
}

/** Which of the secrets stand in these bytes, in any case, in one or two bytes a character, or as base64. */
function findSecrets(bytes: Buffer): string[] {
  const views = [bytes.toString('latin1'), inPairs(bytes, 0), inPairs(bytes, 1)];
  const lower = views.map((view) => view.toLowerCase());
  return [...secrets, ...tokens].filter((secret) => {
    const aligned = [0, 1, 2].map((skip) =>
      Buffer.from(secret).subarray(skip).toString('base64').replace(/=+$/, '').slice(0, -1),
    );
    return (
      lower.some((view) => view.includes(secret.toLowerCase())) ||
      // Shorter pieces of base64 turn up by chance.
      aligned.some((text) => text.length >= 10 && views[0]?.includes(text))
    );
  });
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

describe('what stands on the disk and in the logs', () => {
  let appliance: Appliance;
  beforeAll(async () => {
    appliance = await Appliance.start({
      env: { MAKRCAVE_LOG_LEVEL: 'trace', MAKRCAVE_BRIDGE_LOG_LEVEL: 'trace' },
    });
    await appliance.furnish(known.text);
  }, 60_000);
  afterAll(() => appliance.close());

  const ask = async (address: string, body: object | undefined, token?: string) => {
    const response = await fetch(appliance.url + address, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await response.json()) as Record<string, string>;
  };

  /** Everything that takes a token, right and wrong, where each could be written down by mistake. */
  async function useTokens(): Promise<void> {
    const account = await appliance.ask('POST', '/api/accounts', {
      username: 'walrus',
      displayName: 'Walrus',
      password: passwordCanary,
    });
    const services = '/api/access-control/service-accounts';
    const service = await appliance.ask('POST', services, {
      name: 'Board',
      purpose: 'Shows',
      scopes: ['portal.read'],
      ownerId: account.id,
    });
    const made = await appliance.ask('POST', `${services}/${String(service.id)}/tokens`, { name: 'one' });
    const first = await ask('/auth/login', { username: 'walrus', password: passwordCanary });
    const second = await ask('/auth/refresh', { refreshToken: first.refreshToken });
    const given = [first, second].flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken]);
    for (const token of [String(made.token), ...given]) {
      expect(token).toMatch(/^[\w.-]{50,}$/);
      // The end of a JWT is its signature; of ours, what is secret in it.
      tokens.push(String(token).slice(-40));
      await ask('/auth/session', undefined, token);
      await ask('/auth/session', undefined, `${token}x`);
      await ask('/auth/refresh', { refreshToken: token, extra: token });
      await ask('/auth/logout', { refreshToken: `${token}x` });
      await ask(`${services}/${token}`, undefined, token);
    }
    tokens.push(passwordCanary);
  }

  it('the search for secrets finds them', () => {
    expect(findSecrets(Buffer.from(`x${name}y`))).toContain('Zyxwalda');
    expect(findSecrets(Buffer.from(`x${name}y`, 'utf16le'))).toContain('Zyxwalda');
    expect(findSecrets(Buffer.from(Buffer.from(`xx${email}`).toString('base64')))).toContain(
      'zyxwalda.canary',
    );
    expect(findSecrets(Buffer.from('{"card":"201:54321"}'))).toContain('201:54321');
    expect(findSecrets(Buffer.from('nothing'))).toEqual([]);
  });

  it('has no name, address, card number or token of anybody', { timeout: 60_000 }, async () => {
    const member = (await appliance.ask('GET', '/api/members')).items as { id: string; version: number }[];
    await appliance.ask('PATCH', `/api/members/${member[0]?.id}`, {
      version: member[0]?.version,
      name,
      email,
    });
    await appliance.untilApplied();
    expect(await appliance.tap(known.text)).toMatchObject({ kind: 'granted', member: { name } });
    expect(await appliance.tap(unknown.text)).toMatchObject({ kind: 'denied', reason: 'unknownCredential' });
    // Everything that takes a card as text, well and badly.
    const check = { card: known.text, portalKey: 'front' };
    expect(await appliance.ask('POST', '/api/access-control/check', check)).toMatchObject({ granted: true });
    await appliance.console('GET', `/api/access-control/credentials?card=${known.text}`);
    await appliance.console('GET', '/api/members?search=Zyxwalda');
    const again = { memberId: member[0]?.id, card: known.text };
    expect((await appliance.console('POST', '/api/access-control/credentials', again)).status).toBe(409);
    expect((await appliance.console('POST', '/api/members', { name, email, shoes: 9 })).status).toBe(400);

    await useTokens();
    const search = (): void => {
      const files = filesBelow(appliance.stateDir);
      const names = files.map((file) => path.relative(appliance.stateDir, file));
      for (const expected of ['hub/hub.sqlite', 'bridge/policy.bin', 'bridge/journal/0000000001.seg'])
        expect(names).toContain(expected);
      const found = files.map((file) => [file, findSecrets(readFileSync(file))] as const);
      expect(found.filter(([, secret]) => secret.length > 0)).toEqual([]);
    };
    search();
    // With the log of the store folded in.
    for (const part of ['bridge', 'hub', 'simulator'] as const) await appliance.stop(part);
    search();
    for (const part of ['hub', 'bridge'] as const) {
      const lines = appliance.output[part];
      expect(lines.length).toBeGreaterThan(2);
      expect([part, findSecrets(Buffer.from(lines.join('\n')))]).toEqual([part, []]);
    }
  });
});
