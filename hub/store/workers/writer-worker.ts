// The store Worker: the only connection of the hub that writes. Its fsyncs never touch the main loop.
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#hub/kernel/result.ts';
import { openingToWire } from '../sqlite/store-faults.ts';
import { serveRequests } from './worker-loop.ts';
import type { WorkerReady, WriterWorkerData } from './worker-protocol.ts';
import { openWriter } from './writer.ts';

function start(): void {
  assert(parentPort !== null, 'runs as a Worker');
  const port = parentPort;
  const data: WriterWorkerData = workerData;
  const say = (message: WorkerReady): void => port.postMessage(message);
  try {
    const { ready, answer } = openWriter(data);
    serveRequests(port, answer);
    say({ kind: 'ready', ...ready });
  } catch (error) {
    say({ kind: 'failed', error: openingToWire(data.path, error) });
  }
}

start();
