import { describe, expect, it } from 'vitest';
import { enrolCardSchema } from '#hub/domains/access/cards/schema.ts';
import { enrolCardText } from '#hub/domains/access/cards/workflow.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { newId } from '#hub/platform/new-id.ts';
import { countConflicts, listConflicts } from '#hub/sync/page/conflict-repository.ts';
import { conflictsToWire, settleConflict } from '#hub/sync/page/conflict-workflow.ts';
import { accepted, addPaidMember, openWithBridge, refused, staff } from '#tests/access/support.ts';
import {
  addConflict,
  centreHub,
  grace,
  link,
  openSyncBench,
  otherHub,
  ownHub,
  type SyncBench,
  syncPartsOf,
} from './support.ts';

const add = ({ store }: SyncBench, conflict: Parameters<typeof addConflict>[1]): Promise<string> =>
  store.transact('test.conflict', (tx) => addConflict(tx, conflict));
const member = (bench: SyncBench) =>
  bench.store.read
    .selectFrom('member')
    .selectAll()
    .where('id', '=', bench.memberId)
    .executeTakeFirstOrThrow();
const words = async ({ store }: SyncBench): Promise<string[]> =>
  (await store.read.selectFrom('member_word').select('word').execute()).map(({ word }) => word);
const nameConflict = (bench: SyncBench, more: Partial<Parameters<typeof addConflict>[1]> = {}) =>
  add(bench, {
    table: 'member',
    rowId: bench.memberId,
    column: 'name',
    kept: 'Mia Maker',
    lost: 'Mia Makepeace',
    ...more,
  });

describe('the list of conflicts', () => {
  it('says in words what each is about, and who wrote what when', async () => {
    const bench = await openSyncBench();
    await link(bench);
    await nameConflict(bench, { keptBy: otherHub, lostBy: ownHub });
    const [row] = await conflictsToWire(
      bench.parts,
      bench.store.read,
      await listConflicts(bench.store.read, false, { after: null, limit: 10 }),
    );
    expect(row).toMatchObject({
      subject: 'Member',
      label: 'Mia Maker',
      field: 'name',
      kept: 'Mia Maker',
      keptBy: { kind: 'otherHub', hubId: otherHub },
      keptAt: '2026-11-22T11:59:00.000Z',
      lost: 'Mia Makepeace',
      lostBy: { kind: 'thisHub', hubId: ownHub },
      lostAt: '2026-11-22T11:58:00.000Z',
      settledAt: null,
    });
  });

  it('is the newest first, page by page, whatever the ids are', async () => {
    const bench = await openSyncBench();
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      bench.time.advance(1000);
      ids.push(await nameConflict(bench, { lost: `name ${count}` }));
    }
    const first = await listConflicts(bench.store.read, false, { after: null, limit: 3 });
    const last = first.at(-1)!;
    const rest = await listConflicts(bench.store.read, false, {
      after: [last.created_at_ms, last.id],
      limit: 3,
    });
    expect([...first, ...rest].map(({ id }) => id)).toEqual(ids.toReversed());
    expect(await countConflicts(bench.store.read, false)).toBe(5);
  });

  it('names rows without a name by their member, and rows that are not here by nothing', async () => {
    const bench = await openSyncBench();
    const { id: memberId } = await addPaidMember(bench, 'Ada Lovelace');
    const membership = await bench.store.read
      .selectFrom('membership')
      .select('id')
      .where('member_id', '=', memberId)
      .executeTakeFirstOrThrow();
    await add(bench, { table: 'membership', rowId: membership.id, column: 'renews', kept: 1, lost: 0 });
    await add(bench, { table: 'member', rowId: newId(), column: 'name', kept: 'A', lost: 'B' });
    await add(bench, { table: 'no_such_table', rowId: newId(), column: 'x', kept: 'A', lost: null });
    const rows = await listConflicts(bench.store.read, false, { after: null, limit: 10 });
    const labels = (await conflictsToWire(bench.parts, bench.store.read, rows)).map(({ table, label }) => [
      table,
      label,
    ]);
    expect(Object.fromEntries(labels)).toEqual({
      membership: 'Ada Lovelace',
      member: null,
      no_such_table: null,
    });
  });
});

describe('settling a conflict', () => {
  it('by what stands changes nothing but the conflict, once', async () => {
    const bench = await openSyncBench();
    const id = await nameConflict(bench);
    const before = await member(bench);
    const settled = accepted(await settleConflict(bench.parts, grace, id, 'kept'));
    expect(settled.settledAt).toBe('2026-11-22T12:00:00.000Z');
    expect(await member(bench)).toEqual(before);
    expect(await countConflicts(bench.store.read, false)).toBe(0);
    expect(await countConflicts(bench.store.read, true)).toBe(1);
    for (const choose of ['kept', 'lost'] as const)
      expect(refused(await settleConflict(bench.parts, grace, id, choose)).code).toBe('conflictSettled');
    expect(bench.announced.map(({ topic }) => topic)).toEqual(['sync.changed']);
  });

  it('by the other value writes it as anybody would: for replication, search and live pages', async () => {
    const bench = await openSyncBench();
    const id = await nameConflict(bench);
    accepted(await settleConflict(bench.parts, grace, id, 'lost'));
    expect(await member(bench)).toMatchObject({ name: 'Mia Makepeace', version: 2 });
    expect(await words(bench)).toContain('a:mia makepeace');
    expect(bench.announced.map(({ topic }) => topic).sort()).toEqual(['member.changed', 'sync.changed']);
    const changes = await bench.store.read
      .selectFrom('change')
      .select(['tbl', 'body'])
      .where('pk', 'in', [bench.memberId, id])
      .orderBy('seq', 'desc')
      .limit(2)
      .execute();
    expect(changes.map(({ tbl }) => tbl)).toEqual(['sync_conflict', 'member']);
    expect(changes[1]?.body).toBe('{"name":"Mia Makepeace"}');
    const entry = await bench.store.read
      .selectFrom('audit_entry')
      .selectAll()
      .where('action', '=', 'syncConflict.settle')
      .executeTakeFirstOrThrow();
    expect(entry).toMatchObject({ actor_id: grace.accountId, target_id: id });
  });

  it('of a place tells the live pages of places', async () => {
    const bench = await openSyncBench();
    const areaId = newId();
    await bench.store.transact('test.area', (tx) =>
      tx.insert('area', { id: areaId, name: 'Wood', parent_id: null }),
    );
    const id = await add(bench, {
      table: 'area',
      rowId: areaId,
      column: 'name',
      kept: 'Wood',
      lost: 'Timber',
    });
    accepted(await settleConflict(bench.parts, grace, id, 'lost'));
    expect(bench.announced).toContainEqual({ topic: 'area.changed', data: { areaId, change: 'changed' } });
  });

  it('changes what the doors know of a member', async () => {
    const { bench, bridge } = await openWithBridge();
    const { parts } = syncPartsOf(bench);
    const { id: memberId } = await addPaidMember(bench);
    accepted(
      await enrolCardText(
        bench.access.deps,
        staff,
        enrolCardSchema.parse({ memberId, card: '123:4567', label: 'Fob' }),
      ),
    );
    await bridge.pull();
    const record = () => Buffer.from(bridge.records.get(bridge.digest('123:4567')) ?? []).toString('hex');
    const before = record();
    const conflict = { table: 'member', column: 'status', kept: 'active', lost: 'suspended' };
    const id = await bench.store.transact('test.conflict', (tx) =>
      addConflict(tx, { ...conflict, rowId: memberId }),
    );
    accepted(await settleConflict(parts, grace, id, 'lost'));
    await bridge.pull();
    expect(record()).not.toBe(before);
    expect(record()).toHaveLength(before.length);
  });

  it.each([
    ['a row that is not here', 'rowGone', { rowId: newId() }],
    ['a table that is not here', 'columnUnknown', { table: 'no_such_table' }],
    ['a table that never leaves this hub', 'columnUnknown', { table: 'account_password', column: 'phc' }],
    ['a column that is not there', 'columnUnknown', { column: 'shoe_size' }],
    ['a column that is no name', 'columnUnknown', { column: 'name" = null --' }],
    ['what the store keeps by itself', 'columnUnknown', { column: 'created_at_ms', kept: 'same', lost: 5 }],
    ['a value that a later one has replaced', 'valueChangedSince', { kept: 'Mia Before' }],
    ['a value that the table does not take', 'valueDoesNotFit', { lost: '' }],
    [
      'a word that the table does not know',
      'valueDoesNotFit',
      { column: 'status', kept: 'active', lost: 'nonsense' },
    ],
  ] as const)('by %s is refused and leaves everything as it is', async (_what, code, more) => {
    const bench = await openSyncBench();
    const before = await member(bench);
    const kept = 'kept' in more && more.kept === 'same' ? before.created_at_ms : undefined;
    const id = await nameConflict(bench, { ...more, ...(kept === undefined ? {} : { kept }) });
    expect(refused(await settleConflict(bench.parts, grace, id, 'lost')).code).toBe(code);
    expect(await member(bench)).toEqual(before);
    expect(await countConflicts(bench.store.read, false)).toBe(1);
    accepted(await settleConflict(bench.parts, grace, id, 'kept'));
  });

  it('of a row that was removed is possible by what stands only', async () => {
    const bench = await openSyncBench();
    const id = await nameConflict(bench);
    await bench.store.transact('test.remove', (tx) => tx.remove('member', bench.memberId));
    expect(refused(await settleConflict(bench.parts, grace, id, 'lost')).code).toBe('rowGone');
    accepted(await settleConflict(bench.parts, grace, id, 'kept'));
  });

  it('needs the right to change such a row anyway', async () => {
    const bench = await openSyncBench();
    const id = await nameConflict(bench, { lostBy: centreHub });
    const janitor: Principal = { ...grace, permissions: new Set(['system.manage']) };
    expect(refused(await settleConflict(bench.parts, janitor, id, 'lost'))).toEqual({
      code: 'beyondOwnPermissions',
      permissions: ['member.manage'],
    });
    expect(refused(await settleConflict(bench.parts, grace, newId(), 'kept')).code).toBe('conflictNotFound');
  });
});
