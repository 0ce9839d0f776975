import { describe, expect, test } from 'vitest';
import { enrolCard } from '#hub/domains/access/cards/workflow.ts';
import { decideAccess } from '#hub/domains/access/decide/rules.ts';
import { lockDown } from '#hub/domains/access/doors/command-workflow.ts';
import { changePortal } from '#hub/domains/access/doors/workflow.ts';
import { checkRequestSchema } from '#hub/domains/access/explain/schema.ts';
import { explainAccess } from '#hub/domains/access/explain/workflow.ts';
import { setPin } from '#hub/domains/access/pins/workflow.ts';
import { decodeRecord } from '#hub/domains/access/policy/record-schema.ts';
import { accessEndpoints } from '#hub/domains/access/routes.ts';
import { removeRule } from '#hub/domains/access/rules/workflow.ts';
import type { PortalSettings } from '#hub/domains/access/schema.ts';
import { placeHold } from '#hub/domains/members/member/workflow.ts';
import { placeEndpoints } from '#hub/domains/places/routes.ts';
import { newId } from '#hub/platform/new-id.ts';
import { appCatalog, permissions } from '#tests/_support/open-domains.ts';
import {
  accepted,
  addMember,
  addPaidMember,
  type Bench,
  card,
  firstPortal,
  openWithBridge,
  refused,
  staff,
} from './support.ts';

const explain = async (bench: Bench, request: Record<string, unknown>) =>
  await explainAccess(bench.access.deps, checkRequestSchema.parse({ portalKey: 'front', ...request }));

test('it says what the door says, in words with the next step', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const enrolled = accepted(
    await enrolCard(bench.access.deps, staff, card('123:4567'), { memberId: member.id, label: 'Blue fob' }),
  );
  await bridge.pull();
  const answer = accepted(await explain(bench, { card: '123:4567' }));
  expect(answer).toMatchObject({
    granted: true,
    why: {
      sentence: 'The door opens, by the rule "Everyone with a valid membership, any time".',
      nextStep: null,
    },
    member: { id: member.id, name: 'Ada Lovelace' },
    credential: { id: enrolled.id, name: 'Blue fob' },
    portal: { name: 'Front door' },
    appliedAtPortal: true,
    mode: 'controlled',
  });
  expect(answer.checks.every((check) => check.passed && check.sentence.endsWith('.'))).toBe(true);
  for (const request of [{ credentialId: enrolled.id }, { memberId: member.id }])
    expect(accepted(await explain(bench, request)).checks).toEqual(answer.checks);

  accepted(await placeHold(bench.members, staff, member.id, 'unpaid'));
  const held = accepted(await explain(bench, { card: '123:4567' }));
  expect(held).toMatchObject({
    granted: false,
    reason: 'hold',
    why: { sentence: 'There is a hold on this member.' },
  });
  expect(held.why.nextStep).toContain('release it');
  expect(held.checks.find((check) => check.check === 'noHold')?.passed).toBe(false);
});

test('it agrees with the policy that the bridge has, card by card', async () => {
  const { bench, bridge } = await openWithBridge();
  const paid = await addPaidMember(bench);
  const unpaid = await addMember(bench, 'Bob');
  for (const [memberId, text] of [
    [paid.id, '1:1'],
    [unpaid.id, '1:2'],
  ] as const)
    accepted(await enrolCard(bench.access.deps, staff, card(text), { memberId, label: 'Card' }));
  await bridge.pull();
  for (const text of ['1:1', '1:2', '1:3']) {
    const record = bridge.records.get(bridge.digest(text));
    const decision = decideAccess(
      bridge.document!,
      bridge.document!.portals[0]!,
      record === undefined ? undefined : decodeRecord(record, 0, bridge.document!),
      { wallMs: bench.time.ms, clockTrust: 'ntp', policyAgeMs: 0, mode: 'controlled', journalWritable: true },
    );
    const answer = accepted(await explain(bench, { card: text }));
    expect([answer.granted, answer.reason]).toEqual([decision.granted, decision.reason]);
    expect(answer.checks.map(({ check, passed }) => ({ check, passed }))).toEqual(decision.checks);
  }
});

test('what would be: at another time, without a card, in a lockdown, without a rule', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  expect(accepted(await explain(bench, { memberId: member.id }))).toMatchObject({
    granted: true,
    credential: null,
  });
  expect(accepted(await explain(bench, { memberId: member.id, at: '2020-01-01T00:00:00Z' })).reason).toBe(
    'noMembership',
  );
  accepted(await lockDown(bench.access.deps, staff, null, 'drill'));
  const locked = accepted(await explain(bench, { memberId: member.id }));
  expect(locked).toMatchObject({ reason: 'portalLocked', mode: 'lockdown', appliedAtPortal: false });
  await bridge.pull();
  const rule = await bench.store.read.selectFrom('access_rule').select('id').executeTakeFirstOrThrow();
  accepted(await removeRule(bench.access.deps, staff, rule.id));
  const without = accepted(await explain(bench, { memberId: member.id }));
  expect(without.checks.find((check) => check.check === 'rulePermits')?.passed).toBe(false);
});

test('what is not there is named with what is', async () => {
  const { bench } = await openWithBridge();
  expect(refused(await explain(bench, { card: '1:1', portalKey: 'cellar' }))).toMatchObject({
    code: 'portalUnknown',
    errors: [{ message: 'is no door; there are: front' }],
  });
  expect(refused(await explain(bench, { card: 'blue' })).code).toBe('cardText');
  expect(refused(await explain(bench, { memberId: newId() })).code).toBe('memberUnknown');
  expect(refused(await explain(bench, { credentialId: newId() })).code).toBe('credentialUnknown');
  expect(checkRequestSchema.safeParse({ card: '1:1', memberId: newId(), portalKey: 'front' }).success).toBe(
    false,
  );
  expect(checkRequestSchema.safeParse({ card: '1:1' }).success).toBe(false);
});

test('every endpoint names a permission, every list answers by its own schema', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  accepted(await enrolCard(bench.access.deps, staff, card('1:1'), { memberId: member.id, label: 'Card' }));
  await bridge.offer([
    bridge.event({
      kind: 'denied',
      reason: 'unknownCredential',
      portalKey: 'front',
      digest: bridge.digest('2:2'),
    }),
    bridge.event({ kind: 'nonsense' }),
  ]);
  await bridge.state();
  const endpoints = [...accessEndpoints(bench.access), ...placeEndpoints(bench.places)];
  const principal = {
    kind: 'console',
    accountId: 'console',
    displayName: 'console',
    permissions: new Set(permissions),
    sessionId: 'console',
  } as const;
  let lists = 0;
  for (const endpoint of endpoints) {
    expect(permissions).toContain('permission' in endpoint.access ? endpoint.access.permission : 'none');
    expect(endpoint.path.startsWith('/api/access-control/')).toBe(true);
    if (endpoint.method !== 'GET' || endpoint.path.includes('{')) continue;
    const reply = accepted(
      await endpoint.invoke(
        {
          principal,
          params: {},
          query: endpoint.query?.parse({}) ?? {},
          body: {},
          context: { requestId: 'request', remoteAddress: 'test', userAgent: '' },
        },
        appCatalog.problems,
      ),
    );
    const body = JSON.parse(JSON.stringify(reply.body));
    expect(endpoint.response.parse(body)).toEqual(body);
    if (!('items' in body)) continue;
    lists += 1;
    if (!['opening-hours', 'holidays', 'alarms'].some((empty) => endpoint.path.endsWith(empty)))
      expect([endpoint.path, body.items.length]).toEqual([endpoint.path, 1]);
  }
  expect(lists).toBe(12);
  const paths = endpoints.map((endpoint) => `${endpoint.method} ${endpoint.path}`);
  expect(new Set(paths).size).toBe(paths.length);
});

describe('PINs', () => {
  async function openDoor(settings: Partial<PortalSettings>, pin?: string) {
    const { bench, bridge } = await openWithBridge();
    const { deps } = bench.access;
    const member = await addPaidMember(bench);
    accepted(await enrolCard(deps, staff, card('1:1'), { memberId: member.id, label: 'Fob' }));
    const credential = pin === undefined ? null : accepted(await setPin(deps, staff, member.id, { pin }));
    const portal = await firstPortal(bench);
    accepted(
      await changePortal(deps, staff, portal.id, {
        version: portal.version,
        settings: settings,
      }),
    );
    await bridge.pull();
    const ask = async (change: Record<string, unknown>) =>
      accepted(await explainAccess(deps, checkRequestSchema.parse({ portalKey: 'front', ...change })));
    return { ask, member, credential };
  }

  test('a door that asks for a PIN says so, why, and what would be with it', async () => {
    const { ask, member, credential } = await openDoor({ identification: 'cardAndPin' }, '4711');
    const asked = await ask({ card: '1:1' });
    expect(asked).toMatchObject({ granted: false, reason: 'pinRequired', asksForPin: true });
    expect(asked.why).toEqual({
      sentence:
        'The door asks for a PIN, because a card alone is not enough there; with the right one it opens.',
      nextStep: 'Type the PIN after the card, then #.',
    });
    expect(await ask({ memberId: member.id })).toMatchObject({ asksForPin: true });
    expect(await ask({ card: '1:1', withPin: true })).toMatchObject({ granted: true, asksForPin: false });
    // By number and PIN, where the card is needed too.
    expect(await ask({ credentialId: credential?.id })).toMatchObject({
      reason: 'assuranceTooLow',
      asksForPin: false,
    });
  });
  test('also where the level of the card is what is missing', async () => {
    const { ask } = await openDoor({ minAssurance: 1 }, '4711');
    expect((await ask({ card: '1:1' })).message).toContain('it demands more than the number of a card');
  });
  test('and at the time of a window', async () => {
    const night = { weekday: 1, startMinute: 1320, endMinute: 360 };
    const { ask } = await openDoor(
      { identificationWindows: [{ window: night, identification: 'cardAndPin' }] },
      '4711',
    );
    expect((await ask({ card: '1:1', at: '2026-11-23T12:00:00Z' })).granted).toBe(true);
    expect((await ask({ card: '1:1', at: '2026-11-23T22:00:00Z' })).message).toContain('at this time');
  });
  test('a member without a PIN is not asked: it is not enough', async () => {
    const { ask } = await openDoor({ identification: 'cardAndPin' });
    expect(await ask({ card: '1:1', withPin: true })).toMatchObject({
      reason: 'assuranceTooLow',
      asksForPin: false,
    });
  });
  test('a PIN by itself is a number and PIN', async () => {
    const { ask, credential } = await openDoor({ identification: 'pin' }, '4711');
    expect(await ask({ credentialId: credential?.id })).toMatchObject({
      granted: true,
      credential: { name: 'PIN' },
    });
  });
});
