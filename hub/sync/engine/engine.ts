import { Worker } from 'node:worker_threads';
import type { Logger } from '#hub/platform/log.ts';
import type { Store } from '#hub/store/store.ts';
import type { ReplicaKeeper } from './replica-keeper.ts';
import type { RoundReport } from './runner.ts';
import type { FromSyncWorker, KeeperCall, SyncWorkerData, ToSyncWorker } from './worker-messages.ts';

/** State of the rounds since the hub started; times in UTC ms. */
export interface EngineState {
  readonly isRunning: boolean;
  readonly problem: RoundReport['problem'];
  readonly lastSuccessMs: number | null;
  readonly nextTryMs: number | null;
  /** The centre's last change, as last heard. */
  readonly head: number | null;
  readonly clockAheadMs: number;
  /** Operations of the last minute. */
  readonly sentPerMinute: number;
  readonly receivedPerMinute: number;
}

export interface EngineDeps {
  readonly store: Store;
  readonly keeper: ReplicaKeeper;
  readonly log: Logger;
  readonly clock: { nowMs(): number };
  readonly instance: string;
  readonly release: string;
  readonly pollMs: number;
  readonly answeredRequests: () => number;
  /** Called when anything of the state is another. */
  readonly onChanged: () => void;
}

/** A Worker that talks a lot is slower than one that has room. */
const resourceLimits = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 8 };
const minuteMs = 60_000;
const stopWithinMs = 3000;

/** Operations within the last minute, in a few numbers. */
class Rate {
  #events: { readonly atMs: number; readonly count: number }[] = [];

  add(atMs: number, count: number): void {
    this.#events.push({ atMs, count });
    if (this.#events.length > 1000) this.#prune(atMs);
  }
  perMinute(nowMs: number): number {
    this.#prune(nowMs);
    return this.#events.reduce((sum, { count }) => sum + count, 0);
  }
  #prune(nowMs: number): void {
    this.#events = this.#events.filter(({ atMs }) => nowMs - atMs < minuteMs);
  }
}

/** Runs the sync Worker while the hub belongs to a centre, and writes for it. */
export class SyncEngine {
  readonly #deps: EngineDeps;
  readonly #sent = new Rate();
  readonly #received = new Rate();
  #worker: Worker | null = null;
  #isRunning = false;
  #problem: RoundReport['problem'] = null;
  #lastSuccessMs: number | null = null;
  #nextTryMs: number | null = null;
  #head: number | null = null;
  #clockAheadMs = 0;

  constructor(deps: EngineDeps) {
    this.#deps = deps;
  }

  get keeper(): ReplicaKeeper {
    return this.#deps.keeper;
  }

  get state(): EngineState {
    const nowMs = this.#deps.clock.nowMs();
    return {
      isRunning: this.#isRunning,
      problem: this.#problem,
      lastSuccessMs: this.#lastSuccessMs,
      nextTryMs: this.#nextTryMs,
      head: this.#head,
      clockAheadMs: this.#clockAheadMs,
      sentPerMinute: this.#sent.perMinute(nowMs),
      receivedPerMinute: this.#received.perMinute(nowMs),
    };
  }

  start(): void {
    if (this.#worker !== null) return;
    const { store, instance, release, pollMs, log } = this.#deps;
    const { location, tables } = store.replication;
    const workerData: SyncWorkerData = { location, tables, instance, release, pollMs };
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      name: 'sync-worker',
      workerData,
      resourceLimits,
    });
    this.#worker = worker;
    worker.on('message', (message: FromSyncWorker) => this.#take(worker, message));
    worker.on('error', (error) => log.error({ err: error }, 'the sync Worker failed'));
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      // It never ends by itself: the doors go on, and so does the next one.
      this.#worker = null;
      this.#isRunning = false;
      setTimeout(() => this.start(), minuteMs).unref();
    });
    store.replication.onOutboxGrown = () => this.#tell({ kind: 'grown' });
  }

  runNow(): void {
    this.#tell({ kind: 'now' });
  }

  /** Ends after the batch that is under way, or after three seconds. */
  async stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#deps.store.replication.onOutboxGrown = () => undefined;
    if (worker === null) return;
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => resolve());
    });
    worker.postMessage({ kind: 'stop' } satisfies ToSyncWorker);
    // A centre that does not answer is not waited for: what was under way is found out by the next round.
    const timer = setTimeout(() => void worker.terminate(), stopWithinMs);
    await ended;
    clearTimeout(timer);
    this.#isRunning = false;
    this.#problem = null;
    this.#head = null;
  }

  #tell(message: ToSyncWorker): void {
    this.#worker?.postMessage(message);
  }

  #take(worker: Worker, message: FromSyncWorker): void {
    const { clock, onChanged, log } = this.#deps;
    switch (message.kind) {
      case 'call':
        void this.#write(worker, message);
        return;
      case 'progress': {
        const { progress } = message;
        if (progress.kind === 'head') {
          this.#head = progress.head;
          if (progress.clockAheadMs >= 0) this.#clockAheadMs = progress.clockAheadMs;
          return;
        }
        (progress.kind === 'sent' ? this.#sent : this.#received).add(clock.nowMs(), progress.operations);
        onChanged();
        return;
      }
      case 'begun':
        this.#isRunning = true;
        return;
      case 'ended': {
        const { problem, nextInMs } = message.report;
        const isNew = problem?.code !== this.#problem?.code;
        this.#isRunning = false;
        this.#problem = problem;
        this.#nextTryMs = clock.nowMs() + nextInMs;
        if (problem === null) this.#lastSuccessMs = clock.nowMs();
        if (isNew && problem !== null) log.warn({ problem }, 'replication does not go on');
        if (isNew && problem === null) log.info({}, 'replication goes on');
        onChanged();
        return;
      }
    }
  }

  async #write(
    worker: Worker,
    { id, name, args }: { readonly id: number; readonly name: KeeperCall; readonly args: readonly unknown[] },
  ): Promise<void> {
    let answer: ToSyncWorker;
    try {
      const method: unknown = Reflect.get(this.#deps.keeper, name);
      const value: unknown =
        typeof method === 'function' ? await Reflect.apply(method, undefined, args) : null;
      answer = { kind: 'done', id, value, answeredRequests: this.#deps.answeredRequests() };
    } catch (error) {
      answer = { kind: 'failed', id, message: error instanceof Error ? error.message : String(error) };
    }
    worker.postMessage(answer);
  }
}
