import { z } from 'zod';
import { assert } from '#hub/kernel/result.ts';
import { announceRows, readPosition } from '#hub/store/writing/replicated-writes.ts';
import {
  changeLink,
  findDeadOperations,
  forgetDeadLetters,
  insertSyncDeadLetter,
  resolveSent,
  saveMark,
} from '../repository.ts';
import type { KeeperDeps } from './keeper-deps.ts';
import { columnsOf, loadLink, startBootstrap } from './link-state.ts';
import type { Acknowledgement } from './replica-keeper.ts';

const announcedAtOnce = 100;
const seedPlace = z.object({ tbl: z.string(), after: z.string() });

/** Records that the centre has everything up to `seq`, and keeps its dead operations as dead letters. */
export async function acknowledge({ store, newId }: KeeperDeps, ack: Acknowledgement): Promise<void> {
  const { epoch, seq, chain, dead } = ack;
  await store.transact('sync.acknowledge', async (tx) => {
    const link = await loadLink(tx);
    assert(link.epoch === epoch, 'the epoch changes between batches only');
    const numbers = dead.map((operation) => operation.seq);
    const rows = await findDeadOperations(tx, numbers);
    if (numbers.length > 0) await forgetDeadLetters(tx, numbers);
    for (const { seq: number, sqlstate, message } of dead) {
      const row = rows.get(number);
      await insertSyncDeadLetter(tx, {
        id: newId(),
        direction: 'up',
        seq: number,
        tbl: row?.tbl ?? '',
        pk: row?.pk ?? '',
        problem: `${message} (${sqlstate})`,
        body: row?.body ?? '{}',
      });
    }
    await resolveSent(tx, link.acked, seq, numbers);
    await saveMark(tx, { epoch, seq, chain });
    await changeLink(tx, { acked: seq, acked_chain: chain });
  });
}

/** Announces the next rows of the state tables; true once all are announced and the stage is `backfill`. */
export async function announceNext({ store }: KeeperDeps): Promise<boolean> {
  const tables = store.replication.tables.flatMap((table) => (table.class === 'state' ? [table.name] : []));
  return await store.transact('sync.announce', async (tx) => {
    const link = await loadLink(tx);
    const [first] = tables;
    assert(first !== undefined, 'there are tables to announce');
    const { tbl, after } =
      link.place === null ? { tbl: first, after: '' } : seedPlace.parse(JSON.parse(link.place));
    const last = await announceRows(tx, tbl, after, announcedAtOnce);
    const next = last === null ? tables[tables.indexOf(tbl) + 1] : tbl;
    if (next !== undefined) {
      await changeLink(tx, { place: JSON.stringify({ tbl: next, after: last ?? '' }) });
      return false;
    }
    await changeLink(tx, { stage: 'backfill', place: null });
    tx.afterCommit(() => {
      store.replication.wholeRows = false;
    });
    return true;
  });
}

/** Saves how far the backfill went up; null ends the stage. */
export async function noteBackfill({ store }: KeeperDeps, place: string | null): Promise<void> {
  await store.transact('sync.noteBackfill', async (tx) => {
    if (place !== null) return await changeLink(tx, { place });
    const { cursor } = await readPosition(tx);
    // A centre that has more than came from here is taken in whole.
    if (cursor > 0) return await startBootstrap(tx, null);
    return await changeLink(tx, { stage: 'live', place: null, columns: JSON.stringify(columnsOf(store)) });
  });
}
