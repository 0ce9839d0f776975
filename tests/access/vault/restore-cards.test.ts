import type { Insertable } from 'kysely';
import { describe, expect, test } from 'vitest';
import { addReading } from '#hub/domains/access/cards/reading-workflow.ts';
import { changeCredentialStatus, enrolCard } from '#hub/domains/access/cards/workflow.ts';
import { insertBridgeSecret } from '#hub/domains/access/controllers/repository.ts';
import { checkRequestSchema } from '#hub/domains/access/explain/schema.ts';
import { explainAccess } from '#hub/domains/access/explain/workflow.ts';
import { setPin } from '#hub/domains/access/pins/workflow.ts';
import { insertSet } from '#hub/domains/access/policy/repository.ts';
import { makeRecoverySheet } from '#hub/domains/access/vault/recovery-workflow.ts';
import { openCardKey, restoreCards } from '#hub/domains/access/vault/workflow.ts';
import { hubTables } from '#hub/domains.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { newId } from '#hub/platform/new-id.ts';
import type { Database } from '#hub/store/database.ts';
import { ConstraintFault } from '#hub/store/sqlite/store-faults.ts';
import type { Store, TableName } from '#hub/store/store.ts';
import { permissions } from '#tests/_support/open-domains.ts';
import {
  accepted,
  addPaidMember,
  type Bench,
  card,
  openBench,
  openWithBridge,
  refused,
  ScriptedBridge,
  staff,
} from '../support.ts';

const owner: Principal = {
  kind: 'account',
  accountId: '01890000-0000-7000-8000-000000000001',
  displayName: 'Grace',
  permissions: new Set(permissions),
  sessionId: 'session',
};
const isState = (table: string): table is TableName => hubTables[table]?.class === 'state';

const ownColumns: readonly string[] = ['version', 'created_at_ms', 'updated_at_ms', 'deleted_at_ms'];

/** What the centre holds of a hub, in a store that has nothing yet: the live rows of the replicated state tables. */
async function bringBack(from: Store, to: Store): Promise<void> {
  const waiting = Object.keys(hubTables)
    .filter(isState)
    .filter((table) => table !== 'site' && table !== 'audit_payload');
  for (let tries = 0; waiting.length > 0; tries += 1) {
    const table = waiting.shift()!;
    const rows = await from.read.selectFrom(table).selectAll().where('deleted_at_ms', 'is', null).execute();
    try {
      await to.transact('test.bootstrap', async (tx) => {
        for (const row of rows) {
          const replicated = Object.entries(row).filter(([name]) => !ownColumns.includes(name));
          await tx.insert(table, Object.fromEntries(replicated) as Insertable<Database[typeof table]>);
        }
      });
    } catch (cause) {
      // It refers to a table that comes later.
      if (!(cause instanceof ConstraintFault) || tries > 200) throw cause;
      waiting.push(table);
    }
  }
}

/** A makerspace with cards of several kinds and a PIN, and its recovery code. */
async function openOld() {
  const { bench, bridge } = await openWithBridge();
  const { deps } = bench.access;
  const [ada, bob] = [await addPaidMember(bench), await addPaidMember(bench, 'Bob')];
  const enrol = async (memberId: string, text: string) =>
    accepted(await enrolCard(deps, staff, card(text), { memberId, label: text }));
  const fob = await enrol(ada.id, 'em40:010bc4d5e7');
  accepted(await addReading(deps, staff, fob.id, card('uid7:04a1b2c3d4e5f6')));
  const lost = await enrol(bob.id, '123:4567');
  accepted(await changeCredentialStatus(deps, staff, lost.id, 'lose', null));
  accepted(await setPin(deps, staff, ada.id, { pin: '4711', duressPin: '2093' }));
  const { recoveryCode } = await makeRecoverySheet(deps, owner);
  return { bench, bridge, recoveryCode, fob, ada };
}

/** A new box with the rows of the old one and keys of its own. */
async function openNew(old: Bench) {
  const bench = await openBench();
  await bringBack(old.store, bench.store);
  const { id: bridgeId } = await bench.store.read.selectFrom('bridge').select('id').executeTakeFirstOrThrow();
  return { bench, bridgeId };
}

async function giveBridgeKeys({ access, store }: Bench, bridgeId: string): Promise<void> {
  await store.transact('test.bridge', async (tx) => {
    const digestKeyId = newId();
    const secret = { bridgeId, tokenHash: new Uint8Array(32), digestKeyId, digestKey: Buffer.alloc(32, 9) };
    await insertBridgeSecret(tx, secret);
    await insertSet(tx, { bridgeId, keyId: digestKeyId, sum: new Uint8Array(32) });
    await access.deps.keeper.refreshDocuments(tx);
  });
}

const secretRows = async ({ store: { read } }: Bench) => ({
  readings: await read
    .selectFrom('credential_reading')
    .selectAll()
    .orderBy('reading')
    .orderBy('hex')
    .execute(),
  pins: await read.selectFrom('credential_pin').selectAll().execute(),
});
const restoreInto = ({ store, access }: Bench, cardKey: Uint8Array) =>
  restoreCards({ store, keeper: access.deps.keeper }, cardKey);
const explain = async (bench: Bench, request: Record<string, unknown>) => {
  const asked = checkRequestSchema.parse({ portalKey: 'front', ...request });
  const { granted, reason, member, credential, checks } = accepted(
    await explainAccess(bench.access.deps, asked),
  );
  return { granted, reason, member, credential, checks };
};

describe('cards on a new box', () => {
  test('are known again at the doors, with their PINs, by the code on the sheet', async () => {
    const old = await openOld();
    const { bench, bridgeId } = await openNew(old.bench);
    await giveBridgeKeys(bench, bridgeId);
    expect(await secretRows(bench)).toEqual({ readings: [], pins: [] });
    expect(await explain(bench, { card: '123:4567' })).toMatchObject({ granted: false, credential: null });

    const cardKey = accepted(await openCardKey(bench.store.read, old.recoveryCode.toLowerCase()));
    expect([...cardKey]).toEqual([...old.bench.cardKey]);
    expect(await restoreInto(bench, cardKey)).toEqual({ restored: 3, failed: [] });

    const rows = await secretRows(bench);
    expect(rows).toEqual(await secretRows(old.bench));
    expect([rows.readings.length, rows.pins.length]).toEqual([5, 1]);
    for (const text of ['em40:010bc4d5e7', 'uid7:04a1b2c3d4e5f6', '196:54759', '123:4567', '9:9'])
      for (const withPin of [false, true]) {
        const request = { card: text, withPin };
        expect(await explain(bench, request)).toEqual(await explain(old.bench, request));
      }
    expect(await explain(bench, { card: 'uid7:04a1b2c3d4e5f6' })).toMatchObject({
      granted: true,
      member: { name: 'Ada Lovelace' },
    });
    const bridge = new ScriptedBridge(bench, bridgeId);
    await bridge.connect();
    await bridge.pull();
    expect([bridge.knows('uid7:04a1b2c3d4e5f6'), bridge.knows('9:9')]).toEqual([true, false]);
    await old.bridge.pull();
    expect(bridge.records.size).toBe(old.bridge.records.size);
    expect(bridge.records.size).toBeGreaterThan(6);
  });

  test('are known to a bridge that gets its keys afterwards', async () => {
    const old = await openOld();
    const { bench, bridgeId } = await openNew(old.bench);
    await restoreInto(bench, old.bench.cardKey);
    await giveBridgeKeys(bench, bridgeId);
    await bench.access.deps.keeper.rebuildRecords();
    expect(await explain(bench, { card: 'uid7:04a1b2c3d4e5f6' })).toMatchObject({ granted: true });
  });

  test('come back once however often it is run, wherever the time before was cut off', async () => {
    const old = await openOld();
    const member = await addPaidMember(old.bench, 'Cleo');
    for (let number = 0; number < 120; number += 1)
      accepted(
        await enrolCard(old.bench.access.deps, staff, card(`7:${number}`), {
          memberId: member.id,
          label: 'Fob',
        }),
      );
    const { bench } = await openNew(old.bench);
    const { store, access } = bench;
    const { keeper } = access.deps;
    let slices = 0;
    const cutOff: typeof keeper = {
      ...keeper,
      async refreshCredentials(tx, ids) {
        slices += 1;
        if (slices === 2) throw new Error('the end of the process');
        await keeper.refreshCredentials(tx, ids);
      },
    };
    await expect(restoreCards({ store, keeper: cutOff }, old.bench.cardKey)).rejects.toThrow('the end');
    const again = await bench.openAgain();
    const partly = (await secretRows(again)).readings.length;
    expect(partly).toBeGreaterThanOrEqual(25);
    expect(partly).toBeLessThan(125);
    const { store: reopened } = again;
    const changes = async () => (await reopened.read.selectFrom('change').select('seq').execute()).length;
    const before = await changes();
    for (let run = 0; run < 2; run += 1)
      expect(await restoreInto(again, old.bench.cardKey)).toEqual({ restored: 123, failed: [] });
    expect(await secretRows(again)).toEqual(await secretRows(old.bench));
    expect(await changes()).toBe(before);
  });

  test('keep the sheet of the old box where the new one has its key, and are sealed anew where it has another', async () => {
    const old = await openOld();
    const { bench } = await openNew(old.bench);
    await restoreInto(bench, old.bench.cardKey);
    const seals = (one: Bench) =>
      one.store.read.selectFrom('credential_seal').select(['id', 'version']).orderBy('id').execute();
    const before = await seals(bench);
    const same = await bench.openAgain(old.bench.cardKey);
    await same.access.sealCards();
    expect(await seals(same)).toEqual(before);
    const versions = async (one: Bench) => (await seals(one)).map(({ version }) => version);
    const other = await same.openAgain(Buffer.alloc(32, 5));
    await other.access.sealCards();
    expect(await versions(other)).toEqual([2, 2, 2]);
    // One that has looked at its cards, none so far, before they came back.
    const { bench: early } = await openNew(old.bench);
    await early.access.sealCards();
    await restoreInto(early, old.bench.cardKey);
    await early.access.sealCards();
    expect(await versions(early)).toEqual([2, 2, 2]);
  });

  test('that do not open are named, and the others come back', async () => {
    const old = await openOld();
    const { bench } = await openNew(old.bench);
    const seal = await bench.store.read
      .selectFrom('credential_seal')
      .select(['id', 'sealed'])
      .where('credential_id', '=', old.fob.id)
      .executeTakeFirstOrThrow();
    await bench.store.transact('test.damage', async (tx) => {
      await tx.write('credential_seal', seal.id, { sealed: `${seal.sealed.slice(0, -8)}AAAAAAAA` });
    });
    expect(await restoreInto(bench, old.bench.cardKey)).toEqual({ restored: 2, failed: [old.fob.id] });
    expect((await restoreInto(bench, Buffer.alloc(32, 5))).failed).toHaveLength(3);
  });
});

test('without a sheet, with a mistyped and with another code there is no card key, each with its reason', async () => {
  const bench = await openBench();
  const { read } = bench.store;
  const { deps } = bench.access;
  const sheet = await makeRecoverySheet(deps, owner);
  const older = sheet.recoveryCode;
  const { recoveryCode } = await makeRecoverySheet(deps, owner);
  expect(refused(await openCardKey(read, older))).toMatchObject({
    code: 'recoveryCodeWrong',
    title: expect.stringContaining('2026-11-22'),
  });
  const wrongGroup = `${recoveryCode.slice(0, 5)}${recoveryCode.startsWith('7', 5) ? '8' : '7'}${recoveryCode.slice(6)}`;
  expect(refused(await openCardKey(read, wrongGroup))).toMatchObject({
    code: 'recoveryCodeMistyped',
    groups: [2],
  });
  expect([...accepted(await openCardKey(read, recoveryCode))]).toEqual([...bench.cardKey]);
  const empty = await openBench();
  expect(refused(await openCardKey(empty.store.read, recoveryCode)).code).toBe('noCardKey');
});
