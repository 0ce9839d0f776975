import { z } from 'zod';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { hybridToMs } from '#hub/kernel/hybrid-time.ts';
import { assert } from '#hub/kernel/result.ts';
import type { Transaction } from '#hub/store/store.ts';
import {
  type Applied,
  applyChanges,
  applyPage,
  type RowPage,
  readPosition,
  savePosition,
} from '#hub/store/writing/replicated-writes.ts';
import type { CentralChange } from '../central/centre.ts';
import { changeLink, findRefusedRows, insertSyncDeadLetter, removeDeadLetters } from '../repository.ts';
import type { KeeperDeps } from './keeper-deps.ts';
import { columnsOf, loadLink } from './link-state.ts';

/** Limits a transaction well below 50 ms. */
const changesAtOnce = 100;
/** Rows of state tables are compared one by one, those of append tables only added. */
const pageRowsAtOnce = { state: 250, append: 2000 } as const;
/** The hub id of changes that the centre itself made. */
const centreItself = '00000000-0000-0000-0000-000000000000';
/** Ignores a hybrid time that is further ahead of this clock. */
const maxAheadMs = 300_000;
const rowSchema = z.record(z.string(), z.union([z.null(), z.string(), z.number()]));

async function keepRefused(
  { newId }: Pick<KeeperDeps, 'newId'>,
  tx: Transaction,
  seq: number,
  { refused }: Applied,
): Promise<void> {
  for (const { tbl, pk, set, problem } of refused)
    await insertSyncDeadLetter(tx, {
      id: newId(),
      direction: 'down',
      seq,
      tbl,
      pk,
      problem,
      body: JSON.stringify(set),
    });
}

async function takeSlice(deps: KeeperDeps, changes: readonly CentralChange[]): Promise<void> {
  const { store, follow } = deps;
  await store.transact('sync.take', async (tx) => {
    const link = await loadLink(tx);
    const position = await readPosition(tx);
    let { settled } = position;
    for (const change of changes) {
      const isOwn = change.originHub === link.hub_id && change.originEpoch === link.epoch;
      if (isOwn && change.originSeq !== null) settled = Math.max(settled, change.originSeq);
      if (hybridToMs(change.hlc) <= tx.nowMs + maxAheadMs) store.replication.observe(change.hlc);
    }
    const applied = await applyChanges(tx, changes, settled);
    const last = changes.at(-1);
    assert(last !== undefined, 'there is something to take');
    await savePosition(tx, { cursor: last.seq, cid: last.cid, settled });
    await keepRefused(deps, tx, last.seq, applied);
    for (const { tbl, pk, set, originHub } of changes)
      if (originHub === centreItself && tbl !== 'sync_conflict')
        await recordAudit(tx, {
          actor: { kind: 'system' },
          action: 'sync.change',
          target: { table: tbl, id: pk },
          payload: { by: 'centre', columns: Object.keys(set) },
        });
    for (const [name, ids] of applied.changed) await follow(tx, name, ids);
  });
}

/** Applies changes of the centre in their order and moves the cursor on. */
export async function takeChanges(deps: KeeperDeps, changes: readonly CentralChange[]): Promise<void> {
  for (let from = 0; from < changes.length; from += changesAtOnce)
    await takeSlice(deps, changes.slice(from, from + changesAtOnce));
}

/** Applies whole rows in slices; saves `place` with the last slice. */
export async function takePage(deps: KeeperDeps, page: RowPage, place: string): Promise<void> {
  const { store, follow } = deps;
  const table = store.replication.tables.find(({ name }) => name === page.tbl);
  const atOnce = pageRowsAtOnce[table?.class ?? 'state'];
  for (let from = 0; from < page.rows.length; from += atOnce) {
    const rows = page.rows.slice(from, from + atOnce);
    const isLast = from + atOnce >= page.rows.length;
    await store.transact('sync.takePage', async (tx) => {
      const { settled } = await readPosition(tx);
      const applied = await applyPage(tx, { ...page, rows }, settled);
      await keepRefused(deps, tx, 0, applied);
      for (const [name, ids] of applied.changed) await follow(tx, name, ids);
      if (isLast) await changeLink(tx, { place });
    });
  }
}

/** Retries refused rows of whole tables, which may have needed rows that are here by now; returns how many got in. */
async function retryRefused({ store, follow }: KeeperDeps): Promise<number> {
  let taken = 0;
  let after = '';
  for (;;) {
    const letters = await findRefusedRows(store.read, after, changesAtOnce);
    const last = letters.at(-1);
    if (last === undefined) return taken;
    taken += await store.transact('sync.takeAgain', async (tx) => {
      const { settled } = await readPosition(tx);
      const accepted: string[] = [];
      for (const { id, tbl, body } of letters) {
        const set = rowSchema.parse(JSON.parse(body));
        const page = { tbl, columns: Object.keys(set), rows: [Object.values(set)] };
        const { changed, refused } = await applyPage(tx, page, settled);
        if (refused.length > 0) continue;
        accepted.push(id);
        for (const [name, ids] of changed) await follow(tx, name, ids);
      }
      await removeDeadLetters(tx, accepted);
      return accepted.length;
    });
    after = last.id;
  }
}

/** Ends the bootstrap: retries refused rows until none gets in, then goes live at `cursor`. */
export async function finishBootstrap(deps: KeeperDeps, cursor: number, cid: string | null): Promise<void> {
  const { store } = deps;
  while ((await retryRefused(deps)) > 0);
  await store.transact('sync.finishBootstrap', async (tx) => {
    const position = await readPosition(tx);
    await savePosition(tx, { ...position, cursor, cid });
    await changeLink(tx, { stage: 'live', place: null, columns: JSON.stringify(columnsOf(store)) });
  });
}
