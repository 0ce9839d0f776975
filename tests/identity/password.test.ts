import { argon2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createPasswordHasher, passwordParameters } from '#hub/domains/identity/accounts/password.ts';
import { cheapPasswords } from './hub.ts';

async function hashed(hasher: ReturnType<typeof createPasswordHasher>, password: string): Promise<string> {
  const result = await hasher.hash(password);
  if (!result.ok) throw new Error(result.refusal.code);
  return result.value;
}

describe('a password’s hash', () => {
  it('is argon2id with 19 MiB and two passes, as a PHC string that names both', async () => {
    const phc = await hashed(createPasswordHasher(), 'a long walk to the lathe');
    const [, kind, version, parameters, salt, tag] = phc.split('$');
    expect([kind, version, parameters]).toEqual(['argon2id', 'v=19', 'm=19456,t=2,p=1']);
    const expected = argon2Sync('argon2id', {
      message: 'a long walk to the lathe',
      nonce: Buffer.from(salt!, 'base64'),
      parallelism: 1,
      tagLength: 32,
      memory: 19 * 1024,
      passes: 2,
    });
    expect(Buffer.from(tag!, 'base64')).toEqual(expected);
    expect(passwordParameters).toEqual({ memoryKiB: 19456, passes: 2, lanes: 1 });
  });

  it('differs each time, fits its own password only, however the characters are composed', async () => {
    const hasher = createPasswordHasher(cheapPasswords);
    const phc = await hashed(hasher, 'löten am fenster');
    expect(await hashed(hasher, 'löten am fenster')).not.toBe(phc);
    expect(await hasher.verify(phc, 'lo\u0308ten am fenster')).toEqual({
      ok: true,
      value: { matches: true, stale: false },
    });
    expect(await hasher.verify(phc, 'loten am fenster')).toEqual({
      ok: true,
      value: { matches: false, stale: false },
    });
  });

  it('made with other parameters still fits, and is called stale', async () => {
    const old = await hashed(createPasswordHasher(cheapPasswords), 'a long walk to the lathe');
    const hasher = createPasswordHasher({ ...cheapPasswords, passes: 2 });
    expect(await hasher.verify(old, 'a long walk to the lathe')).toEqual({
      ok: true,
      value: { matches: true, stale: true },
    });
  });

  it.each([
    '',
    'plain text',
    '$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    '$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  ])('that is none (%j) fits nothing', async (phc) => {
    const hasher = createPasswordHasher(cheapPasswords);
    expect(await hasher.verify(phc, '')).toMatchObject({ ok: true, value: { matches: false } });
  });

  it('for nobody takes the same work and never fits', async () => {
    const hasher = createPasswordHasher({ memoryKiB: 8192, passes: 2, lanes: 1 });
    const phc = await hashed(hasher, 'a long walk to the lathe');
    // In turns and the best of each, so that what else the machine does falls on both.
    const bestMs = { nobody: Infinity, somebody: Infinity };
    for (let round = 0; round < 7; round += 1)
      for (const who of ['nobody', 'somebody'] as const) {
        const startedMs = performance.now();
        const verified = await hasher.verify(who === 'nobody' ? null : phc, 'wrong wrong wrong');
        bestMs[who] = Math.min(bestMs[who], performance.now() - startedMs);
        expect(verified).toMatchObject({ value: { matches: false } });
      }
    expect(bestMs.nobody / bestMs.somebody).toBeGreaterThan(0.25);
    expect(bestMs.nobody / bestMs.somebody).toBeLessThan(4);
  });

  it('from one peer take no more than its places, strangers leave some, and who is known comes first', async () => {
    const hasher = createPasswordHasher({ memoryKiB: 1024, passes: 2, lanes: 1 });
    const order: string[] = [];
    const ask = async (peer: string, isKnown: boolean): Promise<string> => {
      const result = await hasher.verify(null, 'wrong', { peer, isKnown });
      if (result.ok) order.push(peer);
      return result.ok ? 'looked at' : result.refusal.code;
    };
    const one = Array.from({ length: 10 }, () => ask('10.0.0.1', false));
    const strangers = Array.from({ length: 20 }, (_, host) => ask(`10.0.1.${host}`, false));
    const known = ask('device', true);
    const answers = await Promise.all([...one, ...strangers, known]);
    expect(answers.slice(0, 10)).toEqual([...Array(6).fill('looked at'), ...Array(4).fill('signInBusy')]);
    expect(answers.slice(10, 30)).toEqual([...Array(14).fill('looked at'), ...Array(6).fill('signInBusy')]);
    expect(answers[30]).toBe('looked at');
    // Two were at work when it came; it may end beside the one that was taken up with it.
    expect(order.indexOf('device')).toBeLessThanOrEqual(3);
  });

  it('beyond two at work and 24 waiting is refused with the time to come again, and work goes on', async () => {
    const hasher = createPasswordHasher({ memoryKiB: 1024, passes: 2, lanes: 1 });
    const results = await Promise.all(
      Array.from({ length: 40 }, () => hasher.hash('a long walk to the lathe')),
    );
    expect(results.filter((result) => result.ok)).toHaveLength(26);
    expect(results.find((result) => !result.ok)).toEqual({
      ok: false,
      refusal: { code: 'signInBusy', retryAfterSeconds: 5 },
    });
    expect((await hasher.hash('a long walk to the lathe')).ok).toBe(true);
  });
});
