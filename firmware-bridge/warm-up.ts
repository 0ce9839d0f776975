import { once } from 'node:events';
import { flushCompileCache } from 'node:module';
import { Worker } from 'node:worker_threads';

/** Ends as soon as its code is compiled: without its data it cannot do anything. */
async function compileWorker(file: string): Promise<void> {
  const worker = new Worker(new URL(file, import.meta.url), { workerData: null, stderr: true });
  worker.on('error', () => undefined);
  await once(worker, 'exit');
}

/**
 * Puts the compiled code of everything that a bridge runs into the compile cache. Code that comes from there needs neither
 * the type stripper (16 MiB in each thread) nor the compiler, from the next start on.
 */
export async function fillCompileCache(): Promise<void> {
  await import('./bridge.ts');
  await import('./link.ts');
  await Promise.all([compileWorker('./link-worker.ts'), compileWorker('./gpio/event-reader-worker.ts')]);
  flushCompileCache();
}
