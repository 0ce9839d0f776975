import { expect, test } from 'vitest';
import { enrolCard } from '#hub/domains/access/cards/workflow.ts';
import { explainTo } from '#hub/domains/access/explain/asker-workflow.ts';
import { CardGuesses } from '#hub/domains/access/explain/card-guesses.ts';
import { checkRequestSchema } from '#hub/domains/access/explain/schema.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import { accepted, addPaidMember, card, openWithBridge, refused, staff } from './support.ts';

const asker = (kind: Principal['kind'], ...permissions: PermissionName[]): Principal => ({
  kind,
  accountId: `${kind} ${permissions.join()}`,
  displayName: 'Ines',
  permissions: new Set<PermissionName>(['accessEvent.read', ...permissions]),
  sessionId: 'session',
});

async function openDoor() {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const draft = { memberId: member.id, label: 'Blue fob' };
  const enrolled = accepted(await enrolCard(bench.access.deps, staff, card('173:4567'), draft));
  await bridge.pull();
  let monotonicMs = 0;
  const guesses = new CardGuesses({ monotonicMs: () => monotonicMs });
  const deps = { ...bench.access.deps, guesses };
  const ask = (who: Principal, request: object) =>
    explainTo(deps, who, checkRequestSchema.parse({ portalKey: 'front', ...request }));
  return { ask, member, enrolled, guesses, advance: (ms: number) => void (monotonicMs += ms) };
}

test('whether a card exists and whose it is is told only to who may see cards; a member alike', async () => {
  const { ask, member, enrolled } = await openDoor();
  const instructor = asker('account', 'member.read');
  for (const request of [{ card: '173:4567' }, { card: '173:1' }, { credentialId: enrolled.id }])
    expect(refused(await ask(instructor, request))).toMatchObject({
      code: 'beyondOwnPermissions',
      permissions: ['credential.read'],
    });
  expect(accepted(await ask(instructor, { memberId: member.id })).granted).toBe(true);
  const display = asker('service');
  expect(refused(await ask(display, { memberId: member.id }))).toMatchObject({
    code: 'beyondOwnPermissions',
    permissions: ['member.read'],
  });
  const seen = accepted(await ask(asker('account', 'credential.read'), { card: '173:4567' }));
  expect(seen.member?.name).toBe('Ada Lovelace');
});

test('numbers that nobody has are bounded per account, and a finding names who tried them', async () => {
  const { ask, guesses, advance } = await openDoor();
  const warden = asker('account', 'credential.read');
  const codes = async (who: Principal, tries: number) => {
    const said: string[] = [];
    for (let number = 1; number <= tries; number += 1) {
      const answer = await ask(who, { card: `173:${number}` });
      said.push(answer.ok ? 'answered' : answer.refusal.code);
    }
    return said;
  };
  const answered = (length: number) => Array.from({ length }, () => 'answered');
  expect(await codes(warden, 12)).toEqual([...answered(10), 'tooManyAttempts', 'tooManyAttempts']);
  // Also the right one, which would tell that it is right.
  expect(refused(await ask(warden, { card: '173:4567' }))).toMatchObject({ retryAfterSeconds: 60 });
  expect(await codes(asker('service', 'credential.read'), 1)).toEqual(['answered']);
  expect(await codes(asker('console', 'credential.read'), 30)).toEqual(answered(30));
  expect(guesses.findings()).toEqual([
    expect.objectContaining({
      id: `card.guessed:${warden.accountId}`,
      evidence: expect.stringMatching(/^Ines .*3 more requests/),
    }),
  ]);
  advance(60_000);
  expect(accepted(await ask(warden, { card: '173:4567' })).granted).toBe(true);
  advance(25 * 3_600_000);
  expect(guesses.findings()).toEqual([]);
});

test('a card that is known counts for nothing, however often it is asked about', async () => {
  const { ask } = await openDoor();
  const warden = asker('account', 'credential.read');
  for (let turn = 0; turn < 15; turn += 1) accepted(await ask(warden, { card: '173:4567' }));
});
