import * as fc from 'fast-check';
import type { ReaderFault } from '#bridge/ports.ts';
import type { UartOutcome, UartParser } from '#bridge/readers/listening-driver.ts';
import type { SerialClock, SerialHooks } from '#bridge/readers/serial-driver.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';

/** Time that passes when the test says so. */
export class VirtualClock implements SerialClock {
  #nowMs = 1_000_000;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  readonly now = (): number => this.#nowMs;
  readonly later = (delayMs: number, run: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  };

  get pending(): number {
    return this.#timers.length;
  }

  /** Runs what falls due on the way, in order. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#nowMs = due.atMs;
      due.run();
    }
    this.#nowMs = untilMs;
  }
}

/** What a driver delivered. */
export class Delivered implements SerialHooks {
  readonly reads: CardRead[] = [];
  readonly faults: ReaderFault['kind'][] = [];
  changes = 0;

  onRead({ read }: { readonly read: CardRead }): void {
    this.reads.push(read);
  }
  onKeys(): void {
    throw new Error('these readers have no keys');
  }
  onFault(fault: ReaderFault): void {
    this.faults.push(fault.kind);
  }
  onChange(): void {
    this.changes += 1;
  }
}

export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The bytes in pieces of the given sizes, over and over. */
export function chunksOf(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let from = 0;
  for (let turn = 0; from < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(from, from + size));
    from += size;
  }
  return chunks;
}

export const sizesArbitrary = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });

/** Every way in which one bit of the bytes can flip, and one byte of them can be lost. */
export function* damagesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (const index of bytes.keys()) {
    yield Uint8Array.from([...bytes.subarray(0, index), ...bytes.subarray(index + 1)]);
    for (let bit = 0; bit < 8; bit += 1) {
      const flipped = Uint8Array.from(bytes);
      flipped[index] = bytes[index]! ^ (1 << bit);
      yield flipped;
    }
  }
}

export const readsIn = (outcomes: readonly UartOutcome[]): CardRead[] =>
  outcomes.filter((outcome) => outcome.kind === 'read').map((outcome) => outcome.read);
export const faultsIn = (outcomes: readonly UartOutcome[]): ReaderFault['kind'][] =>
  outcomes.filter((outcome) => outcome.kind === 'fault').map((outcome) => outcome.fault);

/** All outcomes of the bytes, given to a fresh parser in one piece. */
export const outcomesOf = (parser: UartParser, bytes: Uint8Array, nowMs = 0): readonly UartOutcome[] =>
  parser.push(bytes, nowMs);
