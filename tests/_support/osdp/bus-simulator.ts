import { CommandFinder } from './pd-frame.ts';
import type { SimulatedPeripheral } from './peripheral.ts';

export interface BusClock {
  /** Milliseconds, monotonic. */
  now: () => number;
  later: (delayMs: number, action: () => void) => void;
}

export const realBusClock: BusClock = {
  now: () => performance.now(),
  later: (delayMs, action) => {
    setTimeout(action, delayMs);
  },
};

export interface BusOptions {
  clock: BusClock;
  peripherals: readonly SimulatedPeripheral[];
  /** Bytes from the peripherals to the panel. */
  deliver: (bytes: Uint8Array) => void;
  /** The rate of the line; a peripheral with another one hears nothing. */
  baudRate?: number;
  /** From a command's last byte to its reply's first; the standard allows 200 ms. */
  turnAroundMs?: number;
  /** 1 delivers byte by byte; more as a UART's buffer would. A reply's last chunk may be shorter. */
  chunkBytes?: number;
  /** A silence inside a command that gives it up. */
  interByteMs?: number;
}

const bitsPerByte = 10;

/** Several peripherals on one half-duplex line, with the time that its bytes take. */
export class BusSimulator {
  baudRate: number;
  turnAroundMs: number;
  chunkBytes: number;
  /** How often the panel began to send while a reply was on the line. */
  overlaps = 0;
  readonly peripherals: SimulatedPeripheral[];
  readonly #clock: BusClock;
  readonly #deliver: (bytes: Uint8Array) => void;
  readonly #finder: CommandFinder;
  #commandUntilMs = 0;
  #replyUntilMs = 0;
  #stopped = false;

  constructor(options: BusOptions) {
    this.#clock = options.clock;
    this.#deliver = options.deliver;
    this.peripherals = [...options.peripherals];
    this.baudRate = options.baudRate ?? 9600;
    this.turnAroundMs = options.turnAroundMs ?? 2;
    this.chunkBytes = options.chunkBytes ?? 1;
    this.#finder = new CommandFinder(options.interByteMs ?? 20);
  }

  get byteMs(): number {
    return (bitsPerByte * 1000) / this.baudRate;
  }

  /** Bytes from the panel: on the line now, or when it is free. */
  write(bytes: Uint8Array): void {
    const nowMs = this.#clock.now();
    if (nowMs < this.#replyUntilMs) this.overlaps++;
    let atMs = Math.max(nowMs, this.#commandUntilMs, this.#replyUntilMs);
    for (const byte of bytes) {
      atMs += this.byteMs;
      const command = this.#finder.push(byte, atMs);
      if (command !== null) this.#clock.later(atMs - nowMs, () => this.#hear(command));
    }
    this.#commandUntilMs = atMs;
  }

  stop(): void {
    this.#stopped = true;
  }

  #hear(command: Uint8Array): void {
    if (this.#stopped) return;
    for (const peripheral of this.peripherals) {
      if (peripheral.baudRate !== this.baudRate) continue;
      for (const { bytes, delayMs } of peripheral.respond(command)) {
        this.#clock.later(this.turnAroundMs + delayMs, () => this.#send(peripheral, bytes));
      }
    }
  }

  /** Waits for the end of what is on the line, so that frames never mix. */
  #send(peripheral: SimulatedPeripheral, bytes: Uint8Array): void {
    if (this.#stopped || !peripheral.powered) return;
    const nowMs = this.#clock.now();
    const freeMs = Math.max(this.#commandUntilMs, this.#replyUntilMs);
    if (nowMs < freeMs) {
      this.#clock.later(freeMs - nowMs, () => this.#send(peripheral, bytes));
      return;
    }
    this.#replyUntilMs = nowMs + bytes.length * this.byteMs;
    this.#sendRest(peripheral, bytes, nowMs);
  }

  /** A late timer delivers all that is due by then; a peripheral that dies meanwhile leaves half a frame. */
  #sendRest(peripheral: SimulatedPeripheral, rest: Uint8Array, startMs: number): void {
    if (rest.length === 0) return;
    const { chunkBytes, byteMs } = this;
    const dueMs = startMs + Math.min(chunkBytes, rest.length) * byteMs;
    this.#clock.later(dueMs - this.#clock.now(), () => {
      if (this.#stopped || !peripheral.powered) return;
      const chunks = Math.max(1, Math.floor((this.#clock.now() - startMs) / byteMs / chunkBytes));
      const part = rest.slice(0, chunks * chunkBytes);
      this.#deliver(part);
      this.#sendRest(peripheral, rest.subarray(part.length), startMs + part.length * byteMs);
    });
  }
}
