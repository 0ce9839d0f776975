import { createHash, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { rest } from '../hubs.ts';
import { eventRow, memberRow } from '../replicas.ts';
import {
  ask,
  calls,
  centre,
  expectTheirsAsTheyWere,
  operation,
  push,
  pushSql,
  pushValues,
  rowsOf,
  scene,
  segment,
  stateOf,
  zeros,
} from './hostile-hub.ts';

describe('a hostile hub, with its token', () => {
  it('is nobody else: not a hub of another site, not itself there, not another hub of its own', async () => {
    const { mine, mySite, theirs, theirSite } = scene();
    const second = await centre().invite(mySite);
    const before = await rowsOf(mySite);
    for (const [site, hub] of [
      [theirSite, theirs.link.hub_id],
      [theirSite, mine.link.hub_id],
      [mySite, theirs.link.hub_id],
      [mySite, second.hub],
      [randomUUID(), mine.link.hub_id],
    ] as const)
      for (const [sql, values] of calls(site, hub, mine.link.token))
        expect([sql, await ask(sql, values)]).toEqual([sql, { status: 'denied', reason: 'tokenWrong' }]);
    await expectTheirsAsTheyWere();
    expect(await rowsOf(mySite)).toBe(before);
  });

  it('is refused without one, with an empty one, and with a hash', async () => {
    const { mine, mySite } = scene();
    const hash = createHash('sha256').update(mine.link.token).digest();
    for (const token of [Buffer.alloc(0), zeros, hash])
      for (const [sql, values] of calls(mySite, mine.link.hub_id, token))
        expect((await ask(sql, values)).reason).toBe('tokenWrong');
    for (const [sql, values] of calls(mySite, mine.link.hub_id, zeros))
      expect((await ask(sql, [values[0], values[1], null, ...values.slice(3)])).reason).toBe('tokenWrong');
  });

  it('reads its own site alone', async () => {
    const { mine, mySite } = scene();
    const who = [mySite, mine.link.hub_id, mine.link.token];
    const changes = await ask('select sync.pull($1, $2, $3, 0, null, 5000) as answer', who);
    expect(changes.changes).toHaveLength(1);
    for (const tbl of ['member', 'access_event', 'audit_entry', 'site']) {
      const page = await ask('select sync.snapshot($1, $2, $3, $4, null, 5000) as answer', [...who, tbl]);
      expect(JSON.stringify(page)).not.toContain(scene().theirMember);
      expect(JSON.stringify(page)).not.toContain(scene().theirEvent);
    }
    for (const tbl of ['pg_authid', 'sync.hub', 'hub', 'member t, sync.hub', "member' or true --", '']) {
      const page = await ask('select sync.snapshot($1, $2, $3, $4, null, 5000) as answer', [...who, tbl]);
      expect(page).toMatchObject({ columns: null, rows: [] });
    }
  });

  it.each([
    ['a table that is none', 'pg_authid', {}],
    ['a table of the machinery', 'hub', {}],
    ['a table with its schema', 'sync.hub', { status: 'active' }],
    ['SQL for a table', 'member; drop table makrcave.member; --', { name: 'x' }],
    ['a quote for a table', 'member" where true --', { name: 'x' }],
    ['the site as a column', 'member', { stream_id: '00000000-0000-0000-0000-000000000001' }],
    ['the machinery’s columns', 'member', { sync_hub: '00000000-0000-0000-0000-000000000001' }],
    ['SQL for a column', 'member', { 'name" = (select token_hash from sync.hub) --': 'x' }],
    ['an append table', 'access_event', { kind: 'x' }],
  ])('has an operation on %s as a dead letter', async (_name, tbl, set) => {
    const { myMember, mySite } = scene();
    const answer = await push({ ops: operation(tbl, myMember, 'update', set) });
    expect(answer).toMatchObject({ status: 'ok', dead: [{ sqlstate: '23514' }] });
    expect(await centre().rows(mySite, 'member', ['name'])).toEqual(['{"name":"Member 1"}']);
    await expectTheirsAsTheyWere();
  });

  it('writes a row of its own where it names one of another site', async () => {
    const { theirMember, theirEvent, mySite } = scene();
    const answer = await push({ ops: operation('member', theirMember, 'update', { name: 'x' }, 2 ** 52) });
    expect(answer).toMatchObject({ status: 'ok', dead: [{ sqlstate: '23503' }] });
    const { id: _id, ...row } = memberRow(77, { created_at_ms: 1 });
    const link = scene().mine.link.acked + 2;
    const prev = await centre().admin.query<{ chain: Buffer }>(
      'select chain from sync.hub where hub_id = $1',
      [scene().mine.link.hub_id],
    );
    const values = pushValues({
      from: link,
      ops: JSON.stringify([
        [link, 'member', theirMember, 'insert', { ...row, id: theirMember }, 0, 1, false],
      ]),
      segments: JSON.stringify([segment({ ...eventRow(1), id: theirEvent, created_at_ms: 1 })]),
    });
    values[6] = prev.rows[0]?.chain;
    expect(await ask(pushSql, values)).toMatchObject({ status: 'ok', dead: [] });
    expect(await centre().rows(mySite, 'member', ['id'])).toHaveLength(2);
    await expectTheirsAsTheyWere();
  });

  it('has no SQL in the names, kinds and values of a segment run', async () => {
    const good = segment({ ...eventRow(1), created_at_ms: 1 });
    const before = await rowsOf(scene().mySite);
    const bad = [
      { ...good, tbl: 'access_event (stream_id) select stream_id from sync.hub --' },
      { ...good, tbl: 'member' },
      { ...good, tbl: 'hub' },
      { ...good, columns: { ...good.columns, stream_id: { k: 'v', d: `{${scene().theirSite}}` } } },
      { ...good, columns: { ...good.columns, sync_hub: { k: 'v', d: `{${randomUUID()}}` } } },
      { ...good, columns: { ...good.columns, 'kind", (select 1)': { k: 'v', d: '{x}' } } },
      { ...good, columns: { ...good.columns, kind: { k: "v' || (select 1)", d: '{x}' } } },
      { ...good, columns: { ...good.columns, kind: { k: 'v', d: "{x}' || version() || '" } } },
      { ...good, columns: { ...good.columns, at_ms: { k: 'n', b: '1); drop table sync.hub', a: '{1}' } } },
      { ...good, columns: {} },
    ];
    for (const each of bad) {
      const answer = await ask('select sync.add_rows($1, $2, $3, $4, $5, $6) as answer', [
        scene().mySite,
        scene().mine.link.hub_id,
        scene().mine.link.token,
        scene().mine.link.epoch,
        JSON.stringify([each]),
        Buffer.alloc(0),
      ]).catch((error: unknown) => String(Reflect.get(Object(error), 'code')));
      expect([JSON.stringify(each), answer]).toEqual([
        JSON.stringify(each),
        expect.stringMatching(/^(22|23)...$/),
      ]);
    }
    expect(await rowsOf(scene().mySite)).toBe(before);
    await expectTheirsAsTheyWere();
  });

  it('sends no batch that is too large', async () => {
    const { acked } = scene().mine.link;
    const notes = 'x'.repeat(1024 * 1024);
    const long = operation(
      'member',
      scene().myMember,
      'update',
      Object.fromEntries(Array.from({ length: 17 }, (_value, index) => [`notes${index}`, notes])),
    );
    const good = segment({ ...eventRow(1), created_at_ms: 1 });
    expect(await stateOf(scene().client, pushSql, pushValues({ to: acked + 10_001 }))).toBe('54000');
    expect(await stateOf(scene().client, pushSql, pushValues({ ops: long }))).toBe('54000');
    for (const n of [2 ** 31 - 1, 20_001, -1])
      expect(
        await stateOf(scene().client, pushSql, pushValues({ segments: JSON.stringify([{ ...good, n }]) })),
      ).toBe('54000');
    const bytes = pushValues();
    bytes[10] = Buffer.alloc(17 * 1024 * 1024);
    expect(await stateOf(scene().client, pushSql, bytes)).toBe('54000');
    expect(
      await centre().value('select last_seq from sync.hub where hub_id = $1', scene().mine.link.hub_id),
    ).toBe(acked);
  });

  it('gains nothing by numbers that are none', async () => {
    const { acked } = scene().mine.link;
    expect(await push({ from: acked + 2 })).toMatchObject({ status: 'gap', last_seq: acked });
    expect(await push({ from: 2 ** 52 })).toMatchObject({ status: 'gap' });
    expect(await push({ from: -5, to: 0 })).toMatchObject({ status: 'ok', dead: [] });
    expect(await push({ from: 0, to: 0 })).toMatchObject({ status: 'ok', dead: [] });
    expect(await stateOf(scene().client, pushSql, pushValues({ from: 5, to: 4 }))).toBe('54000');
    expect(await push({ epoch: -1 })).toMatchObject({ status: 'fenced' });
    expect(await push({ epoch: 2 ** 31 - 1 })).toMatchObject({ status: 'fenced' });
    const who = [scene().mySite, scene().mine.link.hub_id, scene().mine.link.token];
    expect(await stateOf(scene().client, 'select sync.pull($1, $2, $3, 0, null, -1)', who)).toBe('2201W');
    expect(await ask('select sync.pull($1, $2, $3, -1, null, 1) as answer', who)).toMatchObject({
      status: 'snapshotRequired',
    });
    expect(await ask('select sync.pull($1, $2, $3, 999, null, 1) as answer', who)).toMatchObject({
      status: 'streamFork',
    });
    expect(
      await centre().value('select last_seq from sync.hub where hub_id = $1', scene().mine.link.hub_id),
    ).toBe(acked);
    await expectTheirsAsTheyWere();
  });

  it('that says it has sent what it has not is behind itself alone', async () => {
    const { acked, hub_id: hub } = scene().mine.link;
    expect(await push({ to: acked + 5000 })).toMatchObject({ status: 'ok', last_seq: acked + 5000 });
    await scene().mine.insert(2);
    // It has no such number, so it begins anew.
    await rest(scene().mine);
    expect(await centre().rows(scene().mySite, 'member', ['id'])).toHaveLength(2);
    expect(await centre().value('select epoch from sync.hub where hub_id = $1', hub)).toBe(2);
    await expectTheirsAsTheyWere();
  });
});
