import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addReading } from '#hub/domains/access/cards/reading-workflow.ts';
import { changeCredentialStatus, enrolCard, replaceCard } from '#hub/domains/access/cards/workflow.ts';
import { removePin, setPin } from '#hub/domains/access/pins/workflow.ts';
import { cardKeyId, openSecrets, openSecretsText, secretsText } from '#hub/domains/access/vault/seal.ts';
import { findSecrets } from '#hub/domains/access/vault/secret-repository.ts';
import { newId } from '#hub/platform/new-id.ts';
import { sourcesIn } from '#tests/store/write-scan.ts';
import { accepted, addPaidMember, type Bench, card, openBench, staff } from '../support.ts';

const enrol = async (bench: Bench, memberId: string, text: string) =>
  accepted(await enrolCard(bench.access.deps, staff, card(text), { memberId, label: 'Fob' }));

const sealsOf = ({ store }: Bench) =>
  store.read
    .selectFrom('credential_seal')
    .selectAll()
    .where('deleted_at_ms', 'is', null)
    .orderBy('id')
    .execute();
const sealChanges = async ({ store }: Bench): Promise<number> =>
  (await store.read.selectFrom('change').select('seq').where('tbl', '=', 'credential_seal').execute()).length;

/** Each credential's secrets as their text, from the rows and from what is sealed. */
async function bothSides(bench: Bench, cardKey = bench.cardKey) {
  const { read } = bench.store;
  const ids = (await read.selectFrom('credential').select('id').execute()).map(({ id }) => id);
  const secrets = await findSecrets(read, ids);
  const seals = await sealsOf(bench);
  const open = (id: string, sealed: string): string => openSecretsText(cardKey, id, sealed);
  return {
    rows: new Map([...secrets].map(([id, known]) => [id, secretsText(known)])),
    sealed: new Map(seals.map(({ credential_id: id, sealed }) => [id, open(id, sealed)])),
  };
}

/** As a release before there were seals has left them. */
async function addUnsealed(bench: Bench, memberId: string, count: number): Promise<void> {
  await bench.store.transact('test.before', async (tx) => {
    for (let number = 0; number < count; number += 1) {
      const id = newId();
      const columns = { kind: 'card', label: 'Card', status: 'active', masked: '…' } as const;
      const dates = { valid_from_ms: null, valid_until_ms: null };
      await tx.insert('credential', { id, member_id: memberId, assurance: 0, ...columns, ...dates });
      const { reading, bits, hex } = card(`7:${number}`);
      await tx.local
        .insertInto('credential_reading')
        .values({ credential_id: id, reading, bits, hex, seen: 1 })
        .execute();
    }
  });
}

test('whatever is done to cards and PINs, what is sealed is what is known of them', async () => {
  const bench = await openBench();
  const { deps } = bench.access;
  const members = [await addPaidMember(bench), await addPaidMember(bench, 'Bob')];
  const texts = ['em40:010bc4d5e7', 'w34:3012:54759', '196:54759', 'uid4:9b3faa1a', '63:43546', '1:1', '1:2'];
  const member = fc.constantFrom(...members.map(({ id }) => id));
  const text = fc.constantFrom(...texts);
  const pick = fc.nat(50);
  const step = fc.oneof(
    fc.record({ kind: fc.constant('enrol' as const), member, text }),
    fc.record({ kind: fc.constant('reading' as const), pick, text }),
    fc.record({ kind: fc.constant('replace' as const), pick, text }),
    fc.record({
      kind: fc.constantFrom('suspend' as const, 'reactivate' as const, 'lose' as const, 'retire' as const),
      pick,
    }),
    fc.record({ kind: fc.constant('pin' as const), member, pin: fc.constantFrom('4711', '5823') }),
    fc.record({ kind: fc.constant('noPin' as const), member }),
  );
  const counted = { done: 0, seals: 0, pins: 0 };
  const run = async (steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]) => {
    for (const one of steps) {
      const ids = (await bench.store.read.selectFrom('credential').select('id').execute()).map(
        ({ id }) => id,
      );
      const chosen = 'pick' in one ? (ids[one.pick % Math.max(1, ids.length)] ?? newId()) : newId();
      const result =
        one.kind === 'enrol'
          ? await enrolCard(deps, staff, card(one.text), { memberId: one.member, label: 'Fob' })
          : one.kind === 'reading'
            ? await addReading(deps, staff, chosen, card(one.text))
            : one.kind === 'replace'
              ? await replaceCard(deps, staff, chosen, card(one.text), undefined)
              : one.kind === 'pin'
                ? await setPin(deps, staff, one.member, { pin: one.pin })
                : one.kind === 'noPin'
                  ? await removePin(deps, staff, one.member)
                  : await changeCredentialStatus(deps, staff, chosen, one.kind, null);
      if (result.ok) counted.done += 1;
    }
    const { rows, sealed } = await bothSides(bench);
    counted.seals = Math.max(counted.seals, sealed.size);
    if ([...sealed.values()].some((secrets) => !secrets.startsWith('{"pin":null'))) counted.pins += 1;
    expect(sealed).toEqual(rows);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 12 }), run), { numRuns: 12 });
  expect(counted.done).toBeGreaterThan(20);
  expect(counted.seals).toBeGreaterThan(2);
  expect(counted.pins).toBeGreaterThan(0);
}, 60_000);

test('a retired card loses its reading first, one in use keeps what it has in common, and a card without any has no seal', async () => {
  const bench = await openBench();
  const [ada, bob] = [await addPaidMember(bench), await addPaidMember(bench, 'Bob')];
  const wide = await enrol(bench, ada.id, 'w34:1234:56789');
  const first = await enrol(bench, ada.id, '1:1');
  accepted(await changeCredentialStatus(bench.access.deps, staff, first.id, 'retire', null));
  const before = await sealChanges(bench);
  const narrow = await enrol(bench, bob.id, '210:56789');
  const again = await enrol(bench, bob.id, '1:1');
  const { sealed } = await bothSides(bench);
  expect(new Set(sealed.keys())).toEqual(new Set([wide.id, narrow.id, again.id]));
  expect(JSON.parse(sealed.get(wide.id) ?? '').readings).toHaveLength(2);
  const changes = await bench.store.read
    .selectFrom('change')
    .select('op')
    .where('tbl', '=', 'credential_seal')
    .orderBy('seq')
    .execute();
  expect(changes.slice(before).map(({ op }) => op)).toEqual(['insert', 'delete', 'insert']);
});

test('what changes nothing that is sealed replicates no seal', async () => {
  const bench = await openBench();
  const { deps } = bench.access;
  const member = await addPaidMember(bench);
  const fob = await enrol(bench, member.id, 'w34:1234:56789');
  const pin = accepted(await setPin(deps, staff, member.id, { pin: '4711' }));
  const before = await sealChanges(bench);
  for (const action of ['suspend', 'reactivate', 'lose', 'reactivate'] as const)
    for (const { id } of [fob, pin]) accepted(await changeCredentialStatus(deps, staff, id, action, null));
  accepted(await addReading(deps, staff, fob.id, card('w34:1234:56789')));
  expect([before, await sealChanges(bench)]).toEqual([2, 2]);
  accepted(await addReading(deps, staff, fob.id, card('210:56789')));
  expect(await sealChanges(bench)).toBe(3);
});

test('a seal opens for its own credential and key only', async () => {
  const bench = await openBench();
  const member = await addPaidMember(bench);
  const [one, other] = [await enrol(bench, member.id, '1:1'), await enrol(bench, member.id, '1:2')];
  const seal = (await sealsOf(bench)).find((row) => row.credential_id === one.id)?.sealed ?? '';
  expect(openSecrets(bench.cardKey, one.id, seal).readings).toEqual([{ ...card('1:1'), seen: true }]);
  const codeOf = (open: () => unknown): unknown => {
    try {
      return open();
    } catch (fault) {
      return (fault as { code?: unknown }).code;
    }
  };
  expect(codeOf(() => openSecrets(bench.cardKey, other.id, seal))).toBe('tornFile');
  expect(codeOf(() => openSecrets(new Uint8Array(32), one.id, seal))).toBe('wrongKey');
  const damaged = Buffer.from(seal, 'base64url');
  damaged.writeUInt8(damaged.readUInt8(40) ^ 1, 40);
  expect(codeOf(() => openSecrets(bench.cardKey, one.id, damaged.toString('base64url')))).toBe('tornFile');
});

test('no card number and no hash of a PIN is replicated in the clear', async () => {
  const bench = await openBench();
  const member = await addPaidMember(bench);
  await enrol(bench, member.id, 'w34:51234:56789');
  accepted(await setPin(bench.access.deps, staff, member.id, { pin: '4711' }));
  const { read } = bench.store;
  const told = JSON.stringify([await read.selectFrom('change').selectAll().execute(), await sealsOf(bench)]);
  expect(told).toContain('credential_seal');
  const pin = await read.selectFrom('credential_pin').selectAll().executeTakeFirstOrThrow();
  const secrets = [card('w34:51234:56789').hex, '56789', '4711'];
  for (const bytes of [pin.salt, pin.hash, pin.duress_hash])
    for (const form of ['base64url', 'hex'] as const) secrets.push(Buffer.from(bytes).toString(form));
  // Few digits only as a word: as a part of a time or a seal they come up sooner or later.
  const isTold = (secret: string): boolean =>
    secret.length > 6 ? told.includes(secret) : new RegExp(`(?<![\\w-])${secret}(?![\\w-])`).test(told);
  expect(secrets.filter(isTold)).toEqual([]);
});

describe('cards that were there before', () => {
  test('are sealed in slices, which go on where an end of the process cut them off; then nothing is written', async () => {
    const bench = await openBench();
    const member = await addPaidMember(bench);
    await addUnsealed(bench, member.id, 130);
    expect(await bench.access.deps.vault.sealMissing(1)).toBe(false);
    expect(await sealsOf(bench)).toHaveLength(25);
    const again = await bench.openAgain();
    await enrol(again, member.id, '1:1');
    expect(await again.access.deps.vault.sealMissing(1)).toBe(false);
    expect(await sealsOf(again)).toHaveLength(51);
    await again.access.sealCards();
    const { rows, sealed } = await bothSides(again);
    expect(sealed.size).toBe(131);
    expect(sealed).toEqual(rows);
    const { commits } = again.store.figures;
    expect(await again.access.deps.vault.sealMissing(100)).toBe(true);
    expect(again.store.figures.commits).toBe(commits);
    const [state] = await again.store.read.selectFrom('card_vault').selectAll().execute();
    expect(state).toEqual({ id: 1, key_id: cardKeyId(again.cardKey), walk_after: null });
  });

  test('are all sealed anew after the key was lost', async () => {
    const bench = await openBench();
    const member = await addPaidMember(bench);
    for (const text of ['1:1', '1:2']) await enrol(bench, member.id, text);
    await bench.access.sealCards();
    const again = await bench.openAgain(Buffer.alloc(32, 5));
    await again.access.sealCards();
    const { rows, sealed } = await bothSides(again);
    expect(sealed.size).toBe(2);
    expect(sealed).toEqual(rows);
  });

  test('keep their seals on a hub whose cards are still to be restored', async () => {
    const bench = await openBench();
    const member = await addPaidMember(bench);
    await enrol(bench, member.id, '1:1');
    await bench.store.transact('test.lost', async (tx) => {
      await tx.local.deleteFrom('credential_reading').execute();
    });
    const before = await sealsOf(bench);
    const again = await bench.openAgain(Buffer.alloc(32, 5));
    await again.access.sealCards();
    expect(await sealsOf(again)).toEqual(before);
    expect(before).toHaveLength(1);
  });
});

test('readings and PINs are written by one file, which only the vault and the restore call', () => {
  const folder = path.resolve(import.meta.dirname, '../../../hub');
  const sources = sourcesIn(folder, [path.join(folder, 'ui')]).map((file) => ({
    name: path.relative(folder, file),
    text: readFileSync(file, 'utf8'),
  }));
  const fitting = (pattern: RegExp): string[] =>
    sources.filter(({ text }) => pattern.test(text)).map(({ name }) => name);
  const domain = 'domains/access/vault';
  expect(fitting(/(insertInto|updateTable|deleteFrom)\(\s*'credential_(reading|pin)'/)).toEqual([
    `${domain}/secret-repository.ts`,
  ]);
  expect(fitting(/insert\(\s*'credential_(reading|pin)'/)).toEqual([]);
  expect(fitting(/'\.\/secret-repository\.ts'/).sort()).toEqual([
    `${domain}/vault.ts`,
    `${domain}/workflow.ts`,
  ]);
});
