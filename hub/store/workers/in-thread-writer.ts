import { Fault } from '#hub/kernel/result.ts';
import { errorToWire, openingToWire, wireToFault } from '../sqlite/store-faults.ts';
import type { StoreLink } from './worker-link.ts';
import type { StatementResult, StoreReady, WorkerRequest, WriterWorkerData } from './worker-protocol.ts';
import { openWriter, type Writer } from './writer.ts';

/**
 * The writer in the thread that asks: for a process that has nothing else to do meanwhile. To wake a Worker and to be woken
 * by it takes longer than most statements.
 */
export class InThreadWriter implements StoreLink {
  readonly ready: StoreReady;
  readonly #answer: Writer['answer'];
  #closed = false;

  /** Throws the Faults of `openStore`. */
  constructor(data: WriterWorkerData) {
    try {
      const { ready, answer } = openWriter(data);
      this.ready = ready;
      this.#answer = answer;
    } catch (error) {
      throw wireToFault(openingToWire(data.path, error));
    }
  }

  async request(request: WorkerRequest): Promise<StatementResult> {
    if (this.#closed) throw new Fault('storeClosed', 'the store is closed');
    try {
      return this.#answer(request);
    } catch (error) {
      throw wireToFault(errorToWire(error));
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.request({ kind: 'close' });
    this.#closed = true;
  }
}
