import { AsyncLocalStorage } from 'node:async_hooks';
import { deserialize, serialize } from 'node:v8';
import type { Store, Transaction } from '../store.ts';
import { isRefused } from './seam.ts';

/** A committed transaction of a piece of work. `value` is null where it cannot or must not be kept. */
export interface Step {
  readonly name: string;
  readonly value: Uint8Array | null;
}

/**
 * Notes the transactions of one piece of work, each inside itself, so that the work can be taken up again after the
 * process was killed: what was committed is not done again, and gives the value that it gave then.
 */
export interface StepLog {
  /** Returns the next committed step of this name; undefined when it is to be done. May throw when its value is lost. */
  recall(name: string): Uint8Array | undefined;
  record(tx: Transaction, step: Step): Promise<void>;
  /** The transaction of a recorded step was rolled back. */
  drop(step: Step): void;
}

const current = new AsyncLocalStorage<StepLog>();

/** Runs `work`; its transactions are steps of `log`. */
export const runInSteps = <T>(log: StepLog, work: () => Promise<T>): Promise<T> => current.run(log, work);

/** Runs what is nobody's step, whoever set it off. */
export const runOutsideSteps = (work: () => void): void => current.exit(work);

/** Runs a transaction, as a step where there is a log. */
export async function transactStep<T>(
  transact: Store['transact'],
  name: string,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const log = current.getStore();
  if (log === undefined) return await transact(name, work);
  const known = log.recall(name);
  if (known !== undefined) {
    const value: T = deserialize(known);
    return value;
  }
  let step: Step | null = null;
  try {
    return await transact(name, async (tx) => {
      const value = await work(tx);
      if (isRefused(value)) return value;
      step = { name, value: isPlain(value) ? serialize(value) : null };
      await log.record(tx, step);
      return value;
    });
  } catch (error) {
    if (step !== null) log.drop(step);
    throw error;
  }
}

/** Whether a value comes back whole: no function, and nothing of a class. */
function isPlain(value: unknown): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return false;
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isPlain);
  if (value instanceof Uint8Array || value instanceof Date) return true;
  if (value instanceof Map) return [...value].every(isPlain);
  if (value instanceof Set) return [...value].every(isPlain);
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && Object.values(value).every(isPlain);
}
