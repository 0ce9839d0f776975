import { changeLink, insertSyncDeadLetter, saveMark } from '../repository.ts';
import { finishBootstrap, takeChanges, takePage } from './keep-pulled.ts';
import { acknowledge, announceNext, noteBackfill } from './keep-pushed.ts';
import type { KeeperDeps } from './keeper-deps.ts';
import { startBootstrap } from './link-state.ts';
import type { Epoch, ReplicaKeeper } from './replica-keeper.ts';

async function enterEpoch(
  { store }: KeeperDeps,
  { epoch, instance, from, chain, stage }: Epoch,
): Promise<void> {
  store.replication.wholeRows = stage === 'seed';
  await store.transact('sync.enterEpoch', async (tx) => {
    await changeLink(tx, {
      epoch,
      instance,
      base_seq: from,
      acked: from,
      acked_chain: chain,
      halted: null,
      stage,
      place: null,
    });
    await saveMark(tx, { epoch, seq: from, chain });
    if (stage === 'bootstrap') await startBootstrap(tx, null);
  });
}

/** Writes the results of rounds through the store's queue, in slices. */
export function createStoreKeeper(deps: KeeperDeps): ReplicaKeeper {
  const { store, newId } = deps;
  return {
    acknowledge: (ack) => acknowledge(deps, ack),
    take: (changes) => takeChanges(deps, changes),
    takePage: (page, place) => takePage(deps, page, place),
    finishBootstrap: (cursor, cid) => finishBootstrap(deps, cursor, cid),
    beginBootstrap: (tables) => store.transact('sync.beginBootstrap', (tx) => startBootstrap(tx, tables)),
    enterEpoch: (epoch) => enterEpoch(deps, epoch),
    announceNext: () => announceNext(deps),
    noteBackfill: (place) => noteBackfill(deps, place),
    async addDeadLetter(tbl, pk, problem) {
      await store.transact('sync.addDeadLetter', (tx) =>
        insertSyncDeadLetter(tx, { id: newId(), direction: 'up', seq: 0, tbl, pk, problem, body: '{}' }),
      );
    },

    async halt(why) {
      await store.transact('sync.halt', (tx) => changeLink(tx, { halted: why }));
    },

    async noteToken(change) {
      await store.transact('sync.noteToken', (tx) =>
        changeLink(
          tx,
          'next' in change
            ? { next_token: change.next }
            : { token: change.current, next_token: null, token_since_ms: tx.nowMs },
        ),
      );
    },
  };
}
