import { Fault } from '#hub/kernel/result.ts';
import { openReadConnection } from '#hub/store/sqlite/read-connection.ts';
import type { Reader, Store, Transaction } from '#hub/store/store.ts';
import { OutboxReader } from '../engine/outbox-reader.ts';
import type { Progress } from '../engine/round.ts';
import { Runner } from '../engine/runner.ts';
import { createStoreKeeper } from '../engine/store-keeper.ts';
import { findLink } from '../repository.ts';
import { problemWords } from '../rules.ts';
import { type JoinDeps, type JoinRequest, join } from './join-workflow.ts';

const fact = 'restore';
const cacheKib = 4096;
const connectTimeoutMs = 15_000;
const queryTimeoutMs = 120_000;

/** Checks whether a restore of this store has started and not finished. */
export async function isRestoring(reader: Reader): Promise<boolean> {
  const row = await reader
    .selectFrom('store_fact')
    .select('value')
    .where('name', '=', fact)
    .executeTakeFirst();
  return row !== undefined;
}

async function noteBegun(tx: Transaction): Promise<void> {
  await tx.local
    .insertInto('store_fact')
    .values({ name: fact, value: 'running', updated_at_ms: tx.nowMs })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
}

/** Marks the restore as finished, so that the hub may start. */
export async function noteRestored(tx: Transaction): Promise<void> {
  await tx.local.deleteFrom('store_fact').where('name', '=', fact).execute();
}

/**
 * Takes everything that the centre has of a site into an empty store, as the hub that the code was made for. May be cut off
 * anywhere and be called again, then without a code. Faults: `restoreRefused`, and those of the connection and the store.
 */
export async function takeEverything(
  deps: JoinDeps & {
    readonly store: Store;
    readonly newId: () => string;
    readonly release: string;
    readonly report: (progress: Progress) => void;
  },
  request: JoinRequest,
): Promise<void> {
  const { store, clock, instance, newId, release, report } = deps;
  await store.transact('restore.begin', noteBegun);
  if ((await findLink(store.read)) === undefined) {
    const joined = await join(deps, request, 'bootstrap');
    if (!joined.ok)
      throw new Fault(
        'restoreRefused',
        'the code is not known at the centre, was used already, or is too old: get another by `makrcave-hub central replace-hub`',
      );
  }
  const { connectCentral } = await import('../central/connection.ts');
  const connection = openReadConnection(store.replication.location, cacheKib);
  const runner = new Runner({
    outbox: new OutboxReader(connection, store.replication.tables),
    // Nothing stands on this store yet: what follows from rows is made when all are there.
    keeper: createStoreKeeper({ store, newId, follow: async () => undefined }),
    connect: (link) =>
      connectCentral({
        url: link.central_url,
        ...(link.central_ca === null ? {} : { caPem: link.central_ca }),
        connectTimeoutMs,
        queryTimeoutMs,
      }),
    instance,
    release,
    pollMs: 1000,
    nowMs: () => clock.nowMs(),
    random: Math.random,
    report,
    isStopping: () => false,
    yieldToRequests: async () => false,
  });
  try {
    const { problem } = await runner.runOnce();
    if (problem === null) return;
    const { evidence, fix } = problemWords[problem.code];
    throw new Fault('restoreRefused', `${problem.evidence || evidence} ${fix}`);
  } finally {
    await runner.close();
    connection.close();
  }
}

/** Throws the Fault `restoreUnfinished` while a restore is incomplete: a hub on half of its rows would write wrong data. */
export async function refuseHalfRestored(reader: Reader): Promise<void> {
  if (!(await isRestoring(reader))) return;
  throw new Fault(
    'restoreUnfinished',
    'a restore was begun here and is not finished: run `makrcave-hub restore --from-central` again, it goes on where it stopped',
  );
}
