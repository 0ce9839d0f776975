import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBridge, rotateDigestKey } from '#hub/domains/access/bridges/workflow.ts';
import { credentialQuerySchema } from '#hub/domains/access/cards/schema.ts';
import { changeCredentialStatus, enrolCard, listCredentials } from '#hub/domains/access/cards/workflow.ts';
import { saveNextKey } from '#hub/domains/access/controllers/repository.ts';
import { documentHash, policyHash, recordsSum } from '#hub/domains/access/policy/hash-rules.ts';
import {
  decodeRecord,
  encodeRecord,
  findRecord,
  recordBytes,
} from '#hub/domains/access/policy/record-schema.ts';
import { findSets, insertSet } from '#hub/domains/access/policy/repository.ts';
import { createRule, removeRule } from '#hub/domains/access/rules/workflow.ts';
import { placeHold, releaseHold } from '#hub/domains/members/member/workflow.ts';
import { groupCreateSchema } from '#hub/domains/members/plans/schema.ts';
import { createGroup, setGroupMember } from '#hub/domains/members/plans/workflow.ts';
import { newId } from '#hub/platform/new-id.ts';
import { ada, factsArbitrary } from './policy-fixtures.ts';
import {
  accepted,
  addMember,
  addPaidMember,
  type Bench,
  card,
  openWithBridge,
  ScriptedBridge,
  staff,
} from './support.ts';

const enrol = async (bench: Bench, memberId: string, text: string, label = 'Card') =>
  accepted(await enrolCard(bench.access.deps, staff, card(text), { memberId, label }));

const factsOf = (bridge: ScriptedBridge, text: string) => {
  const record = bridge.records.get(bridge.digest(text));
  if (record === undefined || bridge.document === null) throw new Error(`${text} is not known`);
  return decodeRecord(record, 0, bridge.document);
};

describe('records', () => {
  test('facts survive the 96 bytes, and are found among many by their digest', () => {
    const names = { planIds: { '7': 'standard' }, groupSets: { '3': ['board', 'lasers'] } };
    fc.assert(
      fc.property(
        factsArbitrary,
        fc.uniqueArray(fc.uint8Array({ minLength: 16, maxLength: 16 }), {
          minLength: 1,
          maxLength: 40,
          selector: (digest) => Buffer.from(digest).toString('hex'),
        }),
        (facts, digests) => {
          const input = {
            ...facts,
            credentialId: newId(),
            memberId: newId(),
            plan: facts.planId === null ? 0 : 7,
            groupSet: facts.groupIds.length === 0 ? 0 : 3,
          };
          const sorted = [...digests].sort((left, right) => Buffer.compare(left, right));
          const records = new Uint8Array(Buffer.concat(sorted.map((digest) => encodeRecord(digest, input))));
          for (const [index, digest] of sorted.entries())
            expect(findRecord(records, digest)).toBe(index * recordBytes);
          const absent = new Uint8Array(16).fill(1);
          if (!sorted.some((digest) => Buffer.compare(digest, absent) === 0))
            expect(findRecord(records, absent)).toBe(-1);
          const decoded = decodeRecord(records, 0, names);
          const { plan, groupSet, ...rest } = input;
          expect(decoded).toEqual({
            ...rest,
            planId: plan === 0 ? null : 'standard',
            groupIds: groupSet === 0 ? [] : ['board', 'lasers'],
          });
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a status that a newer hub invented reads as one that opens nothing', () => {
    const bytes = encodeRecord(new Uint8Array(16), {
      ...ada,
      credentialId: newId(),
      memberId: newId(),
      plan: 0,
      groupSet: 0,
    });
    bytes[88] = 200;
    bytes[90] = 200;
    bytes[91] = 200;
    expect(decodeRecord(bytes, 0, { planIds: {}, groupSets: {} })).toMatchObject({
      credentialStatus: 'retired',
      memberStatus: 'left',
      membershipState: 'none',
    });
  });

  test('the sum does not depend on order, and changes with any bit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: recordBytes, maxLength: recordBytes }), {
          minLength: 1,
          maxLength: 10,
        }),
        fc.nat(),
        (records, position) => {
          const forwards = new Uint8Array(Buffer.concat(records));
          const backwards = new Uint8Array(Buffer.concat([...records].reverse()));
          expect(recordsSum(backwards)).toEqual(recordsSum(forwards));
          const changed = forwards.slice();
          const index = position % changed.length;
          changed[index] = (changed[index] ?? 0) ^ 1;
          expect(recordsSum(changed)).not.toEqual(recordsSum(forwards));
        },
      ),
      { numRuns: 100 },
    );
  });
});

test('a policy has the doors, the rule, the zone and the key of its bridge', async () => {
  const { bridge } = await openWithBridge();
  expect(bridge.document).toMatchObject({
    siteName: 'Werkraum',
    zone: { timeZone: 'Europe/Berlin' },
    portals: [{ key: 'front', name: 'Front door', override: null }],
    rules: [{ name: 'Everyone with a valid membership, any time', outsideOpeningHours: true }],
    exceptions: [],
    openingHours: {},
  });
  expect(Buffer.from(bridge.document?.digestKey.key ?? '', 'base64url')).toHaveLength(32);
  expect(bridge.document?.zone.offsets.length).toBeGreaterThan(8);
});

test('an enrolled card reaches the bridge as one record, under every reading of it', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const credential = await enrol(bench, member.id, 'w34:1234:56789');
  expect(await bridge.pull()).toMatchObject({ full: false, pages: 1 });
  expect(factsOf(bridge, 'w34:1234:56789')).toMatchObject({
    credentialId: credential.id,
    memberId: member.id,
    credentialStatus: 'active',
    memberStatus: 'active',
    membershipState: 'active',
  });
  expect(factsOf(bridge, '210:56789').credentialId).toBe(credential.id);
  expect(bridge.knows('1:1')).toBe(false);
});

test('a hold, a group, a lost card: each is a difference of one record, and the hash fits every time', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const other = await addPaidMember(bench, 'Bob');
  const credential = await enrol(bench, member.id, '123:4567');
  await enrol(bench, other.id, '1:1');
  await bridge.pull();

  const hold = accepted(await placeHold(bench.members, staff, member.id, 'unpaid'));
  expect(await bridge.pull()).toMatchObject({ full: false, pages: 1 });
  expect(factsOf(bridge, '123:4567').onHold).toBe(true);
  accepted(await releaseHold(bench.members, staff, { memberId: member.id, holdId: hold.id }, null));
  const group = accepted(
    await createGroup(bench.members, staff, groupCreateSchema.parse({ name: 'Lasers' })),
  );
  accepted(await setGroupMember(bench.members, staff, { groupId: group.id, memberId: member.id }, true));
  await bridge.pull();
  expect(factsOf(bridge, '123:4567')).toMatchObject({ onHold: false, groupIds: [group.id] });

  accepted(await changeCredentialStatus(bench.access.deps, staff, credential.id, 'lose', null));
  await bridge.pull();
  expect(factsOf(bridge, '123:4567').credentialStatus).toBe('lost');
  expect(factsOf(bridge, '1:1').credentialStatus).toBe('active');
});

test('nothing new is an answer without pages, and a rule that comes and goes travels with the document', async () => {
  const { bench, bridge } = await openWithBridge();
  const before = bridge.version;
  expect(await bridge.pull()).toEqual({ full: false, pages: 0, removed: [] });
  expect(bridge.version).toEqual(before);
  const rule = accepted(
    await createRule(bench.access.deps, staff, {
      name: 'Night owls',
      subject: { kind: 'everyone' },
      target: { kind: 'site' },
      windows: [{ weekday: 5, startMinute: 1320, endMinute: 120 }],
      outsideOpeningHours: true,
      validFrom: null,
      validUntil: null,
    }),
  );
  await bridge.pull();
  expect(bridge.document?.rules.map((entry) => entry.name)).toContain('Night owls');
  accepted(await removeRule(bench.access.deps, staff, rule.id));
  await bridge.pull();
  expect(bridge.document?.rules.map((entry) => entry.name)).not.toContain('Night owls');
});

test('a card that moves to another member leaves the first', async () => {
  const { bench, bridge } = await openWithBridge();
  const first = await addPaidMember(bench);
  const second = await addPaidMember(bench, 'Bob');
  const credential = await enrol(bench, first.id, '123:4567');
  await bridge.pull();
  accepted(await changeCredentialStatus(bench.access.deps, staff, credential.id, 'retire', 'left it'));
  const again = await enrol(bench, second.id, '123:4567');
  await bridge.pull();
  expect(factsOf(bridge, '123:4567')).toMatchObject({ credentialId: again.id, memberId: second.id });
  expect(bridge.records.size).toBe(1);
});

test('more than one page arrives page by page, each asked for', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addMember(bench);
  await bench.store.transact('test.many', async (tx) => {
    const ids: string[] = [];
    for (let number = 0; number < 1_050; number += 1) {
      const id = newId();
      ids.push(id);
      await tx.insert('credential', {
        id,
        member_id: member.id,
        kind: 'card',
        label: 'Card',
        status: 'active',
        assurance: 0,
        valid_from_ms: null,
        valid_until_ms: null,
        masked: '…',
      });
      const { reading, bits, hex } = card(`7:${number}`);
      await tx.local
        .insertInto('credential_reading')
        .values({ credential_id: id, reading, bits, hex, seen: 1 })
        .execute();
    }
  });
  await bench.access.deps.keeper.rebuildRecords();
  expect(await bridge.pull()).toMatchObject({ full: false, pages: 3 });
  expect(bridge.records.size).toBe(1_050);
  bridge.version = null;
  expect(await bridge.pull()).toMatchObject({ full: true, pages: 3 });
  expect(bridge.records.size).toBe(1_050);
});

describe('digest keys', () => {
  test('two bridges know one card by different digests', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    await enrol(bench, member.id, '123:4567');
    const made = await createBridge(bench.access.deps, staff, 'Shed');
    const second = new ScriptedBridge(bench, made.bridgeId);
    second.portals = [{ key: 'shed', name: 'Shed', readers: [] }];
    await second.connect();
    await second.pull();
    await bridge.pull();
    expect(second.knows('123:4567')).toBe(true);
    expect(second.digest('123:4567')).not.toBe(bridge.digest('123:4567'));
    expect(second.document?.portals.map((portal) => portal.key)).toEqual(['shed']);
    expect(bridge.document?.portals.map((portal) => portal.key)).toEqual(['front']);
  });

  test('a rotation switches all records at once, and the bridge loads whole', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    for (let number = 0; number < 250; number += 1) await enrol(bench, member.id, `9:${number}`);
    await bridge.pull();
    const before = bridge.digest('9:3');
    accepted(await rotateDigestKey(bench.access.deps, staff, bridge.id));
    expect(await bridge.pull()).toMatchObject({ full: true });
    expect(bridge.digest('9:3')).not.toBe(before);
    expect(bridge.knows('9:249')).toBe(true);
    expect(bridge.records.size).toBe(250);
    const left = await bench.store.read
      .selectFrom('policy_record')
      .select((expression) => expression.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    expect(left.count).toBe(250);
  });

  test('a rotation that an end of the process interrupted is gone on with', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    await enrol(bench, member.id, '123:4567');
    await bridge.pull();
    await bench.store.transact('test.begin', async (tx) => {
      await saveNextKey(tx, bridge.id, { keyId: 'next', key: new Uint8Array(32).fill(3) });
      await insertSet(tx, { bridgeId: bridge.id, keyId: 'next', sum: new Uint8Array(32) });
    });
    const opened = await bench.openAgain();
    await opened.access.start();
    const again = new ScriptedBridge(opened, bridge.id);
    await again.connect();
    await again.pull();
    expect(again.digestKeyId).toBe('next');
    expect(again.knows('123:4567')).toBe(true);
  });
});

test('the sum that is kept is the sum of what is there, after any series of changes', async () => {
  const { bench, bridge } = await openWithBridge();
  const { deps } = bench.access;
  const members = [await addPaidMember(bench), await addPaidMember(bench, 'Bob')];
  const credentials: string[] = [];
  let number = 0;
  const step = fc.constantFrom('enrol', 'suspend', 'reactivate', 'lose', 'retire', 'hold', 'pull');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(step, fc.nat()), { minLength: 3, maxLength: 10 }), async (steps) => {
      for (const [action, choice] of steps) {
        const member = members[choice % members.length]!;
        const id = credentials[choice % Math.max(1, credentials.length)];
        if (action === 'enrol') credentials.push((await enrol(bench, member.id, `5:${(number += 1)}`)).id);
        else if (action === 'hold') await placeHold(bench.members, staff, member.id, 'test');
        else if (action === 'pull') await bridge.pull();
        else if (id !== undefined) await changeCredentialStatus(deps, staff, id, action, null);
      }
      await bridge.pull();
      const [set] = await findSets(bench.store.read, bridge.id);
      const all = new Uint8Array(Buffer.concat([...bridge.records.values()]));
      expect(new Uint8Array(set!.sum)).toEqual(recordsSum(all));
      expect(bridge.version?.hash).toBe(policyHash(recordsSum(all), documentHash(bridge.document!)));
    }),
    { numRuns: 8 },
  );
});

test('a card tells where its last change has not arrived yet', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  await enrol(bench, member.id, '123:4567');
  const list = async () =>
    accepted(await listCredentials(bench.access.deps, credentialQuerySchema.parse({}))).items[0]
      ?.notAppliedAt;
  expect(await list()).toEqual(['This box']);
  await bridge.pull();
  expect(await list()).toEqual([]);
});

test('a change of the site reaches the doors', async () => {
  const { bench, bridge } = await openWithBridge();
  await bench.store.transact('test.site', async (tx) => {
    const site = await tx.selectFrom('site').select('id').executeTakeFirstOrThrow();
    await tx.write('site', site.id, { time_zone: 'America/New_York' });
    await bench.access.onSiteChanged(tx);
  });
  await bridge.pull();
  expect(bridge.document?.zone.timeZone).toBe('America/New_York');
});

test('starting again changes nothing: the same version, and an answer without pages', async () => {
  const { bench, bridge } = await openWithBridge();
  const { version } = bridge;
  const opened = await bench.openAgain();
  opened.time.advance(86_400_000);
  await opened.access.start();
  const again = Object.assign(new ScriptedBridge(opened, bridge.id), {
    version,
    document: bridge.document,
    digestKeyId: bridge.digestKeyId,
    journalId: bridge.journalId,
  });
  await again.connect();
  expect(await again.pull()).toEqual({ full: false, pages: 0, removed: [] });
  expect(again.version).toEqual(version);
});

test('members that disappear from admission disappear from the doors', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  await enrol(bench, member.id, '123:4567');
  await bridge.pull();
  await bench.store.transact('test.remove', async (tx) => {
    await tx.remove('member', member.id);
    await bench.access.onAdmissionChanged(tx, [member.id]);
  });
  const pulled = await bridge.pull();
  expect(pulled.removed).toHaveLength(1);
  expect(bridge.knows('123:4567')).toBe(false);
});
