import { isMainThread, parentPort, Worker } from 'node:worker_threads';

// The least that a tap must go through: a Worker that does nothing but wake up and send its thread a message. Every 10 ms
// one; the bench asks for the ms that they took.

const everyMs = 10;

if (isMainThread) {
  let hops: number[] = [];
  const worker = new Worker(new URL(import.meta.url));
  worker.on('message', (sentNs: bigint) => hops.push(Number(process.hrtime.bigint() - sentNs) / 1e6));
  process.on('message', () => {
    process.send?.(hops);
    hops = [];
  });
  process.on('disconnect', () => process.exit());
} else {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    Atomics.wait(never, 0, 0, everyMs);
    parentPort?.postMessage(process.hrtime.bigint());
  }
}
