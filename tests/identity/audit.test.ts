import Sqlite from 'better-sqlite3-multiple-ciphers';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonicalJson, type JsonValue } from '#hub/domains/identity/audit/chain.ts';
import { streamAuditLines } from '#hub/domains/identity/audit/csv.ts';
import { auditHealth } from '#hub/domains/identity/audit/health-workflow.ts';
import { verifyAudit } from '#hub/domains/identity/audit/workflow.ts';
import { auditQuerySchema } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { openConnection } from '#hub/store/sqlite/open.ts';
import { addAccount, type Browser, claim, type IdentityHub, makeFolder, startHub, storeKey } from './hub.ts';

const { folder, remove } = makeFolder();
let hub: IdentityHub;
let browser: Browser;

beforeAll(async () => {
  hub = await startHub(folder);
  browser = await claim(hub);
  for (const username of ['one', 'two', 'three']) {
    hub.clock.advance(1000);
    await addAccount(hub, username, 'staff');
  }
});
afterAll(async () => {
  await hub.close();
  remove();
});

const verify = async () => (await hub.call(browser, 'GET', '/api/system/verify')).body;
const logs = (query = '') => hub.call(browser, 'GET', `/api/access-control/audit-logs${query}`);

/** Changes the file past the hub, as somebody with the key could, and puts it back as it was. */
async function tampered<T>(statements: readonly string[], look: () => Promise<T>): Promise<T> {
  const connection = openConnection({ path: hub.storePath, key: storeKey }, { mode: 'write', cacheKib: 256 });
  const triggers = connection
    .prepare<[], { name: string; sql: string }>(
      "select name, sql from sqlite_schema where type = 'trigger' and tbl_name in ('audit_entry', 'audit_payload')",
    )
    .all();
  const tables = ['audit_entry', 'audit_payload'];
  try {
    connection.pragma('foreign_keys = off');
    for (const { name } of triggers) connection.exec(`drop trigger ${name}`);
    for (const table of tables) connection.exec(`create temp table kept_${table} as select * from ${table}`);
    for (const statement of statements)
      expect(connection.prepare(statement).run().changes).toBeGreaterThan(0);
    return await look();
  } finally {
    for (const table of tables)
      connection.exec(`delete from ${table}; insert into ${table} select * from kept_${table}`);
    for (const { sql } of triggers) connection.exec(sql);
    connection.close();
  }
}

describe('the audit log', () => {
  it('is a file too, with every entry that fits and its payload as JSON', async () => {
    const query = auditQuerySchema.parse({ action: 'account.create', sort: 'at' });
    let text = '';
    for await (const lines of streamAuditLines(hub.store, query)) text += Buffer.from(lines).toString();
    const rows = text.trimEnd().split('\r\n');
    const listed = (await logs('?action=account.create&sort=at&count=true')).body;
    expect(rows).toHaveLength(listed.total);
    expect(rows[0]).toContain(`${listed.items[0].seq},${listed.items[0].id},${listed.items[0].at},console,`);
    expect(rows[0]).toContain('""username"":""one""');
  });

  it('has those of a span of time, as pages and as a file', async () => {
    const all = (await logs('?limit=200&sort=at')).body.items as { seq: number; at: string }[];
    const from = all.find(({ at }) => at > (all[0]?.at ?? ''))?.at ?? '';
    const to = all.at(-1)?.at ?? '';
    const fits = all.filter(({ at }) => at >= from && at < to).map(({ seq }) => seq);
    const query = `from=${from}&to=${encodeURIComponent(to.replace('Z', '+00:00'))}`;
    expect(fits.length).toBeGreaterThan(3);
    const found: number[] = [];
    let cursor: string | null = null;
    do {
      const page: { items: { seq: number }[]; nextCursor: string | null; total: number } = (
        await logs(`?limit=3&sort=at&count=true&${query}${cursor === null ? '' : `&cursor=${cursor}`}`)
      ).body;
      expect(page.total).toBe(fits.length);
      found.push(...page.items.map(({ seq }: { seq: number }) => seq));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(found).toEqual(fits);
    expect((await logs(`?limit=200&${query}`)).body.items.map(({ seq }: { seq: number }) => seq)).toEqual(
      [...fits].reverse(),
    );
    let text = '';
    for await (const lines of streamAuditLines(hub.store, auditQuerySchema.parse({ from, to, sort: 'at' })))
      text += Buffer.from(lines).toString();
    expect(text.trimEnd() === '' ? 0 : text.trimEnd().split('\r\n').length).toBe(fits.length);
    expect((await logs('?from=2999-01-01T00:00:00Z')).body.items).toEqual([]);
    expect(await logs(`?from=${to}&to=${from}`)).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/query/to', message: 'must be after `from`' }] },
    });
  });

  it('says who did what to whom, the newest first, page by page and by filter', async () => {
    const first = (await logs('?limit=3')).body;
    expect(first.items).toHaveLength(3);
    const second = (await logs(`?limit=3&cursor=${first.nextCursor}`)).body;
    const seqs = [...first.items, ...second.items].map((item: { seq: number }) => item.seq);
    expect(seqs).toEqual(Array.from({ length: 6 }, (_, index) => seqs[0]! - index));
    const created = (await logs('?action=account.create')).body.items;
    expect(created.map((item: { payload: { username: string } }) => item.payload.username)).toEqual([
      'three',
      'two',
      'one',
    ]);
    expect(created[0]).toMatchObject({
      actor: { kind: 'console', id: null, name: null },
      target: { table: 'account' },
    });
    const targetId = created[0].target.id;
    const about = (await logs(`?targetId=${targetId}`)).body.items;
    expect(about.map((item: { action: string }) => item.action)).toEqual(['role.assign', 'account.create']);
    const claims = (await logs('?action=site.claim&actorKind=account')).body.items;
    expect(claims[0].actor.name).toBe('Ada Owner');
  });

  it('holds no password and no code', async () => {
    const text = JSON.stringify((await logs('?limit=200')).body);
    expect(text).toContain('account.create');
    expect(text).not.toContain('into chips');
    expect(text).not.toContain(hub.claimCode!);
  });

  it('is whole, and tells the hash to write down', async () => {
    const newest = (await logs('?limit=1')).body.items[0];
    expect(await verify()).toEqual({ ok: true, entries: newest.seq, head: newest.hash, firstBroken: null });
  });

  it('has no gap and no fork when many transactions write to it at once', async () => {
    const before = (await verify()).entries;
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        hub.store.transact('many', (tx) =>
          recordAudit(tx, {
            actor: { kind: 'system' },
            action: 'test.many',
            target: null,
            payload: { index },
          }),
        ),
      ),
    );
    expect(await verify()).toMatchObject({ ok: true, entries: before + 40 });
  });

  it('keeps nothing of a transaction that was rolled back', async () => {
    const before = await verify();
    await expect(
      hub.store.transact('broken', async (tx) => {
        await recordAudit(tx, {
          actor: { kind: 'system' },
          action: 'test.broken',
          target: null,
          payload: {},
        });
        throw new Error('stop');
      }),
    ).rejects.toThrow('stop');
    expect(await verify()).toEqual(before);
  });

  it('is verified over several pages on the reader', async () => {
    await hub.store.transact('fill', async (tx) => {
      for (let index = 0; index < 1100; index += 1)
        await recordAudit(tx, {
          actor: { kind: 'bridge', id: 'b1' },
          action: 'test.fill',
          target: null,
          payload: { index },
        });
    });
    const verified = await hub.store.report((reader) => verifyAudit(reader));
    expect(verified.ok).toBe(true);
    expect(verified.entries).toBeGreaterThan(1100);
  });
});

describe('against somebody who writes to the file', () => {
  it('the store itself refuses to change or delete an entry, or to write a payload again', () => {
    const connection = openConnection(
      { path: hub.storePath, key: storeKey },
      { mode: 'write', cacheKib: 256 },
    );
    try {
      for (const [statement, message] of [
        ["update audit_entry set action = 'x' where seq = 2", 'the audit log is append-only'],
        ['delete from audit_entry where seq = 2', 'the audit log is append-only'],
        ["update audit_payload set body = '{}'", 'can only be emptied'],
        ['delete from audit_payload', 'can only be emptied'],
      ] as const)
        expect(() => connection.exec(statement)).toThrow(message);
      expect(() => connection.exec('update audit_entry set seq = 1')).toThrow(Sqlite.SqliteError);
    } finally {
      connection.close();
    }
  });

  const entry = '(select id from audit_entry where seq = 4)';
  it.each([
    [
      'an entry was changed',
      ["update audit_entry set action = 'nothing.happened' where seq = 4"],
      4,
      'entryChanged',
    ],
    ['its time was changed', ['update audit_entry set at_ms = at_ms + 1 where seq = 4'], 4, 'entryChanged'],
    [
      'an entry was taken out',
      ['delete from audit_payload where id = ' + entry, 'delete from audit_entry where seq = 4'],
      5,
      'gap',
    ],
    [
      'an entry was taken out and the rest moved up',
      [
        'delete from audit_payload where id = ' + entry,
        'delete from audit_entry where seq = 4',
        'update audit_entry set seq = -seq where seq > 4',
        'update audit_entry set seq = -seq - 1 where seq < 0',
      ],
      4,
      'chainBroken',
    ],
    [
      'a payload was rewritten',
      [`update audit_payload set body = '{"username":"mallory"}' where id = ${entry}`],
      4,
      'payloadChanged',
    ],
    [
      'the name of the actor was rewritten',
      [`update audit_payload set actor_name = 'Mallory' where id = ${entry}`],
      4,
      'payloadChanged',
    ],
    ['a payload was deleted', [`delete from audit_payload where id = ${entry}`], 4, 'payloadMissing'],
    [
      'a payload was emptied in secret',
      [`update audit_payload set body = null, salt = null, actor_name = null where id = ${entry}`],
      4,
      'payloadEmptiedUnrecorded',
    ],
  ])('verification finds that %s, and names the entry', async (_name, statements, seq, flaw) => {
    const found = await tampered(statements, verify);
    expect(found).toMatchObject({
      ok: false,
      entries: seq - 1 - (flaw === 'gap' ? 1 : 0),
      firstBroken: { seq, flaw },
    });
    expect((await verify()).ok).toBe(true);
  });

  it('cutting off the end shows by the head that was written down before', async () => {
    const before = await verify();
    const after = await tampered(
      [
        `delete from audit_payload where id = (select id from audit_entry where seq = ${before.entries})`,
        `delete from audit_entry where seq = ${before.entries}`,
      ],
      verify,
    );
    expect(after.head).not.toBe(before.head);
    expect(after.entries).toBe(before.entries - 1);
  });
});

describe('the personal part of an entry', () => {
  it('can be emptied by a recorded operation, and the chain holds', async () => {
    const [entry] = (await logs('?action=account.create')).body.items;
    const address = `/api/access-control/audit-logs/${entry.id}/empty`;
    const emptied = await hub.call(browser, 'POST', address, { reason: 'erasure asked for on paper' });
    expect(emptied.body).toMatchObject({ id: entry.id, payload: null, hash: entry.hash });
    const again = await hub.call(browser, 'POST', address, { reason: 'once more' });
    expect([again.status, again.body.code]).toEqual([409, 'payloadEmptied']);
    expect((await verify()).ok).toBe(true);
    const [record] = (await logs('?action=auditPayload.empty')).body.items;
    expect(record).toMatchObject({
      actor: { kind: 'account', name: 'Ada Owner' },
      target: { table: 'audit_payload', id: entry.id },
      payload: { reason: 'erasure asked for on paper' },
    });
    const left = await hub.store.read
      .selectFrom('audit_payload')
      .selectAll()
      .where('id', '=', entry.id)
      .executeTakeFirstOrThrow();
    expect([left.salt, left.actor_name, left.body]).toEqual([null, null, null]);
  });
});

describe('canonical JSON', () => {
  it('is the same text for the same value, whatever the order of its keys, and reads back', () => {
    const value = fc.jsonValue({ noUnicodeString: false }) as fc.Arbitrary<JsonValue>;
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value), (object) => {
        const turned = Object.fromEntries(Object.entries(object).toReversed());
        expect(canonicalJson(turned)).toBe(canonicalJson(object));
        expect(JSON.parse(canonicalJson(object))).toEqual(JSON.parse(JSON.stringify(object)));
      }),
    );
  });

  it('that was changed past the hub is found by the daily check', async () => {
    const health = auditHealth({ store: hub.store, clock: hub.clock });
    expect(await health.part.findings?.()).toEqual([]);
    await health.check();
    expect(await health.part.findings?.()).toEqual([]);
    await tampered(["update audit_entry set action = 'door.unlock' where seq = 3"], () => health.check());
    expect(await health.part.findings?.()).toMatchObject([
      { id: 'audit.broken', severity: 'error', evidence: expect.stringContaining('entry 3') },
    ]);
    await health.check();
    expect(await health.part.findings?.()).toEqual([]);
  });
});
