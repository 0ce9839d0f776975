import { Fault, type Refusal, type Result } from '#hub/kernel/result.ts';
import { ConstraintFault } from './sqlite/store-faults.ts';
import type { Store, Transaction } from './store.ts';

/** Outcome of one line of many. */
export type LineOutcome<T, R extends Refusal> =
  | Result<T, R>
  | { readonly ok: false; readonly fault: unknown };

/** Lines that share a transaction take about so long together; other writers get their turn between groups. */
const groupMs = 30;

/**
 * Carries out `work` for each line, in order, each by itself: one that is refused or breaks leaves nothing behind and
 * takes nobody along. Lines share transactions in groups, so that a thousand of them wait for few syncs of the disk.
 */
export async function transactEach<I, T, R extends Refusal>(
  store: Pick<Store, 'transact'>,
  name: string,
  lines: readonly I[],
  work: (tx: Transaction, line: I) => Promise<Result<T, R>>,
): Promise<readonly LineOutcome<T, R>[]> {
  const outcomes: LineOutcome<T, R>[] = [];
  while (outcomes.length < lines.length) {
    const start = outcomes.length;
    try {
      outcomes.push(...(await store.transact(name, (tx) => workGroup(tx, lines.slice(start), work))));
    } catch (fault) {
      // Of the store itself (busy, disk full): this group is undone, and what follows would meet the same.
      while (outcomes.length < lines.length) outcomes.push({ ok: false, fault });
    }
  }
  return outcomes;
}

async function workGroup<I, T, R extends Refusal>(
  tx: Transaction,
  lines: readonly I[],
  work: (tx: Transaction, line: I) => Promise<Result<T, R>>,
): Promise<LineOutcome<T, R>[]> {
  const outcomes: LineOutcome<T, R>[] = [];
  const startedMs = performance.now();
  for (const line of lines) {
    try {
      outcomes.push(await tx.attempt(() => work(tx, line)));
    } catch (fault) {
      if (fault instanceof Fault && !(fault instanceof ConstraintFault)) throw fault;
      outcomes.push({ ok: false, fault });
    }
    if (performance.now() - startedMs >= groupMs) break;
  }
  return outcomes;
}
