import { unreachable } from '#hub/kernel/result.ts';
import type { BuzzerPattern, LedPattern } from '../../feedback.ts';
import type { SerialReaderState } from '../../serial-driver.ts';
import type { OsdpProblem, OsdpQuirk } from '../problems.ts';
import type { Command } from '../wire/commands.ts';
import type { Frame } from '../wire/frame.ts';
import { nakCodes, type Reply } from '../wire/replies.ts';
import type { SecureSession } from '../wire/secure-channel.ts';
import { BusAddress } from './bus-address.ts';
import { ConnectionSetup, type Progress } from './connection-setup.ts';
import { eventOf } from './events.ts';
import { Exchange } from './exchange.ts';
import { decideNak } from './nak-rules.ts';
import { Opening } from './opening.ts';
import type { PeripheralDeps, PeripheralOptions } from './options.ts';
import { PendingCommands } from './pending-commands.ts';
import { type KeyCandidate, ReaderKeys } from './reader-keys.ts';
import { isStatus, ReaderStatus } from './reader-status.ts';
import { RetryPolicy } from './retry-policy.ts';

/** Both sides drop the session after this long without a valid message (OSDP 2.2, 5.8). */
const offlineAfterMs = 8000;
const poll: Command = { kind: 'poll' };

/** `waiting`: idle until `probeAtMs`. `pairing`: in a session on the install key, for KEYSET only. */
type Phase = 'waiting' | 'connecting' | 'pairing' | 'online';

/**
 * One peripheral as the panel sees it. Pure but for its own state: given the reply to the last command or its
 * time-out, it returns the next bytes to send; time comes as an argument.
 *
 * Invariant: with `secureChannel: required` the phase is `online` only after a handshake under the reader's own key,
 * and only data sealed by that session becomes a card, a key or a status.
 */
export class Peripheral {
  readonly readerKey: string;
  readonly keys: ReaderKeys;
  readonly #options: PeripheralOptions;
  readonly #deps: PeripheralDeps;
  readonly #exchange: Exchange;
  readonly #setup: ConnectionSetup;
  readonly #pending: PendingCommands;
  readonly #retries: RetryPolicy;
  readonly #opening: Opening;
  readonly #quirks = new Set<OsdpQuirk>();
  readonly #busAddress: BusAddress;
  #phase: Phase = 'waiting';
  #problem: OsdpProblem | null = 'lineClosed';
  /** It answered the last command. */
  #isAnswering = false;
  /** The key of the session; null without one. */
  #source: KeyCandidate['source'] | null = null;
  #lastGoodMs = 0;
  #pollAtMs = 0;
  #wasPoll = false;
  /** Bytes that were no frame of ours arrived since the last command. */
  #sawNoise = false;
  readonly #status = new ReaderStatus();
  #goodFrames = 0;
  #faultyFrames = 0;
  #timeouts = 0;

  constructor(options: PeripheralOptions, deps: PeripheralDeps) {
    this.readerKey = options.readerKey;
    this.#options = options;
    this.#deps = deps;
    this.#busAddress = new BusAddress({ address: options.address, baudRate: options.baudRate });
    this.#exchange = new Exchange(options.address, options.crc, options.openCards);
    this.#retries = new RetryPolicy(options.patience);
    this.#opening = new Opening(options.crc);
    this.keys = new ReaderKeys(options.key, options.pendingKey);
    const { keys } = this;
    this.#setup = new ConnectionSetup({
      secureChannel: options.secureChannel,
      keys,
      status: this.#status,
      random: deps.random,
    });
    this.#pending = new PendingCommands({
      ledNumber: options.ledNumber,
      keys,
      status: this.#status,
      busAddress: this.#busAddress,
      newKey: deps.newKey,
      onKeyPending: (key) => deps.emit({ kind: 'keyPending', key }),
    });
  }

  get address(): number {
    return this.#busAddress.current.address;
  }
  get baudRate(): number {
    return this.#busAddress.current.baudRate;
  }
  /** Polling it will most likely end in a time-out. */
  get isSilent(): boolean {
    return !this.#isAnswering || this.#retries.isRetrying;
  }
  /** The last command lets it report events, such as a card. */
  get maySpeak(): boolean {
    return this.#wasPoll || !this.isOnline;
  }
  /** A damaged answer is asked for again at once. */
  get mayHurry(): boolean {
    return this.#retries.mayHurry;
  }
  /** The check to expect in its next answer; null: either. */
  get answersCrc(): boolean | null {
    return this.#exchange.answersCrc;
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
      link: this.isOnline ? 'online' : this.#isAnswering ? 'connecting' : 'offline',
      channel: this.#source === null ? 'none' : inSession,
      tamper: this.#status.tamper,
      powerFault: this.#status.powerFault,
      inputs: this.#status.inputs,
      outputs: this.#status.outputs,
      identity: this.#setup.identity,
      goodFrames: this.#goodFrames,
      faultyFrames: this.#faultyFrames,
      timeouts: this.#timeouts,
      problem: this.isOnline ? null : this.#problem,
      quirks: [...this.#quirks],
    };
  }

  /** Starts over at once: the line opened, or a key arrived. */
  begin(nowMs: number): void {
    this.#retries.reset(nowMs);
    this.#setup.firstKey();
    this.#end();
    if (this.#problem === 'lineClosed') this.#problem = 'noAnswer';
  }

  /** The line closed. */
  close(): void {
    this.#end();
    this.#isAnswering = false;
    this.#quirks.clear();
    this.#problem = 'lineClosed';
  }

  /** Opens pairing. A reader that is online needs none. */
  beginInstall(untilMs: number, nowMs: number): void {
    this.keys.openInstall(untilMs);
    if (!this.isOnline) this.begin(nowMs);
  }
  cancelInstall(nowMs: number): void {
    this.keys.closeInstall();
    this.keys.dropChange();
    if (this.#source === 'install') this.begin(nowMs);
  }

  signalLed(pattern: LedPattern): void {
    this.#pending.outbox.led(pattern, this.isOnline);
  }
  signalBuzzer(pattern: BuzzerPattern, nowMs: number): void {
    this.#pending.outbox.buzzer(pattern, this.isOnline, nowMs);
  }
  /** False while it is offline: an output is switched now or never. */
  output(output: number, code: number, timer: number): boolean {
    return this.isOnline && this.#pending.outbox.output({ kind: 'output', output, code, timer });
  }
  /** False while it is offline. */
  move(address: number, baudRate: number): boolean {
    if (!this.isOnline) return false;
    this.#busAddress.requestMove({ address, baudRate });
    return true;
  }

  /** When it needs the line: for a poll, its connection, or a retry. */
  dueAtMs(): number {
    if (this.#exchange.inFlight() !== null)
      return Math.min(this.#retries.retryAtMs, this.#lastGoodMs + offlineAfterMs);
    switch (this.#phase) {
      case 'waiting':
        return this.#retries.probeAtMs;
      case 'pairing':
        return this.keys.keyToSend() === null ? this.#pollAtMs : Number.NEGATIVE_INFINITY;
      case 'online':
        // Orders wait until it has been polled.
        return this.#wasPoll
          ? this.#pollAtMs
          : Math.min(this.#pollAtMs, this.#pending.sendDueAtMs(this.#source));
      case 'connecting':
        return Number.NEGATIVE_INFINITY;
      default:
        return unreachable(this.#phase);
    }
  }

  /** When an order is due; never before it was polled since the last one. */
  orderDueAtMs(): number {
    if (!this.isOnline || !this.#wasPoll || this.isWaiting) return Number.POSITIVE_INFINITY;
    return this.#pending.dueAtMs(this.#source);
  }

  /** Returns the bytes to send, of an order if `isOrder`; null if it has just lost its session and waits. */
  send(nowMs: number, isOrder: boolean): Uint8Array | null {
    if (this.#phase !== 'waiting' && nowMs - this.#lastGoodMs >= offlineAfterMs) {
      this.#isAnswering = false;
      return this.#fail('noAnswer', nowMs);
    }
    if (this.#phase === 'pairing' && !this.keys.isInstalling(nowMs)) return this.#fail('notPaired', nowMs);
    this.#sawNoise = false;
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
        this.#retries.busy(nowMs);
        return true;
      case 'again':
        this.#faultyFrames += 1;
        this.#sawNoise = true;
        this.#retry('sessionLost', nowMs);
        return true;
      case 'broken':
        this.#faultyFrames += 1;
        this.#fail(opened.by, nowMs);
        return true;
      case 'reply':
        for (const quirk of opened.quirks) this.#quirks.add(quirk);
        this.#onReply(opened.command, opened.reply, opened.isSecured, nowMs);
        return true;
      default:
        return unreachable(opened);
    }
  }

  timeout(nowMs: number): void {
    this.#timeouts += 1;
    if (this.#isAnswering) this.#retry('noAnswer', nowMs);
    else this.#fail('noAnswer', nowMs, true);
  }

  /** Bytes arrived that were no frame. `isFrame`: they looked like one, of this many bytes. */
  noteNoise(bytes: number, isFrame: boolean): void {
    this.#faultyFrames += 1;
    this.#sawNoise = true;
    if (isFrame) this.#deps.emit({ kind: 'fault', fault: 'noise', bits: bytes * 8 });
  }

  #retry(problem: OsdpProblem, nowMs: number): void {
    this.#retries.unanswered(nowMs, this.#sawNoise);
    if (this.isOnline && this.#retries.isExhausted && this.#exchange.isAsking('keySet')) {
      this.#endKeySet(nowMs);
      return;
    }
    if (this.isOnline && this.#retries.isOutOfSync) {
      this.#fail('sessionLost', nowMs);
      this.#retries.restart(nowMs);
      return;
    }
    // An online reader has its eight seconds; one that is connecting has a few tries.
    if (this.isOnline || !this.#retries.isExhausted) return;
    this.#isAnswering = problem !== 'noAnswer';
    this.#fail(problem, nowMs, true);
  }

  #end(): void {
    this.#exchange.restart(this.address);
    this.#pending.end();
    this.#phase = 'waiting';
    this.#source = null;
  }

  /**
   * Ends the session or its setup; the next handshake follows by itself. `isMissed`: nothing that makes sense came, so
   * that at the start of a connection the reader is spoken to in another way.
   */
  #fail(problem: OsdpProblem, nowMs: number, isMissed = false): null {
    const isUnknown = this.#phase === 'connecting' && this.#setup.isAtStart && !this.#retries.isReturning;
    if (isMissed && isUnknown && this.#opening.miss(this.#exchange.answersCrc)) this.#retries.restart(nowMs);
    else this.#retries.failed(nowMs, this.#isAnswering);
    if (!this.#isAnswering) this.#quirks.clear();
    this.#setup.firstKey();
    this.#problem = problem;
    this.#end();
    return null;
  }

  #connect(nowMs: number): Command {
    if (!this.#isAnswering) this.#busAddress.tryOther();
    this.#exchange.restart(this.address, this.#opening.crc);
    this.#setup.begin(this.#opening.withPoll, this.#retries.isReturning, nowMs);
    this.#phase = 'connecting';
    return this.#setup.next();
  }

  #next(nowMs: number, isOrder: boolean): Command {
    switch (this.#phase) {
      case 'waiting':
        this.#lastGoodMs = nowMs;
        return this.#connect(nowMs);
      case 'connecting':
        return this.#setup.isAtStart ? this.#connect(nowMs) : this.#setup.next();
      case 'pairing':
        return this.#pending.keySet() ?? poll;
      case 'online':
        return (isOrder ? this.#pending.next(this.#source, nowMs) : null) ?? poll;
      default:
        return unreachable(this.#phase);
    }
  }

  #onReply(command: Command, reply: Reply, isSecured: boolean, nowMs: number): void {
    this.#goodFrames += 1;
    if (!this.#isAnswering) this.#noteFound();
    this.#isAnswering = true;
    this.#retries.answered(nowMs, reply.kind !== 'nak' && isSecured === (this.#source !== null));
    // In a session only sealed replies keep it alive.
    if (isSecured || this.#source === null) this.#lastGoodMs = nowMs;
    if (reply.kind === 'nak') {
      this.#onNak(command, reply.code, isSecured, nowMs);
      return;
    }
    if (command.kind === 'output') this.#status.expectSwitch(command, nowMs);
    this.#takeReply(command.kind, reply, nowMs);
  }

  #takeReply(asked: Command['kind'], reply: Reply, nowMs: number): void {
    if (this.#phase === 'connecting') this.#onProgress(this.#setup.take(reply, nowMs), nowMs);
    else if (asked === 'keySet') this.#endKeySet(nowMs);
    else if (asked === 'communication') this.#onCommunication(reply, nowMs);
    else if (this.isOnline) this.#onData(reply, nowMs);
  }

  #onProgress(progress: Progress, nowMs: number): void {
    switch (progress.kind) {
      case 'continues':
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
    if (this.keys.provesRefusal(source)) this.#deps.emit({ kind: 'keyRefused' });
    const key = this.keys.proved(source);
    if (source === 'pending') this.#source = 'own';
    this.#goOnline(nowMs);
    if (key !== null) this.#deps.emit({ kind: 'keySet', key });
  }

  /** Tries the next key from the start: a session begins with its first command. */
  #tryNextKey(problem: OsdpProblem, nowMs: number): void {
    const next = this.#setup.nextKey(problem, nowMs);
    if (next === 'goOn') return;
    if (next !== 'startOver') {
      this.#fail(next, nowMs);
      return;
    }
    this.#end();
    this.#retries.restart(nowMs);
  }

  /** It answers, at last or again. */
  #noteFound(): void {
    this.#problem = 'connecting';
    if (this.#opening.found()) this.#quirks.add('wakesOnPoll');
    const { answersCrc } = this.#exchange;
    if (answersCrc !== null && answersCrc !== this.#options.crc)
      this.#quirks.add(answersCrc ? 'answersCrc' : 'answersChecksum');
  }

  /** An answer proves nothing, and neither does silence: the handshake with the new key does. */
  #endKeySet(nowMs: number): void {
    this.keys.awaitProof();
    this.begin(nowMs);
  }

  #onCommunication(reply: Reply, nowMs: number): void {
    if (reply.kind !== 'communication') {
      this.#fail('malformedReply', nowMs);
      return;
    }
    this.#busAddress.moveAccepted(reply);
    this.begin(nowMs);
  }

  #goOnline(nowMs: number): void {
    this.#phase = 'online';
    this.#problem = null;
    this.#retries.online(nowMs);
    this.#lastGoodMs = nowMs;
    this.#setup.firstKey();
    this.#pending.begin(nowMs, this.#source === null ? [] : this.#setup.missing());
    this.#pollAtMs = nowMs;
    this.#wasPoll = false;
    const moved = this.#busAddress.confirm();
    if (moved !== null) this.#deps.emit({ kind: 'communication', ...moved });
  }

  #onData(reply: Reply, nowMs: number): void {
    if (reply.kind === 'malformed') this.#faultyFrames += 1;
    // Sealed, so the chain has moved on: the next poll asks again.
    if (reply.kind === 'busy') this.#pollAtMs = nowMs + this.#options.pollMs;
    if (reply.kind === 'identity') this.#setup.noteIdentity(reply.text);
    else if (isStatus(reply)) this.#status.take(reply);
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
      case 'withoutIt':
        if (command.kind === 'identity') this.#quirks.add('noIdentity');
        this.#takeReply(command.kind, { kind: 'nak', code }, nowMs);
        return;
      case 'restart':
        this.#fail(decision.problem, nowMs);
        return;
      case 'refused':
        if (code !== nakCodes.unknownCommand && command.kind !== 'poll') this.#quirks.add('refusesCommands');
        this.#onRefused(command, decision.forGood, nowMs);
        return;
      default:
        unreachable(decision);
    }
  }

  #onRefused(command: Command, forGood: boolean, nowMs: number): void {
    if (command.kind === 'keySet') {
      this.keys.dropChange();
      this.#deps.emit({ kind: 'keyRefused' });
      if (this.#phase === 'pairing') this.#fail('keyRefused', nowMs);
      return;
    }
    this.#pending.refused(command.kind, forGood);
  }
}
