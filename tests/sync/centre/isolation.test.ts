import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { newId } from '#hub/platform/new-id.ts';
import { syncSchemaNumber } from '#hub/sync/schema.ts';
import { type Hub, makeSite, rest, useCentre } from '../hubs.ts';
import { eventRow, memberRow } from '../replicas.ts';

const centre = useCentre();

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
const zeros = Buffer.alloc(32);

/** Logged in as a role of its own that is a member of `group`. */
async function logIn(group: string): Promise<{ client: Client; role: string }> {
  const role = `test_${randomBytes(6).toString('hex')}`;
  await centre().admin.query(`create role ${role} login password 'secret' in role ${group}`);
  const url = new URL(centre().url);
  url.username = role;
  url.password = 'secret';
  const client = new Client({ connectionString: url.href });
  await client.connect();
  onTestFinished(async () => {
    await client.end();
    await centre().admin.query(`drop role ${role}`);
  });
  return { client, role };
}

/** The SQLSTATE with which it fails; null when it does not. */
async function stateOf(client: Client, sql: string, values: unknown[] = []): Promise<string | null> {
  try {
    await client.query(sql, values);
    return null;
  } catch (error) {
    return String(Reflect.get(Object(error), 'code'));
  }
}

interface Scene {
  readonly client: Client;
  readonly role: string;
  readonly mine: Hub;
  readonly mySite: string;
  readonly myMember: string;
  readonly theirs: Hub;
  readonly theirSite: string;
  readonly theirMember: string;
  readonly theirEvent: string;
}

let scene: Scene;
/** All that the centre has of the other site. */
let theirRows: string;

async function rowsOf(site: string): Promise<string> {
  const { rows: tables } = await centre().admin.query<{ place: string }>(
    `select format('%I.%I', table_schema, table_name) as place from information_schema.columns
     where column_name = 'stream_id' and table_schema in ('sync', 'makrcave') and table_name <> 'invitation'
     order by 1`,
  );
  const all: unknown[] = [];
  for (const { place } of tables)
    all.push(
      (await centre().admin.query(`select * from ${place} t where stream_id = $1 order by t::text`, [site]))
        .rows,
    );
  return JSON.stringify(all);
}

beforeEach(async () => {
  const { client, role } = await logIn('makrcave_hub');
  const { site: mySite, hubs: mine } = await makeSite(centre(), 1);
  const { site: theirSite, hubs: theirs } = await makeSite(centre(), 1);
  const myMember = await mine[0].insert(1);
  const theirMember = await theirs[0].insert(1, { name: 'Their secret' });
  const theirEvent = await theirs[0].append(1);
  await rest(mine[0]);
  await rest(theirs[0]);
  scene = {
    client,
    role,
    mine: mine[0],
    mySite,
    myMember,
    theirs: theirs[0],
    theirSite,
    theirMember,
    theirEvent,
  };
  theirRows = await rowsOf(theirSite);
});

const expectTheirsAsTheyWere = async (): Promise<void> =>
  expect(await rowsOf(scene.theirSite)).toBe(theirRows);

interface Push {
  readonly site: string;
  readonly hub: string;
  readonly token: Uint8Array;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly ops: string;
  readonly segments: string;
}

const pushSql = 'select sync.push($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as answer';

/** The arguments of a push that is right but for `changes`. */
function pushValues(changes: Partial<Push> = {}): unknown[] {
  const { link } = scene.mine;
  const from = changes.from ?? link.acked + 1;
  const push: Push = {
    site: scene.mySite,
    hub: link.hub_id,
    token: link.token,
    epoch: link.epoch,
    from,
    to: from,
    ops: '[]',
    segments: '[]',
    ...changes,
  };
  const { site, hub, token, epoch, to, ops, segments } = push;
  const prev = Buffer.from(link.acked_chain, 'hex');
  return [site, hub, token, epoch, from, to, prev, randomBytes(32), ops, segments, Buffer.alloc(0)];
}

interface Answer {
  readonly status: string;
  readonly reason?: string;
  readonly dead?: readonly { seq: number; sqlstate: string }[];
  readonly rows?: readonly unknown[];
  readonly changes?: readonly unknown[];
}

async function ask(sql: string, values: unknown[]): Promise<Answer> {
  const { rows } = await scene.client.query<{ answer: Answer | string }>(sql, values);
  const [answer, ...more] = rows.map((row) =>
    typeof row.answer === 'string' ? (JSON.parse(row.answer) as Answer) : row.answer,
  );
  // A snapshot is a line that says what it is of, and a line for each row.
  return answer !== undefined && 'columns' in answer
    ? { ...answer, rows: more }
    : (answer ?? { status: 'none' });
}

const push = async (changes: Partial<Push> = {}): Promise<Answer> => await ask(pushSql, pushValues(changes));

/** One operation, as the next of the hub. */
const operation = (tbl: string, pk: string, op: string, set: object, base = 0): string => {
  const seq = scene.mine.link.acked + 1;
  return JSON.stringify([[seq, tbl, pk, op, set, base, Date.now() * 2048, false]]);
};

/** Each call that names a hub, as `hub` of `site` with `token`. */
function calls(site: string, hub: string, token: Uint8Array): [string, unknown[]][] {
  const who = [site, hub, token];
  const { epoch } = scene.mine.link;
  const instance = randomUUID();
  return [
    ['select sync.hello($1, $2, $3, $4, $5, 0) as answer', [...who, 'test', syncSchemaNumber]],
    [pushSql, pushValues({ site, hub, token })],
    ['select sync.add_rows($1, $2, $3, $4, $5, $6) as answer', [...who, epoch, '[]', zeros]],
    ['select sync.pull($1, $2, $3, $4, $5, $6) as answer', [...who, 0, null, 100]],
    ['select sync.snapshot($1, $2, $3, $4, $5, $6) as answer', [...who, 'member', null, 100]],
    ['select sync.marks($1, $2, $3, $4, $5, $6) as answer', [...who, epoch, 100, 100]],
    ['select sync.begin_epoch($1, $2, $3, $4, $5, $6, $7) as answer', [...who, epoch, instance, 0, zeros]],
    ['select sync.rotate_token($1, $2, $3, $4) as answer', [...who, zeros]],
  ];
}

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
        expect([sql, await stateOf(scene.client, sql)]).toEqual([sql, '42501']);
    await expectTheirsAsTheyWere();
  });

  it('calls what is for hubs, and no other function', async () => {
    const { rows } = await centre().admin.query<{ name: string; call: string; may: boolean }>(
      `select proname as name, format('select %I.%I(%s)', nspname, proname,
           (select string_agg('null::' || format_type(t, null), ', ') from unnest(proargtypes) t)) as call,
         has_function_privilege($1, p.oid, 'execute') as may
       from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname in ('sync', 'makrcave') order by 1`,
      [scene.role],
    );
    expect(rows.filter(({ may }) => may).map(({ name }) => name)).toEqual(forHubs);
    for (const { call, may } of rows)
      if (!may) expect([call, await stateOf(scene.client, call)]).toEqual([call, '42501']);
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
      expect([sql, await stateOf(scene.client, sql)]).toEqual([sql, '42501']);
    await scene.client.query(`set sync.site = '${scene.theirSite}'`);
    expect(await stateOf(scene.client, 'select * from makrcave.member')).toBe('42501');
    await scene.client.query("select set_config('sync.site', $1, false)", [scene.theirSite]);
    const { link } = scene.mine;
    const page = await ask('select sync.snapshot($1, $2, $3, $4, null, 100) as answer', [
      scene.mySite,
      link.hub_id,
      link.token,
      'member',
    ]);
    expect(page.rows).toHaveLength(1);
    expect(JSON.stringify(page)).not.toContain('Their secret');
  });

  it('sees nothing of the site that it asked for in the same transaction', async () => {
    const { theirs, theirSite, mine, client } = scene;
    await client.query('begin');
    const [hello] = calls(theirSite, theirs.link.hub_id, mine.link.token);
    expect(await ask(hello?.[0] ?? '', hello?.[1] ?? [])).toMatchObject({ status: 'denied' });
    expect(await stateOf(client, 'select * from makrcave.member')).toBe('42501');
    await client.query('rollback');
  });

  it('changes nothing with objects of its own in the way', async () => {
    const { client, mySite, mine, theirs, theirSite } = scene;
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

describe('a hostile hub, with its token', () => {
  it('is nobody else: not a hub of another site, not itself there, not another hub of its own', async () => {
    const { mine, mySite, theirs, theirSite } = scene;
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
    const { mine, mySite } = scene;
    const hash = createHash('sha256').update(mine.link.token).digest();
    for (const token of [Buffer.alloc(0), zeros, hash])
      for (const [sql, values] of calls(mySite, mine.link.hub_id, token))
        expect((await ask(sql, values)).reason).toBe('tokenWrong');
    for (const [sql, values] of calls(mySite, mine.link.hub_id, zeros))
      expect((await ask(sql, [values[0], values[1], null, ...values.slice(3)])).reason).toBe('tokenWrong');
  });

  it('reads its own site alone', async () => {
    const { mine, mySite } = scene;
    const who = [mySite, mine.link.hub_id, mine.link.token];
    const changes = await ask('select sync.pull($1, $2, $3, 0, null, 5000) as answer', who);
    expect(changes.changes).toHaveLength(1);
    for (const tbl of ['member', 'access_event', 'audit_entry', 'site']) {
      const page = await ask('select sync.snapshot($1, $2, $3, $4, null, 5000) as answer', [...who, tbl]);
      expect(JSON.stringify(page)).not.toContain(scene.theirMember);
      expect(JSON.stringify(page)).not.toContain(scene.theirEvent);
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
    const { myMember, mySite } = scene;
    const answer = await push({ ops: operation(tbl, myMember, 'update', set) });
    expect(answer).toMatchObject({ status: 'ok', dead: [{ sqlstate: '23514' }] });
    expect(await centre().rows(mySite, 'member', ['name'])).toEqual(['{"name":"Member 1"}']);
    await expectTheirsAsTheyWere();
  });

  it('writes a row of its own where it names one of another site', async () => {
    const { theirMember, theirEvent, mySite } = scene;
    const answer = await push({ ops: operation('member', theirMember, 'update', { name: 'x' }, 2 ** 52) });
    expect(answer).toMatchObject({ status: 'ok', dead: [{ sqlstate: '23503' }] });
    const { id: _id, ...row } = memberRow(77, { created_at_ms: 1 });
    const link = scene.mine.link.acked + 2;
    const prev = await centre().admin.query<{ chain: Buffer }>(
      'select chain from sync.hub where hub_id = $1',
      [scene.mine.link.hub_id],
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
    const before = await rowsOf(scene.mySite);
    const bad = [
      { ...good, tbl: 'access_event (stream_id) select stream_id from sync.hub --' },
      { ...good, tbl: 'member' },
      { ...good, tbl: 'hub' },
      { ...good, columns: { ...good.columns, stream_id: { k: 'v', d: `{${scene.theirSite}}` } } },
      { ...good, columns: { ...good.columns, sync_hub: { k: 'v', d: `{${randomUUID()}}` } } },
      { ...good, columns: { ...good.columns, 'kind", (select 1)': { k: 'v', d: '{x}' } } },
      { ...good, columns: { ...good.columns, kind: { k: "v' || (select 1)", d: '{x}' } } },
      { ...good, columns: { ...good.columns, kind: { k: 'v', d: "{x}' || version() || '" } } },
      { ...good, columns: { ...good.columns, at_ms: { k: 'n', b: '1); drop table sync.hub', a: '{1}' } } },
      { ...good, columns: {} },
    ];
    for (const each of bad) {
      const answer = await ask('select sync.add_rows($1, $2, $3, $4, $5, $6) as answer', [
        scene.mySite,
        scene.mine.link.hub_id,
        scene.mine.link.token,
        scene.mine.link.epoch,
        JSON.stringify([each]),
        Buffer.alloc(0),
      ]).catch((error: unknown) => String(Reflect.get(Object(error), 'code')));
      expect([JSON.stringify(each), answer]).toEqual([
        JSON.stringify(each),
        expect.stringMatching(/^(22|23)...$/),
      ]);
    }
    expect(await rowsOf(scene.mySite)).toBe(before);
    await expectTheirsAsTheyWere();
  });

  it('sends no batch that is too large', async () => {
    const { acked } = scene.mine.link;
    const notes = 'x'.repeat(1024 * 1024);
    const long = operation(
      'member',
      scene.myMember,
      'update',
      Object.fromEntries(Array.from({ length: 17 }, (_value, index) => [`notes${index}`, notes])),
    );
    const good = segment({ ...eventRow(1), created_at_ms: 1 });
    expect(await stateOf(scene.client, pushSql, pushValues({ to: acked + 10_001 }))).toBe('54000');
    expect(await stateOf(scene.client, pushSql, pushValues({ ops: long }))).toBe('54000');
    for (const n of [2 ** 31 - 1, 20_001, -1])
      expect(
        await stateOf(scene.client, pushSql, pushValues({ segments: JSON.stringify([{ ...good, n }]) })),
      ).toBe('54000');
    const bytes = pushValues();
    bytes[10] = Buffer.alloc(17 * 1024 * 1024);
    expect(await stateOf(scene.client, pushSql, bytes)).toBe('54000');
    expect(
      await centre().value('select last_seq from sync.hub where hub_id = $1', scene.mine.link.hub_id),
    ).toBe(acked);
  });

  it('gains nothing by numbers that are none', async () => {
    const { acked } = scene.mine.link;
    expect(await push({ from: acked + 2 })).toMatchObject({ status: 'gap', last_seq: acked });
    expect(await push({ from: 2 ** 52 })).toMatchObject({ status: 'gap' });
    expect(await push({ from: -5, to: 0 })).toMatchObject({ status: 'ok', dead: [] });
    expect(await push({ from: 0, to: 0 })).toMatchObject({ status: 'ok', dead: [] });
    expect(await stateOf(scene.client, pushSql, pushValues({ from: 5, to: 4 }))).toBe('54000');
    expect(await push({ epoch: -1 })).toMatchObject({ status: 'fenced' });
    expect(await push({ epoch: 2 ** 31 - 1 })).toMatchObject({ status: 'fenced' });
    const who = [scene.mySite, scene.mine.link.hub_id, scene.mine.link.token];
    expect(await stateOf(scene.client, 'select sync.pull($1, $2, $3, 0, null, -1)', who)).toBe('2201W');
    expect(await ask('select sync.pull($1, $2, $3, -1, null, 1) as answer', who)).toMatchObject({
      status: 'snapshotRequired',
    });
    expect(await ask('select sync.pull($1, $2, $3, 999, null, 1) as answer', who)).toMatchObject({
      status: 'streamFork',
    });
    expect(
      await centre().value('select last_seq from sync.hub where hub_id = $1', scene.mine.link.hub_id),
    ).toBe(acked);
    await expectTheirsAsTheyWere();
  });

  it('that says it has sent what it has not is behind itself alone', async () => {
    const { acked, hub_id: hub } = scene.mine.link;
    expect(await push({ to: acked + 5000 })).toMatchObject({ status: 'ok', last_seq: acked + 5000 });
    await scene.mine.insert(2);
    // It has no such number, so it begins anew.
    await rest(scene.mine);
    expect(await centre().rows(scene.mySite, 'member', ['id'])).toHaveLength(2);
    expect(await centre().value('select epoch from sync.hub where hub_id = $1', hub)).toBe(2);
    await expectTheirsAsTheyWere();
  });
});

describe('who may not, although they could', () => {
  it('a hub whose role is another than the one it was made for', async () => {
    const { mine, mySite, role } = scene;
    const set = 'update sync.hub set db_role = $2 where hub_id = $1';
    await centre().admin.query(set, [mine.link.hub_id, 'somebody']);
    for (const [sql, values] of calls(mySite, mine.link.hub_id, mine.link.token))
      expect([sql, await ask(sql, values)]).toEqual([sql, { status: 'denied', reason: 'roleWrong' }]);
    await centre().admin.query(set, [mine.link.hub_id, role]);
    const [hello] = calls(mySite, mine.link.hub_id, mine.link.token);
    expect(await ask(hello?.[0] ?? '', hello?.[1] ?? [])).toMatchObject({ status: 'ok' });
  });

  it('a hub that was revoked, whatever it asks', async () => {
    const { mine, mySite } = scene;
    await centre().value('select sync.revoke_hub($1, $2)', mySite, mine.link.hub_id);
    const before = await rowsOf(mySite);
    for (const [sql, values] of calls(mySite, mine.link.hub_id, mine.link.token))
      expect([sql, await ask(sql, values)]).toEqual([sql, { status: 'denied', reason: 'revoked' }]);
    expect(await rowsOf(mySite)).toBe(before);
  });

  it('whoever has a code that was used, has expired, was guessed, or is for a hub that was revoked', async () => {
    const { mySite } = scene;
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
    const { myMember, mySite } = scene;
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

/** One row as a segment says it. */
function segment(row: Readonly<Record<string, string | number | null>>) {
  return {
    tbl: 'access_event',
    n: 1,
    first: 1,
    seqs: null,
    columns: Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        { k: 'v', d: [value === null ? null : String(value)] },
      ]),
    ),
  };
}
