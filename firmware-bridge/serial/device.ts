import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { isatty } from 'node:tty';
import { isMainThread } from 'node:worker_threads';
import { SerialPort } from 'serialport';
import { assert, Fault } from '#hub/kernel/result.ts';

/** Why a serial port cannot be used. */
export type SerialProblem = 'notThere' | 'noPermission' | 'busy' | 'notSerial' | 'broken';

/** One opened port, until it is gone. */
export interface SerialDevice {
  /** `done` is called once the system has taken the bytes; never if the port went away first. */
  write(bytes: Uint8Array, done: () => void): void;
  /** Changes the speed once everything written before has left. */
  setBaudRate(baudRate: number, done: () => void): void;
  /** Never rejects. */
  close(): Promise<void>;
}

export interface SerialDeviceEvents {
  onBytes(bytes: Uint8Array): void;
  /** Called once and last. Not called for `close`. */
  onGone(): void;
}

/**
 * Opens a port (8N1, for this process alone) and reads from it. The only place that knows the `serialport` package.
 *
 * Only for the main thread of a process: version 13 of its native part polls on libuv's default loop whatever thread it is
 * called from, and a Worker that reads brings the whole process down (SIGSEGV; node-serialport issues 2250, 2748, 2974).
 * @throws {Fault} with a `SerialProblem` as its code.
 */
export async function openSerialDevice(
  port: string,
  baudRate: number,
  events: SerialDeviceEvents,
): Promise<SerialDevice> {
  assert(isMainThread, 'serial ports are opened on the main thread of a process');
  const stream = new SerialPort({ path: port, baudRate, autoOpen: false });
  const failure = await new Promise<Error | null>((resolve) => {
    stream.open((error) => resolve(error));
  });
  if (failure !== null) {
    const problem = await problemOfPort(port);
    throw new Fault(problem, `the serial port ${port} cannot be opened`, { cause: failure });
  }
  return deviceOfStream(stream, events);
}

function deviceOfStream(stream: SerialPort, events: SerialDeviceEvents): SerialDevice {
  let live = true;
  const end = (): boolean => {
    const was = live;
    live = false;
    return was;
  };
  const gone = (): void => {
    if (!end()) return;
    if (stream.isOpen) stream.close(() => undefined);
    events.onGone();
  };
  stream.on('data', (bytes: Uint8Array) => {
    if (live) events.onBytes(bytes);
  });
  stream.on('close', gone);
  // Nobody needs the errors of a port that is closing.
  stream.on('error', gone);
  const step = (done: () => void) => (error: Error | null | undefined) => {
    if (error) gone();
    else if (live) done();
  };

  return {
    write(bytes, done) {
      if (live) stream.write(Buffer.from(bytes), step(done));
    },
    setBaudRate(baudRate, done) {
      if (live) stream.drain(step(() => stream.update({ baudRate }, step(done))));
    },
    close() {
      end();
      return new Promise((resolve) => {
        if (stream.isOpen) stream.close(() => resolve());
        else resolve();
      });
    },
  };
}

const problemsByErrno = new Map<unknown, SerialProblem>([
  ['ENOENT', 'notThere'],
  ['ENOTDIR', 'notThere'],
  ['ENXIO', 'notThere'],
  ['ENODEV', 'notThere'],
  ['EIO', 'notThere'],
  ['EACCES', 'noPermission'],
  ['EPERM', 'noPermission'],
  ['EBUSY', 'busy'],
]);

/** The package's errors only have a text; the system gives a code to whoever tries the same. */
async function problemOfPort(port: string): Promise<SerialProblem> {
  try {
    const file = await open(port, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    try {
      // A serial port that opens now was, or still is, locked by another program.
      return isatty(file.fd) ? 'busy' : 'notSerial';
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code === 'EISDIR' ? 'notSerial' : (problemsByErrno.get(code) ?? 'broken');
  }
}
