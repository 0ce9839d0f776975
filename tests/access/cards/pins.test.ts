import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { numberDigestOf, pinDigestOf } from '#hub/domains/access/cards/digest-rules.ts';
import { addReading } from '#hub/domains/access/cards/reading-workflow.ts';
import { credentialQuerySchema } from '#hub/domains/access/cards/schema.ts';
import {
  changeCredential,
  changeCredentialStatus,
  listCredentials,
  replaceCard,
} from '#hub/domains/access/cards/workflow.ts';
import { decidePin, isOneSlipAway } from '#hub/domains/access/pins/rules.ts';
import { pinSetSchema } from '#hub/domains/access/pins/schema.ts';
import { removePin, setPin } from '#hub/domains/access/pins/workflow.ts';
import {
  decodeRecord,
  decodeSecret,
  encodeSecret,
  isSecret,
  recordBytes,
} from '#hub/domains/access/policy/record-schema.ts';
import { hashPinSync, judgePin } from '#hub/platform/pin-hash.ts';
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

const set = async ({ access }: Bench, memberId: string, pin: string, duressPin?: string) =>
  await setPin(access.deps, staff, memberId, { pin, ...(duressPin === undefined ? {} : { duressPin }) });

const keyOf = ({ document }: ScriptedBridge): Buffer =>
  Buffer.from(document?.digestKey.key ?? '', 'base64url');
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** What the bridge has under the member's PIN, and under their number. */
const secretOf = (bridge: ScriptedBridge, memberId: string) => {
  const record = bridge.records.get(hex(pinDigestOf(keyOf(bridge), memberId)));
  return record === undefined ? null : decodeSecret(record, 0);
};
const factsOf = (bridge: ScriptedBridge, number: number) => {
  const record = bridge.records.get(hex(numberDigestOf(keyOf(bridge), number)));
  return record === undefined || bridge.document === null ? null : decodeRecord(record, 0, bridge.document);
};

describe('which PINs are refused', () => {
  test.each([
    ['0000', 'repeats itself'],
    ['1212', 'repeats itself'],
    ['123123', 'repeats itself'],
    ['1234', 'run of digits'],
    ['87654', 'run of digits'],
    ['7890', 'run of digits'],
    ['3210', 'run of digits'],
    ['2580', 'pattern'],
    ['4242', 'repeats itself'],
    ['4077', "member's number"],
    ['004077', "member's number"],
  ])('%s %s', (pin, why) => {
    const refusal = refused(decidePin(pin, null, 4077));
    expect(refusal.code).toBe('pinWeak');
    expect(refusal.errors[0]?.pointer).toBe('/body/pin');
    expect(refusal.errors[0]?.message).toContain(why);
    expect(refused(decidePin('5193', pin, 4077)).errors[0]?.pointer).toBe('/body/duressPin');
  });
  test.each([['4711'], ['13579'], ['90210'], ['84736251']])('%s is taken', (pin) => {
    expect(decidePin(pin, null, 17).ok).toBe(true);
  });
  test.each([
    ['4711', '4711', true],
    ['4711', '4712', true],
    ['4711', '47110', true],
    ['4711', '47', false],
    ['4711', '471', true],
    ['4711', '7411', true],
    ['4711', '1174', false],
    ['4711', '4723', false],
    ['4711', '1471', false],
    ['4711', '047110', false],
  ])('%s and %s are one slip apart: %s', (one, other, alike) => {
    expect([isOneSlipAway(one, other), isOneSlipAway(other, one)]).toEqual([alike, alike]);
  });
  test('no single key pressed wrongly, left out or added turns the PIN into the duress PIN', () => {
    const digits = fc.stringMatching(/^\d{4,8}$/);
    fc.assert(
      fc.property(digits, fc.nat(7), fc.nat(9), (pin, at, digit) => {
        const place = at % pin.length;
        const slips = [
          pin.slice(0, place) + String(digit) + pin.slice(place + 1),
          pin.slice(0, place) + pin.slice(place + 1),
          pin.slice(0, place) + String(digit) + pin.slice(place),
        ];
        expect(slips.map((slip) => isOneSlipAway(pin, slip))).toEqual([true, true, true]);
      }),
    );
  });
  test.each([['123'], ['123456789'], ['12a4'], [''], ['１２３４']])('%j is no PIN', (pin) => {
    const parsed = pinSetSchema.safeParse({ pin });
    expect(parsed.error?.issues[0]).toMatchObject({ path: ['pin'], message: 'must be 4 to 8 digits' });
  });
});

test('a PIN reaches the door as facts under the number and a secret under the member, and only the right PIN fits', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const pin = accepted(await set(bench, member.id, '4711', '2093'));
  expect(pin).toMatchObject({ kind: 'pin', status: 'active', assurance: 0, label: 'PIN', masked: '••••' });
  await bridge.pull();
  expect(factsOf(bridge, member.number)).toMatchObject({
    credentialId: pin.id,
    memberId: member.id,
    credentialStatus: 'active',
    membershipState: 'active',
  });
  const secret = secretOf(bridge, member.id);
  if (secret === null) throw new Error('no secret');
  expect(secret.credentialId).toBe(pin.id);
  const judged = (typed: string) => judgePin(hashPinSync(typed, secret.salt), secret);
  expect(['4711', '2093', '4712', '47110'].map(judged)).toEqual(['right', 'duress', 'wrong', 'wrong']);
});

test('nothing takes a secret for facts: read as such it is retired', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 56, maxLength: 56 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (bytes, salt) => {
        const record = encodeSecret(new Uint8Array(16), {
          credentialId: '01990000-0000-7000-8000-000000000001',
          salt,
          hash: bytes.subarray(0, 20),
          duressHash: bytes.subarray(20, 40),
        });
        expect([record.length, isSecret(record, 0)]).toEqual([recordBytes, true]);
        expect(decodeRecord(record, 0, { planIds: {}, groupSets: {} }).credentialStatus).toBe('retired');
      },
    ),
  );
});

test('whether there is a duress PIN is in no answer, no record and no audit entry', async () => {
  const { bench, bridge } = await openWithBridge();
  const [ada, bob] = [await addPaidMember(bench), await addPaidMember(bench, 'Bob')];
  const answers = [
    accepted(await set(bench, ada.id, '4711')),
    accepted(await set(bench, bob.id, '4711', '2093')),
  ];
  await bridge.pull();
  const shapes = answers.map((answer) =>
    Object.fromEntries(
      Object.entries(answer).filter(([name]) => !['id', 'memberId', 'memberName'].includes(name)),
    ),
  );
  expect(shapes[0]).toEqual(shapes[1]);
  const records = [ada, bob].map(({ id }) => bridge.records.get(hex(pinDigestOf(keyOf(bridge), id))));
  expect(records.map((record) => record?.length)).toEqual([recordBytes, recordBytes]);
  expect(records.map((record) => record?.subarray(88))).toEqual([
    records[1]?.subarray(88),
    records[0]?.subarray(88),
  ]);
  const secret = secretOf(bridge, ada.id);
  expect(secret?.duressHash).not.toEqual(new Uint8Array(20));
  const audit = await bench.store.read
    .selectFrom('audit_payload')
    .innerJoin('audit_entry', 'audit_entry.id', 'audit_payload.id')
    .select('body')
    .where('action', '=', 'credential.setPin')
    .execute();
  const payloads = audit.map(({ body }) => JSON.parse(body ?? ''));
  expect(payloads).toEqual([
    { memberId: ada.id, replaces: null },
    { memberId: bob.id, replaces: null },
  ]);
  expect(JSON.stringify([answers, payloads])).not.toMatch(/4711|2093/);
});

test('another PIN takes the place of the one before, which is retired and of which nothing is kept', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const first = accepted(await set(bench, member.id, '4711'));
  await bridge.pull();
  const second = accepted(await set(bench, member.id, '5823'));
  await bridge.pull();
  const secret = secretOf(bridge, member.id);
  expect([secret?.credentialId, factsOf(bridge, member.number)?.credentialId]).toEqual([
    second.id,
    second.id,
  ]);
  expect(secret === null ? null : judgePin(hashPinSync('4711', secret.salt), secret)).toBe('wrong');
  const query = credentialQuerySchema.parse({ memberId: member.id, kind: 'pin' });
  const { items } = accepted(await listCredentials(bench.access.deps, query));
  expect(items.map(({ id, status }) => [id, status])).toEqual([
    [first.id, 'retired'],
    [second.id, 'active'],
  ]);
  const kept = await bench.store.read.selectFrom('credential_pin').select('credential_id').execute();
  expect(kept).toEqual([{ credential_id: second.id }]);
});

test('a suspended PIN is nothing to compare with, a reactivated one is again, a removed one is gone', async () => {
  const { bench, bridge } = await openWithBridge();
  const member = await addPaidMember(bench);
  const { deps } = bench.access;
  const pin = accepted(await set(bench, member.id, '4711'));
  const after = async (action: 'suspend' | 'reactivate' | 'lose' | 'retire') => {
    accepted(await changeCredentialStatus(deps, staff, pin.id, action, null));
    await bridge.pull();
    return [secretOf(bridge, member.id) !== null, factsOf(bridge, member.number)?.credentialStatus];
  };
  expect(await after('suspend')).toEqual([false, 'suspended']);
  expect(await after('reactivate')).toEqual([true, 'active']);
  expect(await after('lose')).toEqual([false, 'lost']);
  expect(accepted(await removePin(deps, staff, member.id)).status).toBe('retired');
  await bridge.pull();
  expect([secretOf(bridge, member.id), factsOf(bridge, member.number)]).toEqual([null, null]);
  expect(refused(await removePin(deps, staff, member.id)).code).toBe('pinNotSet');
  accepted(await set(bench, member.id, '4711'));
  expect(await bench.store.read.selectFrom('credential_pin').selectAll().execute()).toHaveLength(1);
});

test('what is for cards is refused for a PIN, by name', async () => {
  const { bench } = await openWithBridge();
  const member = await addPaidMember(bench);
  const { deps } = bench.access;
  const pin = accepted(await set(bench, member.id, '4711'));
  expect(refused(await replaceCard(deps, staff, pin.id, card('1:1'), undefined)).code).toBe(
    'credentialNotFound',
  );
  expect(refused(await addReading(deps, staff, pin.id, card('1:1'))).code).toBe('credentialNotFound');
  const dated = await changeCredential(deps, staff, pin.id, {
    version: pin.version,
    validUntil: '2027-01-01T00:00:00Z',
  });
  expect(refused(dated)).toMatchObject({
    code: 'datesInvalid',
    errors: [{ message: expect.stringContaining('suspend') }],
  });
  expect(refused(await set(bench, '01990000-0000-7000-8000-00000000dead', '4711')).code).toBe(
    'memberNotFound',
  );
  expect(refused(await set(bench, member.id, '4711', '4712')).code).toBe('pinTooAlike');
});
