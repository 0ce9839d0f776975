import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { answerTimeoutMs, PolicyIntake } from '#bridge/policy/intake.ts';
import { mergeRecords } from '#bridge/policy/merge.ts';
import { PolicyAge, PolicyView, shareRecords } from '#bridge/policy/policy.ts';
import { openPolicyStore, type StoredPolicy } from '#bridge/policy/store.ts';
import { digestOf } from '#hub/domains/access/cards/digest-rules.ts';
import { documentHash, policyHash, recordsSum } from '#hub/domains/access/policy/hash-rules.ts';
import { findRecord, recordBytes } from '#hub/domains/access/policy/record-schema.ts';
import { TestTime } from '../fixtures.ts';
import { cardNumber, makeDocument, makePolicy, makeRecord, type TestCard, testIdOf } from './fixtures.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'policy-'));
  folders.push(folder);
  return folder;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The answer of a hub that has `next`, to a bridge that has `current`. */
function answerOf(
  intake: PolicyIntake,
  current: StoredPolicy | null,
  next: StoredPolicy,
  how: { full: boolean; pages?: readonly Uint8Array[]; removed?: readonly string[]; hash?: string },
): ReturnType<PolicyIntake['close']> {
  const { requestId } = intake.ask('r', current, false, 0);
  const pages = how.pages ?? [next.records];
  for (const [page, records] of pages.entries()) {
    const base64 = Buffer.from(records).toString('base64');
    expect(intake.takePage({ requestId, page, full: how.full, records: base64 }, 0)).toBe(page + 1);
  }
  return intake.close({
    requestId,
    full: how.full,
    pages: pages.length,
    version: { ...next.version, hash: how.hash ?? next.version.hash },
    document: next.document,
    removed: [...(how.removed ?? [])],
  });
}

const completed = (outcome: ReturnType<PolicyIntake['close']>): StoredPolicy => {
  if (outcome.kind !== 'complete') throw new Error(`not complete: ${JSON.stringify(outcome)}`);
  return outcome.policy;
};

describe('records', () => {
  it('are merged as a map of digests would be, and stay sorted', () => {
    const anyCards = fc.array(fc.record({ number: fc.nat({ max: 30 }), onHold: fc.boolean() }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(
        anyCards,
        fc.array(anyCards, { maxLength: 3 }),
        fc.array(fc.nat({ max: 30 })),
        (old, pages, gone) => {
          const recordsOf = (cards: readonly TestCard[]): Uint8Array => Buffer.concat(cards.map(makeRecord));
          const base = mergeRecords(new Uint8Array(0), recordsOf(old), new Set());
          const removed = new Set(gone.map((number) => hexOf(makeRecord({ number }).subarray(0, 16))));
          const merged = mergeRecords(base, Buffer.concat(pages.map(recordsOf)), removed);
          const expected = new Map<string, string>();
          for (const card of [...old, ...pages.flat()]) {
            const record = makeRecord(card);
            expected.set(hexOf(record.subarray(0, 16)), hexOf(record));
          }
          for (const digest of removed) expected.delete(digest);
          const found = Array.from({ length: merged.length / recordBytes }, (_, index) =>
            hexOf(merged.subarray(index * recordBytes, (index + 1) * recordBytes)),
          );
          expect(found).toEqual([...expected.values()].sort());
        },
      ),
    );
  });
});

describe('a policy from the hub', () => {
  it('is taken when its hash fits, page by page', () => {
    const next = makePolicy([{ number: 1 }, { number: 2 }, { number: 3 }]);
    const pages = [next.records.subarray(0, recordBytes), next.records.subarray(recordBytes)];
    const policy = completed(answerOf(new PolicyIntake(), null, next, { full: true, pages }));
    expect(hexOf(policy.records)).toBe(hexOf(next.records));
    expect(new PolicyView(policy).lookUp(cardNumber(2)).credential?.credentialId).toBe(testIdOf(2));
    expect(new PolicyView(policy).lookUp(cardNumber(9)).credential).toBeUndefined();
  });

  it('is laid over what is there when it is a difference', () => {
    const old = makePolicy([{ number: 1 }, { number: 2 }]);
    const next = makePolicy([{ number: 2, onHold: true }, { number: 3 }], { revision: 2 });
    const policy = completed(
      answerOf(new PolicyIntake(), old, next, {
        full: false,
        pages: [Buffer.concat([makeRecord({ number: 3 }), makeRecord({ number: 2, onHold: true })])],
        removed: [hexOf(makeRecord({ number: 1 }).subarray(0, 16))],
      }),
    );
    expect(hexOf(policy.records)).toBe(hexOf(next.records));
    expect(policy.removedIds).toEqual([testIdOf(1)]);
  });

  it('is dropped when its hash does not fit, a page is missing, or it is a difference to nothing', () => {
    const old = makePolicy([{ number: 1 }]);
    const next = makePolicy([{ number: 2 }], { revision: 2 });
    const wrong = answerOf(new PolicyIntake(), old, next, { full: true, hash: 'a'.repeat(64) });
    expect(wrong).toEqual({ kind: 'refused', code: 'hashMismatch' });
    const intake = new PolicyIntake();
    intake.ask('r', old, false, 0);
    const { version, document } = next;
    expect(intake.close({ requestId: 'r', full: true, pages: 1, version, document, removed: [] })).toEqual({
      kind: 'refused',
      code: 'incomplete',
    });
    const toNothing = answerOf(new PolicyIntake(), null, next, { full: false });
    expect(toNothing).toEqual({ kind: 'refused', code: 'incomplete' });
  });

  it('is given up when it never ends, by time and by size', () => {
    const intake = new PolicyIntake();
    const record = Buffer.from(makeRecord({ number: 1 })).toString('base64');
    intake.ask('r', null, false, 0);
    expect(intake.takePage({ requestId: 'r', page: 0, full: true, records: record }, 20_000)).toBe(1);
    expect(intake.hasTimedOut(20_000 + answerTimeoutMs - 1)).toBe(false);
    expect(intake.hasTimedOut(20_000 + answerTimeoutMs)).toBe(true);
    expect(intake.hasTimedOut(20_000 + answerTimeoutMs)).toBe(false);
    expect(intake.takePage({ requestId: 'r', page: 1, full: true, records: record }, 60_000)).toBeNull();
    intake.ask('s', null, false, 0);
    const large = Buffer.alloc(recordBytes * 1000).toString('base64');
    let page = 0;
    let outcome: unknown = 0;
    for (; typeof outcome === 'number' && page < 1000; page += 1)
      outcome = intake.takePage({ requestId: 's', page, full: true, records: large }, 0);
    expect(outcome).toBe('incomplete');
    expect(page).toBe(201);
  });

  it('is not made of pages of another question, of half records or out of order', () => {
    const intake = new PolicyIntake();
    const page = (changed: object) => ({ requestId: 'r', page: 0, full: true, records: '', ...changed });
    intake.ask('r', null, false, 0);
    expect(intake.takePage(page({ requestId: 'old' }), 0)).toBeNull();
    expect(intake.takePage(page({ records: Buffer.alloc(95).toString('base64') }), 0)).toBe('incomplete');
    intake.ask('r', null, false, 0);
    expect(intake.takePage(page({ page: 3 }), 0)).toBe('incomplete');
  });

  it('needs no write when only its number has changed', () => {
    const old = makePolicy([{ number: 1 }]);
    const next = { ...old, version: { ...old.version, revision: 9 } };
    const outcome = answerOf(new PolicyIntake(), old, next, { full: false, pages: [] });
    expect(outcome).toMatchObject({ kind: 'renumbered', policy: { version: { revision: 9 } } });
    expect(answerOf(new PolicyIntake(), old, old, { full: false, pages: [] }).kind).toBe('confirmed');
  });
});

describe('after a restore of the hub', () => {
  const active = { number: 1 } as const;
  const lost = { number: 1, status: 'lost' } as const;

  it('a card that was revoked here stays shut until a person approves', () => {
    const old = makePolicy([lost, { number: 2 }], { epoch: 1, revision: 8 });
    const restored = makePolicy([active, { number: 2 }], { epoch: 2, revision: 3 });
    const policy = completed(answerOf(new PolicyIntake(), old, restored, { full: true }));
    expect(policy.withheldIds).toEqual([testIdOf(1)]);
    const view = new PolicyView(policy);
    expect(view.lookUp(cardNumber(1)).credential?.credentialStatus).toBe('suspended');
    expect(view.lookUp(cardNumber(2)).credential?.credentialStatus).toBe('active');
  });

  it.each([
    ['a hold', { number: 1, onHold: true }],
    ['a suspension of the member', { number: 1, memberStatus: 'suspended' }],
  ] as const)('%s is a revocation too', (_what, shut) => {
    const old = makePolicy([shut], { epoch: 1 });
    const policy = completed(
      answerOf(new PolicyIntake(), old, makePolicy([active], { epoch: 2 }), { full: true }),
    );
    expect(policy.withheldIds).toEqual([testIdOf(1)]);
  });

  it('a card that had been taken out of the policy does not come back by itself', () => {
    const first = makePolicy([active, { number: 2 }], { epoch: 1 });
    const without = makePolicy([{ number: 2 }], { epoch: 1, revision: 2 });
    const second = completed(answerOf(new PolicyIntake(), first, without, { full: true }));
    expect(second.removedIds).toEqual([testIdOf(1)]);
    const restored = makePolicy([active, { number: 2 }], { epoch: 2 });
    const third = completed(answerOf(new PolicyIntake(), second, restored, { full: true }));
    expect(third.withheldIds).toEqual([testIdOf(1)]);
  });

  it('what is withheld stays so over later revisions, and ends when the hub revokes it too', () => {
    const old = makePolicy([lost], { epoch: 1 });
    const second = completed(
      answerOf(new PolicyIntake(), old, makePolicy([active], { epoch: 2 }), { full: true }),
    );
    const next = makePolicy([active, { number: 5 }], { epoch: 2, revision: 2 });
    const third = completed(answerOf(new PolicyIntake(), second, next, { full: true }));
    expect(third.withheldIds).toEqual([testIdOf(1)]);
    const revoked = makePolicy([lost, { number: 5 }], { epoch: 2, revision: 3 });
    expect(completed(answerOf(new PolicyIntake(), third, revoked, { full: true })).withheldIds).toEqual([]);
  });

  it('in ordinary operation a card that is reactivated opens at once', () => {
    const old = makePolicy([lost], { revision: 1 });
    const policy = completed(
      answerOf(new PolicyIntake(), old, makePolicy([active], { revision: 2 }), { full: true }),
    );
    expect(policy.withheldIds).toEqual([]);
  });
});

describe('the policy on the disk', () => {
  const key = randomBytes(32);

  it('comes back as it was saved, sealed', async () => {
    const folder = newFolder();
    const policy = { ...makePolicy([{ number: 1 }, { number: 2 }]), withheldIds: ['w'], removedIds: ['r'] };
    await openPolicyStore(folder, key).save(policy);
    expect(await openPolicyStore(folder, key).load()).toEqual(policy);
    const bytes = readFileSync(join(folder, 'policy.bin'));
    expect(bytes.includes('Front door')).toBe(false);
    expect(bytes.includes(policy.document.digestKey.key)).toBe(false);
    expect(statSync(join(folder, 'policy.bin')).mode & 0o077).toBe(0);
  });

  it('is none at first, and is set aside when it is damaged or of another key', async () => {
    const folder = newFolder();
    expect(await openPolicyStore(folder, key).load()).toBeNull();
    await openPolicyStore(folder, key).save(makePolicy([{ number: 1 }]));
    await expect(openPolicyStore(folder, randomBytes(32)).load()).rejects.toMatchObject({
      code: 'policyUnreadable',
    });
    expect(await openPolicyStore(folder, key).load()).toBeNull();
    writeFileSync(join(folder, 'policy.bin'), randomBytes(500));
    await expect(openPolicyStore(folder, key).load()).rejects.toMatchObject({ code: 'policyUnreadable' });
  });

  it('has an age over a restart only when both clocks were to be trusted', () => {
    const time = new TestTime();
    const hourAgo = { wallMs: time.wallMs - 3_600_000, trusted: true };
    expect(new PolicyAge(time, hourAgo).ageMs()).toBe(3_600_000);
    expect(new PolicyAge(time, { ...hourAgo, trusted: false }).ageMs()).toBeNull();
    expect(new PolicyAge(time, null).ageMs()).toBeNull();
    time.trustNow = 'restored';
    expect(new PolicyAge(time, hourAgo).ageMs()).toBeNull();
  });

  it('has an age within one boot that no change of the clock touches', () => {
    const time = new TestTime();
    const age = new PolicyAge(time, null);
    age.confirm();
    time.advance(60_000);
    time.wallMs -= 14 * 86_400_000;
    time.trustNow = 'none';
    expect(age.ageMs()).toBe(60_000);
  });
});

it('the fixtures hash as the hub does', () => {
  const { records, document, version } = makePolicy([{ number: 4 }, { number: 5 }]);
  expect(policyHash(recordsSum(records), documentHash(document))).toBe(version.hash);
  const digest = digestOf(Buffer.from(makeDocument().digestKey.key, 'base64url'), cardNumber(5));
  expect(findRecord(shareRecords(records), digest)).toBeGreaterThanOrEqual(0);
});
