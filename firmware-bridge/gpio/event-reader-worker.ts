import { readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#hub/kernel/result.ts';
import { eventPoll } from './event-poll.ts';
import { sizes } from './uapi.ts';

/**
 * Reads the kernel's edges in a Worker, so that a stall of the door thread loses none: the kernel's buffer holds 1024
 * edges, this thread's messages the rest. It handles bytes only, and treats a character device and a pipe alike.
 */

export interface EventReaderSetup {
  /** One per kernel request; the first is that of the data lines. */
  readonly fds: readonly number[];
  /** One Int32; nonzero: end. */
  readonly stop: SharedArrayBuffer;
}

export type EventReaderMessage =
  | { readonly kind: 'ready' }
  /** Whole 48-byte records, in the order read. */
  | { readonly kind: 'records'; readonly source: number; readonly records: ArrayBuffer }
  /** Every edge of the first source before this time has been posted. */
  | { readonly kind: 'settled'; readonly untilNs: bigint }
  | { readonly kind: 'gone'; readonly source: number; readonly reason: string };

/** The longest wait, and so the longest time until `stop` takes effect. */
const pollMs = 100;
/** Silences of the first source that are reported: the ends of the range that a reader's configuration allows. */
const quietMs = [25, 30];
const recordsPerRead = 128;

interface Source {
  readonly fd: number;
  readonly buffer: Uint8Array;
  /** Bytes of an incomplete record at the buffer's start. */
  kept: number;
}

/** Reads once. Returns the whole records, or null if there were none; throws if the descriptor is broken. */
function readRecords(source: Source): ArrayBuffer | null {
  let count: number;
  try {
    count = readSync(source.fd, source.buffer, source.kept, source.buffer.length - source.kept, null);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EAGAIN' || code === 'EINTR') return null;
    throw error;
  }
  if (count === 0) throw new Error('the event stream has ended');
  const filled = source.kept + count;
  const whole = filled - (filled % sizes.event);
  if (whole === 0) {
    source.kept = filled;
    return null;
  }
  const records = new ArrayBuffer(whole);
  new Uint8Array(records).set(source.buffer.subarray(0, whole));
  source.buffer.copyWithin(0, whole, filled);
  source.kept = filled - whole;
  return records;
}

function run(setup: EventReaderSetup): void {
  assert(parentPort !== null, 'event-reader-worker.ts runs as a Worker');
  const door = parentPort;
  const post = (message: EventReaderMessage, transfer: ArrayBuffer[] = []): void =>
    door.postMessage(message, transfer);
  const stop = new Int32Array(setup.stop);
  const poll = eventPoll(setup.fds);
  const sources = setup.fds.map(
    (fd): Source => ({ fd, buffer: new Uint8Array(recordsPerRead * sizes.event), kept: 0 }),
  );
  let quietSinceNs = process.hrtime.bigint();
  let quietStage = 0;
  post({ kind: 'ready' });

  while (Atomics.load(stop, 0) === 0) {
    // Taken BEFORE poll: whatever had happened by then is there after poll, or did not happen.
    const nowNs = process.hrtime.bigint();
    const stageMs = quietMs[quietStage];
    const leftMs =
      stageMs === undefined ? pollMs : Math.ceil(stageMs - Number(nowNs - quietSinceNs) / 1_000_000);
    poll.wait(Math.min(pollMs, Math.max(0, leftMs)));
    let silent = true;
    for (const [index, source] of sources.entries()) {
      const readiness = poll.readiness(index);
      if (readiness === 'none') continue;
      try {
        if (readiness === 'gone') throw new Error('the GPIO chip or its event stream is gone');
        const records = readRecords(source);
        if (records !== null) post({ kind: 'records', source: index, records }, [records]);
      } catch (error) {
        post({ kind: 'gone', source: index, reason: error instanceof Error ? error.message : String(error) });
        return;
      }
      if (index === 0) silent = false;
    }
    if (!silent) {
      quietSinceNs = process.hrtime.bigint();
      quietStage = 0;
    } else if (stageMs !== undefined && leftMs <= 0) {
      post({ kind: 'settled', untilNs: nowNs });
      quietStage += 1;
    }
  }
}

run(workerData);
