import { describe, expect, test } from 'vitest';
import { addReading } from '#hub/domains/access/cards/reading-workflow.ts';
import { changeCredentialStatus, enrolCard } from '#hub/domains/access/cards/workflow.ts';
import { enrolmentCreateSchema } from '#hub/domains/access/enrolment/schema.ts';
import { decodeRecord } from '#hub/domains/access/policy/record-schema.ts';
import { newId } from '#hub/platform/new-id.ts';
import { accepted, addPaidMember, type Bench, card, openWithBridge, refused, staff } from '../support.ts';

const enrol = (bench: Bench, memberId: string, text: string) =>
  enrolCard(bench.access.deps, staff, card(text), { memberId, label: 'Fob' });

describe('one fob at several kinds of readers', () => {
  test.each([
    ['em40:010bc4d5e7', ['em40:010bc4d5e7', 'w34:3012:54759', '196:54759']],
    ['uid4:9b3faa1a', ['uid4:9b3faa1a', 'w34:39743:43546', '63:43546']],
    ['w34:1234:56789', ['w34:1234:56789', '210:56789']],
  ])('%s opens wherever its reading follows from it', async (text, known) => {
    const { bench, bridge } = await openWithBridge();
    accepted(await enrol(bench, (await addPaidMember(bench)).id, text));
    await bridge.pull();
    expect(known.map((reading) => bridge.knows(reading))).toEqual(known.map(() => true));
  });

  test('a reading that does not follow is added by one more tap, with what follows from that one', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    const fob = accepted(await enrol(bench, member.id, 'uid7:04a1b2c3d4e5f6'));
    await bridge.pull();
    expect(bridge.knows('w34:1234:56789')).toBe(false);
    bridge.answer((command) => (command['kind'] === 'enrol' ? { kind: 'waiting' } : undefined));
    const begun = accepted(
      await bench.access.enrolments.begin(staff, {
        readerId: `${bridge.id}:front-in`,
        memberId: member.id,
        label: 'Fob',
        addsToCredentialId: fob.id,
      }),
    );
    await bridge.say('reply', {
      commandId: begun.id,
      outcome: { kind: 'read', read: card('w34:1234:56789') },
    });
    await expect.poll(() => bench.access.enrolments.find(begun.id)?.state).toBe('enrolled');
    expect(bench.access.enrolments.find(begun.id)?.credentialId).toBe(fob.id);
    await bridge.pull();
    const readings = ['uid7:04a1b2c3d4e5f6', 'w34:1234:56789', '210:56789'];
    expect(readings.map((reading) => bridge.knows(reading))).toEqual([true, true, true]);
    const audit = await bench.store.read
      .selectFrom('audit_entry')
      .select(['action', 'target_id'])
      .where('action', '=', 'credential.addReading')
      .execute();
    expect(audit).toEqual([{ action: 'credential.addReading', target_id: fob.id }]);
  });

  test("takes no reading from somebody else's card that was seen, and takes over one that was only computed", async () => {
    const { bench, bridge } = await openWithBridge();
    const parts = bench.access.deps;
    const [mine, other] = [await addPaidMember(bench), await addPaidMember(bench, 'Bob')];
    const fob = accepted(await enrol(bench, mine.id, 'uid7:04a1b2c3d4e5f6'));
    accepted(await enrol(bench, other.id, 'w34:1234:56789'));
    const taken = refused(await addReading(parts, staff, fob.id, card('w34:1234:56789')));
    expect(taken).toMatchObject({ code: 'alreadyEnrolled', memberName: 'Bob' });
    accepted(await addReading(parts, staff, fob.id, card('210:56789')));
    await bridge.pull();
    const ownerOf = (text: string): string =>
      decodeRecord(bridge.records.get(bridge.digest(text))!, 0, bridge.document!).memberId;
    expect([ownerOf('210:56789'), ownerOf('w34:1234:56789')]).toEqual([mine.id, other.id]);
  });

  test('adds none to a card that is gone or retired, and no more than a card may have', async () => {
    const { bench } = await openWithBridge();
    const parts = bench.access.deps;
    const member = await addPaidMember(bench);
    expect(refused(await addReading(parts, staff, newId(), card('1:1'))).code).toBe('credentialNotFound');
    const fob = accepted(await enrol(bench, member.id, '1:1'));
    for (let number = 2; number <= 16; number += 1)
      accepted(await addReading(parts, staff, fob.id, card(`1:${number}`)));
    expect(refused(await addReading(parts, staff, fob.id, card('1:17'))).code).toBe('tooManyReadings');
    accepted(await changeCredentialStatus(parts, staff, fob.id, 'retire', null));
    expect(refused(await addReading(parts, staff, fob.id, card('1:1'))).code).toBe('credentialRetired');
  });

  test('a tapped card cannot both replace one and be the same one', () => {
    const parsed = enrolmentCreateSchema.safeParse({
      readerId: 'bridge:front',
      memberId: newId(),
      replacesCredentialId: newId(),
      addsToCredentialId: newId(),
    });
    expect(parsed.error?.issues[0]?.message).toContain('only one of the two');
  });
});
