import type { BridgeEvent } from '#hub/mqtt/topics.ts';

export interface DrainDeps {
  /** Contiguous events from `seq` on, none above `upTo`. */
  readonly read: (seq: number, limit: number, upTo: number) => readonly BridgeEvent[];
  /** False when the connection is gone. */
  readonly send: (events: readonly BridgeEvent[]) => boolean;
  readonly nowMs: () => number;
  readonly onFault: (error: unknown) => void;
}

/** Small: what is in the making when the young generation is collected stays in the heap for long. */
const batchEvents = 100;
/** The broker takes 1 MiB. */
const maxBatchBytes = 600_000;
/**
 * Sent and not acknowledged yet: one batch on the way while the hub writes another. More would only fill the memory of
 * both, and keep what the bridge says of its doors waiting behind old events.
 */
const windowEvents = 500;
const resendMs = 5000;

/** Cuts a run of events so that its JSON stays below the broker's bound; one event always fits. */
function fitBatch(events: readonly BridgeEvent[]): readonly BridgeEvent[] {
  let bytes = 0;
  const tooMany = events.findIndex((event) => {
    bytes += Buffer.byteLength(JSON.stringify(event)) + 1;
    return bytes > maxBatchBytes;
  });
  return tooMany < 0 ? events : events.slice(0, Math.max(1, tooMany));
}

/**
 * Sends the journal to the hub, in order, with a bound on what is not acknowledged. What gets lost on the way is sent
 * again from the last acknowledgement on; the hub leaves out what it has.
 */
export class JournalDrain {
  readonly #deps: DrainDeps;
  #ackedSeq: number | null = null;
  #sentSeq = 0;
  #syncedSeq: number;
  #progressMs = 0;

  constructor(deps: DrainDeps, syncedSeq: number) {
    this.#deps = deps;
    this.#syncedSeq = syncedSeq;
  }

  /** The hub has said what it holds: goes on after it. */
  start(ackedSeq: number): void {
    this.#ackedSeq = ackedSeq;
    this.#sentSeq = ackedSeq;
    this.#progressMs = this.#deps.nowMs();
    this.pump();
  }

  /** The connection is gone; nothing is sent until the next `start`. */
  stop(): void {
    this.#ackedSeq = null;
  }

  synced(seq: number): void {
    this.#syncedSeq = seq;
    this.pump();
  }

  acked(seq: number): void {
    if (this.#ackedSeq === null || seq <= this.#ackedSeq) return;
    this.#ackedSeq = seq;
    this.#sentSeq = Math.max(this.#sentSeq, seq);
    this.#progressMs = this.#deps.nowMs();
    this.pump();
  }

  /** To be called every second or so: sends again when acknowledgements stay out, and what a fault kept back. */
  tick(): void {
    if (this.#ackedSeq === null) return;
    const waits = this.#sentSeq > this.#ackedSeq;
    if (waits && this.#deps.nowMs() - this.#progressMs >= resendMs) {
      this.#progressMs = this.#deps.nowMs();
      this.#sentSeq = this.#ackedSeq;
    }
    this.pump();
  }

  pump(): void {
    try {
      this.#sendAll();
    } catch (error) {
      this.#deps.onFault(error);
    }
  }

  #sendAll(): void {
    while (
      this.#ackedSeq !== null &&
      this.#sentSeq < this.#syncedSeq &&
      this.#sentSeq - this.#ackedSeq < windowEvents
    ) {
      const batch = fitBatch(this.#deps.read(this.#sentSeq + 1, batchEvents, this.#syncedSeq));
      const last = batch.at(-1);
      if (last === undefined || !this.#deps.send(batch)) return;
      if (this.#sentSeq === this.#ackedSeq) this.#progressMs = this.#deps.nowMs();
      this.#sentSeq = last.seq;
    }
  }
}
