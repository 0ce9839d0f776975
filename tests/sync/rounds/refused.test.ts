import { describe, expect, it } from 'vitest';
import { cut } from '../connections.ts';
import { expectEqual, type Hub, makeSite, problemOf, rest, useCentre } from '../hubs.ts';
import { eventRow } from '../replicas.ts';

const centre = useCentre();

const centralMember = async (site: string, id: string, column: string): Promise<unknown> =>
  await centre().value(`select "${column}" from makrcave.member where stream_id = $1 and id = $2`, site, id);

describe('what the centre cannot take', () => {
  const openLetters = (hub: Hub): unknown[] =>
    hub.replica.all('select tbl, pk from sync_dead_letter where resolved_at_ms is null order by tbl, pk');
  const centralLetters = async (site: string): Promise<unknown[]> =>
    (
      await centre().admin.query(
        'select tbl, sqlstate from sync.dead_letter where stream_id = $1 and resolved_at is null order by tbl, seq',
        [site],
      )
    ).rows;

  it('is seen on both sides, and everything else goes on', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const id = await hub.insert(1);
    await rest(hub);
    await hub.write(id, { name: 'A\0B' });
    const long = await hub.insert(2, { email: 'x'.repeat(300) });
    const event = await hub.append(1, { details: JSON.stringify({ text: 'a\0b' }) });
    const rawEvent = await hub.append(2, { reason: 'a\0b' });
    await hub.append(3);
    const good = await hub.insert(3);
    await hub.replica.sync();
    expect(openLetters(hub)).toEqual([
      { tbl: 'access_event', pk: rawEvent },
      ...[id, long].sort().map((pk) => ({ tbl: 'member', pk })),
    ]);
    expect(await centralLetters(site)).toEqual([
      { tbl: 'access_event', sqlstate: '22021' },
      { tbl: 'member', sqlstate: '22021' },
      { tbl: 'member', sqlstate: '23514' },
    ]);
    expect(await centralMember(site, id, 'name')).toBe('Member 1');
    expect(await centralMember(site, good, 'number')).toBe(3);
    // JSON says NUL in six characters, which are text like any other.
    expect(await centre().rows(site, 'access_event', ['id'])).toHaveLength(2);
    expect(await centre().value('select details from makrcave.access_event where id = $1', event)).toBe(
      JSON.stringify({ text: 'a\0b' }),
    );
  });

  it('is, in an event among many, that event alone', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const rows = Array.from({ length: 120 }, (_value, seq) => eventRow(seq, { kind: `kind ${seq % 3}` }));
    await hub.replica.store.transact('test.append', (tx) => tx.appendAll('access_event', rows));
    // What SQLite holds and Postgres does not: a number where an UUID belongs.
    await hub.append(500, { portal_id: 'no uuid' });
    await hub.append(501);
    await hub.replica.sync();
    expect(await centre().rows(site, 'access_event', ['id'])).toHaveLength(121);
    expect(await centralLetters(site)).toEqual([{ tbl: 'access_event', sqlstate: '22P02' }]);
    expect(openLetters(hub)).toHaveLength(1);
  });

  it('is resolved on both sides by a later operation that writes the same columns', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [hub, other] = hubs;
    const id = await hub.insert(1);
    await rest(hub, other);
    await hub.write(id, { name: 'A\0B' });
    await rest(hub, other);
    await hub.write(id, { phone: '1' });
    await rest(hub, other);
    // The name is still not what it is here.
    expect(openLetters(hub)).toHaveLength(1);
    expect(await centralLetters(site)).toHaveLength(1);
    await hub.write(id, { name: 'AB' });
    await rest(hub, other);
    expect(openLetters(hub)).toEqual([]);
    expect(await centralLetters(site)).toEqual([]);
    await expectEqual(centre(), site, hub, other);
  });

  it('is resolved also when the good operation comes in the same batch', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const id = await hub.insert(1);
    await hub.write(id, { name: 'A\0B' });
    await hub.write(id, { name: 'AB' });
    await rest(hub);
    expect(openLetters(hub)).toEqual([]);
    expect(await centralLetters(site)).toEqual([]);
    expect(await centre().value('select count(*) from sync.dead_letter where stream_id = $1', site)).toBe(1);
    expect(hub.replica.all('select problem from sync_dead_letter')).toHaveLength(1);
    await expectEqual(centre(), site, hub);
  });

  it('gives way to what comes from elsewhere, since it never will', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [hub, other] = hubs;
    const id = await hub.insert(1);
    await rest(hub, other);
    await hub.write(id, { name: 'A\0B' });
    await rest(hub);
    await other.write(id, { name: 'Theirs' });
    await rest(hub, other);
    expect(hub.member(id)['name']).toBe('Theirs');
    await hub.insert(2);
    await rest(hub, other);
    await expectEqual(centre(), site, hub, other);
  });

  it('is seen at the hub although the answer that said so was lost', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const id = await hub.insert(1);
    await rest(hub);
    await hub.write(id, { name: 'A\0B' });
    hub.line.answered = (name) => {
      if (name === 'push') throw cut();
    };
    expect(await problemOf(hub)).toBe('centralUnreachable');
    delete hub.line.answered;
    await hub.replica.sync();
    expect(await centralLetters(site)).toHaveLength(1);
    expect(openLetters(hub)).toEqual([{ tbl: 'member', pk: id }]);
  });

  it('is no text that only looks like an escaped NUL', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const id = await hub.insert(1, { notes: String.raw`see \u0000 and \\u0000` });
    await hub.append(1, { reason: String.raw`\u0000` });
    await rest(hub);
    expect(openLetters(hub)).toEqual([]);
    expect(await centralMember(site, id, 'notes')).toBe(String.raw`see \u0000 and \\u0000`);
    await expectEqual(centre(), site, hub);
  });

  it('says at the centre what was to be written, until that is erased', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const id = await hub.insert(1, { name: 'Ada\0', notes: 'allergic' });
    await rest(hub);
    const [letter] = (
      await centre().admin.query("select op -> 'set' as set from sync.dead_letter where stream_id = $1", [
        site,
      ])
    ).rows;
    expect(letter?.set).toMatchObject({ name: 'Ada\u{fffd}', notes: 'allergic' });
    await hub.replica.store.transact('test.erase', (tx) => tx.erase('member', id, ['notes']));
    await rest(hub);
    const after = await centre().value(
      "select op -> 'set' ->> 'notes' from sync.dead_letter where stream_id = $1 order by seq limit 1",
      site,
    );
    expect(after).toBeNull();
  });
});

describe('what the interface of this hub would not have taken', () => {
  const lettersDown = (hub: Hub): unknown[] =>
    hub.replica.all(
      "select tbl, pk, problem from sync_dead_letter where direction = 'down' and resolved_at_ms is null order by problem",
    );

  it('is left at the centre and told of, times and texts alike, and everything else goes on', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [hub, other] = hubs;
    const [first, second] = [await hub.insert(1), await hub.insert(2)];
    await rest(hub, other);
    await hub.write(first, { name: 'A\u001b[31mB' });
    await hub.write(second, { status_since_ms: Date.UTC(9999, 0, 1), email: 'kept@example.org' });
    const good = await hub.insert(3);
    await rest(hub, other);
    expect(lettersDown(other)).toEqual([
      {
        tbl: 'member',
        pk: first,
        problem: expect.stringContaining('member.name holds control characters'),
      },
      {
        tbl: 'member',
        pk: second,
        problem: expect.stringContaining('member.status_since_ms is a time that cannot be shown'),
      },
    ]);
    expect(other.member(first)['name']).toBe('Member 1');
    expect(other.member(good)['number']).toBe(3);
    // What it has itself comes back to the hub that wrote it, and is no fault there.
    expect(lettersDown(hub)).toEqual([]);
    await hub.write(first, { name: 'AB' });
    await hub.write(second, { status_since_ms: Date.UTC(2026, 0, 1) });
    await rest(hub, other);
    expect(other.member(first)['name']).toBe('AB');
    expect(await centralMember(site, second, 'email')).toBe('kept@example.org');
  });
});

describe('an erasure', () => {
  it('empties what waits and what was sent, here and at the centre, and breaks no chain', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1, { notes: 'secret' });
    await rest(first, second);
    await first.write(id, { notes: 'secret too', email: `${'secret'.repeat(50)}@example.org` });
    await first.write(id, { notes: 'secret three' });
    await rest(first);
    await first.write(id, { notes: 'secret four' });
    await first.replica.store.transact('test.erase', (tx) => tx.erase('member', id, ['notes', 'email']));
    await rest(first, second);
    for (const hub of [first, second])
      for (const tbl of ['member', 'change', 'sync_dead_letter', 'sync_conflict'])
        expect(JSON.stringify(hub.replica.all(`select * from ${tbl}`))).not.toContain('secret');
    for (const tbl of ['sync.change', 'sync.dead_letter', 'makrcave.member'])
      expect(
        JSON.stringify(
          (await centre().admin.query(`select * from ${tbl} where stream_id = $1`, [site])).rows,
        ),
      ).not.toContain('secret');
    await expectEqual(centre(), site, first, second);
    const { acked, epoch } = first.link;
    expect(first.replica.outbox.chainsAt(epoch, [acked]).get(acked)).toBe(
      await centre().value("select encode(chain, 'hex') from sync.hub where hub_id = $1", first.link.hub_id),
    );
  });
});
