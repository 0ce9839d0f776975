import { createHash } from 'node:crypto';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Transaction } from '#hub/store/store.ts';
import { deleteCounter, findCounter, pruneCounters, saveCounter } from '../repository.ts';
import { type CountedTry, decideAttempt, lockPolicies, uncountAttempt } from '../rules.ts';

/** One thing whose wrong tries are counted. */
export interface AttemptKey {
  readonly kind: keyof typeof lockPolicies;
  /** The limited subject. Stored as a digest only, because people type passwords into the wrong field. */
  readonly of: readonly string[];
}

export interface TooManyAttempts extends Refusal<'tooManyAttempts'> {
  readonly retryAfterSeconds: number;
  readonly title: string;
  readonly nextStep: string;
}

const idOf = ({ kind, of }: AttemptKey): string =>
  `${kind}:${createHash('sha256').update(JSON.stringify(of)).digest('hex')}`;

/** A try that is counted, under each of its keys. */
export type Attempt = readonly (CountedTry & { readonly key: AttemptKey })[];

/**
 * Counts a try under each key, or refuses it when one of them is locked. Counted before the try is looked at; a try
 * that turns out right is taken back with `settleAttempt`.
 */
export async function beginAttempt(
  tx: Transaction,
  keys: readonly AttemptKey[],
): Promise<Result<Attempt, TooManyAttempts>> {
  const attempt = [];
  for (const key of keys) {
    const before = await findCounter(tx, idOf(key));
    const decision = decideAttempt(before, lockPolicies[key.kind], tx.nowMs);
    if (!decision.allowed) return refuse(tooManyAttempts(decision.retryAfterMs));
    attempt.push({ key, before, counted: decision.counted });
  }
  for (const { key, counted } of attempt) await saveCounter(tx, idOf(key), counted);
  await pruneCounters(tx, tx.nowMs - Math.max(...Object.values(lockPolicies).map((p) => p.forgetAfterMs)));
  return ok(attempt);
}

/**
 * Ends a try that was right, or was never looked at: takes it back under each key. Under the kinds in `reset` all
 * tries are forgotten; not under those that count for others too: a right password for one account must not clear what
 * its address tried at others.
 */
export async function settleAttempt(
  tx: Transaction,
  attempt: Attempt,
  reset: readonly AttemptKey['kind'][] = [],
): Promise<void> {
  for (const { key, ...tried } of attempt) {
    const id = idOf(key);
    const counter = reset.includes(key.kind) ? null : await findCounter(tx, id);
    const left = counter === null ? null : uncountAttempt(counter, tried, lockPolicies[key.kind]);
    if (left === null) await deleteCounter(tx, id);
    else await saveCounter(tx, id, left);
  }
}

function tooManyAttempts(retryAfterMs: number): TooManyAttempts {
  const retryAfterSeconds = Math.ceil(retryAfterMs / 1000);
  return {
    code: 'tooManyAttempts',
    title: 'Too many wrong attempts',
    retryAfterSeconds,
    nextStep: `Wait ${retryAfterSeconds} seconds, then try again. The command line on the box is never locked.`,
  };
}
