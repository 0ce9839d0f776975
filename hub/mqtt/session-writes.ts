import { unreachable } from '#hub/kernel/result.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Store } from '#hub/store/store.ts';
import { saveMqttState } from './session-repository.ts';
import type { PendingWrite } from './stored-packet.ts';

/** Delay of writes that nobody waits for, to batch them: an SD card wears by the number of writes. */
const lazyMs = 5000;
/** Rows of one transaction: everybody else who writes waits behind it. */
const maxRowsAtOnce = 100;

function keyOf(write: PendingWrite): string {
  switch (write.kind) {
    case 'retained':
      return `r:${write.topic}`;
    case 'session':
      return `s:${write.clientId}`;
    case 'outgoing':
      return `o:${write.id}`;
    case 'incoming':
      return `i:${write.messageId}:${write.clientId}`;
    case 'will':
      return `w:${write.clientId}`;
    default:
      return unreachable(write);
  }
}

function isGone(write: PendingWrite): boolean {
  switch (write.kind) {
    case 'session':
      return write.session === null;
    case 'outgoing':
      return write.queued === null;
    case 'retained':
    case 'incoming':
    case 'will':
      return write.packet === null;
    default:
      return unreachable(write);
  }
}

/**
 * The way to the disk. Writes gather; one transaction at a time takes what has gathered, so that many who wait share one
 * commit. A row that comes and goes in between never gets there.
 */
export class SessionWrites {
  readonly #store: Pick<Store, 'transact'>;
  readonly #log: Logger;
  readonly #onDisk: Set<string>;
  #pending = new Map<string, PendingWrite>();
  #running: Promise<void> | null = null;
  #waiting: PromiseWithResolvers<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #fault: unknown = null;
  #transactions = 0;

  constructor(store: Pick<Store, 'transact'>, log: Logger, loaded: readonly PendingWrite[]) {
    this.#store = store;
    this.#log = log;
    this.#onDisk = new Set(loaded.map(keyOf));
  }

  /** Error of the last attempt; null when it succeeded. Its writes are kept and retried. */
  get fault(): unknown {
    return this.#fault;
  }
  get pendingRows(): number {
    return this.#pending.size;
  }
  /** Transactions since the start. */
  get transactions(): number {
    return this.#transactions;
  }

  /** Writes it within seconds; nobody waits for it. */
  later(write: PendingWrite): void {
    this.#put(write);
    if (this.#pending.size > 0) this.#startTimer();
  }

  /** Resolves when it, and everything before it, is on the disk. Rejects with the store's Fault; it is tried again. */
  async now(...writes: readonly PendingWrite[]): Promise<void> {
    for (const write of writes) this.#put(write);
    await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#pending.size === 0) {
      await this.#running;
      if (this.#fault !== null) throw this.#fault;
      return;
    }
    this.#waiting ??= Promise.withResolvers<void>();
    const { promise } = this.#waiting;
    this.#start();
    await promise;
  }

  /** Writes what is left. Never throws: what cannot be written at the end is logged. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    try {
      await this.flush();
    } catch (cause) {
      this.#log.error({ err: cause, rows: this.#pending.size }, 'MQTT state could not be written at the end');
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #put(write: PendingWrite): void {
    const key = keyOf(write);
    this.#pending.delete(key);
    if (isGone(write) && !this.#onDisk.has(key)) return;
    this.#pending.set(key, write);
  }

  #startTimer(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#start();
    }, lazyMs);
    this.#timer.unref();
  }

  #start(): void {
    if (this.#running !== null) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      if (this.#waiting !== null) this.#start();
      else if (this.#pending.size > 0) this.#startTimer();
    });
  }

  async #run(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = null;
    const batch = [...this.#pending];
    this.#pending = new Map();
    // From here on a row may be there, whatever the commit says.
    for (const [key, write] of batch) if (!isGone(write)) this.#onDisk.add(key);
    try {
      for (let start = 0; start < batch.length; start += maxRowsAtOnce) {
        const slice = batch.slice(start, start + maxRowsAtOnce);
        await this.#store.transact('mqtt.keep', (tx) =>
          saveMqttState(
            tx,
            slice.map(([, write]) => write),
          ),
        );
        this.#transactions += 1;
      }
      for (const [key, write] of batch)
        if (isGone(write) && !this.#pending.has(key)) this.#onDisk.delete(key);
      if (this.#fault !== null) this.#log.info('MQTT state is written again');
      this.#fault = null;
      waiting?.resolve();
    } catch (cause) {
      if (this.#fault === null) this.#log.error({ err: cause }, 'MQTT state could not be written');
      this.#fault = cause;
      // What came meanwhile is newer.
      this.#pending = new Map([...batch, ...this.#pending]);
      waiting?.reject(cause);
    }
  }
}
