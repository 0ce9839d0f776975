import { Worker } from 'node:worker_threads';
import { assert, Fault } from '#hub/kernel/result.ts';
import { wireToFault } from '../sqlite/store-faults.ts';
import type {
  ReaderWorkerData,
  StatementResult,
  StoreReady,
  WorkerReady,
  WorkerReply,
  WorkerRequest,
  WriterWorkerData,
} from './worker-protocol.ts';

interface Waiting {
  resolve(result: StatementResult): void;
  reject(reason: Error): void;
}

/** A connection of the store that takes requests. */
export interface StoreLink {
  /** Rejects with a Fault: of the statement, or because the connection is gone. */
  request(request: WorkerRequest): Promise<StatementResult>;
  /** Closes the connection and waits for its end. */
  close(): Promise<void>;
}

/** One store Worker as the main thread sees it: requests are answered in the order in which they were made. */
export class WorkerLink implements StoreLink {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  /** Requests since the last message. */
  #unsent: WorkerRequest[] = [];
  #dead: Fault | null = null;
  #closing = false;

  private constructor(worker: Worker, onDeath: (fault: Fault) => void) {
    this.#worker = worker;
    worker.on('message', (replies: readonly WorkerReply[]) => {
      for (const reply of replies) this.#settle(reply);
    });
    const die = (cause: unknown): void => {
      if (this.#dead !== null) return;
      const closed = this.#closing && this.#waiting.length === 0;
      this.#dead = closed
        ? new Fault('storeClosed', 'the store is closed')
        : new Fault('storeFault', 'a Worker of the store died', { cause });
      for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#dead);
      if (!closed) onDeath(this.#dead);
    };
    worker.on('error', die);
    worker.on('exit', (code) => {
      die(new Error(`exit code ${code}`));
    });
  }

  /** Starts `file` and waits until it is open. Calls `onDeath` when it ends without being told to. */
  static async start(
    file: 'writer-worker.ts' | 'reader-worker.ts',
    data: WriterWorkerData | ReaderWorkerData,
    onDeath: (fault: Fault) => void,
  ): Promise<{ link: WorkerLink; ready: StoreReady }> {
    const worker = new Worker(new URL(file, import.meta.url), {
      name: file,
      workerData: data,
      // Rows pass through, nothing stays: small heaps keep the hub small.
      resourceLimits: { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 4 },
    });
    const ready = await firstMessage(worker);
    return { link: new WorkerLink(worker, onDeath), ready };
  }

  /**
   * Rejects with a Fault: of the statement, or because the Worker is gone. To wake a thread costs more than most
   * statements: what is asked for before anything has to be waited for goes out as one message, and is answered by one.
   */
  async request(request: WorkerRequest): Promise<StatementResult> {
    if (this.#dead !== null) throw this.#dead;
    return await new Promise<StatementResult>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#unsent.push(request);
      // Runs when all that the last answer set off has run.
      if (this.#unsent.length === 1) process.nextTick(() => this.#send());
    });
  }

  #send(): void {
    const requests = this.#unsent;
    this.#unsent = [];
    if (this.#dead === null) this.#worker.postMessage(requests);
  }

  #settle(reply: WorkerReply): void {
    const waiting = this.#waiting.shift();
    assert(waiting !== undefined, 'a store Worker answers what was asked');
    if (reply.kind === 'done') waiting.resolve(reply.result);
    else waiting.reject(wireToFault(reply.error));
  }

  /** Closes the connection in the Worker and waits for its end. */
  async close(): Promise<void> {
    if (this.#dead !== null) return;
    const ended = new Promise<void>((resolve) => {
      this.#worker.once('exit', () => {
        resolve();
      });
    });
    const closed = this.request({ kind: 'close' });
    this.#closing = true;
    await closed;
    await ended;
  }
}

async function firstMessage(worker: Worker): Promise<StoreReady> {
  const listening = new AbortController();
  try {
    return await new Promise<StoreReady>((resolve, reject) => {
      const onMessage = (message: WorkerReady): void => {
        if (message.kind === 'ready') resolve(message);
        else reject(wireToFault(message.error));
      };
      const onError = (cause: unknown): void => {
        reject(new Fault('storeFault', 'a Worker of the store did not start', { cause }));
      };
      const onExit = (code: number): void => {
        reject(new Fault('storeFault', `a Worker of the store ended at its start with code ${code}`));
      };
      worker.on('message', onMessage).on('error', onError).on('exit', onExit);
      // One by one: removeAllListeners would take Node's own with them, and no message would ever come again.
      listening.signal.addEventListener('abort', () => {
        worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      });
    });
  } finally {
    listening.abort();
  }
}
