import { parentPort, workerData } from 'node:worker_threads';
import { decodeLineEvents, sizes } from '#bridge/gpio/uapi.ts';
import { pollAndRead } from '#tests/_support/gpio/poll-and-read.ts';

const buffer = Buffer.alloc(sizes.event * 1024);

// One poll a turn of the event loop, so that the Worker can be ended between two.
function turn(): void {
  const count = pollAndRead(workerData as number, 100, buffer);
  if (typeof count === 'number' && count > 0) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort, not a window
    parentPort?.postMessage(decodeLineEvents(buffer, count).map((event) => event.seqno));
  }
  if (count !== 'closed') setImmediate(turn);
}
turn();
