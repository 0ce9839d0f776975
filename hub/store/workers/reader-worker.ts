// The reader Worker: reports and exports on a connection of their own, each on one snapshot.
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#hub/kernel/result.ts';
import { openConnection } from '../sqlite/open.ts';
import { errorToWire } from '../sqlite/store-faults.ts';
import { answersOf, serveRequests } from './worker-loop.ts';
import type { ReaderWorkerData, WorkerReady } from './worker-protocol.ts';

const cacheKib = 4096;

function start(): void {
  assert(parentPort !== null, 'runs as a Worker');
  const port = parentPort;
  const data: ReaderWorkerData = workerData;
  const answer = (message: WorkerReady): void => port.postMessage(message);
  const startedMs = performance.now();
  try {
    const connection = openConnection(data, { mode: 'read', cacheKib });
    serveRequests(
      port,
      answersOf(connection, 'begin', () => {
        connection.close();
      }),
    );
    answer({ kind: 'ready', tables: [], migrated: [], openMs: performance.now() - startedMs });
  } catch (error) {
    answer({ kind: 'failed', error: errorToWire(error) });
  }
}

start();
