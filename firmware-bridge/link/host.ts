import { Worker } from 'node:worker_threads';
import type { Logger } from '#hub/platform/log.ts';
import type { LinkData, ToDoor, ToLink } from './messages.ts';

export interface LinkHost {
  tell(message: ToLink): void;
  /** Ends the Worker within a second. */
  stop(): Promise<void>;
}

export interface LinkHostDeps {
  /** The start data of a Worker, as of now. */
  readonly data: () => LinkData;
  readonly onMessage: (message: ToDoor) => void;
  readonly log: Logger;
}

const restartMs = 5000;
const stopMs = 1000;

/**
 * Keeps the link Worker running and replaces one that dies; the door thread never waits for it. Its young generation
 * is small: it passes much through and keeps little.
 */
export function startLink(deps: LinkHostDeps): LinkHost {
  let worker: Worker | null = null;
  let restart: NodeJS.Timeout | null = null;
  let stopping = false;

  const start = (): void => {
    restart = null;
    const started = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: deps.data(),
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 96 },
    });
    worker = started;
    started.on('message', deps.onMessage);
    started.on('error', (error) => deps.log.error({ err: error }, 'the link to the hub failed'));
    started.on('exit', () => {
      if (worker === started) worker = null;
      if (!stopping) restart = setTimeout(start, restartMs);
    });
  };
  start();

  return {
    tell(message) {
      worker?.postMessage(message);
    },
    async stop() {
      stopping = true;
      if (restart !== null) clearTimeout(restart);
      const running = worker;
      if (running === null) return;
      const ended = new Promise((resolve) => running.once('exit', resolve));
      running.postMessage({ kind: 'stop' } satisfies ToLink);
      const killer = setTimeout(() => void running.terminate(), stopMs);
      await ended;
      clearTimeout(killer);
    },
  };
}
