import { unreachable } from '#hub/kernel/result.ts';
import type { ReaderSignal } from '../feedback.ts';
import type {
  SerialClock,
  SerialDriver,
  SerialHooks,
  SerialLine,
  SerialReaderState,
} from '../serial-driver.ts';
import type { PeripheralEvent } from './peripheral/events.ts';
import { Peripheral } from './peripheral/peripheral.ts';
import { type Patience, usualPatience } from './peripheral/retry-policy.ts';
import { osdpProblems, osdpQuirks } from './problems.ts';
import { nextTurn, type Turn } from './turns.ts';
import { type DecoderOutcome, type FrameDecoder, frameDecoder, mark, maxFrameBytes } from './wire/frame.ts';

/** A peripheral begins to answer within 200 ms (OSDP 2.2, 5.7). */
const replyMs = 200;
/** USB adapters hand bytes over in lumps, mostly 16 ms apart. */
const lumpMs = 20;
/** The answers of a handshake and cards are shorter; for longer ones the wait is extended as they come. */
const usualReplyBytes = 64;
/** A line that is never idle must not stop the bus: after this long the panel transmits anyway. */
const maxDrainMs = 1000;
/** A timer that comes this late says that the process was held up: bytes may lie in the port. */
const lateMs = 10;
/** What began to come and stops for so long has ended. */
const brokenOffMs = 3 * lumpMs;
/** The shortest reply; less than that may be noise of an adapter that turns round. */
const minReplyBytes = 7;
const bitsPerByte = 10;
/** Anyone at the cable during pairing learns the new key, so it never stays open for long. */
const maxInstallMs = 15 * 60_000;

export interface OsdpReaderOptions {
  readonly readerKey: string;
  /** 0 to 126, each once on a bus. */
  readonly address: number;
  readonly secureChannel: 'required' | 'off';
  /** 16 bytes; null: not paired yet. */
  readonly key: Uint8Array | null;
  /** The key from `onKeyPending` if `onKeySet` did not follow before the last stop. */
  readonly pendingKey?: Uint8Array | null;
  readonly ledNumber?: number;
  /** Takes cards and keys that the reader seals but does not encrypt. Default false. */
  readonly openCards?: boolean;
}

export interface OsdpHooks extends SerialHooks {
  /** 16 random bytes. */
  newKey(readerKey: string): Uint8Array;
  /**
   * The reader is about to get this key: store it beside the old one, then call `stored`, at once or later. KEYSET is
   * sent only then. Called again in the next session until it is stored.
   */
  onKeyPending(readerKey: string, key: Uint8Array, stored: () => void): void;
  /** The reader proved in a handshake that it has this key, which replaces the old one. */
  onKeySet(readerKey: string, key: Uint8Array): void;
  /** The reader did not take the key of `onKeyPending`; one that has a key of its own keeps it. */
  onKeyRefused(readerKey: string): void;
  /** The reader answers at its new address or speed, as `comset` requested. */
  onCommunication(readerKey: string, address: number, baudRate: number): void;
}

export interface OsdpBusOptions {
  readonly readers: readonly OsdpReaderOptions[];
  readonly baudRate: number;
  /** False: the one-byte checksum. Default true. */
  readonly crc?: boolean;
  /** Shortest interval between two polls of a reader. Default 50. */
  readonly pollMs?: number;
  readonly patience?: Patience;
  readonly clock: SerialClock;
  readonly hooks: OsdpHooks;
  /** Source of RND.A; must be unpredictable. */
  readonly random: (bytes: number) => Uint8Array;
}

/**
 * Owns an RS-485 bus: polls one peripheral at a time and listens to nobody else meanwhile. Bytes outside a wait for a
 * reply, from another address or with another sequence number are never an answer.
 */
export class OsdpBus implements SerialDriver {
  readonly problemTexts = { ...osdpProblems, ...osdpQuirks };
  readonly #peripherals: readonly Peripheral[];
  readonly #hooks: OsdpHooks;
  readonly #clock: SerialClock;
  readonly #decoder: FrameDecoder;
  readonly #reported = new Map<string, string>();
  #line: SerialLine | null = null;
  #baudRate: number;
  /** The peripheral whose reply is awaited. */
  #asked: Peripheral | null = null;
  #replyByMs = 0;
  #replyAtLatestMs = 0;
  /** When the last byte of the command has left. */
  #sentAtMs = 0;
  /** The deadline was put off, because the process had been held up. */
  #isPutOff = false;
  #lastServed: Peripheral | null = null;
  #lastOrdered: Peripheral | null = null;
  readonly #servedSinceProbe = new Set<Peripheral>();
  readonly #servedSinceOrder = new Set<Peripheral>();
  /** Earliest time of the next transmission. */
  #quietFromMs = 0;
  /** When unsolicited bytes began to arrive; null: none since the last command. */
  #strayFromMs: number | null = null;
  #cancel: (() => void) | null = null;
  /** True while hooks run, which may call back: their requests are handled afterwards. */
  #isDelivering = false;

  constructor(options: OsdpBusOptions) {
    const { hooks, baudRate, random, crc = true, pollMs = 50, patience = usualPatience } = options;
    this.#hooks = hooks;
    this.#clock = options.clock;
    this.#baudRate = baudRate;
    this.#decoder = frameDecoder(crc);
    this.#peripherals = options.readers.map((reader) => {
      const { readerKey, pendingKey = null, ledNumber = 0, openCards = false } = reader;
      return new Peripheral(
        { ...reader, pendingKey, ledNumber, openCards, baudRate, crc, pollMs, patience },
        {
          random,
          newKey: () => hooks.newKey(readerKey),
          emit: (event) => {
            this.#deliver(readerKey, event);
          },
        },
      );
    });
    for (const peripheral of this.#peripherals)
      this.#reported.set(peripheral.readerKey, stateKey(peripheral.report()));
  }

  onOpen(line: SerialLine): void {
    const now = this.#clock.now();
    this.#line = line;
    this.#asked = null;
    this.#quietFromMs = now;
    this.#strayFromMs = null;
    line.setBaudRate(this.#baudRate);
    for (const peripheral of this.#peripherals) {
      peripheral.begin(now);
      this.#announce(peripheral);
    }
    this.#pump();
  }

  onClosed(): void {
    this.stop();
    this.#asked = null;
    for (const peripheral of this.#peripherals) {
      peripheral.close();
      this.#announce(peripheral);
    }
  }

  report(): readonly SerialReaderState[] {
    return this.#peripherals.map((peripheral) => peripheral.report());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#line = null;
  }

  onBytes(bytes: Uint8Array): void {
    const now = this.#clock.now();
    const asked = this.#asked;
    if (asked === null) this.#drain(now);
    else if (!this.#takeOutcomes(asked, this.#decoder.push(bytes), now)) {
      this.#extendWait(asked, now);
      this.#arm(this.#replyByMs);
    }
  }

  /** Lets a reader on the install key be given its own key for `forMs`. False: no such reader. */
  beginInstall(readerKey: string, forMs: number): boolean {
    return this.#with(readerKey, (peripheral, now) => {
      peripheral.beginInstall(now + Math.min(forMs, maxInstallMs), now);
      return true;
    });
  }

  cancelInstall(readerKey: string): boolean {
    return this.#with(readerKey, (peripheral, now) => {
      peripheral.cancelInstall(now);
      return true;
    });
  }

  /** Sets the key that the reader is known to have; null forgets it. */
  setKey(readerKey: string, key: Uint8Array | null): boolean {
    return this.#with(readerKey, (peripheral, now) => {
      if (peripheral.keys.set(key)) peripheral.begin(now);
      return true;
    });
  }

  /** Replaces the reader's own key as soon as it is online, if that is within `forMs`. */
  changeKey(readerKey: string, forMs = maxInstallMs): boolean {
    return this.#with(readerKey, (peripheral, now) => {
      peripheral.keys.requestChange(now + Math.min(forMs, maxInstallMs));
      return true;
    });
  }

  signal(readerKey: string, signal: ReaderSignal): boolean {
    return this.#with(readerKey, (peripheral, now) => {
      if ('led' in signal) peripheral.signalLed(signal.led);
      else peripheral.signalBuzzer(signal.buzzer, now);
      return true;
    });
  }

  /** `output` from 0, `timer` in units of 100 ms. False while the reader is offline: nothing is queued for later. */
  output(readerKey: string, output: number, code: number, timer: number): boolean {
    return this.#with(readerKey, (peripheral) => peripheral.output(output, code, timer));
  }

  /** False while the reader is offline, or when another reader has the address. `onCommunication` reports the move. */
  comset(readerKey: string, address: number, baudRate: number): boolean {
    const isTaken = this.#peripherals.some(
      (other) => other.readerKey !== readerKey && other.address === address,
    );
    return !isTaken && this.#with(readerKey, (peripheral) => peripheral.move(address, baudRate));
  }

  #with(readerKey: string, run: (peripheral: Peripheral, nowMs: number) => boolean): boolean {
    const peripheral = this.#peripherals.find((each) => each.readerKey === readerKey);
    if (peripheral === undefined) return false;
    const result = run(peripheral, this.#clock.now());
    this.#announce(peripheral);
    this.#pump();
    return result;
  }

  #wireMs(bytes: number): number {
    return (bytes * bitsPerByte * 1000) / this.#baudRate;
  }

  /** Two characters of silence let the other drivers leave the bus (OSDP 2.2, 5.6); timers are no finer than 1 ms. */
  #gapMs(): number {
    return Math.max(1, this.#wireMs(2));
  }

  #drain(now: number): void {
    this.#strayFromMs ??= now;
    const until = Math.min(now + lumpMs, this.#strayFromMs + maxDrainMs);
    this.#quietFromMs = Math.max(this.#quietFromMs, until);
  }

  #delivering<T>(run: () => T): T {
    this.#isDelivering = true;
    try {
      return run();
    } finally {
      this.#isDelivering = false;
    }
  }

  /** True when the reply has arrived. */
  #takeOutcomes(asked: Peripheral, outcomes: readonly DecoderOutcome[], now: number): boolean {
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.kind === 'fault') {
        this.#delivering(() => {
          asked.noteNoise(outcome.bytes, outcome.fault !== 'noise');
        });
        if (outcome.bytes >= minReplyBytes) this.#shortenWait(asked, now + brokenOffMs);
      } else if (this.#delivering(() => asked.receive(outcome.frame, now))) {
        const isAll = index === outcomes.length - 1 && this.#decoder.pending() === null;
        this.#endWait(asked, this.#quietAfter(now, isAll));
        return true;
      }
    }
    return false;
  }

  /** What came was the reply, damaged: more is not expected. */
  #shortenWait(asked: Peripheral, untilMs: number): void {
    if (asked.mayHurry) this.#replyByMs = Math.min(this.#replyByMs, untilMs);
  }

  /** A reply that is there before the command has left answers an earlier try: another one follows. */
  #quietAfter(now: number, isAll: boolean): number {
    if (now < this.#sentAtMs) return this.#sentAtMs + this.#wireMs(usualReplyBytes) + brokenOffMs;
    return now + (isAll ? this.#gapMs() : lumpMs);
  }

  #extendWait(asked: Peripheral, now: number): void {
    const pending = this.#decoder.pending();
    if (pending === null || !pending.isReply || pending.address !== asked.address) return;
    const until = now + this.#wireMs(pending.missing) + lumpMs;
    this.#replyByMs = Math.min(this.#replyAtLatestMs, Math.max(this.#replyByMs, until));
    // A damaged length promises bytes that never come.
    this.#shortenWait(asked, now + brokenOffMs);
  }

  #endWait(asked: Peripheral, quietFromMs: number): void {
    this.#asked = null;
    this.#decoder.reset();
    this.#quietFromMs = quietFromMs;
    this.#announce(asked);
    this.#pump();
  }

  #onDeadline(asked: Peripheral, now: number): void {
    // A valid answer may hide behind what looked like the start of a long frame.
    if (this.#takeOutcomes(asked, this.#decoder.flush(), now)) return;
    if (asked.isWaiting) asked.timeout(now);
    // It cost the others as much as a probe.
    this.#servedSinceProbe.clear();
    this.#endWait(asked, now + lumpMs);
  }

  /** Timers run before the port is read: after a hold-up the reply may be there and not yet seen. */
  #putsOff(now: number): boolean {
    if (this.#isPutOff || now - this.#replyByMs < lateMs) return false;
    this.#isPutOff = true;
    this.#replyByMs = now + lumpMs;
    return true;
  }

  #arm(atMs: number): void {
    this.#cancel?.();
    const delay = Math.max(1, Math.ceil(atMs - this.#clock.now()));
    this.#cancel = this.#clock.later(delay, () => {
      this.#cancel = null;
      this.#pump();
    });
  }

  /** Does what is due and arms the timer for the next deadline. Called after every event. */
  #pump(): void {
    const line = this.#line;
    if (line === null || this.#isDelivering) return;
    const now = this.#clock.now();
    if (this.#asked !== null) {
      if (now >= this.#replyByMs && !this.#putsOff(now)) this.#onDeadline(this.#asked, now);
      else this.#arm(this.#replyByMs);
      return;
    }
    if (now < this.#quietFromMs) {
      this.#arm(this.#quietFromMs);
      return;
    }
    const taken = {
      lastServed: this.#lastServed,
      lastOrdered: this.#lastOrdered,
      servedSinceProbe: this.#servedSinceProbe,
      servedSinceOrder: this.#servedSinceOrder,
    };
    const turn = nextTurn(this.#peripherals, taken, now);
    if (turn === null) return;
    if (turn.dueAtMs > now) this.#arm(turn.dueAtMs);
    else this.#serve(line, turn, now);
  }

  #serve(line: SerialLine, { peripheral, isOrder }: Turn<Peripheral>, now: number): void {
    if (peripheral.isSilent) this.#servedSinceProbe.clear();
    if (isOrder) {
      this.#servedSinceOrder.clear();
      this.#lastOrdered = peripheral;
    } else this.#lastServed = peripheral;
    const bytes = this.#delivering(() => peripheral.send(now, isOrder));
    // An order leaves the peripheral no chance to report, so it is not counted as a poll.
    if (!peripheral.isSilent && peripheral.maySpeak) {
      this.#servedSinceProbe.add(peripheral);
      this.#servedSinceOrder.add(peripheral);
    }
    this.#announce(peripheral);
    if (bytes === null) {
      // It has just given up: serve the next one.
      this.#arm(now);
      return;
    }
    if (peripheral.baudRate !== this.#baudRate) {
      this.#baudRate = peripheral.baudRate;
      line.setBaudRate(this.#baudRate);
    }
    this.#asked = peripheral;
    this.#strayFromMs = null;
    this.#isPutOff = false;
    this.#decoder.reset(peripheral.answersCrc);
    const sentMs = this.#wireMs(bytes.length + 1);
    this.#sentAtMs = now + sentMs;
    this.#replyByMs = now + sentMs + replyMs + this.#wireMs(usualReplyBytes);
    this.#replyAtLatestMs = now + sentMs + replyMs + this.#wireMs(maxFrameBytes);
    line.write(Uint8Array.of(mark, ...bytes));
    this.#arm(this.#replyByMs);
  }

  #announce(peripheral: Peripheral): void {
    const key = stateKey(peripheral.report());
    if (this.#reported.get(peripheral.readerKey) === key) return;
    this.#reported.set(peripheral.readerKey, key);
    this.#hooks.onChange(peripheral.readerKey);
  }

  #deliver(readerKey: string, event: PeripheralEvent): void {
    switch (event.kind) {
      case 'read':
        this.#hooks.onRead({ readerKey, read: event.read });
        return;
      case 'keys':
        this.#hooks.onKeys({ readerKey, keys: event.keys });
        return;
      case 'fault':
        this.#hooks.onFault({ readerKey, kind: event.fault, bits: event.bits });
        return;
      case 'keyPending':
        this.#hooks.onKeyPending(readerKey, event.key, () => {
          this.#with(readerKey, (peripheral) => {
            peripheral.keys.stored(event.key);
            return true;
          });
        });
        return;
      case 'keyRefused':
        this.#hooks.onKeyRefused(readerKey);
        return;
      case 'keySet':
        this.#hooks.onKeySet(readerKey, event.key);
        return;
      case 'communication':
        this.#hooks.onCommunication(readerKey, event.address, event.baudRate);
        return;
      default:
        unreachable(event);
    }
  }
}

/** Everything that `onChange` reports: all but the counters. */
const stateKey = (state: SerialReaderState): string =>
  [
    state.link,
    state.channel,
    state.tamper,
    state.powerFault,
    state.inputs.join(),
    state.outputs.join(),
    state.identity,
    state.problem,
    state.quirks.join(),
  ].join('|');
