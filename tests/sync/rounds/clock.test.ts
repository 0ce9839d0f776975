import { describe, expect, it } from 'vitest';
import { hybridToMs } from '#hub/kernel/hybrid-time.ts';
import { Centre, type Hello } from '#hub/sync/central/centre.ts';
import { connectCentral } from '#hub/sync/central/connection.ts';
import { syncSchemaNumber } from '#hub/sync/schema.ts';
import { backUp, expectEqual, type Hub, makeSite, rest, useCentre } from '../hubs.ts';

const centre = useCentre();
const dayMs = 86_400_000;
const tenYearsMs = 3653 * dayMs;
const clampMs = 300_000;

/** What the centre says of the hub, by the hub's clock. */
async function hello({ link, replica }: Hub): Promise<Hello> {
  const connection = await connectCentral({
    url: link.central_url,
    connectTimeoutMs: 10_000,
    queryTimeoutMs: 10_000,
  });
  try {
    const who = { siteId: link.site_id, hubId: link.hub_id, token: link.token };
    return await new Centre(connection).hello(who, 'test', syncSchemaNumber, replica.clock.ms);
  } finally {
    await connection.close();
  }
}

const aheadAtCentre = async ({ link }: Hub): Promise<unknown> =>
  await centre().value('select clock_ahead_ms from sync.hub where hub_id = $1', link.hub_id);

/** Hybrid times of what the hub has written, in its order. */
const timesOf = (hub: Hub): number[] =>
  hub.replica
    .all('select hlc from change where hlc > 0 order by seq')
    .map((row) => Number(Reflect.get(Object(row), 'hlc')));

const isAscending = (times: readonly number[]): boolean =>
  times.every((time, index) => index === 0 || time > (times[index - 1] ?? 0));

const conflictsOf = async (site: string): Promise<unknown[]> =>
  await centre().rows(site, 'sync_conflict', ['lost']);

describe('a hub whose clock is two weeks back', () => {
  it('loses to what others write at the same time, and keeps what it writes having seen theirs', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [late, right] = hubs;
    const id = await late.insert(1);
    await rest(late, right);
    late.replica.clock.ms = Date.now() - 14 * dayMs;
    right.replica.clock.ms = Date.now();
    await right.write(id, { notes: 'right', phone: 'right' });
    await late.write(id, { notes: 'late' });
    await rest(late, right);
    expect(late.member(id)).toMatchObject({ notes: 'right', phone: 'right' });
    expect(await conflictsOf(site)).toEqual(['{"lost":"\\"late\\""}']);
    await late.write(id, { notes: 'late, having seen it' });
    await late.append(1);
    await rest(late, right);
    expect(right.member(id)['notes']).toBe('late, having seen it');
    expect(await conflictsOf(site)).toHaveLength(1);
    expect((await hello(late)).clock_ahead_ms).toBe(0);
    expect(late.replica.all('select * from sync_dead_letter')).toEqual([]);
    await expectEqual(centre(), site, late, right);
  });
});

describe('a hub whose clock is ten years ahead', () => {
  it('has its operations taken as of five minutes ahead, its events as they are, and is told so', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [ahead, right] = hubs;
    ahead.replica.clock.ms = Date.now() + tenYearsMs;
    const id = await ahead.insert(1);
    await ahead.write(id, { notes: 'from the future' });
    const at = ahead.replica.clock.ms;
    await ahead.append(1, { at_ms: at });
    await rest(ahead, right);
    const { rows } = await centre().admin.query<{ hlc: number }>(
      'select hlc from sync.change where stream_id = $1 order by seq',
      [site],
    );
    expect(rows).toHaveLength(2);
    for (const { hlc } of rows) expect(hybridToMs(hlc)).toBeLessThanOrEqual(Date.now() + clampMs);
    expect(await centre().value('select at_ms from makrcave.access_event where stream_id = $1', site)).toBe(
      at,
    );
    const { clock_ahead_ms: aheadMs } = await hello(ahead);
    expect(Math.abs(aheadMs - tenYearsMs)).toBeLessThan(dayMs);
    expect(Number(await aheadAtCentre(ahead))).toBeGreaterThan(tenYearsMs - dayMs);
    expect(ahead.replica.all('select * from sync_dead_letter')).toEqual([]);
    expect(right.member(id)['notes']).toBe('from the future');
    await expectEqual(centre(), site, ahead, right);
  });

  it('is no longer told so once its clock is right', async () => {
    const { hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    hub.replica.clock.ms = Date.now() + tenYearsMs;
    const id = await hub.insert(1);
    await rest(hub);
    expect(await aheadAtCentre(hub)).not.toBe(0);
    hub.replica.clock.ms = Date.now();
    await hub.write(id, { notes: 'in time' });
    await rest(hub);
    expect((await hello(hub)).clock_ahead_ms).toBe(0);
    expect(await aheadAtCentre(hub)).toBe(0);
  });

  it('gives way to what another hub writes later, which has not seen it', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [ahead, right] = hubs;
    const id = await ahead.insert(1);
    await rest(ahead, right);
    ahead.replica.clock.ms = Date.now() + tenYearsMs;
    await ahead.write(id, { notes: 'from the future' });
    await ahead.replica.sync();
    // Later than the five minutes that a clock may be ahead.
    right.replica.clock.ms = Date.now() + clampMs + 1000;
    await right.write(id, { notes: 'later' });
    await rest(right, ahead);
    expect(ahead.member(id)['notes']).toBe('later');
    expect(await conflictsOf(site)).toEqual(['{"lost":"\\"from the future\\""}']);
    await expectEqual(centre(), site, ahead, right);
  });

  it('writes later than all it wrote before when its clock is right again, also after a start', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [ahead, right] = hubs;
    const id = await ahead.insert(1);
    await rest(ahead, right);
    ahead.replica.clock.ms = Date.now() + tenYearsMs;
    await ahead.write(id, { notes: 'from the future' });
    await ahead.write(id, { notes: 'from the future, too' });
    await rest(ahead, right);
    ahead.replica.clock.ms = Date.now();
    await ahead.write(id, { notes: 'in time' });
    ahead.replica = await ahead.replica.reopen();
    await ahead.write(id, { phone: 'in time' });
    await rest(ahead, right);
    expect(right.member(id)).toMatchObject({ notes: 'in time', phone: 'in time' });
    expect(timesOf(ahead)).toHaveLength(5);
    expect(isAscending(timesOf(ahead))).toBe(true);
    await expectEqual(centre(), site, ahead, right);
  });

  it('does not take the clocks of others along', async () => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [ahead, right] = hubs;
    ahead.replica.clock.ms = Date.now() + tenYearsMs;
    const id = await ahead.insert(1);
    await rest(ahead, right);
    right.replica.clock.ms = Date.now();
    await right.write(id, { notes: 'right' });
    const last = timesOf(right).at(-1) ?? 0;
    expect(hybridToMs(last)).toBeLessThan(Date.now() + clampMs + 1000);
    await rest(ahead, right);
    await expectEqual(centre(), site, ahead, right);
  });
});

describe('a hub that comes back from an old backup after its clock was wrong', () => {
  it.each([
    ['ten years ahead', tenYearsMs],
    ['two weeks back', -14 * dayMs],
  ])('%s: it undoes nothing that it wrote after it, and goes on', async (_name, offMs) => {
    const { site, hubs } = await makeSite(centre(), 2);
    const [hub, other] = hubs;
    const id = await hub.insert(1);
    await rest(hub, other);
    hub.replica.clock.ms = Date.now() + offMs;
    // By such a clock its token is old, and with another one the backup would have none that counts.
    await hub.replica.store.transact('test.token', async (tx) => {
      await tx.local.updateTable('sync_link').set({ token_since_ms: tx.nowMs }).execute();
    });
    await hub.write(id, { notes: 'in the backup' });
    const wrong = await hub.insert(2, { notes: 'in the backup' });
    const back = await backUp(hub);
    await hub.write(id, { notes: 'after the backup' });
    await hub.write(wrong, { notes: 'after the backup' });
    await rest(hub, other);
    const { epoch } = hub.link;
    hub.replica.clock.ms = Date.now();
    await back();
    await rest(hub, other);
    expect(hub.link.epoch).toBe(epoch + 1);
    expect(hub.member(id)['notes']).toBe('after the backup');
    expect(hub.member(wrong)['notes']).toBe('after the backup');
    await hub.write(id, { notes: 'in time' });
    await rest(hub, other);
    expect(other.member(id)['notes']).toBe('in time');
    expect(isAscending(timesOf(hub))).toBe(true);
    await expectEqual(centre(), site, hub, other);
  });
});
