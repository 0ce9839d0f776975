import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';

export interface DrainDeps {
  /** Contiguous events from `seq` up to `upTo`. */
  readonly read: (seq: number, limit: number, upTo: number) => readonly BridgeEvent[];
  /** False without a connection. */
  readonly send: (events: readonly BridgeEvent[]) => boolean;
  readonly nowMs: () => number;
  readonly onFault: (error: unknown) => void;
}

/** Small: objects alive when the young generation is collected stay in the heap for long. */
const batchEvents = 100;
/** The broker's limit is 1 MiB. */
const maxBatchBytes = 600_000;
/**
 * Limit of unacknowledged events: one batch in transit while the hub writes another. More would only fill the memory
 * of both and keep the state of the doors waiting behind old events.
 */
const windowEvents = 500;
const resendMs = 5000;

/** Cuts a run of events so that its JSON stays below the broker's limit; one event always fits. */
function fitBatch(events: readonly BridgeEvent[]): readonly BridgeEvent[] {
  let bytes = 0;
  const tooMany = events.findIndex((event) => {
    bytes += Buffer.byteLength(JSON.stringify(event)) + 1;
    return bytes > maxBatchBytes;
  });
  return tooMany < 0 ? events : events.slice(0, Math.max(1, tooMany));
}

/**
 * Sends the journal to the hub, in order, with a limit on unacknowledged events. Lost events are sent again from the
 * last acknowledgement on; the hub skips duplicates.
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

  /** Starts behind the last event that the hub holds. */
  start(ackedSeq: number): void {
    this.#ackedSeq = ackedSeq;
    this.#sentSeq = ackedSeq;
    this.#progressMs = this.#deps.nowMs();
    this.pump();
  }

  /** The connection ended; nothing is sent until the next `start`. */
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

  /** Call about once a second: resends when acknowledgements fail to arrive, and retries after a fault. */
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
