import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '#hub/kernel/result.ts';
import { errorCode, openSimLevels, prepareSimState, type SimPaths, simLineCount } from './sim-state.ts';
import { encodeLineEvent, sizes } from './uapi.ts';

/** A Wiegand frame to play on two simulated lines. */
export interface SimFrame {
  /** '0' and '1', first sent first. */
  readonly bits: string;
  readonly d0: number;
  readonly d1: number;
  /** Default 1000. */
  readonly bitIntervalUs?: number;
}

export interface SimEdge {
  readonly offset: number;
  readonly rising: boolean;
  /** Distance from the first edge of the same call, us. */
  readonly afterUs: number;
}

/**
 * How edges are stamped. Default: written at once, the last one stamped with the moment of writing, the others before
 * it.
 */
export type SimPace =
  | { readonly kind: 'written' }
  /**
   * Each edge is written at its own time and stamped with it; throws `panelLate` if the machine is too busy for that.
   */
  | { readonly kind: 'realTime' }
  /** The first edge gets this time regardless of the clock: for floods of frames faster than real time. */
  | { readonly kind: 'stamped'; readonly firstNs: bigint };

/** Plays the hardware in front of the fake port. One per folder, in a process of its own; calls are queued. */
export interface SimulatedPanel {
  /** Resolves with the stamp of the last edge. Waits for 31 ms of silence before, unless stamped. */
  tapFrame(frame: SimFrame, pace?: SimPace): Promise<bigint>;
  /** Several readers at once, their bits interleaved; all start together. */
  tapFrames(frames: readonly SimFrame[], pace?: SimPace): Promise<bigint>;
  /** Any edges, ascending in time: noise, bounce, both lines at one instant. */
  playEdges(edges: readonly SimEdge[], pace?: SimPace): Promise<bigint>;
  /** Changes an input's logical level and reports the edge; null without a change, or without a bridge. */
  setLine(offset: number, level: 0 | 1): Promise<bigint | null>;
  /** Reads a line's logical level, also of an output. */
  readLine(offset: number): 0 | 1;
  /** Skips sequence numbers, like a kernel whose buffer overflowed. */
  skipEdges(count: number): Promise<void>;
  close(): Promise<void>;
}

/** A pipe takes a write of up to 4096 bytes whole or not at all. */
const recordsPerWrite = Math.floor(4096 / sizes.event);
/** More silence than any reader needs to end a frame. */
const silenceNs = 31_000_000n;
const blockedMs = 1000;
/** More would give a frame other gaps than requested, or one that a reader ends too early. */
const maxLateNs = 8_000_000n;

/** @throws {Fault} `panelBusy` when another process plays in this folder; `simState`. */
export function openSimulatedPanel(dir: string): SimulatedPanel {
  const paths = prepareSimState(dir);
  takeLock(paths);
  const levels = openSimLevels(paths);
  const events = eventWriter(paths);
  let lastNs = 0n;
  let queue: Promise<unknown> = Promise.resolve();

  const queued = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(work);
    queue = result.catch(() => undefined);
    return result;
  };

  const play = async (edges: readonly SimEdge[], pace: SimPace): Promise<bigint> => {
    const last = edges.at(-1);
    if (last === undefined) return lastNs;
    const spanNs = BigInt(Math.round(last.afterUs * 1000));
    const at = (edge: SimEdge, firstNs: bigint): bigint => firstNs + BigInt(Math.round(edge.afterUs * 1000));
    if (pace.kind === 'stamped') {
      lastNs = pace.firstNs + spanNs;
      await events.write(edges.map((edge) => ({ ...edge, timestampNs: at(edge, pace.firstNs) })));
      return lastNs;
    }
    // The first edge must follow the silence after the last one of the call before.
    const earliestNs = lastNs + silenceNs + (pace.kind === 'written' ? spanNs : 0n);
    await until(earliestNs);
    if (pace.kind === 'realTime') {
      const firstNs = process.hrtime.bigint();
      for (const edge of edges) {
        const dueNs = at(edge, firstNs);
        await until(dueNs);
        lastNs = process.hrtime.bigint();
        await events.write([{ ...edge, timestampNs: lastNs }]);
        if (process.hrtime.bigint() - dueNs > maxLateNs)
          throw new Fault(
            'panelLate',
            'this machine is too busy to send edges at their own times; send them again',
          );
      }
      return lastNs;
    }
    lastNs = process.hrtime.bigint();
    const firstNs = lastNs - spanNs;
    await events.write(edges.map((edge) => ({ ...edge, timestampNs: at(edge, firstNs) })));
    return lastNs;
  };

  const tapFrames = (frames: readonly SimFrame[], pace: SimPace = { kind: 'written' }): Promise<bigint> =>
    queued(() =>
      play(
        frames.flatMap(frameEdges).sort((a, b) => a.afterUs - b.afterUs),
        pace,
      ),
    );

  return {
    tapFrame: (frame, pace) => tapFrames([frame], pace),
    tapFrames,
    playEdges: (edges, pace = { kind: 'written' }) => queued(() => play(edges, pace)),
    setLine: (offset, level) =>
      queued(async () => {
        checkOffset(offset);
        if (levels.read(offset) === level) return null;
        // The level is there before its edge, as in hardware.
        levels.write(offset, level);
        const timestampNs = process.hrtime.bigint();
        try {
          await events.write([{ offset, rising: level === 1, timestampNs }]);
          return timestampNs;
        } catch (error) {
          // A door also opens while no bridge runs; the next one reads the level.
          if (error instanceof Fault && error.code === 'panelNoListener') return null;
          throw error;
        }
      }),
    readLine: (offset) => levels.read(checkOffset(offset)),
    skipEdges: (count) =>
      queued(() => {
        events.skip(count);
        return Promise.resolve();
      }),
    async close() {
      await queue;
      events.close();
      levels.close();
      unlinkSync(paths.lock);
    },
  };
}

function checkOffset(offset: number): number {
  if (Number.isInteger(offset) && offset >= 0 && offset < simLineCount) return offset;
  throw new Fault('panelLine', `there is no simulated line ${offset}, only 0 to ${simLineCount - 1}`);
}

function frameEdges(frame: SimFrame): SimEdge[] {
  const intervalUs = frame.bitIntervalUs ?? 1000;
  checkOffset(frame.d0);
  checkOffset(frame.d1);
  if (!/^[01]+$/.test(frame.bits)) throw new Fault('panelBits', 'bits are written as 0 and 1');
  return Array.from(frame.bits, (bit, index) => ({
    offset: bit === '1' ? frame.d1 : frame.d0,
    rising: false,
    afterUs: index * intervalUs,
  }));
}

async function until(ns: bigint): Promise<void> {
  for (;;) {
    const leftNs = ns - process.hrtime.bigint();
    if (leftNs <= 0n) return;
    await delay(Math.max(1, Math.ceil(Number(leftNs) / 1_000_000)));
  }
}

/** Reads when a process started, in kernel ticks: tells a process from a later one with the same number. */
function startTicks(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name (field 2) may hold spaces; after it come fields 3 ..; the start is field 22.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function takeLock(paths: SimPaths): void {
  const mine = `${process.pid} ${startTicks(process.pid)}`;
  for (;;) {
    try {
      writeFileSync(paths.lock, mine, { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
    const [pid, ticks] = readFileSync(paths.lock, 'utf8').split(' ');
    if (pid !== undefined && ticks !== undefined && startTicks(Number(pid)) === ticks)
      throw new Fault(
        'panelBusy',
        `process ${pid} already plays the hardware in ${paths.dir}; stop it first`,
      );
    // Its owner is dead.
    unlinkSync(paths.lock);
  }
}

interface StampedEdge {
  readonly offset: number;
  readonly rising: boolean;
  readonly timestampNs: bigint;
}

/** Writes records with running numbers, which outlive this process so that the port sees one sequence. */
function eventWriter(paths: SimPaths) {
  const countersFd = openSync(paths.counters, constants.O_RDWR | constants.O_CREAT, 0o600);
  // Index 0: the last number given; 1 + offset: the last number of that line.
  const counters = new Uint32Array(1 + simLineCount);
  readSync(countersFd, counters, 0, counters.byteLength, 0);
  let fd: number | null = null;

  const next = (index: number): number => {
    const value = ((counters[index] ?? 0) + 1) >>> 0;
    counters[index] = value;
    return value;
  };
  const save = (): void => {
    writeSync(countersFd, counters, 0, counters.byteLength, 0);
  };
  const open = (): number => {
    try {
      return openSync(paths.events, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (cause) {
      if (errorCode(cause) !== 'ENXIO') throw cause;
      throw new Fault('panelNoListener', `no bridge listens to the simulated lines in ${paths.dir}`, {
        cause,
      });
    }
  };
  const closeEvents = (): void => {
    if (fd !== null) closeSync(fd);
    fd = null;
  };
  const writeWhole = async (bytes: Buffer): Promise<void> => {
    const givingUpNs = process.hrtime.bigint() + BigInt(blockedMs) * 1_000_000n;
    for (;;) {
      try {
        fd ??= open();
        writeSync(fd, bytes);
        return;
      } catch (cause) {
        const code = errorCode(cause);
        // The bridge went away; perhaps another has started.
        if (code === 'EPIPE') closeEvents();
        else if (code !== 'EAGAIN') throw cause;
        else if (process.hrtime.bigint() > givingUpNs)
          throw new Fault('panelBlocked', `the bridge reads no edges from ${paths.events}`, { cause });
        else await delay(1);
      }
    }
  };

  return {
    async write(edges: readonly StampedEdge[]): Promise<void> {
      // Before a number is used: without a bridge there is no gap.
      fd ??= open();
      const records = edges.map(({ offset, rising, timestampNs }) =>
        encodeLineEvent({
          timestampNs,
          rising,
          offset: checkOffset(offset),
          seqno: next(0),
          lineSeqno: next(1 + offset),
        }),
      );
      // Saved first: if killed between the two, the port sees a gap, not a number twice.
      save();
      for (let at = 0; at < records.length; at += recordsPerWrite)
        await writeWhole(Buffer.concat(records.slice(at, at + recordsPerWrite)));
    },
    skip(count: number): void {
      for (let index = 0; index < count; index += 1) next(0);
      save();
    },
    close(): void {
      closeEvents();
      closeSync(countersFd);
    },
  };
}
