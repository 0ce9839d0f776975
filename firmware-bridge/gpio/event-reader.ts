import { Worker } from 'node:worker_threads';
import type { GpioEdge } from '#bridge/ports.ts';
import { Fault } from '#hub/kernel/result.ts';
import { type EdgeOrder, type EdgeRun, edgeOrder } from './edge-order.ts';
import type { EventReaderMessage, EventReaderSetup } from './event-reader-worker.ts';
import { decodeLineEvents, sizes } from './uapi.ts';

export interface EventSource {
  readonly fd: number;
  /** The number of its first edge: 1 for a fresh kernel request, null if its writer continues an earlier count. */
  readonly firstSeqno: number | null;
}

export interface EventReaderHooks {
  onEdges(edges: readonly GpioEdge[], lost: number): void;
  onSettled(untilNs: bigint): void;
  onFault(fault: Error): void;
}

export interface EventReader {
  /** Ends the Worker within 100 ms; the descriptors may be closed afterwards. */
  stop(): Promise<void>;
}

/** How long edges behind a gap wait for the missing one. Latecomers are microseconds late. */
const holdMs = 3;

/**
 * Reads 48-byte edge records from the descriptors in a Worker and delivers them on the calling thread, in order.
 * Resolves when the Worker reads. The first source must be that of the data lines.
 */
export async function startEventReader(
  sources: readonly EventSource[],
  hooks: EventReaderHooks,
): Promise<EventReader> {
  const stop = new SharedArrayBuffer(4);
  const setup: EventReaderSetup = { fds: sources.map((source) => source.fd), stop };
  const worker = new Worker(new URL('./event-reader-worker.ts', import.meta.url), {
    name: 'gpio-events',
    workerData: setup,
    // The loop allocates little but messages: small heaps keep the bridge small.
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
  });
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
  });
  let stopping = false;
  let faulted = false;
  const fail = (fault: Error): void => {
    if (stopping || faulted) return;
    faulted = true;
    hooks.onFault(fault);
  };
  const delivery = edgeDelivery(sources, hooks);

  await new Promise<void>((resolve, reject) => {
    worker.on('message', (message: EventReaderMessage) => {
      if (faulted || stopping) return;
      if (message.kind === 'records') delivery.records(message.source, message.records, fail);
      else if (message.kind === 'settled') delivery.settled(message.untilNs);
      else if (message.kind === 'gone') fail(new Fault('gpioGone', `GPIO events: ${message.reason}`));
      else resolve();
    });
    worker.once('error', (cause) => {
      const fault = new Fault('gpioReader', 'the Worker that reads GPIO events failed', { cause });
      reject(fault);
      fail(fault);
    });
    worker.once('exit', () => fail(new Fault('gpioReader', 'the Worker that reads GPIO events has ended')));
  });

  return {
    async stop() {
      stopping = true;
      delivery.stop();
      Atomics.store(new Int32Array(stop), 0, 1);
      await ended;
    },
  };
}

/** Decodes, orders and delivers; gives up on a missing edge after `holdMs`. */
function edgeDelivery(sources: readonly EventSource[], hooks: EventReaderHooks) {
  const orders = sources.map((source): EdgeOrder => edgeOrder(source.firstSeqno));
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const deliver = (source: number, runs: readonly EdgeRun[]): void => {
    for (const run of runs) hooks.onEdges(run.edges, run.lost);
    const last = source === 0 ? runs.at(-1)?.edges.at(-1) : undefined;
    if (last !== undefined && orders[0]?.held() === 0) hooks.onSettled(last.timestampNs);
  };
  const giveUp = (): void => {
    timer = undefined;
    if (stopped) return;
    for (const [source, order] of orders.entries()) if (order.held() > 0) deliver(source, order.flush());
  };
  const watchGaps = (): void => {
    if (orders.every((order) => order.held() === 0)) {
      clearTimeout(timer);
      timer = undefined;
    } else {
      // The immediate lets waiting messages go first: after a stall of this thread the edge is among them.
      timer ??= setTimeout(() => setImmediate(giveUp), holdMs);
    }
  };

  return {
    records(source: number, records: ArrayBuffer, fail: (fault: Error) => void): void {
      const order = orders[source];
      if (order === undefined) return;
      let edges: readonly GpioEdge[];
      try {
        edges = decodeLineEvents(Buffer.from(records), records.byteLength / sizes.event);
      } catch (cause) {
        fail(new Fault('gpioGone', 'the GPIO event stream delivers no event records', { cause }));
        return;
      }
      deliver(source, order.push(edges));
      watchGaps();
    },
    settled(untilNs: bigint): void {
      if (orders[0] !== undefined && orders[0].held() > 0) deliver(0, orders[0].flush());
      hooks.onSettled(untilNs);
    },
    stop(): void {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
