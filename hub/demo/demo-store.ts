import { assert } from '#hub/kernel/result.ts';
import { openHubStore } from '#hub/open-hub-store.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Store, Transaction } from '#hub/store/store.ts';

/** The time in the demo's year: it stands still until it is set, and never goes back. */
export class DemoClock implements Clock {
  #nowMs: number;

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  advanceTo(atMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }
  nowMs(): number {
    return this.#nowMs;
  }
  monotonicMs(): number {
    return this.#nowMs;
  }
  trust(): 'ntp' {
    return 'ntp';
  }
}

/** The store of a hub that is not running, in which many workflows can share one transaction. */
export class DemoStore implements Store {
  readonly #store: Store;
  #open: Transaction | null = null;

  constructor(store: Store) {
    this.#store = store;
  }

  get read(): Store['read'] {
    return this.#store.read;
  }
  get figures(): Store['figures'] {
    return this.#store.figures;
  }
  get replication(): Store['replication'] {
    return this.#store.replication;
  }
  get report(): Store['report'] {
    return (work) => this.#store.report(work);
  }

  /** Inside `together` in its transaction: a refusal would leave half of a workflow behind, so it is a bug there. */
  async transact<T>(name: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
    if (this.#open === null) return await this.#store.transact(name, work);
    const value = await work(this.#open);
    assert(!isRefused(value), `the demo does nothing that is refused: ${name} ${JSON.stringify(value)}`);
    return value;
  }

  /** Runs workflows one after the other in one transaction, which is on the disk when this returns. */
  async together(work: (tx: Transaction) => Promise<void>): Promise<void> {
    await this.#store.transact('demo', async (tx) => {
      this.#open = tx;
      try {
        await work(tx);
      } finally {
        this.#open = null;
      }
    });
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

const isRefused = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'ok' in value && value.ok === false;

/** Opens the store below `stateDir`, under the lock that a running hub would hold. */
export const openDemoStore = async (stateDir: string, clock: DemoClock, log: Logger): Promise<DemoStore> =>
  new DemoStore(await openHubStore({ stateDir }, { clock, log }, { isBulkLoad: true, writesInThread: true }));
