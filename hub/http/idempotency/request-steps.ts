import { deserialize, serialize } from 'node:v8';
import { z } from 'zod';
import type { Transaction } from '#hub/store/store.ts';
import type { Step, StepLog } from '#hub/store/writing/step-log.ts';
import { type RequestIdentity, saveSteps } from './keyed-request-repository.ts';

const stepsSchema = z.array(
  z.object({ name: z.string(), value: z.instanceof(Uint8Array).nullable() }).readonly(),
);

/** Thrown to the handler, and from there to whoever runs it: a step is done, and its value is not there to go on with. */
export class StepValueLost extends Error {}

/** The transactions of one keyed request: those committed before the process was killed, and those of now. */
export class RequestSteps implements StepLog {
  readonly #request: RequestIdentity;
  /** Values are not kept: the answer holds a secret. */
  readonly #isSecret: boolean;
  readonly #maxBytes: number;
  readonly #steps: Step[];
  /** Of those committed before, not yet asked for. */
  readonly #left: Step[];
  #isOver = false;

  constructor(
    request: RequestIdentity,
    options: { readonly known: Uint8Array | null; readonly isSecret: boolean; readonly maxBytes: number },
  ) {
    this.#request = request;
    this.#isSecret = options.isSecret;
    this.#maxBytes = options.maxBytes;
    this.#steps = options.known === null ? [] : stepsSchema.parse(deserialize(options.known));
    this.#left = [...this.#steps];
  }

  /** Transactions that are committed. */
  get count(): number {
    return this.#steps.length;
  }
  /** Whether the work came by all that was committed before. */
  get isTakenUp(): boolean {
    return this.#left.length === 0;
  }

  /** What runs on after the work is no part of it. */
  end(): void {
    this.#isOver = true;
  }

  recall(name: string): Uint8Array | undefined {
    const place = this.#isOver ? -1 : this.#left.findIndex((step) => step.name === name);
    const [step] = place < 0 ? [] : this.#left.splice(place, 1);
    if (step === undefined) return undefined;
    if (step.value === null) throw new StepValueLost(`the value of ${name} is not kept`);
    return step.value;
  }

  async record(tx: Transaction, step: Step): Promise<void> {
    if (this.#isOver) return;
    this.#steps.push(step);
    const kept = this.#steps.map(({ name, value }) => ({ name, value: this.#isSecret ? null : value }));
    const bytes = serialize(kept);
    const isTooLarge = bytes.length > this.#maxBytes;
    await saveSteps(
      tx,
      this.#request,
      isTooLarge ? serialize(kept.map(({ name }) => ({ name, value: null }))) : bytes,
    );
  }

  drop(step: Step): void {
    const place = this.#steps.indexOf(step);
    if (place >= 0) this.#steps.splice(place, 1);
  }
}
