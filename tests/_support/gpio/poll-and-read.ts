import { readSync } from 'node:fs';
import koffi from 'koffi';
import type { GpioFaultCode } from '#bridge/gpio/cdev.ts';
import { sizes } from '#bridge/gpio/uapi.ts';
import { Fault } from '#hub/kernel/result.ts';

/** Reads edges as the bridge's Worker does, one descriptor at a time: for tests against a kernel's chip or a pipe. */

const pollIn = 0x1;
const pollError = 0x8;
const pollHangUp = 0x10;
const pollInvalid = 0x20;

const poll = koffi.load(null).func('int poll(void *fds, unsigned long count, int timeout_ms)');
const pollBytes = Buffer.alloc(8);

/** The events that poll() reports for one descriptor; 0 when the time is up or a signal came. */
function pollFor(fd: number, timeoutMs: number): number {
  pollBytes.writeInt32LE(fd, 0);
  pollBytes.writeInt16LE(pollIn, 4);
  pollBytes.writeInt16LE(0, 6);
  const result = poll(pollBytes, 1, timeoutMs);
  if (result === 0 || (result < 0 && koffi.errno() === koffi.os.errno['EINTR'])) return 0;
  if (result < 0) throw new Fault<GpioFaultCode>('gpioIoFailed', 'waiting for GPIO edges failed');
  return pollBytes.readInt16LE(6);
}

/**
 * Waits up to `timeoutMs` for edges and reads what is there into `buffer` (a multiple of 48 bytes): the number of whole
 * records, 0 when the time is up, `closed` when the other end of a pipe is closed. For a Worker: it blocks its thread. The
 * descriptor is a request's, or a pipe with the same records, which may come in pieces.
 * @throws {Fault<GpioFaultCode>} `gpioChipGone`, `gpioIoFailed` (also for a pipe that ends, or stalls for `timeoutMs`,
 * within a record).
 */
export function pollAndRead(fd: number, timeoutMs: number, buffer: Buffer): number | 'closed' {
  const ready = pollFor(fd, timeoutMs);
  if (ready === 0) return 0;
  if ((ready & pollInvalid) !== 0)
    throw new Fault<GpioFaultCode>('gpioIoFailed', `descriptor ${fd} is not open`);
  // Before POLLIN: a removed chip reports errors only, and a read would fail with ENODEV.
  if ((ready & pollError) !== 0) {
    throw new Fault<GpioFaultCode>(
      'gpioChipGone',
      'the GPIO chip is gone while waiting for edges; check its driver in the kernel log, then restart the bridge',
    );
  }
  if ((ready & pollIn) === 0) {
    if ((ready & pollHangUp) !== 0) return 'closed';
    return 0;
  }
  let length = readSome(fd, buffer, 0, buffer.length - (buffer.length % sizes.event));
  if (length === 0) return 'closed';
  while (length % sizes.event !== 0) {
    const missing = sizes.event - (length % sizes.event);
    const more = pollFor(fd, timeoutMs) === 0 ? 0 : readSome(fd, buffer, length, missing);
    if (more === 0) {
      throw new Fault<GpioFaultCode>(
        'gpioIoFailed',
        `the GPIO event stream ended ${missing} bytes before the end of a record`,
      );
    }
    length += more;
  }
  return length / sizes.event;
}

function readSome(fd: number, buffer: Buffer, at: number, length: number): number {
  try {
    return readSync(fd, buffer, at, length, null);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    const gone = code === 'ENODEV';
    throw new Fault<GpioFaultCode>(
      gone ? 'gpioChipGone' : 'gpioIoFailed',
      `reading GPIO edges failed (${code})`,
      { cause },
    );
  }
}
