import { z } from 'zod';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import { hybridToMs } from '#hub/kernel/hybrid-time.ts';
import { assert } from '#hub/kernel/result.ts';
import {
  type Applied,
  announceRows,
  applyChanges,
  applyPage,
  readPosition,
  savePosition,
} from '#hub/store/replicated-writes.ts';
import type { Store, Transaction } from '#hub/store/store.ts';
import type { CentralChange } from '../central/centre.ts';
import {
  changeLink,
  findDeadOperations,
  findLink,
  findRefusedRows,
  forgetDeadLetters,
  insertSyncDeadLetter,
  type LinkRow,
  removeDeadLetters,
  resolveSent,
  saveMark,
} from '../repository.ts';
import type { Follow } from '../sync.ts';
import type { ReplicaKeeper } from './replica-keeper.ts';

export interface KeeperDeps {
  readonly store: Store;
  readonly newId: () => string;
  readonly follow: Follow;
}

/** Changes in one transaction, so that it stays well below 50 ms. */
const changesAtOnce = 100;
/** Rows of state tables are compared one by one, those of append tables only added. */
const pageRowsAtOnce = { state: 250, append: 2000 } as const;
const announcedAtOnce = 100;
/** Whoever writes at the centre that is no hub. */
const centreItself = '00000000-0000-0000-0000-000000000000';
/** A time from elsewhere that is further ahead is some wrong clock's. */
const maxAheadMs = 300_000;
const rowSchema = z.record(z.string(), z.union([z.null(), z.string(), z.number()]));
const seedPlace = z.object({ tbl: z.string(), after: z.string() });

/** Writes what rounds find out through the store's queue, in slices. */
export function createStoreKeeper({ store, newId, follow }: KeeperDeps): ReplicaKeeper {
  async function linkIn(tx: Transaction): Promise<LinkRow> {
    const link = await findLink(tx);
    assert(link !== undefined, 'a hub that belongs to no centre keeps nothing of one');
    return link;
  }

  async function keepRefused(tx: Transaction, seq: number, { refused }: Applied): Promise<void> {
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

  async function takeSlice(changes: readonly CentralChange[]): Promise<void> {
    await store.transact('sync.take', async (tx) => {
      const link = await linkIn(tx);
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
      await keepRefused(tx, last.seq, applied);
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

  /** Rows of whole tables that were refused may have needed others that are here by now; how many got in. */
  async function takeRefusedAgain(): Promise<number> {
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

  async function beginBootstrapIn(tx: Transaction, tables: readonly string[] | null): Promise<void> {
    const link = await linkIn(tx);
    const position = await readPosition(tx);
    // What the centre has of ours is in what it sends.
    await savePosition(tx, { ...position, settled: link.acked });
    const place = { tables, head: null, cid: null, tbl: null, after: null };
    await changeLink(tx, { stage: 'bootstrap', place: JSON.stringify(place) });
  }

  return {
    async acknowledge({ epoch, seq, chain, dead }) {
      await store.transact('sync.acknowledge', async (tx) => {
        const link = await linkIn(tx);
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
    },

    async take(changes) {
      for (let from = 0; from < changes.length; from += changesAtOnce)
        await takeSlice(changes.slice(from, from + changesAtOnce));
    },

    async takePage(page, place) {
      const table = store.replication.tables.find(({ name }) => name === page.tbl);
      const atOnce = pageRowsAtOnce[table?.class ?? 'state'];
      for (let from = 0; from < page.rows.length; from += atOnce) {
        const rows = page.rows.slice(from, from + atOnce);
        const isLast = from + atOnce >= page.rows.length;
        await store.transact('sync.takePage', async (tx) => {
          const { settled } = await readPosition(tx);
          const applied = await applyPage(tx, { ...page, rows }, settled);
          await keepRefused(tx, 0, applied);
          for (const [name, ids] of applied.changed) await follow(tx, name, ids);
          if (isLast) await changeLink(tx, { place });
        });
      }
    },

    async finishBootstrap(cursor, cid) {
      while ((await takeRefusedAgain()) > 0);
      await store.transact('sync.finishBootstrap', async (tx) => {
        const position = await readPosition(tx);
        await savePosition(tx, { ...position, cursor, cid });
        const columns = Object.fromEntries(
          store.replication.tables.map((table) => [table.name, table.columns]),
        );
        await changeLink(tx, { stage: 'live', place: null, columns: JSON.stringify(columns) });
      });
    },

    async beginBootstrap(tables) {
      await store.transact('sync.beginBootstrap', (tx) => beginBootstrapIn(tx, tables));
    },

    async enterEpoch({ epoch, instance, from, chain, stage }) {
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
        if (stage === 'bootstrap') await beginBootstrapIn(tx, null);
      });
    },

    async announceNext() {
      const tables = store.replication.tables.flatMap((table) =>
        table.class === 'state' ? [table.name] : [],
      );
      return await store.transact('sync.announce', async (tx) => {
        const link = await linkIn(tx);
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
    },

    async noteBackfill(place) {
      await store.transact('sync.noteBackfill', async (tx) => {
        if (place !== null) return await changeLink(tx, { place });
        const { cursor } = await readPosition(tx);
        // A centre that has more than came from here is taken in whole.
        if (cursor > 0) return await beginBootstrapIn(tx, null);
        const columns = Object.fromEntries(
          store.replication.tables.map((table) => [table.name, table.columns]),
        );
        return await changeLink(tx, { stage: 'live', place: null, columns: JSON.stringify(columns) });
      });
    },

    async bury(tbl, pk, problem) {
      await store.transact('sync.bury', (tx) =>
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
