import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { decideCredentialStatus } from '#hub/domains/access/cards/rules.ts';
import { credentialQuerySchema, enrolCardSchema } from '#hub/domains/access/cards/schema.ts';
import {
  changeCredential,
  changeCredentialStatus,
  enrolCard,
  enrolCardText,
  enrolCardTexts,
  listCredentials,
  replaceCard,
} from '#hub/domains/access/cards/workflow.ts';
import { enrolUnknownCard, listUnknownCards } from '#hub/domains/access/enrolment/workflow.ts';
import type { RoomDeps } from '#hub/domains/access/open-access.ts';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { credentialStatuses } from '#hub/domains/members/schema.ts';
import { newId } from '#hub/platform/new-id.ts';
import {
  accepted,
  addPaidMember,
  type Bench,
  card,
  openWithBridge,
  refused,
  type ScriptedBridge,
  staff,
} from '../support.ts';

const enrol = (bench: Bench, memberId: string, text: string, label = 'Card') =>
  enrolCard(bench.access.deps, staff, card(text), { memberId, label });

const cardsFound = async (deps: RoomDeps, query: Record<string, unknown>) =>
  accepted(await listCredentials(deps, credentialQuerySchema.parse(query)));

describe('statuses', () => {
  test.each([
    ['active', 'suspend', 'suspended'],
    ['temporary', 'lose', 'lost'],
    ['suspended', 'reactivate', 'active'],
    ['lost', 'reactivate', 'active'],
    ['lost', 'retire', 'retired'],
  ] as const)('%s, %s: %s', (status, action, after) => {
    expect(decideCredentialStatus(status, action)).toEqual({ ok: true, value: after });
  });
  test('a retired card stays retired, and nothing becomes what it is already', () => {
    for (const action of ['suspend', 'reactivate', 'lose', 'retire'] as const)
      expect(decideCredentialStatus('retired', action).ok).toBe(false);
    expect(decideCredentialStatus('lost', 'lose').ok).toBe(false);
    expect(refused(decideCredentialStatus('active', 'reactivate')).nextStep).toBe(
      'Possible now: suspend, lose, retire.',
    );
    expect(credentialStatuses).toHaveLength(5);
  });
});

describe('enrolling', () => {
  test('a card that belongs to somebody is refused with their name', async () => {
    const { bench } = await openWithBridge();
    const first = await addPaidMember(bench);
    const second = await addPaidMember(bench, 'Bob');
    const owned = accepted(await enrol(bench, first.id, '1:1', 'Blue fob'));
    expect(refused(await enrol(bench, second.id, '1:1'))).toMatchObject({
      code: 'alreadyEnrolled',
      credentialId: owned.id,
      memberId: first.id,
      memberName: 'Ada Lovelace',
      title: 'This card belongs to Ada Lovelace already (Blue fob, active)',
    });
    const lost = await changeCredentialStatus(bench.access.deps, staff, owned.id, 'lose', 'gone');
    expect(accepted(lost).status).toBe('lost');
    expect(refused(await enrol(bench, second.id, '1:1'))).toMatchObject({ code: 'alreadyEnrolled' });
    accepted(await changeCredentialStatus(bench.access.deps, staff, owned.id, 'retire', null));
    expect(accepted(await enrol(bench, second.id, '1:1')).memberName).toBe('Bob');
  });

  test('a card that was really seen comes before one that was only computed', async () => {
    const { bench, bridge } = await openWithBridge();
    const first = await addPaidMember(bench);
    const second = await addPaidMember(bench, 'Bob');
    accepted(await enrol(bench, first.id, 'w34:1234:56789'));
    const seen = accepted(await enrol(bench, second.id, '210:56789'));
    await bridge.pull();
    const record = bridge.records.get(bridge.digest('210:56789'));
    expect(record).toBeDefined();
    const page = await cardsFound(bench.access.deps, { limit: 50, search: '210:56789' });
    expect(page.items.map((item) => item.id)).toEqual([seen.id]);
    expect(bridge.knows('w34:1234:56789')).toBe(true);
  });

  test('what is wrong is named by its field', async () => {
    const { bench } = await openWithBridge();
    const member = await addPaidMember(bench);
    const enrolText = async (change: Record<string, unknown>) =>
      refused(
        await enrolCardText(
          bench.access.deps,
          staff,
          enrolCardSchema.parse({ memberId: member.id, card: '1:1', ...change }),
        ),
      );
    expect(await enrolText({ card: '300:1' })).toMatchObject({
      code: 'cardText',
      errors: [{ pointer: '/body/card', message: 'The facility code of H10301 is 0 to 255.' }],
    });
    expect(await enrolText({ memberId: newId() })).toMatchObject({
      code: 'memberUnknown',
      errors: [{ pointer: '/body/memberId' }],
    });
    expect(await enrolText({ validUntil: '2020-01-01T00:00:00Z' })).toMatchObject({
      code: 'datesInvalid',
      errors: [{ pointer: '/body/validUntil' }],
    });
  });

  test('many cards at once are enrolled each by itself', async () => {
    const { bench } = await openWithBridge();
    const { deps } = bench.access;
    const member = await addPaidMember(bench);
    const line = (text: string, memberId = member.id) => enrolCardSchema.parse({ memberId, card: text });
    const nobody = '01890000-0000-7000-8000-00000000ffff';
    const lines = [line('1:1'), line('1:1'), line('1:2', nobody), line('no card'), line('1:3')];
    const outcomes = await enrolCardTexts(deps, staff, lines);
    expect(outcomes).toMatchObject([
      { ok: true, value: { memberId: member.id } },
      { ok: false, refusal: { code: 'alreadyEnrolled' } },
      { ok: false, refusal: { code: 'memberUnknown' } },
      { ok: false, refusal: { errors: [{ pointer: '/body/card' }] } },
      { ok: true },
    ]);
    const first = outcomes[0];
    const found = await cardsFound(deps, { search: '1:1' });
    expect(found.items.map((entry) => entry.id)).toEqual([first?.ok === true ? first.value.id : null]);
    expect(await cardsFound(deps, { count: 'true' })).toMatchObject({ total: 2 });
  });

  test('lists find by member, by status, by label and by a card as written', async () => {
    const { bench } = await openWithBridge();
    const { deps } = bench.access;
    const first = await addPaidMember(bench);
    const second = await addPaidMember(bench, 'Bob');
    const [one, two] = [
      accepted(await enrol(bench, first.id, '1:1', 'Blue fob')),
      accepted(await enrol(bench, second.id, '1:2', 'Red fob')),
    ];
    accepted(await changeCredentialStatus(deps, staff, two.id, 'suspend', null));
    const ids = async (query: object) =>
      (await cardsFound(deps, { limit: 50, ...query })).items.map((item) => item.id);
    expect(await ids({ memberId: first.id })).toEqual([one.id]);
    expect(await ids({ status: 'suspended' })).toEqual([two.id]);
    expect(await ids({ search: 'red' })).toEqual([two.id]);
    expect(await ids({ search: '1:1' })).toEqual([one.id]);
    expect(await ids({ search: '1:9' })).toEqual([]);
    expect(await ids({ search: '%' })).toEqual([one.id, two.id]);
    const page = await cardsFound(deps, { limit: 1 });
    expect(await ids({ cursor: page.nextCursor })).toEqual([two.id]);
    expect(await ids({ sort: '-createdAt' })).toEqual([two.id, one.id]);
    bench.time.advance(1000);
    const changed = await changeCredential(deps, staff, one.id, { version: 1, label: 'Blue' });
    expect(accepted(changed).label).toBe('Blue');
    expect(await ids({ sort: '-updatedAt' })).toEqual([one.id, two.id]);
    expect(
      await listCredentials(
        deps,
        credentialQuerySchema.parse({ sort: '-createdAt', cursor: page.nextCursor }),
      ),
    ).toMatchObject({
      refusal: { code: 'cursorInvalid' },
    });
    expect(await cardsFound(deps, { limit: 1, count: 'true' })).toMatchObject({ total: 2 });
  });

  test('a change on an old version is refused with the current one', async () => {
    const { bench } = await openWithBridge();
    const member = await addPaidMember(bench);
    const made = accepted(await enrol(bench, member.id, '1:1'));
    const { deps } = bench.access;
    const changed = accepted(await changeCredential(deps, staff, made.id, { version: 1, label: 'Keyring' }));
    expect(changed).toMatchObject({ version: 2, label: 'Keyring' });
    expect(refused(await changeCredential(deps, staff, made.id, { version: 1, label: 'Other' }))).toEqual({
      code: 'staleVersion',
      current: changed,
    });
  });
});

test('replacing loses the one and enrols the other, or does neither', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const other = await addPaidMember(bench, 'Bob');
  const old = accepted(await enrol(bench, member.id, '1:1', 'Blue fob'));
  accepted(await enrol(bench, other.id, '1:9'));
  const { deps } = bench.access;
  expect(refused(await replaceCard(deps, staff, old.id, card('1:9'), undefined)).code).toBe(
    'alreadyEnrolled',
  );
  expect((await cardsFound(deps, { limit: 5, memberId: member.id })).items[0]?.status).toBe('active');
  const replaced = accepted(await replaceCard(deps, staff, old.id, card('1:2'), undefined));
  expect(replaced.lost).toMatchObject({ id: old.id, status: 'lost' });
  expect(replaced.credential).toMatchObject({ label: 'Blue fob', status: 'active', memberId: member.id });
  await bridge.pull();
  expect(bridge.knows('1:2')).toBe(true);
});

describe('by the next tap', () => {
  const readerId = (bridge: ScriptedBridge) => `${bridge.id}:front-in`;
  const begin = (bench: Bench, bridge: ScriptedBridge, memberId: string, more: object = {}) =>
    bench.access.enrolments.begin(staff, { readerId: readerId(bridge), memberId, label: 'Fob', ...more });

  test('the reader waits, the card comes, and it is the member’s', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    bridge.answer((command) => (command['kind'] === 'enrol' ? { kind: 'waiting' } : undefined));
    const begun = accepted(await begin(bench, bridge, member.id));
    expect(begun).toMatchObject({ state: 'waiting', memberId: member.id });
    await bridge.say('reply', { commandId: begun.id, outcome: { kind: 'read', read: card('1:1') } });
    await expect.poll(() => bench.access.enrolments.find(begun.id)?.state).toBe('enrolled');
    const { items } = await cardsFound(bench.access.deps, { limit: 5, search: '1:1' });
    expect(items[0]).toMatchObject({ memberId: member.id, label: 'Fob' });
    expect(
      bench.announced.filter(({ topic }) => topic === 'enrolment.changed').map(({ data }) => data['state']),
    ).toEqual(['waiting', 'enrolled']);
  });

  test('a reader that waits for somebody is busy for others; who begins again takes it over', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    const { enrolments } = bench.access;
    bridge.answer(() => ({ kind: 'waiting' }));
    const left = accepted(await begin(bench, bridge, member.id));
    const body = { readerId: readerId(bridge), memberId: member.id, label: 'Fob' };
    const other: Actor = { kind: 'account', id: '01890000-0000-7000-8000-000000000002', name: 'Ada' };
    expect(refused(await enrolments.begin(other, body)).code).toBe('readerBusy');
    const again = accepted(await begin(bench, bridge, member.id));
    expect(enrolments.find(left.id)?.state).toBe('cancelled');
    await bridge.say('reply', { commandId: left.id, outcome: { kind: 'refused', code: 'forgotten' } });
    await bridge.say('reply', { commandId: again.id, outcome: { kind: 'read', read: card('1:1') } });
    await expect.poll(() => enrolments.find(again.id)?.state).toBe('enrolled');
    expect(enrolments.find(left.id)?.state).toBe('cancelled');
  });

  test('a frame that may have lost a bit is to be tapped once more, and what was read is told', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    bridge.answer(() => ({ kind: 'waiting' }));
    const begun = accepted(await begin(bench, bridge, member.id));
    expect(begun.message).toBeNull();
    await bridge.say('reply', { commandId: begun.id, outcome: { kind: 'waiting' } });
    await expect
      .poll(() => bench.access.enrolments.find(begun.id))
      .toMatchObject({ state: 'waiting', message: expect.stringContaining('once more') });
    const torn = card('raw:33:12345678');
    await bridge.say('reply', { commandId: begun.id, outcome: { kind: 'read', read: torn } });
    await expect
      .poll(() => bench.access.enrolments.find(begun.id))
      .toMatchObject({ state: 'enrolled', message: 'Read as 33 bit (no known format).' });
    const { items } = await cardsFound(bench.access.deps, { limit: 5, search: 'raw:33:12345678' });
    expect(items[0]?.readAs).toEqual(['33 bit (no known format)']);
  });

  test('a card of somebody else is refused with their name', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    const other = await addPaidMember(bench, 'Bob');
    accepted(await enrol(bench, other.id, '1:1'));
    bridge.answer(() => ({ kind: 'waiting' }));
    const begun = accepted(await begin(bench, bridge, member.id));
    await bridge.say('reply', { commandId: begun.id, outcome: { kind: 'read', read: card('1:1') } });
    await expect.poll(() => bench.access.enrolments.find(begun.id)?.state).toBe('refused');
    expect(bench.access.enrolments.find(begun.id)?.message).toContain('Bob');
  });

  test('the tapped card can take the place of a lost one', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    const old = accepted(await enrol(bench, member.id, '1:1'));
    bridge.answer(() => ({ kind: 'waiting' }));
    const begun = accepted(await begin(bench, bridge, member.id, { replacesCredentialId: old.id }));
    await bridge.say('reply', { commandId: begun.id, outcome: { kind: 'read', read: card('1:2') } });
    await expect.poll(() => bench.access.enrolments.find(begun.id)?.state).toBe('enrolled');
    const { items } = await cardsFound(bench.access.deps, { limit: 5, memberId: member.id });
    expect(items.map((item) => item.status)).toEqual(['lost', 'active']);
  });

  test('no card in a minute, cancelled, connection lost: each ends it, and a late card enrols nobody', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    const { enrolments } = bench.access;
    bridge.answer((command) => (command['kind'] === 'enrol' ? { kind: 'waiting' } : { kind: 'done' }));
    const late = accepted(await begin(bench, bridge, member.id));
    bench.time.advance(60_000);
    await expect.poll(() => enrolments.find(late.id)?.state).toBe('expired');
    await bridge.say('reply', { commandId: late.id, outcome: { kind: 'read', read: card('1:1') } });
    const cancelled = accepted(await begin(bench, bridge, member.id));
    expect((await enrolments.cancel(cancelled.id))?.state).toBe('cancelled');
    expect(bench.link.take('command').at(-1)?.payload).toMatchObject({
      kind: 'cancelEnrol',
      readerKey: 'front-in',
    });
    await bridge.say('reply', { commandId: cancelled.id, outcome: { kind: 'read', read: card('1:1') } });
    const cut = accepted(await begin(bench, bridge, member.id));
    bridge.disconnect();
    await expect.poll(() => enrolments.find(cut.id)?.state).toBe('failed');
    expect((await cardsFound(bench.access.deps, { limit: 5 })).items).toEqual([]);
    expect(refused(await begin(bench, bridge, member.id)).code).toBe('notConnected');
  });

  test('an unknown reader and a bridge that does not answer are told', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    expect(
      refused(
        await bench.access.enrolments.begin(staff, { readerId: 'x:y', memberId: member.id, label: 'Fob' }),
      ),
    ).toMatchObject({ code: 'readerUnknown', errors: [{ pointer: '/body/readerId' }] });
    const waiting = begin(bench, bridge, member.id);
    await expect.poll(() => bench.link.take('command').length).toBe(1);
    bench.time.advance(2_000);
    expect(refused(await waiting).code).toBe('noAnswer');
  });
});

describe('unknown cards', () => {
  const unknown = (bridge: ScriptedBridge, text: string) =>
    bridge.event({
      kind: 'denied',
      reason: 'unknownCredential',
      portalKey: 'front',
      readerKey: 'front-in',
      digest: bridge.digest(text),
    });

  test('one that was tapped just now is offered once, and enrolled by what the bridge reveals', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    await bridge.offer([unknown(bridge, '1:1'), unknown(bridge, '1:1'), unknown(bridge, '1:2')]);
    const offered = await listUnknownCards(bench.access.deps);
    expect(offered.map((entry) => entry.portalName)).toEqual(['Front door', 'Front door']);
    bridge.answer((command) => {
      expect(command).toMatchObject({ kind: 'reveal', seq: 3 });
      return { kind: 'read', read: card('1:2') };
    });
    const wanted = { memberId: member.id, label: 'New card' };
    const enrolled = accepted(await enrolUnknownCard(bench.access.deps, staff, offered[0]!.eventId, wanted));
    expect(enrolled).toMatchObject({ memberId: member.id, status: 'active' });
    expect(await listUnknownCards(bench.access.deps)).toHaveLength(1);
  });

  test('one in a format that nothing can check is enrolled only when it was tapped twice', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    const text = 'raw:33:12345678';
    bridge.answer(() => ({ kind: 'read', read: card(text) }));
    await bridge.offer([unknown(bridge, text)]);
    const wanted = { memberId: member.id, label: 'New card' };
    const enrolFirst = async () => {
      const [offered] = await listUnknownCards(bench.access.deps);
      return await enrolUnknownCard(bench.access.deps, staff, offered!.eventId, wanted);
    };
    expect(refused(await enrolFirst()).code).toBe('cardUnsure');
    await bridge.offer([unknown(bridge, text)]);
    expect(accepted(await enrolFirst())).toMatchObject({ memberId: member.id, masked: '…678' });
  });

  test('after two minutes, or of another journal, it is forgotten', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    await bridge.offer([unknown(bridge, '1:1')]);
    const { eventId } = (await listUnknownCards(bench.access.deps))[0]!;
    const wanted = { memberId: member.id, label: 'New card' };
    const enrolIt = async () =>
      refused(await enrolUnknownCard(bench.access.deps, staff, eventId, wanted)).code;
    bridge.answer(() => ({ kind: 'refused', code: 'forgotten' }));
    expect(await enrolIt()).toBe('cardForgotten');
    bridge.journalId = crypto.randomUUID();
    await bridge.connect();
    bridge.answer(() => ({ kind: 'read', read: card('1:1') }));
    expect(await enrolIt()).toBe('cardForgotten');
    bench.time.advance(120_001);
    expect(await listUnknownCards(bench.access.deps)).toEqual([]);
    expect(await enrolIt()).toBe('cardForgotten');
    expect(refused(await enrolUnknownCard(bench.access.deps, staff, newId(), wanted)).code).toBe(
      'eventNotFound',
    );
  });
});

test('no card number is in audit, replication, announcements, or readable in the files', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const secret = card('w34:51234:56789');
  accepted(await enrol(bench, member.id, 'w34:51234:56789'));
  await bridge.pull();
  const { read } = bench.store;
  const told = JSON.stringify([
    await read.selectFrom('change').selectAll().execute(),
    await read.selectFrom('audit_entry').selectAll().execute(),
    await read.selectFrom('audit_payload').selectAll().execute(),
    await read.selectFrom('credential').selectAll().execute(),
    bench.announced,
  ]);
  expect(told).toContain('credential.enrol');
  expect(told).not.toContain(secret.hex);
  expect(told).not.toContain('56789');
  const [file] = await read
    .selectFrom('credential_reading')
    .select('hex')
    .where('reading', '=', 'w34')
    .execute();
  expect(file?.hex).toBe(secret.hex);
  const folder = bench.folder;
  let bytes = 0;
  for (const name of readdirSync(folder)) {
    const content = readFileSync(path.join(folder, name));
    bytes += content.length;
    expect(content.includes(secret.hex)).toBe(false);
    expect(content.includes('Ada Lovelace')).toBe(false);
  }
  expect(bytes).toBeGreaterThan(10_000);
});
