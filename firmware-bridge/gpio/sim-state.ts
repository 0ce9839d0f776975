import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Fault } from '#hub/kernel/result.ts';

/**
 * The simulated chip as files in one folder, shared by the fake port and whoever plays the hardware:
 *
 *   events.fifo    kernel event records (48 bytes each), written by the simulator
 *   lines          one byte per line: its logical level; inputs by the simulator, outputs by the port
 *   outputs.fifo   one record per write to an output (24 bytes), by the port, for whoever reads
 *   counters, panel.lock, panel.sock   the simulator's own
 */
export interface SimPaths {
  readonly dir: string;
  readonly events: string;
  readonly lines: string;
  readonly outputs: string;
  readonly counters: string;
  readonly lock: string;
  readonly socket: string;
}

export const simLineCount = 64;

/** The system call's name of an error (`ENOENT`), or undefined. */
export const errorCode = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

export const simPaths = (dir: string): SimPaths => ({
  dir,
  events: join(dir, 'events.fifo'),
  lines: join(dir, 'lines'),
  outputs: join(dir, 'outputs.fifo'),
  counters: join(dir, 'counters'),
  lock: join(dir, 'panel.lock'),
  socket: join(dir, 'panel.sock'),
});

function ensureFifo(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isFIFO()) return;
  if (found !== undefined)
    throw new Fault('simState', `${path} is no FIFO: remove it, it is made again at the next start`);
  try {
    execFileSync('mkfifo', ['-m', '600', path], { stdio: 'pipe' });
  } catch (cause) {
    // Both sides create the folder, perhaps at the same moment.
    if (lstatSync(path, { throwIfNoEntry: false })?.isFIFO()) return;
    throw new Fault('simState', `cannot make the FIFO ${path}`, { cause });
  }
}

/**
 * Creates whatever is missing in the folder; harmless if it is complete.
 * @throws {Fault} `simState`.
 */
export function prepareSimState(dir: string): SimPaths {
  const paths = simPaths(dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  ensureFifo(paths.events);
  ensureFifo(paths.outputs);
  const fd = openSync(paths.lines, constants.O_RDWR | constants.O_CREAT, 0o600);
  ftruncateSync(fd, simLineCount);
  closeSync(fd);
  return paths;
}

/** The `lines` file, held open. */
export interface SimLevels {
  read(offset: number): 0 | 1;
  write(offset: number, level: 0 | 1): void;
  close(): void;
}

export function openSimLevels(paths: SimPaths): SimLevels {
  const fd = openSync(paths.lines, constants.O_RDWR);
  const byte = new Uint8Array(1);
  return {
    read(offset) {
      readSync(fd, byte, 0, 1, offset);
      return byte[0] === 1 ? 1 : 0;
    },
    write(offset, level) {
      byte[0] = level;
      writeSync(fd, byte, 0, 1, offset);
    },
    close: () => closeSync(fd),
  };
}

/** A write of the port to an output. */
export interface OutputRecord {
  /** CLOCK_MONOTONIC, ns, when the level was set. */
  readonly timestampNs: bigint;
  readonly offset: number;
  readonly level: 0 | 1;
}

/** ts u64 @0, offset u32 @8, level u32 @12, reserved u64 @16; little endian. */
export const outputRecordBytes = 24;

export function encodeOutputRecord(record: OutputRecord): Buffer {
  const bytes = Buffer.alloc(outputRecordBytes);
  bytes.writeBigUInt64LE(record.timestampNs, 0);
  bytes.writeUInt32LE(record.offset, 8);
  bytes.writeUInt32LE(record.level, 12);
  return bytes;
}
