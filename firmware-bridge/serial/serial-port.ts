import { access } from 'node:fs/promises';
import { Fault } from '#hub/kernel/result.ts';
import type { SerialClock, SerialLine } from './line.ts';
import { openSerialDevice, type SerialDevice, type SerialProblem } from './serial-device.ts';

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
  /** The port went away, or cannot be opened: once for each change of the reason, not for each attempt. */
  onClosed(reason: SerialPortReason): void;
  readonly clock: SerialClock;
}

export interface OpenedSerialLine {
  /** Bytes that were not sent because too many were waiting. */
  droppedBytes(): number;
  /** Closes the port for good; nothing is called after it. */
  stop(): Promise<void>;
}

const retryStepMs = 1000;
const maxRetryMs = 5000;
/** While a port is open its path is looked at so often. */
const watchMs = 2000;
/** More than two seconds of 9600 baud: whoever writes that much to a reader does not listen to it. */
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
 * Keeps a serial port open for ever: opens it, and whenever it cannot be opened or has gone away tries again, after 1 s at
 * first and every 5 s at last. Main thread only, as `openSerialDevice`.
 */
export function openSerialLine(setup: SerialLineSetup): OpenedSerialLine {
  const { port, clock } = setup;
  let stopped = false;
  let device: SerialDevice | null = null;
  let opening: Promise<void> = Promise.resolve();
  let cancelTimer: () => void = () => undefined;
  let attempts = 0;
  let told: SerialProblem | null = null;
  let dropped = 0;

  const closed = (code: SerialProblem): void => {
    device = null;
    cancelTimer();
    attempts += 1;
    cancelTimer = clock.later(Math.min(attempts * retryStepMs, maxRetryMs), tryOpen);
    if (told === code) return;
    told = code;
    setup.onClosed({ code, message: messages[code](port) });
  };

  /**
   * A port that was hung up while nobody waited for its bytes reads as empty without end, and the package reads on for
   * ever: then the missing path is what tells.
   */
  const watch = (opened: SerialDevice): void => {
    cancelTimer = clock.later(watchMs, () => {
      access(port).then(
        () => device === opened && watch(opened),
        () => {
          if (device !== opened) return;
          void opened.close();
          closed('notThere');
        },
      );
    });
  };

  const open = async (): Promise<void> => {
    let mine: SerialDevice | null = null;
    let gone = false;
    const isMine = (): boolean => mine !== null && device === mine;
    const opened = await openSerialDevice(port, setup.baudRate, {
      onBytes: (bytes) => {
        if (isMine()) setup.onBytes(bytes);
      },
      onGone: () => {
        gone = true;
        if (isMine()) closed('notThere');
      },
    });
    mine = opened;
    if (stopped) {
      await opened.close();
      return;
    }
    if (gone) {
      closed('notThere');
      return;
    }
    device = opened;
    attempts = 0;
    told = null;
    watch(opened);
    setup.onOpen(
      queuedLine(opened, (bytes) => {
        dropped += bytes;
      }),
    );
  };

  const tryOpen = (): void => {
    opening = open().catch((error: unknown) => {
      if (!stopped) closed(error instanceof Fault ? problemOf(error) : 'broken');
    });
  };

  tryOpen();
  return {
    droppedBytes: () => dropped,
    async stop() {
      stopped = true;
      cancelTimer();
      const last = device;
      device = null;
      await last?.close();
      await opening;
    },
  };
}

const isProblem = (code: string): code is SerialProblem => Object.hasOwn(messages, code);
const problemOf = ({ code }: Fault): SerialProblem => (isProblem(code) ? code : 'broken');

type Order = { readonly bytes: Uint8Array } | { readonly baudRate: number };

/** Sends in order, one after the other; what is more than `maxWaitingBytes` is dropped, a whole write at a time. */
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
      // The caller may use its buffer again.
      enqueue({ bytes: Uint8Array.from(bytes) });
    },
    setBaudRate(baudRate) {
      enqueue({ baudRate });
    },
  };
}
