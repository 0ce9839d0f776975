import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ReplicaKeeper } from '#hub/sync/engine/replica-keeper.ts';
import { seededRandom } from '#tests/_support/seeded-random.ts';
import { backUp, copyOf, expectEqual, Hub, makeSite, rest, useCentre } from '../hubs.ts';
import { copyStore, differences, eventRow, Replica, settle } from '../replicas.ts';

const centre = useCentre();
const kills = Number(process.env['MAKRCAVE_SYNC_STEPS'] ?? 6);
const seed = Number(process.env['MAKRCAVE_SYNC_FIRST_SEED'] ?? 1);

/** Thrown where the power goes. */
class Killed extends Error {}

type Call = keyof ReplicaKeeper;
const callNames: readonly Call[] = [
  'acknowledge',
  'announceNext',
  'beginBootstrap',
  'addDeadLetter',
  'enterEpoch',
  'finishBootstrap',
  'halt',
  'noteBackfill',
  'noteToken',
  'take',
  'takePage',
];

/** Ends with the first calls of each kind: before the first has done anything, after the second has, then both again. */
class Ending {
  readonly #times = new Map<Call, number>();
  readonly #ended: Set<string>;

  constructor(ended: Set<string>) {
    this.#ended = ended;
  }

  keeper(keeper: ReplicaKeeper): ReplicaKeeper {
    const calls = callNames.map((name) => [name, this.#around(name, keeper[name])]);
    return { ...keeper, ...Object.fromEntries(calls) };
  }

  #around(name: Call, work: (...args: never[]) => Promise<unknown>) {
    return async (...args: never[]): Promise<unknown> => {
      const times = this.#times.get(name) ?? 0;
      this.#times.set(name, times + 1);
      const place = times < 5 ? ['before', 'after', 'not'][times % 3] : 'not';
      if (place !== 'not') this.#ended.add(`${name} ${place}`);
      if (place === 'before') throw new Killed(name);
      const value = await work(...args);
      if (place === 'after') throw new Killed(name);
      return value;
    };
  }
}

/** Rounds, each after a start, until one does not end the hub; what it came to. */
async function roundOf(hub: Hub, ending: Ending): Promise<string | null> {
  for (let starts = 0; starts < 100; starts += 1) {
    await hub.replica.withKeeper(ending.keeper(hub.replica.keeper));
    const { problem } = await hub.replica.round();
    const isKilled = callNames.some((name) => problem?.code === 'internal' && problem.evidence === name);
    if (!isKilled) return problem === null ? null : problem.code;
    hub.replica = await hub.replica.reopen();
  }
  throw new Error('no round goes through');
}

describe('a hub that ends at any step of its bookkeeping', () => {
  it('is equal with the centre after its next starts', async () => {
    const { site, hubs } = await makeSite(centre(), 1);
    const [other] = hubs;
    const theirs = await other.insert(1);
    await rest(other);
    const ended = new Set<string>();
    const hub = await Hub.open();
    const goOn = async (some: Hub): Promise<void> => {
      const ending = new Ending(ended);
      for (let rounds = 0; rounds < 4; rounds += 1) expect(await roundOf(some, ending)).toBeNull();
      await rest(other);
    };

    // The rows and events of before go up, of which one cannot.
    const id = await hub.insert(2);
    await hub.append(1);
    await hub.append(2, { portal_id: 'no uuid' });
    await hub.append(3);
    await hub.replica.join(centre(), (await centre().invite(site)).code);
    await hub.insert(3);
    await goOn(hub);
    expect(await centre().rows(site, 'access_event', ['id'])).toHaveLength(2);

    // Changes go both ways.
    await hub.write(id, { notes: 'here' });
    await hub.append(4);
    await other.write(theirs, { notes: 'there' });
    await rest(other);
    await goOn(hub);

    // An old backup, with what was not sent.
    await hub.write(id, { notes: 'sent later' });
    const back = await backUp(hub);
    await hub.insert(4);
    await goOn(hub);
    await back();
    await hub.insert(5);
    await goOn(hub);

    // Another machine, and a token that is old.
    const moved = await Hub.open({ folder: await copyOf(hub), instance: randomUUID() });
    expect(await roundOf(moved, new Ending(ended))).toBe('machineChanged');
    await moved.replica.store.transact('test.approve', async (tx) => {
      await tx.local.updateTable('sync_link').set({ halted: 'approved' }).execute();
    });
    moved.replica.clock.ms += 31 * 86_400_000;
    await goOn(moved);
    await rest(moved, other);

    expect([...ended].sort()).toEqual(
      callNames.flatMap((name) => [`${name} after`, `${name} before`]).sort(),
    );
    expect(await centre().rows(site, 'access_event', ['id'])).toHaveLength(3);
    expect(await centre().rows(site, 'member', ['id'])).toHaveLength(5);
    expect(moved.replica.all('select tbl from sync_dead_letter where resolved_at_ms is null')).toEqual([
      { tbl: 'access_event' },
    ]);
    const left = await differences(centre(), site, moved.replica);
    expect(left.filter((row) => !row.includes('no uuid'))).toEqual([]);
    await expectEqual(centre(), site, other);
  });
});

describe('a hub that is killed while it writes and makes rounds', () => {
  it(
    'has lost nothing that was committed, and the centre has it once',
    async () => {
      const random = seededRandom(seed);
      const { site, hubs } = await makeSite(centre(), 1);
      const [hub] = hubs;
      await hub.insert(1);
      await rest(hub);
      const { folder, instance } = hub.replica;
      const journal = randomUUID();
      const committed: string[] = [];
      await hub.replica.close({ keep: true });
      for (let kill = 0; kill < kills; kill += 1) {
        const child = spawn(
          process.execPath,
          [
            path.join(import.meta.dirname, 'round-writer.ts'),
            folder,
            instance,
            journal,
            String(kill * 100_000),
          ],
          { stdio: ['ignore', 'pipe', 'inherit'] },
        );
        const exited = once(child, 'exit');
        let left = 1 + Math.floor(random() * 60);
        for await (const line of createInterface({ input: child.stdout })) {
          committed.push(line);
          left -= 1;
          if (left <= 0) child.kill('SIGKILL');
        }
        expect(await exited, `seed ${seed}, kill ${kill}`).toEqual([null, 'SIGKILL']);
      }
      hub.replica = await Replica.open({ folder, instance });
      await rest(hub);
      const there = await centre().rows(site, 'access_event', ['id']);
      const known = new Set(there);
      expect(committed.length).toBeGreaterThan(kills);
      expect(
        committed.filter((id) => !known.has(JSON.stringify({ id }))),
        `seed ${seed}`,
      ).toEqual([]);
      expect(there).toHaveLength(hub.replica.rows('access_event').length);
      await expectEqual(centre(), site, hub);
    },
    60_000 + kills * 10_000,
  );
});

describe('a hub whose disk forgot the end of what was written', () => {
  it(
    'goes on from there with another epoch, and undoes nothing at the centre',
    async () => {
      const random = seededRandom(seed + 1000);
      const below = (limit: number): number => Math.floor(random() * limit);
      const { site, hubs } = await makeSite(centre(), 2);
      const [hub, other] = hubs;
      const ids = [await hub.insert(1), await hub.insert(2), await other.insert(3)];
      await rest(hub, other);
      const folder = mkdtempSync(path.join(tmpdir(), 'mc-cut-'));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      const pick = (): string => ids[below(ids.length)] ?? '';
      let rewound = 0;
      for (let cut = 0; cut < kills; cut += 1) {
        hub.replica = await hub.replica.reopen();
        const { epoch } = hub.link;
        for (let step = 0; step < 8; step += 1) {
          await hub.write(pick(), { notes: `${cut} ${step}`, phone: `${below(100)}` });
          const event = eventRow(step, { journal_id: randomUUID() });
          await hub.replica.store.transact('test.append', (tx) => tx.append('access_event', event));
          if (random() < 0.4) await hub.replica.sync();
          if (random() < 0.2) {
            await other.write(pick(), { email: `${cut}-${step}@example.org` });
            await rest(other);
          }
        }
        await settle(hub.replica, other.replica);
        const columns = hub.replica.columns('member');
        const members = await centre().rows(site, 'member', columns);
        const events = await centre().rows(site, 'access_event', ['id']);
        // Nobody writes meanwhile, and nothing of the log was moved into the file since the start.
        for (const end of ['', '-wal'])
          copyFileSync(
            path.join(hub.replica.folder, `hub.sqlite${end}`),
            path.join(folder, `hub.sqlite${end}`),
          );
        const wal = path.join(folder, 'hub.sqlite-wal');
        const { size } = statSync(wal);
        const at = random() < 0.3 ? Math.floor(below(size) / 4096) * 4096 : below(size);
        const what = `seed ${seed}, cut ${cut} at ${at} of ${size}`;
        truncateSync(wal, at);
        hub.replica = await hub.replica.reopen((place) => copyStore(folder, place));
        await settle(hub.replica, other.replica);
        if (hub.link.epoch > epoch) rewound += 1;
        expect(await centre().rows(site, 'member', columns), what).toEqual(members);
        expect(await centre().rows(site, 'access_event', ['id']), what).toEqual(events);
        await expectEqual(centre(), site, hub, other);
      }
      expect(rewound).toBeGreaterThan(kills / 2);
    },
    60_000 + kills * 10_000,
  );
});
