import { constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** Bytes that wait for a disk or a reader; what comes on top is dropped. */
const maxWaitingBytes = 256 * 1024;
/** A buffered output writes at once when so many bytes wait. */
const bufferBytes = 8192;
const bufferMs = 50;
const retryMs = 50;
const newline = 0x0a;

export interface LogOutputOptions {
  /** Lines leave together, at the latest after 50 ms and at the end of the process: writing each by itself costs a busy process dearly. */
  readonly isBuffered?: boolean;
  /** Counts the lost lines, in its first place; shared where several threads write to one log. */
  readonly lost?: Uint32Array;
  /** The line that stands in the log where `lines` are missing. */
  readonly gapLine?: (lines: number) => string;
  /** Descriptor to write to; stdout unless told. */
  readonly fd?: number;
}

const jsonGapLine = (lines: number): string =>
  JSON.stringify({
    level: 'warn',
    time: new Date().toISOString(),
    lines,
    msg: 'lines of the log were lost before this one',
  });

/** Bytes on their way out. */
interface Batch {
  readonly bytes: Buffer;
  /** Lines at its beginning that nobody logged: the end of a torn one, and the one about a gap. */
  readonly ownLines: number;
  /** How many lost lines the one about a gap tells of. */
  readonly toldLines: number;
  writtenBytes: number;
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) lines += 1;
  return lines;
}

/** A line counter that several threads may share. */
export const sharedLostLines = (): Uint32Array => new Uint32Array(new SharedArrayBuffer(4));

/**
 * Where log lines leave the process. It neither blocks nor ends one: a full disk, a pipe whose reader is gone or does not
 * read, a terminal that was stopped cost lines, which are counted, and a line that says how many are missing follows when
 * writing works again.
 */
export class LogOutput {
  readonly #options: LogOutputOptions;
  readonly #lost: Uint32Array;
  #fd: number | null = null;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #batch: Batch | null = null;
  /** A write is with the operating system. */
  #isWriting = false;
  /** Lost lines that the log does not mention yet. */
  #untold = 0;
  /** The last write ended inside a line. */
  #isTorn = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LogOutputOptions = {}) {
    this.#options = options;
    this.#lost = options.lost ?? new Uint32Array(1);
  }

  /** Lost since the start of the process. */
  get lostLines(): number {
    return Atomics.load(this.#lost, 0);
  }

  /** Takes one line, with its end. */
  write(line: string): void {
    if (this.#waitingBytes + line.length > maxWaitingBytes) {
      this.#lose(1);
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    if (this.#options.isBuffered !== true || this.#waitingBytes >= bufferBytes) this.#next();
    else this.#later(bufferMs);
  }

  /** Tries once to write what waits, for the end of a process: what finds no room at once is lost. */
  flushSync(): void {
    // What is with the operating system already must not be written twice.
    if (!this.#isWriting && this.#batch !== null) this.#finishNow(this.#batch);
    const batch = this.#takeBatch();
    if (batch === null) return;
    this.#finishNow(batch);
  }

  #finishNow(batch: Batch): void {
    try {
      batch.writtenBytes += writeSync(this.#descriptor(), batch.bytes, batch.writtenBytes);
    } catch {
      // Counted below.
    }
    if (batch === this.#batch) this.#batch = null;
    this.#settle(batch);
  }

  #later(ms: number): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#next();
    }, ms).unref();
  }

  #next(): void {
    if (this.#isWriting) return;
    this.#batch ??= this.#takeBatch();
    const batch = this.#batch;
    if (batch === null) return;
    this.#isWriting = true;
    write(this.#descriptor(), batch.bytes, batch.writtenBytes, (error, written) => {
      this.#isWriting = false;
      batch.writtenBytes += written;
      if (error?.code === 'EAGAIN') return this.#later(retryMs);
      if (error === null && batch.writtenBytes < batch.bytes.length) return this.#next();
      this.#batch = null;
      this.#settle(batch);
      if (this.#waiting.length === 0) return;
      if (error !== null) this.#later(retryMs);
      else if (this.#options.isBuffered === true) this.#later(bufferMs);
      else this.#next();
    });
  }

  #takeBatch(): Batch | null {
    if (this.#waiting.length === 0) return null;
    const toldLines = this.#untold;
    this.#untold = 0;
    const tornEnd = this.#isTorn ? '\n' : '';
    const gap = toldLines === 0 ? '' : `${(this.#options.gapLine ?? jsonGapLine)(toldLines)}\n`;
    const bytes = Buffer.from(`${tornEnd}${gap}${this.#waiting.join('')}`);
    this.#waiting = [];
    this.#waitingBytes = 0;
    const ownLines = (tornEnd === '' ? 0 : 1) + (gap === '' ? 0 : 1);
    return { bytes, ownLines, toldLines, writtenBytes: 0 };
  }

  /** Counts what of a batch did not leave. */
  #settle({ bytes, ownLines, toldLines, writtenBytes }: Batch): void {
    if (writtenBytes > 0) this.#isTorn = bytes[writtenBytes - 1] !== newline;
    if (writtenBytes === bytes.length) return;
    const writtenLines = countLines(bytes.subarray(0, writtenBytes));
    if (writtenLines < ownLines) this.#untold += toldLines;
    this.#lose(countLines(bytes) - Math.max(writtenLines, ownLines));
  }

  #lose(lines: number): void {
    Atomics.add(this.#lost, 0, lines);
    this.#untold += lines;
  }

  #descriptor(): number {
    if (this.#fd === null) {
      this.#fd = openWithoutBlocking(this.#options.fd ?? 1);
      process.on('exit', () => this.flushSync());
    }
    return this.#fd;
  }
}

/**
 * A descriptor on which a write never waits. Pipes and terminals are opened anew, so that others who write to them keep
 * their own mode; on a file a write does not wait for anybody.
 */
function openWithoutBlocking(fd: number): number {
  if (fstatSync(fd).isFile()) return fd;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // A socket, which the journal of the system gives, or a pipe of another user's: Node's own stream takes the waiting
    // off it. Its threads share the descriptor.
    if (isMainThread && fd === 1) process.stdout.on('error', () => undefined);
    return fd;
  }
}
