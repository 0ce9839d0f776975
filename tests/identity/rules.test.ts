import { dictionary } from '@zxcvbn-ts/language-common';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPassword, commonPasswordsOf } from '#hub/domains/identity/accounts/password-rules.ts';
import {
  type AttemptCounter,
  bytesToClaimCode,
  claimAlphabet,
  decideAttempt,
  groupClaimCode,
  isSessionAlive,
  isTimeZone,
  lockPolicies,
  normaliseClaimCode,
  normaliseUsername,
  ownerRemainsWithout,
  permissionsBeyond,
  sessionIdleMs,
  uncountAttempt,
} from '#hub/domains/identity/rules.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import { builtInRoles, catalog, permissions } from '#tests/_support/open-domains.ts';

const policy = lockPolicies.signIn;

/** Fails `times` times, each time as soon as it is let, and tells how long each lock held. */
function failures(times: number): { locksMs: number[]; counter: AttemptCounter } {
  let nowMs = 1_000_000;
  let counter: AttemptCounter | null = null;
  const locksMs: number[] = [];
  for (let count = 0; count < times; count += 1) {
    const decision = decideAttempt(counter, policy, nowMs);
    if (!decision.allowed) throw new Error('it should be let try');
    counter = decision.counted;
    locksMs.push(counter.lockedUntilMs - nowMs);
    nowMs = Math.max(nowMs, counter.lockedUntilMs);
  }
  return { locksMs, counter: counter! };
}

describe('wrong tries', () => {
  it('lock from the fifth on, twice as long each time, a quarter of an hour at most', () => {
    expect(failures(12).locksMs.map((ms) => ms / 1000)).toEqual([
      0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900,
    ]);
  });

  it('are refused while locked, and told how long', () => {
    const { counter } = failures(5);
    const decision = decideAttempt(counter, policy, counter.lastAtMs + 10_000);
    expect(decision).toEqual({ allowed: false, retryAfterMs: 20_000 });
  });

  it('are forgotten after an hour without any', () => {
    const { counter } = failures(9);
    const later = decideAttempt(counter, policy, counter.lastAtMs + policy.forgetAfterMs);
    expect(later).toMatchObject({ allowed: true, counted: { failures: 1 } });
  });

  it('never lock for longer than the maximum, whatever the clock does in between', () => {
    const moves = fc.array(fc.integer({ min: -20 * 86_400_000, max: 20 * 86_400_000 }), { maxLength: 60 });
    fc.assert(
      fc.property(moves, (steps) => {
        let nowMs = Date.UTC(2026, 0, 1);
        let counter: AttemptCounter | null = null;
        for (const step of steps) {
          nowMs += step;
          const decision = decideAttempt(counter, policy, nowMs);
          if (decision.allowed) counter = decision.counted;
          else expect(decision.retryAfterMs).toBeLessThanOrEqual(policy.maxLockMs);
          const afterwards = decideAttempt(counter, policy, nowMs + policy.maxLockMs);
          expect(afterwards.allowed).toBe(true);
        }
      }),
    );
  });

  it('within an hour are never more than the locks leave room for', () => {
    // A machine that tries every second for a day.
    let counter: AttemptCounter | null = null;
    let tried = 0;
    for (let second = 0; second < 86_400; second += 1) {
      const decision = decideAttempt(counter, policy, second * 1000);
      if (!decision.allowed) continue;
      counter = decision.counted;
      tried += 1;
    }
    expect(tried).toBeLessThanOrEqual(9 + 96);
  });

  it('taken back leave the counter as it was before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), (times) => {
        const before = failures(times).counter;
        const again = decideAttempt(before, policy, before.lockedUntilMs);
        if (!again.allowed) throw new Error('it should be let try');
        expect(uncountAttempt(again.counted, { before, counted: again.counted }, policy)).toEqual(before);
      }),
    );
    const { counter } = failures(1);
    expect(uncountAttempt(counter, { before: null, counted: counter }, policy)).toBeNull();
  });

  it('of others that came meanwhile stay when one is taken back', () => {
    const right = decideAttempt(failures(3).counter, policy, 2_000_000);
    if (!right.allowed) throw new Error('it should be let try');
    const wrong = decideAttempt(right.counted, policy, 2_000_001);
    if (!wrong.allowed) throw new Error('it should be let try');
    const tried = { before: failures(3).counter, counted: right.counted };
    const left = uncountAttempt(wrong.counted, tried, policy);
    expect(left).toEqual({ failures: 4, lastAtMs: 2_000_001, lockedUntilMs: 2_000_001 });
  });

  it('of people who share a kiosk do not add up over the day', () => {
    let counter: AttemptCounter | null = null;
    for (let minute = 0; minute < 24 * 60; minute += 12) {
      const decision = decideAttempt(counter, lockPolicies.address, minute * 60_000);
      if (!decision.allowed) throw new Error('nobody is locked out');
      counter = decision.counted;
      expect(counter.failures).toBeLessThan(lockPolicies.address.locksAt);
    }
  });
});

describe('a claim code', () => {
  it('has 40 bits of characters that are not mistaken for each other, and is read however it is typed', () => {
    expect(new Set(claimAlphabet).size).toBe(32);
    expect(claimAlphabet).not.toMatch(/[01IOa-z]/);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (bytes) => {
        const code = bytesToClaimCode(bytes);
        expect(code).toHaveLength(8);
        const shown = groupClaimCode(code);
        expect(shown).toMatch(/^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$/);
        for (const typed of [shown, ` ${shown.toLowerCase()} `, shown.replace('-', ' – '), code])
          expect(normaliseClaimCode(typed)).toBe(code);
      }),
    );
  });

  it('uses every character equally often', () => {
    const seen = new Set(
      Array.from({ length: 256 }, (_, byte) => bytesToClaimCode(new Uint8Array(8).fill(byte))),
    );
    expect(seen.size).toBe(32);
  });
});

const isCommon = commonPasswordsOf(dictionary['passwords-common']);

describe('a password', () => {
  const names = ['ada', 'Ada Owner', 'Werkraum Nord'];
  const reason = (password: string) => {
    const checked = checkPassword(password, names, isCommon);
    return checked.ok ? 'fine' : checked.refusal.reason;
  };

  it.each([
    ['elevenchars', 'tooShort'],
    ['🔧🔩⚙️🪛', 'tooShort'],
    ['x'.repeat(257), 'tooLong'],
    ['adaadaadaada', 'likeTheName'],
    ['Ada-Owner-2026', 'likeTheName'],
    ['werkraum nord!', 'likeTheName'],
    ['Password2026!', 'tooCommon'],
    ['passwordpassword', 'tooCommon'],
    ['QWERTYUIOP123', 'tooCommon'],
    ['correct horse battery staple', 'tooCommon'],
    ['aaaaaaaaaaaaaa', 'tooCommon'],
    ['abcdefghijklmn', 'tooCommon'],
    ['123456789012', 'tooCommon'],
    ['098765432109', 'tooCommon'],
    ['12341234123412', 'tooCommon'],
    ['--------------', 'tooCommon'],
    ['passwort12345', 'tooCommon'],
    ['Welcome12345!', 'tooCommon'],
    ['Sommer2026!!', 'tooCommon'],
    ['1234567890ab', 'tooCommon'],
    ['zxcvbnm12345', 'tooCommon'],
    ['aaaaaaaaaaab', 'tooCommon'],
    ['qazwsxedcrfv', 'tooCommon'],
    ['123qweasd123qwe', 'tooCommon'],
    ['P@ssw0rd2026', 'tooCommon'],
    ['Motdepasse2026', 'tooCommon'],
    ['Willkommen!2026', 'tooCommon'],
    ['dragon-monkey-9', 'tooCommon'],
    ['W3rkraum N0rd 26', 'likeTheName'],
    ['a long walk to the lathe', 'fine'],
    ['ada walks to the lathe', 'fine'],
    ['löten, fräsen, nähen', 'fine'],
    ['x7#kQ!2pLw9z', 'fine'],
    ['839201748392', 'fine'],
    ['der Wald steht schwarz', 'fine'],
    ['monkey wrench, left drawer', 'fine'],
  ])('%j is %s', (password, expected) => {
    expect(reason(password)).toBe(expected);
  });

  it('of any text is judged, never a crash, and says what to do when it is refused', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.array(fc.string()),
        (password, others) => {
          const checked = checkPassword(password, others, isCommon);
          if (checked.ok) expect(Array.from(password).length).toBeGreaterThanOrEqual(12);
          else expect(checked.refusal.message.length).toBeGreaterThan(10);
        },
      ),
    );
  });

  it('that is a name with or without a year is always refused', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{3,20}$/), fc.integer({ min: 0, max: 9999 }), (name, year) => {
        const password = `${name}${year}`;
        fc.pre(password.length >= 12);
        expect(checkPassword(password, [name], isCommon).ok).toBe(false);
      }),
    );
  });
});

describe('permissions', () => {
  it('that one does not hold oneself are found, whatever the sets', () => {
    const subset = fc.subarray([...permissions]);
    fc.assert(
      fc.property(subset, subset, (wanted, held) => {
        const beyond = permissionsBeyond(wanted, new Set(held));
        expect(beyond.length === 0).toBe(wanted.every((permission) => held.includes(permission)));
        expect(beyond.every((permission) => !new Set<string>(held).has(permission))).toBe(true);
      }),
    );
  });

  it('are each described, and each built-in role holds only known ones', () => {
    expect(permissions.filter((name) => catalog.permissions.textOf(name).length < 5)).toEqual([]);
    expect(builtInRoles['super_admin']).toEqual(permissions);
    for (const granted of Object.values(builtInRoles))
      expect(permissionsBeyond(granted, new Set<PermissionName>(permissions))).toEqual([]);
  });
});

describe('the last owner', () => {
  const hold = (accountId: string, active = true, expiresAtMs: number | null = null) => ({
    accountId,
    active,
    expiresAtMs,
  });
  it('is whoever would leave no active account with the role for good', () => {
    expect(ownerRemainsWithout('a', [hold('a')])).toBe(false);
    expect(ownerRemainsWithout('a', [hold('a'), hold('b')])).toBe(true);
    expect(ownerRemainsWithout('a', [hold('a'), hold('b', false)])).toBe(false);
    expect(ownerRemainsWithout('a', [hold('a'), hold('b', true, 5)])).toBe(false);
  });
});

describe('usernames, sessions and zones', () => {
  it('a username has one form, and taking it again changes nothing', () => {
    expect(normaliseUsername('  Ａda ')).toBe('ada');
    fc.assert(
      fc.property(fc.string(), (typed) => {
        const once = normaliseUsername(typed);
        expect(normaliseUsername(once)).toBe(once);
      }),
    );
  });

  it('a session whose last use lies in the future (the clock was set back) is not idle', () => {
    const session = {
      kind: 'browser' as const,
      lastUsedAtMs: 10 * sessionIdleMs.browser,
      expiresAtMs: 100 * sessionIdleMs.browser,
    };
    expect(isSessionAlive(session, 0)).toBe(true);
    expect(isSessionAlive(session, 11 * sessionIdleMs.browser)).toBe(false);
  });

  it.each([
    ['Europe/Berlin', true],
    ['UTC', true],
    ['Europe/Atlantis', false],
    ['+02:00', false],
    ['', false],
  ])('%j as a time zone: %s', (zone, known) => {
    expect(isTimeZone(zone)).toBe(known);
  });
});
