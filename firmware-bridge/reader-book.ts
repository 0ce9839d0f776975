import type { BridgeState } from '#hub/mqtt/topics.ts';
import type { Clock } from '#hub/platform/clock.ts';
import type { DoorEntry } from './door.ts';
import type { Later } from './feedback.ts';
import type { ReaderFault } from './ports.ts';

interface ReaderCounts {
  lastReadMs: number | null;
  goodFrames: number;
  faultyFrames: number;
  lostBits: number;
  /** Faults since the last journal entry about them. */
  unreported: number;
  reporting: (() => void) | null;
}

/** A noisy line must not fill the journal: after a first entry, its faults are counted for so long. */
const reportMs = 60_000;

interface ReaderBookDeps {
  readonly clock: Clock;
  readonly later: Later;
  readonly append: (entry: DoorEntry) => number | null;
}

/** What the readers have delivered, counted. */
export class ReaderBook {
  readonly #counts: ReadonlyMap<string, ReaderCounts>;
  readonly #deps: ReaderBookDeps;

  constructor(keys: readonly string[], deps: ReaderBookDeps) {
    this.#deps = deps;
    this.#counts = new Map(
      keys.map((key) => [
        key,
        { lastReadMs: null, goodFrames: 0, faultyFrames: 0, lostBits: 0, unreported: 0, reporting: null },
      ]),
    );
  }

  noteRead(readerKey: string): void {
    const counts = this.#counts.get(readerKey);
    if (counts === undefined) return;
    counts.goodFrames += 1;
    counts.lastReadMs = Math.round(this.#deps.clock.nowMs());
  }

  noteFault(fault: ReaderFault): void {
    const counts = this.#counts.get(fault.readerKey);
    if (counts === undefined) return;
    counts.faultyFrames += 1;
    if (fault.kind === 'lostBits') counts.lostBits += 1;
    if (counts.reporting !== null) {
      counts.unreported += 1;
      return;
    }
    this.#append(fault.readerKey, 1, `${fault.kind}, ${String(fault.bits)} bits`);
    this.#count(fault.readerKey, counts);
  }

  #count(readerKey: string, counts: ReaderCounts): void {
    counts.reporting = this.#deps.later(reportMs, () => {
      counts.reporting = null;
      if (counts.unreported === 0) return;
      this.#append(readerKey, counts.unreported, 'faulty frames of a minute');
      counts.unreported = 0;
      this.#count(readerKey, counts);
    });
  }

  #append(readerKey: string, count: number, note: string): void {
    this.#deps.append({ kind: 'readFault', readerKey, count, note });
  }

  report(): BridgeState['readers'] {
    return [...this.#counts].map(([key, { lastReadMs, goodFrames, faultyFrames, lostBits }]) => ({
      key,
      lastReadMs,
      goodFrames,
      faultyFrames,
      lostBits,
    }));
  }

  stop(): void {
    for (const counts of this.#counts.values()) counts.reporting?.();
  }
}
