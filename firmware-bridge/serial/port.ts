import { access } from 'node:fs/promises';
import type { SerialClock, SerialLine } from '#bridge/readers/serial-driver.ts';
import { Fault } from '#hub/kernel/result.ts';
import { openSerialDevice, type SerialDevice, type SerialProblem } from './device.ts';

/** Why a line is closed: the code for programs, the sentence for people. */
export interface SerialPortReason {
  readonly code: SerialProblem;
  readonly message: string;
}

export interface SerialLineSetup {
  /** A path that `serialPortSchema` has accepted. */
  readonly port: string;
  readonly baudRate: number;
  onBytes(bytes: Uint8Array): void;
  onOpen(line: SerialLine): void;
  /** The port went away, or cannot be opened: called once per change of the reason, not per attempt. */
  onClosed(reason: SerialPortReason): void;
  readonly clock: SerialClock;
}

export interface OpenedSerialLine {
  /** Bytes dropped because too many were waiting. */
  droppedBytes(): number;
  /** Closes the port for good; no callback follows. */
  stop(): Promise<void>;
}

const retryStepMs = 1000;
const maxRetryMs = 5000;
/** How often the path of an open port is checked. */
const watchMs = 2000;
/** More than two seconds of 9600 baud: a writer with that much to send does not wait for answers. */
const maxWaitingBytes = 8192;

const messages: Readonly<Record<SerialProblem, (port: string) => string>> = {
  notThere: (port) =>
    `${port} is not there, or has gone away: is the adapter plugged in? It is tried again by itself.`,
  noPermission: (port) =>
    `There is no permission to open ${port}: add the user of this service to the group dialout (sudo usermod -aG dialout USER) and start it again.`,
  busy: (port) =>
    `${port} is used by another program: end it. On a Raspberry Pi the login console may hold a built-in UART (raspi-config, Serial Port).`,
  notSerial: (port) => `${port} is not a serial port: correct the path.`,
  broken: (port) => `${port} cannot be opened; the log has the system's reason.`,
};

/**
 * Keeps a serial port open for good: retries whenever it cannot be opened or has gone away, after 1 s at first and
 * every 5 s at last. Main thread only, like `openSerialDevice`.
 */
export const openSerialLine = (setup: SerialLineSetup): OpenedSerialLine => new PersistentPort(setup);

class PersistentPort implements OpenedSerialLine {
  readonly #setup: SerialLineSetup;
  #stopped = false;
  #device: SerialDevice | null = null;
  #opening: Promise<void> = Promise.resolve();
  #cancelTimer: () => void = () => undefined;
  #attempts = 0;
  /** The last reported problem; null since the port was open. */
  #reported: SerialProblem | null = null;
  #dropped = 0;

  constructor(setup: SerialLineSetup) {
    this.#setup = setup;
    this.#tryOpen();
  }

  droppedBytes(): number {
    return this.#dropped;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    const last = this.#device;
    this.#device = null;
    await last?.close();
    await this.#opening;
  }

  #tryOpen(): void {
    this.#opening = this.#open().catch((error: unknown) => {
      // Anything else is a bug, here or in an `onOpen` callback.
      if (!(error instanceof Fault)) throw error;
      if (!this.#stopped) this.#closed(problemOf(error));
    });
  }

  async #open(): Promise<void> {
    const { port, baudRate } = this.#setup;
    let mine: SerialDevice | null = null;
    let gone = false;
    const isMine = (): boolean => mine !== null && this.#device === mine;
    const opened = await openSerialDevice(port, baudRate, {
      onBytes: (bytes) => {
        if (isMine()) this.#setup.onBytes(bytes);
      },
      onGone: () => {
        gone = true;
        if (isMine()) this.#closed('notThere');
      },
    });
    mine = opened;
    if (this.#stopped) await opened.close();
    else if (gone) this.#closed('notThere');
    else this.#opened(opened);
  }

  #opened(device: SerialDevice): void {
    this.#device = device;
    this.#attempts = 0;
    this.#reported = null;
    this.#watch(device);
    const line = queuedLine(device, (bytes) => {
      this.#dropped += bytes;
    });
    this.#setup.onOpen(line);
  }

  #closed(code: SerialProblem): void {
    this.#device = null;
    this.#cancelTimer();
    this.#attempts += 1;
    const delayMs = Math.min(this.#attempts * retryStepMs, maxRetryMs);
    this.#cancelTimer = this.#setup.clock.later(delayMs, () => this.#tryOpen());
    if (this.#reported === code) return;
    this.#reported = code;
    this.#setup.onClosed({ code, message: messages[code](this.#setup.port) });
  }

  /**
   * A port that hung up while nobody waited for its bytes reads as empty for ever, and the package keeps reading:
   * only the missing path shows it.
   */
  #watch(device: SerialDevice): void {
    this.#cancelTimer = this.#setup.clock.later(watchMs, () => {
      access(this.#setup.port).then(
        () => {
          if (this.#device === device) this.#watch(device);
        },
        () => {
          if (this.#device !== device) return;
          void device.close();
          this.#closed('notThere');
        },
      );
    });
  }
}

const isProblem = (code: string): code is SerialProblem => Object.hasOwn(messages, code);
const problemOf = ({ code }: Fault): SerialProblem => (isProblem(code) ? code : 'broken');

type Order = { readonly bytes: Uint8Array } | { readonly baudRate: number };

/** Sends in order, one after the other; beyond `maxWaitingBytes` whole writes are dropped. */
function queuedLine(device: SerialDevice, onDropped: (bytes: number) => void): SerialLine {
  const waiting: Order[] = [];
  let waitingBytes = 0;
  let busy = false;

  const next = (): void => {
    const order = waiting.shift();
    busy = order !== undefined;
    if (order === undefined) return;
    if ('baudRate' in order) {
      device.setBaudRate(order.baudRate, next);
      return;
    }
    device.write(order.bytes, () => {
      waitingBytes -= order.bytes.length;
      next();
    });
  };
  const enqueue = (order: Order): void => {
    waiting.push(order);
    if (!busy) next();
  };

  return {
    write(bytes) {
      if (waitingBytes + bytes.length > maxWaitingBytes) {
        onDropped(bytes.length);
        return;
      }
      waitingBytes += bytes.length;
      // The caller may reuse its buffer.
      enqueue({ bytes: Uint8Array.from(bytes) });
    },
    setBaudRate(baudRate) {
      enqueue({ baudRate });
    },
  };
}
