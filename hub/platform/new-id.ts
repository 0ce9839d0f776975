import { v7 } from 'uuid';
import { takeRandomBytes } from './random-pool.ts';

/** Makes UUIDv7s that sort in the order in which they are made: also inside one millisecond, and when the clock goes back. */
export function createIds(nowMs: () => number): () => string {
  let msecs = 0;
  let seq = 0;
  return () => {
    const random = takeRandomBytes(16);
    const now = nowMs();
    if (now > msecs) {
      msecs = now;
      // 31 of its 32 bits, so that there is room to count.
      seq = random.readUInt32BE(0) >>> 1;
    } else seq += 1;
    return v7({ msecs, seq, random });
  };
}

let processNowMs: () => number = Date.now;

/** Makes the ids of this process by another clock: for the demo, which plays a year that has passed. */
export function makeIdsBy(nowMs: () => number): void {
  processNowMs = nowMs;
}

/** A fresh UUIDv7. */
export const newId = createIds(() => processNowMs());
