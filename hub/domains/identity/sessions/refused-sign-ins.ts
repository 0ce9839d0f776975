import type { Transaction } from '#hub/store/store.ts';
import type { Account } from '../accounts/repository.ts';
import { findCounter, findCounters, saveCounter } from '../repository.ts';
import { recordAudit } from '../workflow.ts';

/** Equal entries within so long are one entry with their number: somebody who guesses does not fill the disk. */
const mergedMs = 60_000;
const prefix = 'refused:';

/** `failures`: refused sign-ins that no entry tells of yet; `lastAtMs`: when the last entry was written. */
const idOf = (accountId: string | null): string => `${prefix}${accountId ?? ''}`;

async function record(
  tx: Transaction,
  accountId: string | null,
  payload: { readonly count: number; readonly remoteAddress?: string },
): Promise<void> {
  await recordAudit(tx, {
    actor: { kind: 'system' },
    action: 'session.refuse',
    target: accountId === null ? null : { table: 'account', id: accountId },
    payload,
  });
  await saveCounter(tx, idOf(accountId), { failures: 0, lastAtMs: tx.nowMs, lockedUntilMs: 0 });
}

/**
 * Records a refused sign-in: the first of an account at once, those that follow within a minute together. Keeps nothing
 * of an unknown username, which may be a password in the wrong field: all of them count as one.
 */
export async function recordRefusedSignIn(
  tx: Transaction,
  account: Pick<Account, 'id'> | null,
  remoteAddress: string,
): Promise<void> {
  const accountId = account?.id ?? null;
  const waiting = await findCounter(tx, idOf(accountId));
  const quietMs = tx.nowMs - (waiting?.lastAtMs ?? 0);
  const count = (waiting?.failures ?? 0) + 1;
  // A clock that was set back does not keep entries waiting.
  if (waiting === null || quietMs >= mergedMs || quietMs < 0)
    await record(tx, accountId, { count, remoteAddress });
  else await saveCounter(tx, idOf(accountId), { ...waiting, failures: count });
}

/** Writes the entries of what was counted and is over a minute old. Call it every minute. */
export async function recordWaitingRefusals(tx: Transaction): Promise<void> {
  for (const { id, counter } of await findCounters(tx, prefix)) {
    if (counter.failures === 0 || tx.nowMs - counter.lastAtMs < mergedMs) continue;
    const accountId = id.slice(prefix.length);
    await record(tx, accountId === '' ? null : accountId, { count: counter.failures });
  }
}
