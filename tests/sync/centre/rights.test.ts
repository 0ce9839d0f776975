import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { newId } from '#hub/platform/new-id.ts';
import {
  type Answer,
  ask,
  calls,
  centre,
  expectTheirsAsTheyWere,
  logIn,
  rowsOf,
  scene,
  stateOf,
  zeros,
} from './hostile-hub.ts';

/** What hubs call, and nothing else. */
const forHubs = [
  'add_rows',
  'begin_epoch',
  'hello',
  'join',
  'look_up_code',
  'marks',
  'pull',
  'push',
  'rotate_token',
  'snapshot',
];

describe('a hostile hub, as its role', () => {
  it('reads and writes no table', async () => {
    const { rows: tables } = await centre().admin.query<{ place: string; first: string }>(
      `select format('%I.%I', n.nspname, c.relname) as place, a.attname as first
       from pg_class c join pg_namespace n on n.oid = relnamespace join pg_attribute a on attrelid = c.oid and attnum = 1
       where nspname in ('sync', 'makrcave') and relkind in ('r', 'p', 'v', 'm', 'S')`,
    );
    expect(tables.length).toBeGreaterThan(30);
    for (const { place, first } of tables)
      for (const sql of [
        `select * from ${place}`,
        `select count(*) from ${place}`,
        `insert into ${place} default values`,
        `update ${place} set ${first} = ${first}`,
        `delete from ${place}`,
        `truncate ${place}`,
        `copy ${place} to stdout`,
        `do 'begin lock table ${place}; end'`,
      ])
        expect([sql, await stateOf(scene().client, sql)]).toEqual([sql, '42501']);
    await expectTheirsAsTheyWere();
  });

  it('calls what is for hubs, and no other function', async () => {
    const { rows } = await centre().admin.query<{ name: string; call: string; may: boolean }>(
      `select proname as name, format('select %I.%I(%s)', nspname, proname,
           (select string_agg('null::' || format_type(t, null), ', ') from unnest(proargtypes) t)) as call,
         has_function_privilege($1, p.oid, 'execute') as may
       from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname in ('sync', 'makrcave') order by 1`,
      [scene().role],
    );
    expect(rows.filter(({ may }) => may).map(({ name }) => name)).toEqual(forHubs);
    for (const { call, may } of rows)
      if (!may) expect([call, await stateOf(scene().client, call)]).toEqual([call, '42501']);
  });

  it('becomes nobody else, and no setting opens a table to it', async () => {
    for (const sql of [
      'set role makrcave_owner',
      'set role makrcave_reader',
      'set role makrcave_app',
      'set role postgres',
      'set session authorization postgres',
      'grant makrcave_owner to current_user',
      'alter role current_user bypassrls',
      'create table sync.mine ()',
      'create table makrcave.mine ()',
      'alter table makrcave.member disable row level security',
      'create policy mine on makrcave.member using (true)',
      'drop function sync.enter(uuid)',
    ])
      expect([sql, await stateOf(scene().client, sql)]).toEqual([sql, '42501']);
    await scene().client.query(`set sync.site = '${scene().theirSite}'`);
    expect(await stateOf(scene().client, 'select * from makrcave.member')).toBe('42501');
    await scene().client.query("select set_config('sync.site', $1, false)", [scene().theirSite]);
    const { link } = scene().mine;
    const page = await ask('select sync.snapshot($1, $2, $3, $4, null, 100) as answer', [
      scene().mySite,
      link.hub_id,
      link.token,
      'member',
    ]);
    expect(page.rows).toHaveLength(1);
    expect(JSON.stringify(page)).not.toContain('Their secret');
  });

  it('sees nothing of the site that it asked for in the same transaction', async () => {
    const { theirs, theirSite, mine, client } = scene();
    await client.query('begin');
    const [hello] = calls(theirSite, theirs.link.hub_id, mine.link.token);
    expect(await ask(hello?.[0] ?? '', hello?.[1] ?? [])).toMatchObject({ status: 'denied' });
    expect(await stateOf(client, 'select * from makrcave.member')).toBe('42501');
    await client.query('rollback');
  });

  it('changes nothing with objects of its own in the way', async () => {
    const { client, mySite, mine, theirs, theirSite } = scene();
    await client.query('create temp table hub as select 1 as stream_id');
    await client.query(
      "create function pg_temp.sha256(bytea) returns bytea language sql as 'select ''\\x00''::bytea'",
    );
    await client.query('set search_path = pg_temp, pg_catalog');
    const [hello] = calls(theirSite, theirs.link.hub_id, Buffer.from('00', 'hex'));
    expect(await ask(hello?.[0] ?? '', hello?.[1] ?? [])).toMatchObject({ reason: 'tokenWrong' });
    const [own] = calls(mySite, mine.link.hub_id, mine.link.token);
    expect(await ask(own?.[0] ?? '', own?.[1] ?? [])).toMatchObject({ status: 'ok' });
    await client.query('set row_security = off');
    expect(await stateOf(client, own?.[0] ?? '', own?.[1] ?? [])).toBe('42501');
  });
});

describe('who may not, although they could', () => {
  it('a hub whose role is another than the one it was made for', async () => {
    const { mine, mySite, role } = scene();
    const set = 'update sync.hub set db_role = $2 where hub_id = $1';
    await centre().admin.query(set, [mine.link.hub_id, 'somebody']);
    for (const [sql, values] of calls(mySite, mine.link.hub_id, mine.link.token))
      expect([sql, await ask(sql, values)]).toEqual([sql, { status: 'denied', reason: 'roleWrong' }]);
    await centre().admin.query(set, [mine.link.hub_id, role]);
    const [hello] = calls(mySite, mine.link.hub_id, mine.link.token);
    expect(await ask(hello?.[0] ?? '', hello?.[1] ?? [])).toMatchObject({ status: 'ok' });
  });

  it('a hub that was revoked, whatever it asks', async () => {
    const { mine, mySite } = scene();
    await centre().value('select sync.revoke_hub($1, $2)', mySite, mine.link.hub_id);
    const before = await rowsOf(mySite);
    for (const [sql, values] of calls(mySite, mine.link.hub_id, mine.link.token))
      expect([sql, await ask(sql, values)]).toEqual([sql, { status: 'denied', reason: 'revoked' }]);
    expect(await rowsOf(mySite)).toBe(before);
  });

  it('whoever has a code that was used, has expired, was guessed, or is for a hub that was revoked', async () => {
    const { mySite } = scene();
    const join = 'select sync.join($1, $2, $3, 0, $4) as answer';
    const lookUp = 'select sync.look_up_code($1) as answer';
    const joinWith = async (hash: Buffer): Promise<Answer> =>
      await ask(join, [hash, randomUUID(), randomBytes(32), zeros]);
    const invite = async (minutes: number): Promise<{ hash: Buffer; hub: string }> => {
      const hash = randomBytes(32);
      const hub = await centre().value('select sync.add_hub($1, $2, $3, $4)', mySite, 'box', hash, minutes);
      return { hash, hub: String(hub) };
    };
    const used = await invite(60);
    expect(await ask(lookUp, [used.hash])).toMatchObject({ status: 'ok', site: mySite, hub: used.hub });
    expect(await joinWith(used.hash)).toMatchObject({ status: 'ok', site: mySite, hub: used.hub, epoch: 1 });
    const expired = await invite(-1);
    const revoked = await invite(60);
    await centre().value('select sync.revoke_hub($1, $2)', mySite, revoked.hub);
    const before = await rowsOf(mySite);
    for (const hash of [used.hash, expired.hash, randomBytes(32), Buffer.alloc(0), revoked.hash])
      expect(await joinWith(hash)).toEqual({ status: 'codeWrong' });
    for (const hash of [used.hash, expired.hash, randomBytes(32)])
      expect(await ask(lookUp, [hash])).toEqual({ status: 'codeWrong' });
    expect(await rowsOf(mySite)).toBe(before);
  });

  it('another application: it writes open columns of rows that are there, and reads nothing', async () => {
    const { client } = await logIn('makrcave_app');
    const { myMember, mySite } = scene();
    const submit = async (ops: unknown): Promise<string | null> =>
      await stateOf(client, 'select sync.submit($1, $2)', [mySite, JSON.stringify(ops)]);
    expect(await submit([{ tbl: 'member', pk: myMember, set: { notes: 'x' } }])).toBeNull();
    expect(await submit([{ tbl: 'member', pk: myMember, set: { status: 'left' } }])).toBe('42501');
    expect(await submit([{ tbl: 'account', pk: myMember, set: { username: 'x' } }])).toBe('42501');
    expect(await submit([{ tbl: 'member', pk: newId(), set: { notes: 'x' } }])).toBe('23503');
    for (const sql of [
      'select * from makrcave.member',
      'select * from sync.hub',
      "select sync.add_site('x')",
    ])
      expect([sql, await stateOf(client, sql)]).toEqual([sql, '42501']);
  });

  it('a reader: it sees the rows of all sites, no secrets, and writes nothing', async () => {
    const { client } = await logIn('makrcave_reader');
    const { rows } = await client.query('select distinct stream_id from makrcave.member');
    expect(rows.length).toBeGreaterThanOrEqual(2);
    for (const sql of [
      'select token_hash from sync.hub',
      'select * from sync.invitation',
      'select * from sync.hub_mark',
      "update makrcave.member set name = 'x'",
      'delete from sync.dead_letter',
      "select sync.submit('00000000-0000-0000-0000-000000000001', '[]')",
    ])
      expect([sql, await stateOf(client, sql)]).toEqual([sql, '42501']);
  });
});
