import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { newId } from '#hub/platform/new-id.ts';
import { CentralFault } from '#hub/sync/central/faults.ts';
import { expectEqual, Hub, makeSite, rest, useCentre } from '../hubs.ts';
import { eventRow, startMs } from '../replicas.ts';

const centre = useCentre();

const centralMember = async (site: string, id: string, column: string): Promise<unknown> =>
  await centre().value(`select "${column}" from makrcave.member where stream_id = $1 and id = $2`, site, id);

describe('what goes up and comes down', () => {
  it('are, of a new hub, the rows and events from before it joined', async () => {
    const site = await centre().addSite();
    const hub = await Hub.open();
    for (let number = 1; number <= 120; number += 1) await hub.insert(number);
    for (let seq = 1; seq <= 30; seq += 1) await hub.append(seq);
    await hub.replica.join(centre(), (await centre().invite(site)).code);
    await hub.insert(1000);
    await rest(hub);
    expect(await centre().rows(site, 'member', ['id'])).toHaveLength(121);
    expect(await centre().rows(site, 'access_event', ['id'])).toHaveLength(30);
    await expectEqual(centre(), site, hub);
  });

  it('are all rows of the site for a hub that joins to get them, and no events of other hubs', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [first] = hubs;
    const id = await first.insert(1);
    await first.append(1);
    await rest(first);
    const second = await Hub.open();
    await second.replica.join(centre(), (await centre().invite(site)).code, 'bootstrap');
    await second.replica.sync();
    expect(second.member(id)['name']).toBe('Member 1');
    expect(second.replica.rows('access_event')).toEqual([]);
    await rest(first, second);
    await expectEqual(centre(), site, first, second);
  });

  it('are changes of one hub at the other, whose own parts hear of them', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1, { notes: 'new' });
    await first.replica.sync();
    await second.replica.sync();
    expect(second.member(id)['notes']).toBe('new');
    expect(second.replica.followed.get('member')).toEqual([id]);
    await second.write(id, { notes: 'seen' });
    await second.replica.sync();
    await first.replica.sync();
    expect(first.member(id)).toMatchObject({ notes: 'seen', version: 2 });
    expect(first.replica.followed.get('member')).toEqual([id]);
    await expectEqual(centre(), site, first, second);
  });

  it('are removals, which the other hub keeps as such', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1);
    await rest(first, second);
    await first.replica.store.transact('test.remove', (tx) => tx.remove('member', id));
    await rest(first, second);
    expect(second.member(id)['deleted_at_ms']).toBe(startMs);
    await expectEqual(centre(), site, first, second);
  });

  it('are what another application submits, which is noted in the audit log of each hub', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1);
    await rest(first, second);
    await centre().submit(site, { tbl: 'member', pk: id, set: { email: 'a@example.org' } });
    await rest(first, second);
    for (const hub of [first, second]) {
      expect(hub.member(id)['email']).toBe('a@example.org');
      expect(
        hub.replica.all("select action, target_id from audit_entry where action = 'sync.change'"),
      ).toEqual([{ action: 'sync.change', target_id: id }]);
      expect(hub.replica.all('select * from sync_dead_letter')).toEqual([]);
    }
    expect(await centre().rows(site, 'audit_payload', ['id'])).toHaveLength(2);
    await expectEqual(centre(), site, first, second);
  });

  it('are not written by another application in columns that are the space’s alone', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const id = await hub.insert(1);
    await rest(hub);
    await expect(
      centre().submit(site, { tbl: 'member', pk: id, set: { status: 'left' } }),
    ).rejects.toMatchObject({
      code: '42501',
    });
    expect(await centralMember(site, id, 'status')).toBe('active');
  });

  it('leave two rows that refer to each other whole, whatever order they come in', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const [inner, outer] = [newId(), newId()];
    await first.replica.store.transact('test.areas', async (tx) => {
      await tx.insert('area', { id: inner, name: 'Inner', parent_id: null });
      await tx.insert('area', { id: outer, name: 'Outer', parent_id: null });
      await tx.write('area', inner, { parent_id: outer });
    });
    await rest(first, second);
    expect(second.replica.all('select * from sync_dead_letter')).toEqual([]);
    await expectEqual(centre(), site, first, second);
  });
});

describe('two hubs that write the same', () => {
  it('a member, of which each wrote another column, has both', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1);
    await rest(first, second);
    await first.write(id, { phone: '1' });
    await second.write(id, { notes: '2' });
    await rest(first, second);
    expect(first.member(id)).toMatchObject({ phone: '1', notes: '2' });
    expect(await centre().rows(site, 'sync_conflict', ['id'])).toEqual([]);
    await expectEqual(centre(), site, first, second);
  });

  it('an own edit that waits stays over an older one that comes from elsewhere', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1);
    await rest(first, second);
    await second.write(id, { name: 'Theirs', phone: '5' });
    await rest(second);
    first.replica.clock.ms += 1000;
    const { keeper } = first.replica;
    const seen: unknown[] = [];
    await first.replica.withKeeper({
      ...keeper,
      async take(changes) {
        // As somebody at the desk does it, after the outbox went up and before the changes are in.
        await first.write(id, { name: 'Mine' });
        await keeper.take(changes);
        seen.push(first.member(id)['name'], first.member(id)['phone']);
      },
    });
    await first.replica.sync();
    expect(seen).toEqual(['Mine', '5']);
    await first.replica.withKeeper(keeper);
    await rest(first, second);
    expect(second.member(id)).toMatchObject({ name: 'Mine', phone: '5' });
    await expectEqual(centre(), site, first, second);
  });

  it('keep what lost as a conflict, which both of them get', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1);
    await rest(first, second);
    await first.write(id, { name: 'Earlier' });
    second.replica.clock.ms += 1000;
    await second.write(id, { name: 'Later' });
    await second.replica.sync();
    await first.replica.sync();
    await rest(first, second);
    for (const hub of [first, second]) {
      expect(hub.member(id)['name']).toBe('Later');
      expect(hub.replica.all('select tbl, pk, col, kept, lost, kept_by, lost_by from sync_conflict')).toEqual(
        [
          {
            tbl: 'member',
            pk: id,
            col: 'name',
            kept: '"Later"',
            lost: '"Earlier"',
            kept_by: second.link.hub_id,
            lost_by: first.link.hub_id,
          },
        ],
      );
    }
    await expectEqual(centre(), site, first, second);
  });

  it('have no conflict where one had seen what the other wrote, whatever the clocks say', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1);
    first.replica.clock.ms += 60_000;
    await first.write(id, { name: 'Fast clock' });
    await rest(first, second);
    second.replica.clock.ms -= 60_000;
    await second.write(id, { name: 'Has seen it' });
    await rest(first, second);
    expect(first.member(id)['name']).toBe('Has seen it');
    expect(await centre().rows(site, 'sync_conflict', ['id'])).toEqual([]);
    await expectEqual(centre(), site, first, second);
  });
});

describe('batches', () => {
  it('are halved while the centre finds them too much, and grow again', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    for (const sqlstate of ['54000', '57014']) {
      const sizes: number[] = [];
      let limit = 30;
      hub.line.asking = (name, values) => {
        if (name !== 'push') return;
        const size = Number(values[5]) - Number(values[4]) + 1;
        sizes.push(size);
        if (size > limit)
          throw new CentralFault('centralError', 'too much', {
            answer: { sqlstate, message: 'too much', position: null },
          });
        if (sizes.filter((sent) => sent <= limit).length === 3) limit = Number.POSITIVE_INFINITY;
      };
      const rows = Array.from({ length: 500 }, (_value, seq) => eventRow(seq, { journal_id: randomUUID() }));
      await hub.replica.store.transact('test.append', (tx) => tx.appendAll('access_event', rows));
      while (hub.link.acked < hub.replica.outbox.bounds().last) await hub.replica.round();
      expect(Math.max(...sizes.slice(0, 1))).toBe(500);
      expect(sizes.filter((size) => size <= 30).length).toBeGreaterThan(2);
      expect(Math.max(...sizes.slice(sizes.findIndex((size) => size <= 30)))).toBeGreaterThan(30);
    }
    delete hub.line.asking;
    await rest(hub);
    expect(await centre().rows(site, 'access_event', ['id'])).toHaveLength(1000);
    await expectEqual(centre(), site, hub);
  });

  it('are small while people are served, and grow when nobody is', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const sizes: number[] = [];
    hub.line.asking = (name, values) => {
      if (name === 'push') sizes.push(Number(values[5]) - Number(values[4]) + 1);
    };
    const append = async (): Promise<void> => {
      const rows = Array.from({ length: 500 }, (_value, seq) => eventRow(seq, { journal_id: randomUUID() }));
      for (let times = 0; times < 8; times += 1)
        await hub.replica.store.transact('test.append', (tx) =>
          tx.appendAll(
            'access_event',
            rows.map((row) => ({ ...row, id: randomUUID(), journal_id: randomUUID() })),
          ),
        );
    };
    await append();
    hub.replica.isServing = true;
    await hub.replica.round();
    // The first two are under way before it is known that anybody is served.
    expect(sizes.slice(0, 2)).toEqual([500, 500]);
    expect(sizes.length).toBeGreaterThan(30);
    expect(Math.max(...sizes.slice(2))).toBe(100);
    await append();
    hub.replica.isServing = false;
    await hub.replica.round();
    expect(Math.max(...sizes)).toBeGreaterThan(500);
    delete hub.line.asking;
    await rest(hub);
    await expectEqual(centre(), site, hub);
  });
});
