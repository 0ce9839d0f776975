import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');

/** Another process that keeps a store from being written. */
export interface ForeignLock {
  readonly pid: number;
  release(): Promise<void>;
}

/** Takes the lock that SQLite's writers take on byte 120 of `-shm`, as any program that opens the file can. */
const script = `
const koffi = require('koffi');
const fcntl = koffi.load(null).func('int fcntl(int fd, int command, ...)');
const file = require('fs').openSync(process.argv[1], 'r+');
// struct flock of 64-bit Linux: F_WRLCK, SEEK_SET, start, length.
const lock = Buffer.alloc(32);
lock.writeInt16LE(1, 0);
lock.writeBigInt64LE(120n, 8);
lock.writeBigInt64LE(1n, 16);
const setAndWait = 7;
if (fcntl(file, setAndWait, 'void *', lock) !== 0) process.exit(1);
console.log('held');
process.stdin.resume();
`;

/** Holds the write lock of the store at `store` from a process of its own. */
export async function holdLock(store: string): Promise<ForeignLock> {
  const child = spawn(process.execPath, ['-e', script, `${store}-shm`], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return {
    pid: child.pid ?? -1,
    async release() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}
