import { describe, expect, test } from 'vitest';
import { PolicyView, shareRecords } from '#bridge/policy/policy.ts';
import { ownerDigestOf } from '#hub/domains/access/cards/digest-rules.ts';
import { credentialQuerySchema } from '#hub/domains/access/cards/schema.ts';
import {
  changeCredentialStatus,
  enrolCard,
  listCredentials,
  loadCredential,
} from '#hub/domains/access/cards/workflow.ts';
import { decideAmong } from '#hub/domains/access/decide/rules.ts';
import { checkRequestSchema } from '#hub/domains/access/explain/schema.ts';
import { explainAccess } from '#hub/domains/access/explain/workflow.ts';
import { decodeRecord } from '#hub/domains/access/policy/record-schema.ts';
import { findSets } from '#hub/domains/access/policy/repository.ts';
import { saveVaultState } from '#hub/domains/access/vault/repository.ts';
import { restoreCards } from '#hub/domains/access/vault/workflow.ts';
import { ada, mondayTenMs, policy, portal, portalWith } from '../policy-fixtures.ts';
import {
  accepted,
  addMember,
  addPaidMember,
  type Bench,
  card,
  openWithBridge,
  type ScriptedBridge,
  staff,
} from '../support.ts';

const enrol = async (bench: Bench, memberId: string, text: string, label = 'Fob') =>
  accepted(await enrolCard(bench.access.deps, staff, card(text), { memberId, label }));

const explain = async (bench: Bench, text: string) =>
  accepted(
    await explainAccess(
      bench.access.deps,
      checkRequestSchema.parse({ card: text, portalKey: 'front', at: '2026-11-23T10:00:00Z' }),
    ),
  );

/** Two MIFARE cards that differ only in what a 26-bit reader leaves out. */
const [oneUid, otherUid, both26] = ['uid4:31c0ffee', 'uid4:32c0ffee', '192:65518'] as const;

const searchCards = async (bench: Bench, search: string) =>
  accepted(await listCredentials(bench.access.deps, credentialQuerySchema.parse({ search }))).items;

const at = {
  wallMs: mondayTenMs,
  clockTrust: 'ntp',
  policyAgeMs: 0,
  mode: 'controlled',
  journalWritable: true,
} as const;

const decide = (owners: Parameters<typeof decideAmong>[2], proof?: Parameters<typeof decideAmong>[4]) =>
  decideAmong(policy(), portal(), owners, at, proof);

describe('the decision on a card that may be one of several', () => {
  const bob = { ...ada, credentialId: 'other', memberId: 'bob' };
  const held = { ...bob, onHold: true };
  test.each([
    ['both may enter', [ada, bob], true, null],
    ['only one may', [ada, held], false, 'ambiguousCard'],
    ['only the other may', [held, ada], false, 'ambiguousCard'],
    ['neither may, for one reason', [{ ...ada, onHold: true }, held], false, 'hold'],
    ['neither may, for two', [{ ...ada, memberStatus: 'left' as const }, held], false, 'ambiguousCard'],
    ['the other one is lost', [ada, { ...bob, credentialStatus: 'lost' as const }], false, 'ambiguousCard'],
    ['one member, both cards active', [ada, { ...ada, credentialId: 'other' }], true, null],
    ['nobody has it', [], false, 'unknownCredential'],
  ])('%s', (_, owners, granted, reason) => {
    expect(decide(owners)).toMatchObject({ granted, reason });
  });

  test('of two members none is asked for a PIN, of one member as ever', () => {
    const asking = portalWith({ identification: 'cardAndPin' });
    const say = (owners: Parameters<typeof decideAmong>[2], pin: 'none' | 'right') =>
      decideAmong(policy(), asking, owners, at, { by: 'card', pin, hasPin: true }).reason;
    expect([say([ada, bob], 'none'), say([ada, bob], 'right')]).toEqual(['ambiguousCard', 'ambiguousCard']);
    const own = [ada, { ...ada, credentialId: 'other' }];
    expect([say(own, 'none'), say(own, 'right')]).toEqual(['pinRequired', null]);
  });
});

/** What a bridge that holds what this one pulled would do with the reading, offline. */
function lookUp(bridge: ScriptedBridge, text: string) {
  const rows = [...bridge.records].sort(([one], [other]) => (one < other ? -1 : 1));
  const records = shareRecords(Buffer.concat(rows.map(([, record]) => record)));
  const version = { epoch: 1, revision: 1, hash: '0'.repeat(64) };
  return new PolicyView({ version, document: bridge.document!, records, withheldIds: [] }).lookUp(card(text));
}

describe('two cards that look alike to a 26-bit reader', () => {
  async function openWithAlike() {
    const { bench, bridge } = await openWithBridge();
    const one = await addPaidMember(bench);
    const other = await addMember(bench, 'Bob');
    const first = await enrol(bench, one.id, oneUid, 'Blue fob');
    const second = await enrol(bench, other.id, otherUid, 'Red fob');
    await bridge.pull();
    return { bench, bridge, one, other, first, second };
  }

  test('open nothing there that one of them may not open, and as ever where the whole number is read', async () => {
    const { bench, bridge } = await openWithAlike();
    expect(await explain(bench, both26)).toMatchObject({
      granted: false,
      reason: 'ambiguousCard',
      member: null,
      credential: null,
    });
    expect(await explain(bench, oneUid)).toMatchObject({ granted: true, member: { name: 'Ada Lovelace' } });
    expect(await explain(bench, otherUid)).toMatchObject({ granted: false, reason: 'noMembership' });
    const at26 = lookUp(bridge, both26);
    expect(at26).toMatchObject({ credential: undefined, memberId: null });
    expect(at26.owners).toHaveLength(2);
    expect(decideAmong(bridge.document!, bridge.document!.portals[0]!, at26.owners, at).reason).toBe(
      'ambiguousCard',
    );
    expect(lookUp(bridge, oneUid).credential?.credentialStatus).toBe('active');
  });

  test('an owner that the policy lost, and a bridge of an older release, keep the door shut', async () => {
    const { bench, bridge, first } = await openWithAlike();
    const digest = bridge.digest(both26);
    expect(decodeRecord(bridge.records.get(digest)!, 0, bridge.document!).credentialStatus).toBe('retired');
    const set = (await findSets(bench.store.read))[0]!;
    const ofOwner = Buffer.from(ownerDigestOf(set.key, card(both26), 2)).toString('hex');
    expect(bridge.records.delete(ofOwner)).toBe(true);
    expect(lookUp(bridge, both26).owners).toMatchObject([
      { credentialId: first.id, credentialStatus: 'retired' },
    ]);
  });

  test('are told of at enrolment, in the list and as a finding, each with the way out', async () => {
    const { bench, one, other, first, second } = await openWithAlike();
    expect(first.looksLike).toBeNull();
    expect(second.looksLike).toMatchObject({
      sentence:
        'To a 26-bit reader this card looks like "Blue fob" of Ada Lovelace: there it opens only what all of them may open.',
      cards: [{ credentialId: first.id, memberId: one.id, memberName: 'Ada Lovelace', status: 'active' }],
    });
    expect(second.looksLike?.nextStep).toContain('another format');
    const listed = accepted(await loadCredential(bench.access.deps, first.id));
    expect(listed.looksLike?.cards).toMatchObject([{ credentialId: second.id, memberId: other.id }]);
    expect(await bench.access.cardHealth.findings?.()).toMatchObject([
      { id: `card.alike:${first.id}`, severity: 'warning', evidence: expect.stringContaining('26-bit') },
    ]);
  });

  test('stay shut while one is lost; once it is retired the other opens by itself', async () => {
    const { bench, bridge, one, first } = await openWithAlike();
    const third = await enrol(bench, one.id, 'uid4:33c0ffee');
    for (const { id } of [(await searchCards(bench, otherUid))[0]!])
      accepted(await changeCredentialStatus(bench.access.deps, staff, id, 'retire', null));
    await bridge.pull();
    expect(await explain(bench, both26)).toMatchObject({ granted: true, member: { name: 'Ada Lovelace' } });
    expect(await bench.access.cardHealth.findings?.()).toEqual([]);
    accepted(await changeCredentialStatus(bench.access.deps, staff, third.id, 'lose', null));
    expect(await explain(bench, both26)).toMatchObject({ granted: false, reason: 'ambiguousCard' });
    expect(await bench.access.cardHealth.findings?.()).toHaveLength(1);
    accepted(await changeCredentialStatus(bench.access.deps, staff, third.id, 'retire', null));
    await bridge.pull();
    expect(lookUp(bridge, both26)).toMatchObject({ credential: { credentialId: first.id } });
    expect(await bridge.pull()).toMatchObject({ pages: 0 });
  });

  test('a number that was typed is the same as one that follows from another card', async () => {
    const { bench } = await openWithBridge();
    await enrol(bench, (await addPaidMember(bench)).id, oneUid);
    const typed = await enrol(bench, (await addMember(bench, 'Bob')).id, both26);
    expect(typed.looksLike?.cards).toHaveLength(1);
    expect(await explain(bench, both26)).toMatchObject({ reason: 'ambiguousCard' });
  });

  test('are found in a store of before, and after a restore from its seals', async () => {
    const { bench, bridge, first, second } = await openWithAlike();
    const narrow = card(both26);
    const forget = () =>
      bench.store.transact('test.before', async (tx) => {
        const { hex } = narrow;
        await tx.local
          .deleteFrom('credential_reading')
          .where('credential_id', '=', second.id)
          .where('hex', '=', hex)
          .execute();
        await bench.access.deps.keeper.refreshCredentials(tx, [first.id, second.id]);
        await saveVaultState(tx, { keyId: bench.access.deps.vault.keyId, walkAfter: '' });
      });
    await forget();
    expect(await explain(bench, both26)).toMatchObject({ granted: true });
    await bench.access.deps.vault.sealMissing(10);
    await bridge.pull();
    expect(lookUp(bridge, both26).owners).toHaveLength(2);
    const { cardKey } = bench;
    await bench.store.transact('test.lost', async (tx) => {
      await tx.local.deleteFrom('credential_reading').execute();
    });
    await restoreCards({ store: bench.store, keeper: bench.access.deps.keeper }, cardKey);
    expect(await explain(bench, both26)).toMatchObject({ reason: 'ambiguousCard' });
  });
});
