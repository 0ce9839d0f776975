import { describe, expect, it, onTestFinished } from 'vitest';
import { expectEqual, makeSite, problemOf, rest, useCentre } from '../hubs.ts';

const centre = useCentre();

const centralMember = async (site: string, id: string, column: string): Promise<unknown> =>
  await centre().value(`select "${column}" from makrcave.member where stream_id = $1 and id = $2`, site, id);

describe('releases that differ', () => {
  const setRange = async (oldest: number, newest: number): Promise<void> => {
    await centre().admin.query('update sync.schema_range set oldest = $1, newest = $2', [oldest, newest]);
  };

  it('a hub that is too new for its centre queues, and says so', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    await setRange(0, 0);
    onTestFinished(() => setRange(1, 1));
    await hub.insert(1);
    expect(await problemOf(hub)).toBe('hubTooNew');
    expect(await centre().rows(site, 'member', ['id'])).toEqual([]);
    await setRange(1, 1);
    await rest(hub);
    await expectEqual(centre(), site, hub);
  });

  it('a hub that is too old still pushes, and gets nothing', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [hub, other] = hubs;
    const theirs = await other.insert(1);
    await rest(other);
    await setRange(2, 2);
    onTestFinished(() => setRange(1, 1));
    const own = await hub.insert(2);
    expect(await problemOf(hub)).toBe('hubTooOld');
    expect(await centralMember(site, own, 'number')).toBe(2);
    expect(hub.replica.all('select * from member where id = ?', theirs)).toEqual([]);
    await setRange(1, 1);
    await rest(hub, other);
    await expectEqual(centre(), site, hub, other);
  });
});

describe('a centre that is not as it was', () => {
  it('has forgotten changes that a hub has not read: the hub takes all rows anew, and keeps what waits', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1);
    await rest(first, second);
    for (let edit = 0; edit < 5; edit += 1) await first.write(id, { notes: `edit ${edit}` });
    await rest(first);
    await second.write(id, { phone: 'waits' });
    await centre().admin.query(
      `with gone as (delete from sync.change where stream_id = $1)
       update sync.stream set floor = head where stream_id = $1`,
      [site],
    );
    await rest(first, second);
    expect(second.member(id)).toMatchObject({ notes: 'edit 4', phone: 'waits' });
    await expectEqual(centre(), site, first, second);
  });

  it('collects what all hubs have read, but for the last thousand', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1);
    for (let edit = 0; edit < 1100; edit += 1)
      await first.replica.store.transact('test.write', (tx) => tx.write('member', id, { notes: `${edit}` }));
    await first.replica.sync();
    const due = 'update sync.hub set collected_at = null where stream_id = $1';
    await centre().admin.query(due, [site]);
    await first.replica.sync();
    const floor = 'select floor from sync.stream where stream_id = $1';
    // The other has read nothing of it.
    expect(await centre().value(floor, site)).toBe(0);
    await rest(first, second);
    await rest(second);
    await centre().admin.query(due, [site]);
    await first.replica.sync();
    expect(await centre().value(floor, site)).toBe(101);
    expect(await centre().value('select min(seq) from sync.change where stream_id = $1', site)).toBe(102);
    await first.write(id, { notes: 'after' });
    await rest(first, second);
    await expectEqual(centre(), site, first, second);
  });

  it('was restored from a backup: what the hubs sent after it is sent again', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, second] = hubs;
    const id = await first.insert(1);
    await rest(first, second);
    const restore = await centre().backUp(site);
    await first.write(id, { notes: 'lost there' });
    await first.append(1);
    const added = await second.insert(2);
    await rest(first, second);
    const { acked, epoch } = first.link;
    await restore();
    expect(await centralMember(site, id, 'notes')).toBeNull();
    await rest(first, second);
    expect(first.link).toMatchObject({ acked, epoch });
    expect(await centralMember(site, id, 'notes')).toBe('lost there');
    expect(await centralMember(site, added, 'number')).toBe(2);
    expect(await centre().rows(site, 'access_event', ['id'])).toHaveLength(1);
    await expectEqual(centre(), site, first, second);
  });

  it('was restored, and others have written since: the hub sees that its changes are other ones', async () => {
    const { site, hubs } = await makeSite(centre(), 3);
    const [first, second, third] = hubs;
    const id = await first.insert(1);
    await rest(first, second, third);
    const restore = await centre().backUp(site);
    await centre().submit(site, { tbl: 'member', pk: id, set: { notes: 'lost' } });
    await rest(first, second, third);
    expect(third.member(id)['notes']).toBe('lost');
    await restore();
    // As many changes as were lost, so that numbers alone do not tell.
    await centre().submit(site, { tbl: 'member', pk: id, set: { phone: 'new' } });
    await rest(first, second, third);
    for (const hub of hubs) expect(hub.member(id)).toMatchObject({ notes: null, phone: 'new' });
    await expectEqual(centre(), site, ...hubs);
  });
});
