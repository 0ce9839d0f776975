import {
  closeSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Fault } from '#hub/kernel/result.ts';

const fdatasyncAsync = promisify(fdatasync);
const fsyncAsync = promisify(fsync);

/**
 * A file written in one large piece is one large folio in the page cache, and Linux (6.16 on, ext4) accounts for and
 * writes all of it at each small change: 256 KiB for an entry of 160 bytes. Written page by page, a change costs a
 * page.
 */
const pageBytes = 4096;

/** An open segment file. Synchronous calls take microseconds; waiting for the medium is a promise. */
export interface JournalFile {
  size(): number;
  read(offset: number, length: number): Buffer;
  /** One `pwrite`. Throws when not all bytes were taken. */
  write(offset: number, bytes: Uint8Array): void;
  /** `write` in the thread pool, for large writes. */
  writeLater(offset: number, bytes: Uint8Array): Promise<void>;
  /** `fdatasync` in the thread pool: everything written before the call is then on the medium. */
  sync(): Promise<void>;
  truncate(length: number): void;
  close(): void;
}

/** The directory of the journal. Every call may throw a file-system error. */
export interface JournalDisk {
  list(): readonly string[];
  open(name: string, how: 'read' | 'write' | 'create'): JournalFile;
  unlink(name: string): void;
  /** Makes created and removed names durable. */
  syncNames(): Promise<void>;
}

class DiskFile implements JournalFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  size(): number {
    return fstatSync(this.#fd).size;
  }

  read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    const count = readSync(this.#fd, bytes, 0, length, offset);
    return bytes.subarray(0, count);
  }

  write(offset: number, bytes: Uint8Array): void {
    const count = writeSync(this.#fd, bytes, 0, bytes.length, offset);
    if (count !== bytes.length)
      throw new Fault('shortWrite', `wrote ${String(count)} of ${String(bytes.length)} bytes`);
  }

  async writeLater(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(pageBytes, bytes.length - done);
      const count = await new Promise<number>((resolve, reject) => {
        write(this.#fd, bytes, done, length, offset + done, (error, written) => {
          if (error) reject(error);
          else resolve(written);
        });
      });
      done += count;
    }
  }

  sync(): Promise<void> {
    return fdatasyncAsync(this.#fd);
  }

  truncate(length: number): void {
    ftruncateSync(this.#fd, length);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Opens a directory of the file system; creates it if missing, readable by its owner only. */
export function openJournalDisk(directory: string): JournalDisk {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const flagsOf = { read: 'r', write: 'r+', create: 'wx+' } as const;
  return {
    list: () => readdirSync(directory),
    open: (name, how) => new DiskFile(openSync(join(directory, name), flagsOf[how], 0o600)),
    unlink: (name) => {
      unlinkSync(join(directory, name));
    },
    syncNames: async () => {
      const fd = openSync(directory, 'r');
      try {
        await fsyncAsync(fd);
      } finally {
        closeSync(fd);
      }
    },
  };
}
