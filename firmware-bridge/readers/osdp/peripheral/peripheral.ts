import { unreachable } from '#hub/kernel/result.ts';
import type { BuzzerPattern, LedPattern } from '../../feedback.ts';
import type { SerialReaderState } from '../../serial-driver.ts';
import type { OsdpProblem } from '../problems.ts';
import type { Frame } from '../wire/frame.ts';
import type { Command, Reply } from '../wire/messages.ts';
import type { SecureSession } from '../wire/secure-channel.ts';
import { Whereabouts } from './bus-address.ts';
import { Connecting, type Progress } from './connecting.ts';
import { eventOf, type PeripheralEvent } from './events.ts';
import { Exchange } from './exchange.ts';
import { decideNak } from './nak-rules.ts';
import { Errands } from './pending-commands.ts';
import { type KeyCandidate, ReaderKeys } from './reader-keys.ts';
import { ReaderStatus } from './reader-status.ts';
import { Patience } from './retry-policy.ts';

/** Peripheral and panel forget the session after so long without a good message (OSDP 2.2, 5.8). */
const offlineAfterMs = 8000;
const poll: Command = { kind: 'poll' };

export interface PeripheralOptions {
  readonly readerKey: string;
  readonly address: number;
  readonly baudRate: number;
  readonly crc: boolean;
  readonly secureChannel: 'required' | 'off';
  readonly key: Uint8Array | null;
  /** A key that may have reached the reader: `onKeyPending` without `onKeySet`. */
  readonly pendingKey: Uint8Array | null;
  readonly ledNumber: number;
  readonly pollMs: number;
}

export interface PeripheralDeps {
  readonly random: (bytes: number) => Uint8Array;
  readonly newKey: () => Uint8Array;
  readonly emit: (event: PeripheralEvent) => void;
}

/** `waiting`: nothing is under way until `probeAtMs`. `pairing`: in a session on the install key, for KEYSET only. */
type Phase = 'waiting' | 'connecting' | 'pairing' | 'online';

/**
 * One peripheral as the panel sees it. Pure but for its own state: given the reply or the time-out of the last command it
 * says what to send next; time comes as an argument.
 *
 * Invariant: with `secureChannel: required` the phase is `online` only after a handshake under a key of the reader's own,
 * and what is not sealed by that session is never a card, a key or a status.
 */
export class Peripheral {
  readonly readerKey: string;
  readonly keys: ReaderKeys;
  readonly #options: PeripheralOptions;
  readonly #deps: PeripheralDeps;
  readonly #exchange: Exchange;
  readonly #connecting: Connecting;
  readonly #errands: Errands;
  readonly #patience = new Patience();
  readonly #place: Whereabouts;
  #phase: Phase = 'waiting';
  #problem: OsdpProblem | null = 'lineClosed';
  /** It answered the last time that it was asked. */
  #answers = false;
  /** Under which key the session is; null without one. */
  #source: KeyCandidate['source'] | null = null;
  #lastGoodMs = 0;
  #pollAtMs = 0;
  #wasPoll = false;
  /** Since the last command something came that was no frame of ours. */
  #heardNoise = false;
  readonly #status = new ReaderStatus();
  #goodFrames = 0;
  #faultyFrames = 0;
  #timeouts = 0;

  constructor(options: PeripheralOptions, deps: PeripheralDeps) {
    this.readerKey = options.readerKey;
    this.#options = options;
    this.#deps = deps;
    this.#place = new Whereabouts({ address: options.address, baudRate: options.baudRate });
    this.#exchange = new Exchange(options.address, options.crc);
    this.keys = new ReaderKeys(options.key, options.pendingKey);
    const { keys } = this;
    this.#connecting = new Connecting({
      secureChannel: options.secureChannel,
      keys,
      status: this.#status,
      random: deps.random,
    });
    this.#errands = new Errands({
      ledNumber: options.ledNumber,
      keys,
      status: this.#status,
      place: this.#place,
      newKey: deps.newKey,
      onKeyPending: (key) => deps.emit({ kind: 'keyPending', key }),
    });
  }

  get address(): number {
    return this.#place.at.address;
  }
  get baudRate(): number {
    return this.#place.at.baudRate;
  }
  /** Asking it will most likely cost a whole time-out. */
  get isSilent(): boolean {
    return !this.#answers || this.#patience.isTried;
  }
  /** The last command lets it say what it has: a card, for one. */
  get maySpeak(): boolean {
    return this.#wasPoll || !this.isOnline;
  }
  get isWaiting(): boolean {
    return this.#exchange.inFlight() !== null;
  }
  get isOnline(): boolean {
    return this.#phase === 'online';
  }

  report(): SerialReaderState {
    const inSession = this.#source === 'install' ? 'installKey' : 'ownKey';
    return {
      readerKey: this.readerKey,
      link: this.isOnline ? 'online' : this.#answers ? 'connecting' : 'offline',
      channel: this.#source === null ? 'none' : inSession,
      tamper: this.#status.tamper,
      powerFault: this.#status.powerFault,
      inputs: this.#status.inputs,
      outputs: this.#status.outputs,
      identity: this.#connecting.identity,
      goodFrames: this.#goodFrames,
      faultyFrames: this.#faultyFrames,
      timeouts: this.#timeouts,
      problem: this.isOnline ? null : this.#problem,
    };
  }

  /** From scratch, at once: the line is open, or a key has come. */
  begin(nowMs: number): void {
    this.#patience.forgive(nowMs);
    this.#connecting.firstKey();
    this.#end();
    if (this.#problem === 'lineClosed') this.#problem = 'noAnswer';
  }

  /** The line is gone. */
  close(): void {
    this.#end();
    this.#answers = false;
    this.#problem = 'lineClosed';
  }

  /** Pairing was started. A reader that is online needs none. */
  beginInstall(untilMs: number, nowMs: number): void {
    this.keys.openInstall(untilMs);
    if (!this.isOnline) this.begin(nowMs);
  }
  cancelInstall(nowMs: number): void {
    this.keys.closeInstall();
    if (this.#source === 'install') this.begin(nowMs);
  }

  signalLed(pattern: LedPattern): void {
    this.#errands.outbox.led(pattern, this.isOnline);
  }
  signalBuzzer(pattern: BuzzerPattern, nowMs: number): void {
    this.#errands.outbox.buzzer(pattern, this.isOnline, nowMs);
  }
  /** False while it is not online: an output is switched now or not at all. */
  output(output: number, code: number, timer: number): boolean {
    return this.isOnline && this.#errands.outbox.output({ kind: 'output', output, code, timer });
  }
  /** False while it is not online. */
  move(address: number, baudRate: number): boolean {
    if (!this.isOnline) return false;
    this.#place.want({ address, baudRate });
    return true;
  }

  /** When it wants the line: to speak, to be connected, or for what was not answered. */
  dueAtMs(): number {
    if (this.#exchange.inFlight() !== null)
      return Math.min(this.#patience.retryAtMs, this.#lastGoodMs + offlineAfterMs);
    switch (this.#phase) {
      case 'waiting':
        return this.#patience.probeAtMs;
      case 'pairing':
        return this.keys.keyToSend() === null ? this.#pollAtMs : Number.NEGATIVE_INFINITY;
      case 'online':
        // What waits to be sent waits for its turn to speak.
        return this.#wasPoll
          ? this.#pollAtMs
          : Math.min(this.#pollAtMs, this.#errands.tellAtMs(this.#source));
      case 'connecting':
        return Number.NEGATIVE_INFINITY;
      default:
        return unreachable(this.#phase);
    }
  }

  /** When there is something to tell it or to ask it besides; never before it had its turn to speak since the last. */
  orderDueAtMs(): number {
    if (!this.isOnline || !this.#wasPoll || this.isWaiting) return Number.POSITIVE_INFINITY;
    return this.#errands.dueAtMs(this.#source);
  }

  /** The bytes that are to go out now, of an order if it is due; null when it has just lost its session and waits. */
  send(nowMs: number, isOrder: boolean): Uint8Array | null {
    if (this.#phase !== 'waiting' && nowMs - this.#lastGoodMs >= offlineAfterMs) {
      this.#answers = false;
      return this.#fail('noAnswer', nowMs);
    }
    if (this.#phase === 'pairing' && !this.keys.isInstalling(nowMs)) return this.#fail('notPaired', nowMs);
    this.#heardNoise = false;
    const again = this.#exchange.inFlight();
    if (again !== null) return again;
    const command = this.#next(nowMs, isOrder);
    this.#wasPoll = command.kind === 'poll';
    if (this.#wasPoll) this.#pollAtMs = nowMs + this.#options.pollMs;
    return this.#exchange.begin(command);
  }

  /** Whether the frame ended the wait for a reply. */
  receive(frame: Frame, nowMs: number): boolean {
    const opened = this.#exchange.open(frame);
    switch (opened.kind) {
      case 'other':
        return false;
      case 'stale':
        this.#faultyFrames += 1;
        return false;
      case 'busy':
        this.#patience.busy(nowMs);
        return true;
      case 'again':
        this.#faultyFrames += 1;
        this.#retry('sessionLost', nowMs);
        return true;
      case 'broken':
        this.#faultyFrames += 1;
        this.#fail(opened.by, nowMs);
        return true;
      case 'reply':
        this.#onReply(opened.command, opened.reply, opened.isSecured, nowMs);
        return true;
      default:
        return unreachable(opened);
    }
  }

  timeout(nowMs: number): void {
    this.#timeouts += 1;
    if (this.#answers) this.#retry('noAnswer', nowMs);
    else this.#fail('noAnswer', nowMs);
  }

  /** Bytes came that were no frame. `isFrame`: they looked like one, of so many bytes. */
  noteNoise(bytes: number, isFrame: boolean): void {
    this.#faultyFrames += 1;
    this.#heardNoise = true;
    if (isFrame) this.#deps.emit({ kind: 'fault', fault: 'noise', bits: bytes * 8 });
  }

  #retry(problem: OsdpProblem, nowMs: number): void {
    this.#patience.unanswered(nowMs, this.#heardNoise);
    if (this.isOnline && this.#patience.isAtOdds) {
      this.#fail('sessionLost', nowMs);
      this.#patience.restart(nowMs);
      return;
    }
    // An online reader has its eight seconds; whoever only begins has a few tries.
    if (this.isOnline || !this.#patience.isSpent) return;
    this.#answers = problem !== 'noAnswer';
    this.#fail(problem, nowMs);
  }

  #end(): void {
    this.#exchange.restart(this.address);
    this.#errands.end();
    this.#phase = 'waiting';
    this.#source = null;
  }

  /** Ends whatever there was; the next handshake comes by itself. */
  #fail(problem: OsdpProblem, nowMs: number): null {
    this.#patience.failed(nowMs);
    this.#connecting.firstKey();
    this.#problem = problem;
    this.#end();
    return null;
  }

  #connect(): Command {
    if (!this.#answers) this.#place.lookElsewhere();
    this.#exchange.restart(this.address);
    this.#connecting.begin();
    this.#phase = 'connecting';
    return this.#connecting.next();
  }

  #next(nowMs: number, isOrder: boolean): Command {
    switch (this.#phase) {
      case 'waiting':
        this.#lastGoodMs = nowMs;
        return this.#connect();
      case 'connecting':
        return this.#connecting.isAtStart ? this.#connect() : this.#connecting.next();
      case 'pairing':
        return this.#errands.keySet() ?? poll;
      case 'online':
        return (isOrder ? this.#errands.next(this.#source, nowMs) : null) ?? poll;
      default:
        return unreachable(this.#phase);
    }
  }

  #onReply(command: Command, reply: Reply, isSecured: boolean, nowMs: number): void {
    this.#goodFrames += 1;
    if (!this.#answers) this.#problem = 'connecting';
    this.#answers = true;
    this.#patience.answered(nowMs);
    // In a session only what is sealed keeps it alive.
    if (isSecured || this.#source === null) this.#lastGoodMs = nowMs;
    if (reply.kind === 'nak') {
      this.#onNak(command, reply.code, isSecured, nowMs);
      return;
    }
    if (command.kind === 'output') this.#status.expectSwitch(command, nowMs);
    this.#takeReply(command.kind, reply, nowMs);
  }

  #takeReply(asked: Command['kind'], reply: Reply, nowMs: number): void {
    if (this.#phase === 'connecting') this.#onProgress(this.#connecting.take(reply, nowMs), nowMs);
    else if (asked === 'keySet') this.#onKeySetReply(reply, nowMs);
    else if (asked === 'communication') this.#onCommunication(reply, nowMs);
    else if (this.isOnline) this.#onData(reply, nowMs);
  }

  #onProgress(progress: Progress, nowMs: number): void {
    switch (progress.kind) {
      case 'goesOn':
        return;
      case 'nextKey':
        this.#tryNextKey(progress.problem, nowMs);
        return;
      case 'failed':
        this.#fail(progress.problem, nowMs);
        return;
      case 'plain':
        this.#goOnline(nowMs);
        return;
      case 'secured':
        this.#onSecured(progress.session, progress.source, nowMs);
        return;
      default:
        unreachable(progress);
    }
  }

  #onSecured(session: SecureSession, source: KeyCandidate['source'], nowMs: number): void {
    this.#exchange.secure(session);
    this.#source = source;
    if (source === 'install') {
      this.#phase = 'pairing';
      this.#problem = 'notPaired';
      this.#pollAtMs = nowMs;
      return;
    }
    const key = this.keys.proved(source);
    if (source === 'pending') this.#source = 'own';
    this.#goOnline(nowMs);
    if (key !== null) this.#deps.emit({ kind: 'keySet', key });
  }

  /** Another key may be the reader's; a session begins with its first command, so from there. */
  #tryNextKey(problem: OsdpProblem, nowMs: number): void {
    const whyNone = this.#connecting.nextKey(problem, nowMs);
    if (whyNone !== null) {
      this.#fail(whyNone, nowMs);
      return;
    }
    this.#end();
    this.#patience.restart(nowMs);
  }

  #onKeySetReply(reply: Reply, nowMs: number): void {
    if (reply.kind !== 'ack') {
      this.#fail('malformedReply', nowMs);
      return;
    }
    // An answer in the open proves nothing: the handshake with the new key does.
    this.keys.answered();
    this.begin(nowMs);
  }

  #onCommunication(reply: Reply, nowMs: number): void {
    if (reply.kind !== 'communication') {
      this.#fail('malformedReply', nowMs);
      return;
    }
    this.#place.answered(reply);
    this.begin(nowMs);
  }

  #goOnline(nowMs: number): void {
    this.#phase = 'online';
    this.#problem = null;
    this.#patience.online(nowMs);
    this.#lastGoodMs = nowMs;
    this.#connecting.firstKey();
    this.#errands.begin(nowMs);
    this.#pollAtMs = nowMs;
    this.#wasPoll = false;
    const moved = this.#place.found();
    if (moved !== null) this.#deps.emit({ kind: 'communication', ...moved });
  }

  #onData(reply: Reply, nowMs: number): void {
    if (reply.kind === 'malformed') this.#faultyFrames += 1;
    // Sealed, so the chain has moved on: the poll that comes next asks again.
    if (reply.kind === 'busy') this.#pollAtMs = nowMs + this.#options.pollMs;
    if (reply.kind === 'localStatus' || reply.kind === 'inputStatus' || reply.kind === 'outputStatus')
      this.#status.take(reply);
    const event = eventOf(reply);
    if (event !== null) this.#deps.emit(event);
  }

  #onNak(command: Command, code: number, isSecured: boolean, nowMs: number): void {
    const isInSession = this.isOnline || this.#phase === 'pairing';
    const decision = decideNak({ command: command.kind, code, isSecured, isInSession });
    switch (decision.kind) {
      case 'nextKey':
        this.#tryNextKey(decision.problem, nowMs);
        return;
      case 'noCapabilities':
        this.#takeReply(command.kind, { kind: 'nak', code }, nowMs);
        return;
      case 'restart':
        this.#fail(decision.problem, nowMs);
        return;
      case 'refused':
        this.#onRefused(command, decision.forGood, nowMs);
        return;
      default:
        unreachable(decision);
    }
  }

  #onRefused(command: Command, forGood: boolean, nowMs: number): void {
    if (command.kind === 'keySet') {
      this.keys.answered();
      if (this.#phase === 'pairing') this.#fail('keyRefused', nowMs);
      return;
    }
    this.#errands.refused(command.kind, forGood);
  }
}
