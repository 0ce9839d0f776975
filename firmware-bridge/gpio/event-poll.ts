import { constants } from 'node:os';
import koffi from 'koffi';
import { Fault } from '#hub/kernel/result.ts';

// poll(2) over several descriptors: Node has no equivalent that leaves its thread pool free.

const pollIn = 0x1;
const pollErr = 0x8;
const pollHup = 0x10;
const pollNval = 0x20;
const pollFdBytes = 8;

type Readiness = 'none' | 'readable' | 'gone';

export interface EventPoll {
  /** Blocks the calling thread until a descriptor is readable or `timeoutMs` has passed. */
  wait(timeoutMs: number): void;
  /** The result of the last `wait` for the descriptor at this index. */
  readiness(index: number): Readiness;
}

/** @throws {Fault} `gpioPoll` from `wait` when the kernel refuses. */
export function eventPoll(fds: readonly number[]): EventPoll {
  // Symbols of the running process: Node is linked to libc, whatever file that is here.
  const poll = koffi.load(null).func('int poll(void *fds, unsigned long count, int timeout)');
  const bytes = Buffer.alloc(fds.length * pollFdBytes);
  for (const [index, fd] of fds.entries()) {
    bytes.writeInt32LE(fd, index * pollFdBytes);
    bytes.writeInt16LE(pollIn, index * pollFdBytes + 4);
  }
  return {
    wait(timeoutMs) {
      for (let index = 0; index < fds.length; index += 1) bytes.writeInt16LE(0, index * pollFdBytes + 6);
      const found = Number(poll(bytes, fds.length, timeoutMs));
      const errno = found < 0 ? koffi.errno() : 0;
      // A signal to the process interrupts whichever thread the kernel picks.
      if (errno !== 0 && errno !== constants.errno.EINTR)
        throw new Fault('gpioPoll', `poll on the GPIO events failed with errno ${errno}`);
    },
    readiness(index) {
      const found = bytes.readInt16LE(index * pollFdBytes + 6);
      if ((found & pollIn) !== 0) return 'readable';
      return (found & (pollErr | pollHup | pollNval)) === 0 ? 'none' : 'gone';
    },
  };
}
