import { describe, expect, it } from 'vitest';
import type { ReplicaKeeper } from '#hub/sync/replica-keeper.ts';
import { expectEqual, Hub, makeSite, rest, useCentre } from './hubs.ts';
import { memberRow } from './replicas.ts';

// The hub ends at each thing that a round has it write: before it was written, or after it and before the round heard.

const centre = useCentre();
type Call = keyof ReplicaKeeper;

/** The keeper with one call that fails the `nth` time, as the end of the process does. */
function failing(keeper: ReplicaKeeper, call: Call, when: 'before' | 'after', nth: number): ReplicaKeeper {
  let times = 0;
  const around =
    <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      times += 1;
      if (times === nth && when === 'before') throw new Error('the plug was pulled');
      const result = await work(...args);
      if (times === nth) throw new Error('the plug was pulled');
      return result;
    };
  return { ...keeper, [call]: around(keeper[call] as (...args: readonly unknown[]) => Promise<unknown>) };
}

/** Rounds until one fails at the call, at most as many as there are stages; then the hub starts anew. */
async function interrupt(hub: Hub, call: Call, when: 'before' | 'after', nth: number): Promise<boolean> {
  await hub.replica.withKeeper(failing(hub.replica.keeper, call, when, nth));
  let wasMet = false;
  for (let round = 0; round < 3 && !wasMet; round += 1)
    wasMet = (await hub.replica.round()).problem?.evidence.includes('plug') === true;
  hub.replica = await hub.replica.reopen();
  return wasMet;
}

async function fill(hub: Hub): Promise<string> {
  const row = memberRow(1);
  await hub.replica.store.transact('test.fill', async (tx) => {
    await tx.insert('member', row);
    for (let number = 2; number < 250; number += 1) await tx.insert('member', memberRow(number));
  });
  for (let seq = 1; seq <= 20; seq += 1) await hub.append(seq);
  return row.id;
}

describe.each(['before', 'after'] as const)('a hub that ends %s', (when) => {
  it.each<[Call, number]>([
    ['announceNext', 1],
    ['announceNext', 10],
    ['noteBackfill', 1],
    ['noteBackfill', 2],
    ['acknowledge', 1],
    ['take', 1],
  ])(
    'its call %s, for the %i. time after it was linked, loses nothing and has nothing twice',
    async (call, nth) => {
      const site = await centre().addSite();
      const hub = await Hub.open();
      await fill(hub);
      await hub.replica.join(centre(), (await centre().invite(site)).code);
      expect(await interrupt(hub, call, when, nth)).toBe(true);
      await hub.insert(1000);
      await rest(hub);
      await expectEqual(centre(), site, hub);
      expect(hub.replica.all('select * from sync_dead_letter')).toEqual([]);
    },
  );

  it.each<[Call, number]>([
    ['takePage', 1],
    ['takePage', 2],
    ['finishBootstrap', 1],
    ['beginBootstrap', 1],
  ])('its call %s, for the %i. time while it takes all in anew, is equal in the end', async (call, nth) => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [hub] = hubs;
    const id = await fill(hub);
    await rest(hub);
    await hub.replica.keeper.beginBootstrap(null);
    await hub.write(id, { notes: 'meanwhile' });
    expect(await interrupt(hub, call, when, nth)).toBe(true);
    await rest(hub);
    await expectEqual(centre(), site, hub);
    expect(hub.member(id)['notes']).toBe('meanwhile');
  });
});
