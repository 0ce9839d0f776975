import { Worker } from 'node:worker_threads';
import type { Later } from '#bridge/ports.ts';
import type { PinHashes } from '#hub/platform/pin-hash.ts';

export interface PinJob {
  readonly pin: string;
  readonly secret: PinHashes & { readonly salt: Uint8Array };
}
export type PinVerdict = 'right' | 'duress' | 'wrong';

export interface PinChecks {
  /** Null: the queue is full, or the Worker failed. Never rejects. */
  check(job: PinJob): Promise<PinVerdict | null>;
  stop(): Promise<void>;
}

/** Longest queue besides the running check: some seconds of a Pi's work. */
export const maxWaitingChecks = 32;

/** The Worker ends this long after the last PIN and frees its memory. */
const idleMs = 60_000;

interface Waiting {
  readonly job: PinJob;
  readonly settle: (verdict: PinVerdict | null) => void;
}

const isVerdict = (value: unknown): value is PinVerdict =>
  value === 'right' || value === 'duress' || value === 'wrong';

/**
 * Runs argon2id in a Worker, one check at a time. The Worker lives only while PINs are entered: most doors ask for
 * none.
 */
export function startPinChecks(later: Later, onFault: (error: Error) => void): PinChecks {
  let worker: Worker | null = null;
  let running: Waiting | null = null;
  let waiting: Waiting[] = [];
  let cancelEnd: (() => void) | null = null;

  const end = async (): Promise<void> => {
    const ending = worker;
    worker = null;
    await ending?.terminate();
  };
  const settle = (verdict: PinVerdict | null): void => {
    const done = running;
    running = null;
    done?.settle(verdict);
    next();
  };
  const start = (): Worker => {
    const started = new Worker(new URL('./worker.ts', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 },
    });
    started.on('message', (verdict) => settle(isVerdict(verdict) ? verdict : null));
    started.on('error', onFault);
    started.on('exit', () => {
      if (worker !== started) return;
      worker = null;
      settle(null);
    });
    return started;
  };
  const next = (): void => {
    if (running !== null) return;
    running = waiting.shift() ?? null;
    cancelEnd?.();
    cancelEnd = null;
    if (running === null) {
      cancelEnd = worker === null ? null : later(idleMs, () => void end());
      return;
    }
    worker ??= start();
    worker.postMessage(running.job);
  };

  return {
    check(job) {
      if (waiting.length >= maxWaitingChecks) return Promise.resolve(null);
      return new Promise((resolve) => {
        waiting.push({ job, settle: resolve });
        next();
      });
    },
    async stop() {
      cancelEnd?.();
      const left = [...(running === null ? [] : [running]), ...waiting];
      running = null;
      waiting = [];
      for (const each of left) each.settle(null);
      await end();
    },
  };
}
