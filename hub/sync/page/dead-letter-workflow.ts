import { actorOf, recordAudit } from '#hub/domains/identity/workflow.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { announceRow } from '#hub/store/writing/replicated-writes.ts';
import { findLink } from '../repository.ts';
import { subjectOf } from '../rules.ts';
import type { SyncDeadLetter } from '../schema.ts';
import { type DeadLetterRow, findDeadLetter, resolveDeadLetter } from './dead-letter-repository.ts';
import type { SyncPageDeps } from './deps.ts';
import { labelRows } from './row-labels.ts';

type LetterRefusal = Refusal<'syncDeadLetterNotFound' | 'syncDeadLetterResolved'>;
export type RetryRefusal = LetterRefusal | Refusal<'notLinked' | 'rowGone' | 'tableUnknown'>;

/** Converts dead letters, in their order. */
export async function deadLettersToWire(
  { tables }: Pick<SyncPageDeps, 'tables'>,
  reader: Reader,
  rows: readonly DeadLetterRow[],
): Promise<SyncDeadLetter[]> {
  const labelOf = await labelRows(reader, tables, rows);
  return rows.map((row) => ({
    id: row.id,
    direction: row.direction,
    seq: row.seq,
    table: row.tbl,
    rowId: row.pk,
    subject: subjectOf(tables, row.tbl),
    label: labelOf(row),
    problem: row.problem,
    body: row.body,
    at: toIso(row.at_ms),
    resolvedAt: row.resolved_at_ms === null ? null : toIso(row.resolved_at_ms),
  }));
}

/**
 * Tries a row again that one side could not take: `up` it goes into the outbox as it is now, `down` its table is taken in
 * from the centre once more. The letter is closed; should it fail again, there is a new one.
 */
export function retryDeadLetter(
  deps: SyncPageDeps,
  asker: Principal,
  id: string,
): Promise<Result<SyncDeadLetter, RetryRefusal>> {
  return deps.store.transact('sync.retry', async (tx) => {
    const letter = await findOpen(tx, id);
    if (!letter.ok) return letter;
    const { direction, tbl, pk } = letter.value;
    if ((await findLink(tx)) === undefined) return refuse({ code: 'notLinked' });
    const table = Object.hasOwn(deps.tables, tbl) ? deps.tables[tbl] : undefined;
    if (table === undefined || table.class === 'local') return refuse({ code: 'tableUnknown' });
    if (direction === 'down') await deps.sync.freshCopy(tx, tbl);
    else if (!(await announceRow(tx, tbl, pk))) return refuse({ code: 'rowGone' });
    return ok(await closeLetter(deps, tx, { asker, letter: letter.value, verb: 'retry' }));
  });
}

/** Dismisses a dead letter: the two sides stay different. */
export function dismissDeadLetter(
  deps: SyncPageDeps,
  asker: Principal,
  id: string,
): Promise<Result<SyncDeadLetter, LetterRefusal>> {
  return deps.store.transact('sync.dismiss', async (tx) => {
    const letter = await findOpen(tx, id);
    if (!letter.ok) return letter;
    return ok(await closeLetter(deps, tx, { asker, letter: letter.value, verb: 'dismiss' }));
  });
}

async function findOpen(tx: Transaction, id: string): Promise<Result<DeadLetterRow, LetterRefusal>> {
  const row = await findDeadLetter(tx, id);
  if (row === null) return refuse({ code: 'syncDeadLetterNotFound' });
  return row.resolved_at_ms === null ? ok(row) : refuse({ code: 'syncDeadLetterResolved' });
}

async function closeLetter(
  deps: SyncPageDeps,
  tx: Transaction,
  closing: {
    readonly asker: Principal;
    readonly letter: DeadLetterRow;
    readonly verb: 'retry' | 'dismiss';
  },
): Promise<SyncDeadLetter> {
  const { asker, letter, verb } = closing;
  await resolveDeadLetter(tx, letter.id);
  await recordAudit(tx, {
    actor: actorOf(asker),
    action: `syncDeadLetter.${verb}`,
    target: { table: 'sync_dead_letter', id: letter.id },
    payload: { direction: letter.direction, table: letter.tbl, rowId: letter.pk },
  });
  tx.afterCommit(() => deps.sync.announceChanged());
  const [view] = await deadLettersToWire(deps, tx, [{ ...letter, resolved_at_ms: tx.nowMs }]);
  assert(view !== undefined, 'one row makes one view');
  return view;
}
