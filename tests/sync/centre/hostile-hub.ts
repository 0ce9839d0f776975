import { randomBytes, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { beforeEach, expect, onTestFinished } from 'vitest';
import { assert } from '#hub/kernel/result.ts';
import { syncSchemaNumber } from '#hub/sync/schema.ts';
import { type Hub, makeSite, rest, useCentre } from '../hubs.ts';

/** The centre that both hubs belong to. */
export const centre = useCentre();

export const zeros = Buffer.alloc(32);

/** Logged in as a role of its own that is a member of `group`. */
export async function logIn(group: string): Promise<{ client: Client; role: string }> {
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
export async function stateOf(client: Client, sql: string, values: unknown[] = []): Promise<string | null> {
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

let now: Scene | undefined;
/** The scene of the running test. */
export function scene(): Scene {
  assert(now !== undefined, 'inside of a test');
  return now;
}

/** All that the centre has of the other site. */
let theirRows: string;

export async function rowsOf(site: string): Promise<string> {
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
  now = {
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

export const expectTheirsAsTheyWere = async (): Promise<void> =>
  expect(await rowsOf(scene().theirSite)).toBe(theirRows);

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

export const pushSql = 'select sync.push($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as answer';

/** The arguments of a push that is right but for `changes`. */
export function pushValues(changes: Partial<Push> = {}): unknown[] {
  const { link } = scene().mine;
  const from = changes.from ?? link.acked + 1;
  const push: Push = {
    site: scene().mySite,
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

export interface Answer {
  readonly status: string;
  readonly reason?: string;
  readonly dead?: readonly { seq: number; sqlstate: string }[];
  readonly rows?: readonly unknown[];
  readonly changes?: readonly unknown[];
}

export async function ask(sql: string, values: unknown[]): Promise<Answer> {
  const { rows } = await scene().client.query<{ answer: Answer | string }>(sql, values);
  const [answer, ...more] = rows.map((row) =>
    typeof row.answer === 'string' ? (JSON.parse(row.answer) as Answer) : row.answer,
  );
  // A snapshot is a line that says what it is of, and a line for each row.
  return answer !== undefined && 'columns' in answer
    ? { ...answer, rows: more }
    : (answer ?? { status: 'none' });
}

export const push = async (changes: Partial<Push> = {}): Promise<Answer> =>
  await ask(pushSql, pushValues(changes));

/** One operation, as the next of the hub. */
export const operation = (tbl: string, pk: string, op: string, set: object, base = 0): string => {
  const seq = scene().mine.link.acked + 1;
  return JSON.stringify([[seq, tbl, pk, op, set, base, Date.now() * 2048, false]]);
};

/** Each call that names a hub, as `hub` of `site` with `token`. */
export function calls(site: string, hub: string, token: Uint8Array): [string, unknown[]][] {
  const who = [site, hub, token];
  const { epoch } = scene().mine.link;
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

/** One row as a segment says it. */
export function segment(row: Readonly<Record<string, string | number | null>>) {
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
