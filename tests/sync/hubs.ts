import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Updateable } from 'kysely';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { assert } from '#hub/kernel/result.ts';
import type { Database } from '#hub/store/database.ts';
import type { LinkRow } from '#hub/sync/repository.ts';
import type { PostgresServer } from '#tests/_support/postgres.ts';
import { usePostgres } from '#tests/_support/run/postgres.ts';
import { connectOver, type Line } from './connections.ts';
import { CentralSite, copyStore, differences, eventRow, memberRow, Replica, settle } from './replicas.ts';

/** A centre for the tests of a file; ask for it inside of them. */
export function useCentre(version: 15 | 18 = 18): () => CentralSite {
  let server: PostgresServer | undefined;
  let central: CentralSite | undefined;
  beforeAll(async () => {
    server = await usePostgres({ version });
    central = await CentralSite.create(server);
  });
  afterAll(async () => {
    await central?.close();
    await server?.stop();
  });
  return () => {
    assert(central !== undefined, 'inside of a test');
    return central;
  };
}

/** A hub that ends with the test, also when it was opened anew. */
export class Hub {
  replica: Replica;
  readonly line: Line = {};

  private constructor(replica: Replica, line: Line) {
    this.replica = replica;
    this.line = line;
  }

  static async open(options: { instance?: string; folder?: string } = {}): Promise<Hub> {
    const line: Line = {};
    const hub = new Hub(await Replica.open({ ...options, connect: connectOver(line) }), line);
    onTestFinished(async () => await hub.replica.close());
    return hub;
  }

  async write(id: string, changes: Updateable<Database['member']>): Promise<void> {
    const written = await this.replica.store.transact('test.write', (tx) => tx.write('member', id, changes));
    expect(written.ok).toBe(true);
  }

  async insert(number: number, changes: Record<string, unknown> = {}): Promise<string> {
    const row = memberRow(number, changes);
    await this.replica.store.transact('test.insert', (tx) => tx.insert('member', row));
    return row.id;
  }

  async append(seq: number, changes: Record<string, unknown> = {}): Promise<string> {
    const row = eventRow(seq, changes);
    await this.replica.store.transact('test.append', (tx) => tx.append('access_event', row));
    return row.id;
  }

  member(id: string): Record<string, unknown> {
    const [row] = this.replica.all('select * from member where id = ?', id);
    assert(typeof row === 'object' && row !== null, 'the member is there');
    return { ...row };
  }

  get link(): LinkRow {
    const link = this.replica.outbox.link();
    assert(link !== null, 'the hub belongs to a centre');
    return link;
  }
}

export interface Site {
  readonly site: string;
  readonly hubs: readonly [Hub, Hub, Hub];
}

/** A site with hubs that have joined it and are at rest; those that are not asked for are not there. */
export async function makeSite(central: CentralSite, count: 1 | 2 | 3): Promise<Site> {
  const site = await central.addSite();
  const hubs: Hub[] = [];
  for (let index = 0; index < count; index += 1) {
    const hub = await Hub.open();
    await hub.replica.join(central, (await central.invite(site, `box ${index}`)).code);
    hubs.push(hub);
  }
  await settle(...hubs.map(({ replica }) => replica));
  const [first, second, third] = hubs;
  assert(first !== undefined, 'there is a hub');
  return { site, hubs: [first, second ?? first, third ?? first] };
}

export const rest = async (...hubs: readonly Hub[]): Promise<void> =>
  await settle(...hubs.map(({ replica }) => replica));

export async function expectEqual(
  central: CentralSite,
  site: string,
  ...hubs: readonly Hub[]
): Promise<void> {
  for (const { replica } of hubs) expect(await differences(central, site, replica)).toEqual([]);
}

export const problemOf = async ({ replica }: Hub): Promise<string | null> =>
  (await replica.round()).problem?.code ?? null;

/** A folder with a copy of the hub's store as it is now. */
export async function copyOf(hub: Hub): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'mc-copy-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  hub.replica = await hub.replica.reopen((place) => copyStore(place, folder));
  return folder;
}

/** Notes the hub's store as it is now; what comes back puts it in place of what it is then. */
export async function backUp(hub: Hub): Promise<() => Promise<void>> {
  const folder = await copyOf(hub);
  return async () => {
    hub.replica = await hub.replica.reopen((place) => copyStore(folder, place));
  };
}
