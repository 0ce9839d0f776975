import { ackFrame } from '#bridge/readers/pn532/frame.ts';
import type { SerialLine } from '#bridge/readers/serial-driver.ts';
import { responseFrame } from '#tests/_support/readers/pn532-response.ts';
import type { VirtualClock } from './uart-fixtures.ts';

export interface NearCard {
  readonly uid: readonly number[];
  readonly sak?: number;
  readonly ats?: readonly number[];
}

/** Answers of a chip to a look for a card. */
export const targetData = ({ uid, sak = 0x08, ats = [] }: NearCard): number[] => [
  0x01,
  0x01,
  0x00,
  0x04,
  sak,
  uid.length,
  ...uid,
  ...ats,
];

/** A PN532 at the other end of the line, in virtual time: asleep until it is woken, deaf until it is set up. */
export class SimulatedPn532 implements SerialLine {
  powered = true;
  card: NearCard | null = null;
  /** Looks for a card answer only every second time, as with cards that stay activated. */
  everySecondLook = false;
  /** What becomes of a frame on its way to the host. */
  onWire: (frame: Uint8Array) => Uint8Array = (frame) => frame;
  /** Codes of the commands that were understood. */
  readonly commands: number[] = [];
  wakeUps = 0;
  readonly #clock: VirtualClock;
  readonly #toHost: (bytes: Uint8Array) => void;
  #awake = false;
  #samConfigured = false;
  #retriesLimited = false;
  #looks = 0;
  #pending: (() => void)[] = [];

  constructor(clock: VirtualClock, toHost: (bytes: Uint8Array) => void) {
    this.#clock = clock;
    this.#toHost = toHost;
  }

  /** The supply fails for a moment: everything is forgotten. */
  powerCycle(): void {
    this.#abort();
    this.#awake = false;
    this.#samConfigured = false;
    this.#retriesLimited = false;
  }

  setBaudRate(): void {
    throw new Error('the PN532 has one speed');
  }

  write(bytes: Uint8Array): void {
    if (!this.powered) return;
    if (bytes[0] === 0x55) {
      this.#awake = true;
      this.wakeUps += 1;
      return;
    }
    if (!this.#awake) return;
    // An acknowledgement by the host ends what is being done, and so does another command.
    this.#abort();
    if (Buffer.from(bytes).equals(Buffer.from(ackFrame))) return;
    this.#understand(bytes);
  }

  #abort(): void {
    for (const cancel of this.#pending) cancel();
    this.#pending = [];
  }

  #send(delayMs: number, frame: Uint8Array): void {
    this.#pending.push(this.#clock.later(delayMs, () => this.#toHost(this.onWire(frame))));
  }

  #understand(bytes: Uint8Array): void {
    const [, , start, length = 0, lengthCheck = 0] = bytes;
    const payload = bytes.subarray(5, 5 + length);
    const sum = bytes.subarray(5, 6 + length).reduce((total, byte) => total + byte, 0);
    const [direction, code = 0, ...parameters] = payload;
    if (start !== 0xff || ((length + lengthCheck) & 0xff) !== 0 || (sum & 0xff) !== 0 || direction !== 0xd4)
      throw new Error(`not a command: ${Buffer.from(bytes).toString('hex')}`);
    if (!this.#samConfigured && code !== 0x14) return;
    this.commands.push(code);
    this.#send(1, ackFrame);
    const data = this.#answer(code, parameters);
    if (data !== null) this.#send(12, responseFrame(code, data));
  }

  #answer(code: number, parameters: readonly number[]): number[] | null {
    switch (code) {
      case 0x14:
        this.#samConfigured = true;
        return [];
      case 0x02:
        return [0x32, 0x01, 0x06, 0x07];
      case 0x32:
        this.#retriesLimited = parameters[0] === 0x05 && parameters[3] !== 0xff;
        return [];
      case 0x4a: {
        this.#looks += 1;
        if (this.card !== null && !(this.everySecondLook && this.#looks % 2 === 0))
          return targetData(this.card);
        return this.#retriesLimited ? [0x00] : null;
      }
      default:
        throw new Error(`unknown command ${code}`);
    }
  }
}
