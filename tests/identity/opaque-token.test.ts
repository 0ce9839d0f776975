import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytesToSecret,
  createAccessToken,
  createSecret,
  hashAccessToken,
  hashRefreshFamily,
  hashRefreshSecret,
  printRefreshToken,
  readRefreshToken,
} from '#hub/domains/identity/tokens/opaque-token.ts';
import { decideRefresh, describeDevice, narrowPermissions } from '#hub/domains/identity/tokens/rules.ts';
import { permissions } from '#tests/_support/open-domains.ts';

describe('tokens as texts', () => {
  it('a refresh token is read as it was printed', () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(bytes, bytes, (one, other) => {
        const token = { family: bytesToSecret(one), secret: bytesToSecret(other) };
        const text = printRefreshToken(token);
        expect(text).toMatch(/^mkr_[0-9A-Za-z]{92}$/);
        expect(readRefreshToken(text)).toEqual(token);
      }),
    );
  });

  it('with any one character changed is none of ours', () => {
    const access = createAccessToken();
    const refresh = printRefreshToken({ family: createSecret(), secret: createSecret() });
    fc.assert(
      fc.property(fc.nat(access.length - 1), fc.constantFrom('0', 'z', '_', '-', 'é'), (index, character) => {
        fc.pre(access[index] !== character && refresh[index] !== character);
        const change = (text: string) => text.slice(0, index) + character + text.slice(index + 1);
        expect(hashAccessToken(change(access))).toBeNull();
        expect(readRefreshToken(change(refresh))).toBeNull();
      }),
    );
  });

  it('different bytes make different secrets, and what they are used for different hashes', () => {
    expect(bytesToSecret(new Uint8Array(32))).toBe('0'.repeat(43));
    expect(bytesToSecret(new Uint8Array(32).fill(255))).toMatch(/^[0-9A-Za-z]{43}$/);
    const secret = createSecret();
    expect(hashRefreshFamily(secret)).not.toBe(hashRefreshSecret(secret));
    expect(new Set(Array.from({ length: 100 }, createSecret)).size).toBe(100);
  });
});

describe('what becomes of a refresh token', () => {
  const state = { currentHash: 'current', hashBefore: 'before', refreshedAtMs: 1000 };
  it.each([
    ['current', 1000, 'next'],
    ['current', 9_999_999, 'next'],
    ['before', 1000, 'again'],
    ['before', 31_000, 'again'],
    ['before', 31_001, 'reused'],
    ['before', 999, 'reused'],
    ['older', 1000, 'reused'],
  ] as const)('%s at %d ms: %s', (hash, nowMs, expected) => {
    expect(decideRefresh(hash, state, nowMs)).toBe(expected);
  });

  it('a family that was never refreshed has no token before', () => {
    const fresh = { currentHash: 'current', hashBefore: null, refreshedAtMs: null };
    expect(decideRefresh('before', fresh, 0)).toBe('reused');
  });
});

describe('scopes', () => {
  it('only narrow, whatever they name', () => {
    const some = fc.subarray([...permissions]);
    fc.assert(
      fc.property(some, some, fc.option(some), (held, scopes, narrower) => {
        const left = narrowPermissions(new Set(held), scopes, narrower);
        for (const permission of permissions)
          expect(left.has(permission)).toBe(
            held.includes(permission) &&
              scopes.includes(permission) &&
              (narrower === null || narrower.includes(permission)),
          );
      }),
    );
  });
});

describe('the name of a device', () => {
  it.each([
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
    [
      'Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36',
      'Chrome on Android',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
      'Safari on iPhone',
    ],
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0',
      'Edge on Windows',
    ],
    ['Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) Thing/1', 'A browser on Linux'],
    ['curl/8.5.0', 'curl/8.5.0'],
    ['door-display/1.2 (Raspberry Pi)', 'door-display/1.2'],
    ['<script>alert(1)</script> x', 'scriptalert'],
    ['', ''],
    [`x${'y'.repeat(400)}`, `x${'y'.repeat(39)}`],
  ])('%j: %s', (userAgent, device) => {
    expect(describeDevice(userAgent)).toBe(device);
  });
});
