import { createHash, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { verifyAudit } from '#hub/domains/identity/audit/workflow.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { joinCodeHash } from '#hub/sync/link/join-code.ts';
import { cut } from '../connections.ts';
import { backUp, copyOf, expectEqual, Hub, makeSite, problemOf, rest, useCentre } from '../hubs.ts';

const centre = useCentre();

const centralMember = async (site: string, id: string, column: string): Promise<unknown> =>
  await centre().value(`select "${column}" from makrcave.member where stream_id = $1 and id = $2`, site, id);

describe('who a hub is', () => {
  it('a copy of it on another machine waits for a person, and goes on once one has approved', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [first, other] = hubs;
    const id = await first.insert(1);
    await rest(first, other);
    await first.write(id, { notes: 'not sent yet' });
    const moved = await first.replica.reopen();
    await moved.close({ keep: true });
    const copy = await Hub.open({ folder: moved.folder, instance: randomUUID() });
    first.replica = copy.replica;
    expect(await problemOf(copy)).toBe('machineChanged');
    expect(copy.link.halted).toBe('machineChanged');
    expect(await problemOf(copy)).toBe('machineChanged');
    expect(await centralMember(site, id, 'notes')).toBeNull();
    const epoch = copy.link.epoch;
    await copy.replica.store.transact('test.approve', async (tx) => {
      await tx.local.updateTable('sync_link').set({ halted: 'approved' }).execute();
    });
    await rest(copy, other);
    expect(copy.link).toMatchObject({ epoch: epoch + 1, halted: null, instance: copy.replica.instance });
    expect(await centralMember(site, id, 'notes')).toBe('not sent yet');
    await expectEqual(centre(), site, copy, other);
  });

  it('one that was replaced is fenced, and writes nothing more at the centre', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [dead] = hubs;
    const id = await dead.insert(1);
    await dead.append(1);
    await rest(dead);
    const code = randomUUID();
    await centre().value(
      'select sync.replace_hub($1, $2, $3, 60)',
      site,
      dead.link.hub_id,
      joinCodeHash(code),
    );
    const next = await Hub.open();
    await next.replica.join(centre(), code, 'bootstrap');
    await rest(next);
    expect(next.link.hub_id).toBe(dead.link.hub_id);
    expect(next.member(id)['name']).toBe('Member 1');
    expect(next.replica.rows('access_event')).toEqual(dead.replica.rows('access_event'));
    await dead.write(id, { name: 'From the dead' });
    // It has the token of before, so it is not even told more.
    expect(await problemOf(dead)).toBe('tokenWrong');
    expect(await centralMember(site, id, 'name')).toBe('Member 1');
  });

  it('one whose epoch was taken by a copy of itself is fenced while both run', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const id = await hub.insert(1);
    await rest(hub);
    const twinFolder = await copyOf(hub);
    const twin = await Hub.open({ folder: twinFolder, instance: randomUUID() });
    expect(await problemOf(twin)).toBe('machineChanged');
    await twin.replica.store.transact('test.approve', async (tx) => {
      await tx.local.updateTable('sync_link').set({ halted: 'approved' }).execute();
    });
    await rest(twin);
    await hub.write(id, { name: 'From the fenced' });
    expect(await problemOf(hub)).toBe('fenced');
    expect(hub.link.halted).toBe('fenced');
    expect(await centralMember(site, id, 'name')).toBe('Member 1');
    await expectEqual(centre(), site, twin);
  });

  it('one that lost the answer to a new epoch takes it up, and everything is sent once', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [hub, other] = hubs;
    const id = await hub.insert(1);
    await rest(hub, other);
    const putBack = await backUp(hub);
    await hub.write(id, { phone: '1' });
    await hub.append(1);
    await rest(hub, other);
    await putBack();
    await hub.write(id, { notes: '2' });
    let lost = 0;
    hub.line.answered = (name) => {
      if (name !== 'begin_epoch') return;
      lost += 1;
      throw cut();
    };
    const { epoch } = hub.link;
    expect(await problemOf(hub)).toBe('centralUnreachable');
    expect(hub.link.epoch).toBe(epoch);
    delete hub.line.answered;
    await rest(hub, other);
    expect([lost, hub.link.epoch]).toEqual([1, epoch + 1]);
    expect(other.member(id)).toMatchObject({ phone: '1', notes: '2' });
    await expectEqual(centre(), site, hub, other);
  });

  it('one that comes back from an old backup undoes nothing that it wrote after it', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [hub, other] = hubs;
    const id = await hub.insert(1);
    await rest(hub, other);
    // In the backup it waits; after it, it goes up, and is written again.
    await hub.write(id, { notes: 'first', phone: '1' });
    const back = await backUp(hub);
    // The batch goes beyond what the backup has, so that none of it is known to be common.
    await hub.insert(2);
    await rest(hub, other);
    await hub.write(id, { notes: 'second' });
    await rest(hub, other);
    await other.write(id, { phone: '2' });
    await rest(hub, other);
    const { epoch } = hub.link;
    await back();
    expect(hub.member(id)).toMatchObject({ notes: 'first', phone: '1' });
    await rest(hub, other);
    expect(hub.link.epoch).toBe(epoch + 1);
    expect(hub.member(id)).toMatchObject({ notes: 'second', phone: '2' });
    await expectEqual(centre(), site, hub, other);
  });

  it('one that comes back from an old backup has an audit log that hangs together', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const record = (action: string) =>
      hub.replica.store.transact('test.audit', (tx) =>
        recordAudit(tx, { actor: { kind: 'system' }, action, target: null, payload: {} }),
      );
    await record('before');
    const back = await backUp(hub);
    for (const action of ['lost here', 'lost here too', 'and this']) await record(action);
    await rest(hub);
    await back();
    // Without the centre, which has other entries with these numbers.
    await record('after');
    await rest(hub);
    await record('later');
    await rest(hub);
    expect(await hub.replica.store.report((reader) => verifyAudit(reader))).toMatchObject({ ok: true });
    expect(await centre().rows(site, 'audit_entry', ['action'])).toHaveLength(6);
  });

  it('one of which the centre knows no common point announces its rows, and undoes nothing newer', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [hub, other] = hubs;
    const id = await hub.insert(1);
    await rest(hub, other);
    const back = await backUp(hub);
    await hub.write(id, { notes: 'newer' });
    await other.write(id, { phone: 'newer' });
    await rest(hub, other);
    await back();
    const added = await hub.insert(2);
    await centre().admin.query('delete from sync.hub_mark where hub_id = $1', [hub.link.hub_id]);
    await rest(hub, other);
    expect(hub.member(id)).toMatchObject({ notes: 'newer', phone: 'newer' });
    expect(other.member(added)['number']).toBe(2);
    await expectEqual(centre(), site, hub, other);
  });

  it('changes its token in time, also when the answer to it is lost', async () => {
    const { hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const first = hub.link.token;
    hub.replica.clock.ms += 31 * 86_400_000;
    let lost = 0;
    hub.line.answered = (name) => {
      if (name !== 'rotate_token') return;
      lost += 1;
      throw cut();
    };
    await hub.replica.round();
    delete hub.line.answered;
    await hub.replica.sync();
    expect(lost).toBe(1);
    expect(hub.link.next_token).toBeNull();
    expect(hub.link.token).not.toEqual(first);
    // The one before is void.
    const hash = await centre().value(
      "select encode(token_hash, 'hex') from sync.hub where hub_id = $1",
      hub.link.hub_id,
    );
    expect(hash).toBe(createHash('sha256').update(hub.link.token).digest('hex'));
    expect(
      await centre().value('select next_token_hash from sync.hub where hub_id = $1', hub.link.hub_id),
    ).toBeNull();
  });

  it('keeps its token when the question to change it is lost', async () => {
    const { hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const first = hub.link.token;
    hub.replica.clock.ms += 31 * 86_400_000;
    hub.line.asking = (name) => {
      if (name === 'rotate_token') throw cut();
    };
    expect(await problemOf(hub)).toBe('centralUnreachable');
    delete hub.line.asking;
    await hub.replica.sync();
    await hub.replica.sync();
    expect(hub.link.next_token).toBeNull();
    expect(hub.link.token).not.toEqual(first);
  });

  it('one that was revoked is told so', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    await centre().value('select sync.revoke_hub($1, $2)', site, hub.link.hub_id);
    await hub.insert(1);
    expect(await problemOf(hub)).toBe('revoked');
    expect(await centre().rows(site, 'member', ['id'])).toEqual([]);
  });
});
