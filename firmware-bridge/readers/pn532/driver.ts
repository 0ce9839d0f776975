import type { ReaderFault } from '#bridge/ports.ts';
import { cardPresence } from '../card-presence.ts';
import type {
  ReaderLinkState,
  SerialClock,
  SerialDriver,
  SerialHooks,
  SerialLine,
  SerialReaderState,
} from '../serial-driver.ts';
import { ackFrame, commandFrame, type Pn532Frame, pn532FrameParser, wakeUp } from './frame.ts';
import {
  getFirmwareVersion,
  identityOf,
  limitRetries,
  listPassiveTarget,
  type Pn532Command,
  samConfiguration,
  targetOfResponse,
} from './protocol.ts';

export interface Pn532Options {
  readonly pollMs: number;
  readonly awayMs: number;
}

export const pn532BaudRate = 115_200;

/** Why the reader is offline: sentences by the word in `SerialReaderState.problem`. */
export const pn532Problems = {
  portClosed: 'The serial port is not open.',
  noAnswer:
    'The PN532 does not answer: check its supply, that TX goes to RX and RX to TX, and that both switches are set to HSU (UART).',
  damagedAnswers:
    'Answers of the PN532 arrive damaged: check the ground wire and the length of the cable; it is made for 115200 baud over some 50 cm.',
  refused: 'The PN532 does not understand its commands: is it another chip, or are other bytes on the wire?',
} as const;
type Problem = keyof typeof pn532Problems;

/** The chip acknowledges within 15 ms (UM0701-02, 6.2.3); a USB adapter may hold bytes back for 16 ms each way. */
const ackMs = 100;
/** Two looks for a card with its activation take less than 100 ms. */
const responseMs = 400;
/** After damage all bytes are skipped for this long: the rest of a frame could look like a frame. */
const settleMs = 50;
/** Attempts at a command before the chip is woken again, or given up for a while. */
const maxAttempts = 3;
const retryMs = 1000;

const setUp: readonly Pn532Command[] = [samConfiguration, getFirmwareVersion, limitRetries];

type Awaiting = 'nothing' | 'ack' | 'response';

/**
 * Wakes the chip, sets it up and polls for cards. After any fault it retries the same command, then starts over from
 * the wake-up, for ever. `onChange` is called for link, identity and problem, not for counts.
 */
class Pn532Driver implements SerialDriver {
  readonly problemTexts = pn532Problems;
  readonly #readerKey: string;
  readonly #pollMs: number;
  readonly #hooks: SerialHooks;
  readonly #clock: SerialClock;
  readonly #parser = pn532FrameParser();
  readonly #presence: ReturnType<typeof cardPresence>;
  #line: SerialLine | null = null;
  #cancelTimer: (() => void) | null = null;
  #awaiting: Awaiting = 'nothing';
  /** The command under way: an index into `setUp`, beyond it the poll for a card. */
  #step = 0;
  #attempts = 0;
  #link: ReaderLinkState = 'offline';
  #problem: Problem | null = 'portClosed';
  #identity: string | null = null;
  #goodFrames = 0;
  #faultyFrames = 0;
  #timeouts = 0;

  constructor(readerKey: string, config: Pn532Options, hooks: SerialHooks, clock: SerialClock) {
    this.#readerKey = readerKey;
    this.#pollMs = config.pollMs;
    this.#hooks = hooks;
    this.#clock = clock;
    this.#presence = cardPresence(config.awayMs);
  }

  onOpen(line: SerialLine): void {
    this.#line = line;
    this.#setLink('connecting', null);
    this.#begin();
  }

  onBytes(bytes: Uint8Array): void {
    // Unsolicited bytes are late, or noise.
    if (this.#awaiting === 'nothing') return;
    for (const frame of this.#parser.push(bytes)) this.#onFrame(frame);
  }

  onClosed(): void {
    this.stop();
    this.#setLink('offline', 'portClosed');
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#awaiting = 'nothing';
    this.#line = null;
  }

  report(): readonly SerialReaderState[] {
    return [
      {
        readerKey: this.#readerKey,
        link: this.#link,
        channel: null,
        tamper: null,
        powerFault: null,
        inputs: [],
        outputs: [],
        identity: this.#identity,
        goodFrames: this.#goodFrames,
        faultyFrames: this.#faultyFrames,
        timeouts: this.#timeouts,
        problem: this.#problem,
        quirks: [],
      },
    ];
  }

  #setLink(link: ReaderLinkState, problem: Problem | null): void {
    if (this.#link === link && this.#problem === problem) return;
    this.#link = link;
    this.#problem = problem;
    this.#hooks.onChange(this.#readerKey);
  }

  #after(delayMs: number, run: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#clock.later(delayMs, () => {
      this.#cancelTimer = null;
      run();
    });
  }

  #begin(): void {
    this.#step = 0;
    this.#attempts = 0;
    this.#send();
  }

  #send(): void {
    const command = setUp[this.#step] ?? listPassiveTarget;
    this.#parser.reset();
    // A chip that is awake skips the wake-up as bytes before a frame.
    if (this.#step === 0) this.#line?.write(wakeUp);
    // Aborts whatever the chip still does for the previous attempt.
    if (this.#attempts > 0) this.#line?.write(ackFrame);
    this.#line?.write(commandFrame(command.code, command.parameters));
    this.#awaiting = 'ack';
    this.#after(ackMs, () => this.#onTimeout());
  }

  #onTimeout(): void {
    this.#timeouts += 1;
    this.#retry('noAnswer');
  }

  #retry(problem: Problem): void {
    this.#awaiting = 'nothing';
    this.#attempts += 1;
    if (this.#attempts < maxAttempts) {
      this.#send();
      return;
    }
    if (this.#step >= setUp.length) {
      // It worked a moment ago: after a power cut the chip sleeps and has lost its set-up.
      this.#setLink('connecting', null);
      this.#begin();
      return;
    }
    this.#setLink('offline', problem);
    this.#after(retryMs, () => this.#begin());
  }

  #onFrame(frame: Pn532Frame): void {
    if (this.#awaiting === 'nothing') return;
    switch (frame.kind) {
      case 'ack':
        if (this.#awaiting !== 'ack') return;
        this.#awaiting = 'response';
        this.#after(responseMs, () => this.#onTimeout());
        return;
      case 'response': {
        const expected = setUp[this.#step] ?? listPassiveTarget;
        // Another code, or before the acknowledgement: a late answer to a previous attempt.
        if (this.#awaiting === 'response' && frame.code === expected.code) this.#onResponse(frame.data);
        return;
      }
      case 'nack':
      case 'error':
        this.#faultyFrames += 1;
        this.#settle('refused');
        return;
      case 'damaged':
        this.#fault(frame.why === 'length' ? 'truncated' : frame.why, frame.bytes * 8);
        // A waking chip may begin with a stray byte. After an acknowledgement there is none.
        if (frame.why !== 'noise' || this.#awaiting === 'response') this.#settle('damagedAnswers');
        return;
    }
  }

  #settle(problem: Problem): void {
    this.#awaiting = 'nothing';
    this.#after(settleMs, () => this.#retry(problem));
  }

  #fault(kind: ReaderFault['kind'], bits: number): void {
    this.#faultyFrames += 1;
    this.#hooks.onFault({ readerKey: this.#readerKey, kind, bits });
  }

  #onResponse(data: Uint8Array): void {
    this.#awaiting = 'nothing';
    if (this.#step < setUp.length) {
      this.#onSetUp(data);
      return;
    }
    this.#goodFrames += 1;
    this.#attempts = 0;
    this.#after(this.#pollMs, () => this.#send());
    this.#onTarget(data);
  }

  #onSetUp(data: Uint8Array): void {
    if (setUp[this.#step] === getFirmwareVersion) {
      const identity = identityOf(data);
      if (identity === null) {
        this.#settle('refused');
        return;
      }
      this.#identity = identity;
    }
    this.#goodFrames += 1;
    this.#step += 1;
    this.#attempts = 0;
    this.#send();
    if (this.#step === setUp.length) this.#setLink('online', null);
  }

  /** Reports a card, or something that is none, once while it lies there. */
  #onTarget(data: Uint8Array): void {
    const outcome = targetOfResponse(data);
    if (outcome.kind === 'none') return;
    const nowMs = this.#clock.now();
    if (outcome.kind === 'fault') {
      if (this.#presence.arrives(outcome.fault, nowMs)) this.#fault(outcome.fault, outcome.bits);
      return;
    }
    const { read } = outcome;
    if (this.#presence.arrives(`${read.reading}:${read.hex}`, nowMs))
      this.#hooks.onRead({ readerKey: this.#readerKey, read });
  }
}

/** Reads the cards of one PN532, each once while it lies there. */
export const pn532Driver = (
  readerKey: string,
  config: Pn532Options,
  hooks: SerialHooks,
  clock: SerialClock,
): SerialDriver => new Pn532Driver(readerKey, config, hooks, clock);
