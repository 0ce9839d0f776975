import { assert } from '#hub/kernel/result.ts';
import { dayMs } from '#hub/kernel/time.ts';
import type { Store, Transaction } from '../store.ts';
import { SeamTransaction } from './seam.ts';

const floorFact = 'change.floor';
/** Rows examined and removed at once: some ms of work, so that other writes do not wait long. */
const rowsAtOnce = 1000;

/** Retention of the `change` table. */
export interface ChangeRetention {
  /** Rows kept at most. */
  readonly keepRows: number;
  /** Maximum age of a row. */
  readonly keepMs: number;
  /** Rows from this number on stay regardless of the limits: not yet at the centre. Null: there is no centre. */
  readonly keepFrom?: number | null;
}

/** Retention of changes: of those that the centre has, and of all where there is no centre. */
export const hubRetention = { keepRows: 500_000, keepMs: 35 * dayMs } satisfies ChangeRetention;

/** Removes everything beyond the retention, in transactions of their own. */
export async function pruneAllChanges(
  store: Pick<Store, 'transact'>,
  retention: ChangeRetention,
): Promise<void> {
  let isDone = false;
  while (!isDone) ({ isDone } = await store.transact('changes.prune', (tx) => pruneChanges(tx, retention)));
}

/**
 * Keeps the `change` table bounded: removes its oldest rows that exceed either limit, at most 1000 a call, and notes
 * the first number that is still there (`changeFloor`). `isDone` is false when more waits for a further call.
 */
export async function pruneChanges(
  tx: Transaction,
  { keepRows, keepMs, keepFrom = null }: ChangeRetention,
): Promise<{ readonly removed: number; readonly floor: number; readonly isDone: boolean }> {
  assert(tx instanceof SeamTransaction, 'a transaction of this store');
  const bounds = await changeBounds(tx);
  const floorBefore = await changeFloor(tx);
  if (bounds.first === null || bounds.last === null) return { removed: 0, floor: floorBefore, isDone: true };
  const end = Math.min(bounds.last + 1, bounds.first + rowsAtOnce);
  // Rows go from the start only, so that what is kept has no hole, whatever the clock did.
  const young = await tx
    .selectFrom('change')
    .select('seq')
    .where('seq', '<', end)
    .where('at_ms', '>=', tx.nowMs - keepMs)
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst();
  const limit = Math.max(bounds.last + 1 - keepRows, young?.seq ?? end);
  const floor = Math.min(end, limit, keepFrom ?? limit);
  if (floor <= bounds.first) return { removed: 0, floor: Math.max(floorBefore, bounds.first), isDone: true };
  const { changes } = await tx.runUnrecorded({
    sql: 'delete from change where seq < ?',
    parameters: [floor],
  });
  await tx.local
    .insertInto('store_fact')
    .values({ name: floorFact, value: String(floor), updated_at_ms: tx.nowMs })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet({ value: String(floor), updated_at_ms: tx.nowMs }),
    )
    .execute();
  return { removed: changes, floor, isDone: floor < end || end > bounds.last };
}

/** Each in a statement of its own: asked for both at once, SQLite reads the whole table. */
async function changeBounds(reader: Pick<Transaction, 'selectFrom'>) {
  const [first, last] = await Promise.all(
    (['asc', 'desc'] as const).map((order) =>
      reader.selectFrom('change').select('seq').orderBy('seq', order).limit(1).executeTakeFirst(),
    ),
  );
  return { first: first?.seq ?? null, last: last?.seq ?? null };
}

/** Returns the lowest number kept; 1 when none was ever removed. */
export async function changeFloor(reader: Pick<Transaction, 'selectFrom'>): Promise<number> {
  const row = await reader
    .selectFrom('store_fact')
    .select('value')
    .where('name', '=', floorFact)
    .executeTakeFirst();
  return row === undefined ? 1 : Number(row.value);
}
