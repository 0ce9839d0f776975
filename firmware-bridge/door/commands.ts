import type { CommandOutcome, DoorCommand, Later, SimulatedTap } from '#bridge/ports.ts';
import { isUnsure } from '#hub/domains/access/cards/written-rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { unreachable } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Door, DoorEntry } from './door.ts';

interface UnknownCard {
  readonly seq: number;
  readonly read: CardRead;
  readonly atMs: number;
}

const maxUnknownCards = 8;
const unknownCardMs = 120_000;
const maxRemembered = 256;

/** Commands for readers, and their outcomes. */
export interface ReaderCommands {
  has(readerKey: string): boolean;
  pair(readerKey: string, forMs: number): CommandOutcome;
  cancelPairing(readerKey: string): CommandOutcome;
  test(readerKey: string): CommandOutcome;
  /** `output` from 1. */
  switchOutput(readerKey: string, output: number, forMs: number): CommandOutcome;
}

export interface CommandDeps {
  readonly clock: Clock;
  readonly later: Later;
  readonly doors: ReadonlyMap<string, Door>;
  readonly readers: ReaderCommands;
  readonly append: (entry: DoorEntry) => number | null;
  readonly isWritable: () => boolean;
  readonly reply: (commandId: string, outcome: CommandOutcome) => void;
  /** Plays a card and keys at a simulated reader; null when the GPIO is real. */
  readonly tap: ((readerKey: string, tap: SimulatedTap) => Promise<void>) | null;
  /** Commands carried out before the start: a repeat is answered without being carried out again. */
  readonly done: readonly string[];
}

interface Enrolment {
  readonly commandId: string;
  readonly cancel: () => void;
  /** A frame that nothing vouches for, read once. */
  unsure: CardRead | null;
}

const isSameRead = (one: CardRead, other: CardRead): boolean =>
  one.reading === other.reading && one.bits === other.bits && one.hex === other.hex;

/** Carries out the hub's commands, each at most once. Raw readings stay in memory only, few and for two minutes. */
export class DoorCommands {
  readonly #deps: CommandDeps;
  readonly #outcomes = new Map<string, CommandOutcome>();
  readonly #enrolments = new Map<string, Enrolment>();
  #unknown: UnknownCard[] = [];

  constructor(deps: CommandDeps) {
    this.#deps = deps;
    for (const commandId of deps.done.slice(-maxRemembered)) this.#outcomes.set(commandId, { kind: 'done' });
  }

  handle(command: DoorCommand, expiresInMs: number): void {
    const { commandId } = command;
    const known = this.#outcomes.get(commandId);
    if (known !== undefined) {
      this.#deps.reply(commandId, known);
      return;
    }
    const outcome = expiresInMs <= 0 ? refused('expired') : this.#carryOut(command, expiresInMs);
    if (outcome !== null) this.#answer(commandId, outcome);
  }

  #answer(commandId: string, outcome: CommandOutcome): void {
    this.#outcomes.delete(commandId);
    // A raw reading is not kept, so a repeat of its command is answered as forgotten.
    this.#outcomes.set(commandId, outcome.kind === 'read' ? refused('forgotten') : outcome);
    const oldest = this.#outcomes.keys().next().value;
    if (this.#outcomes.size > maxRemembered && oldest !== undefined) this.#outcomes.delete(oldest);
    this.#deps.reply(commandId, outcome);
  }

  #carryOut(command: DoorCommand, expiresInMs: number): CommandOutcome | null {
    switch (command.kind) {
      case 'unlock':
        return this.#unlock(command);
      case 'reveal':
        return this.#reveal(command.seq);
      case 'enrol':
        return this.#startEnrolment(command, expiresInMs);
      case 'cancelEnrol':
        return this.#cancelEnrolment(command.readerKey);
      case 'tap':
        return this.#tap(command);
      case 'pairReader':
        return this.#deps.readers.pair(command.readerKey, command.seconds * 1000);
      case 'cancelPairing':
        return this.#deps.readers.cancelPairing(command.readerKey);
      case 'testReader':
        return this.#deps.readers.test(command.readerKey);
      case 'switchOutput':
        return this.#deps.readers.switchOutput(command.readerKey, command.output, command.seconds * 1000);
      default:
        return unreachable(command);
    }
  }

  #unlock(command: DoorCommand & { kind: 'unlock' }): CommandOutcome {
    const door = this.#deps.doors.get(command.portalKey);
    if (door === undefined) return refused('unknownPortal');
    if (door.settings.observe) return refused('observing');
    if (door.mode === 'lockdown') return refused('lockedDown');
    const mayCount = door.settings.onJournalFault === 'grantAndCount';
    if (!this.#deps.isWritable() && !mayCount) return refused('journalFault');
    const seq = this.#deps.append({
      kind: 'remoteGranted',
      portalKey: door.key,
      mode: door.mode,
      commandId: command.commandId,
    });
    if (seq === null && !mayCount) return refused('journalFault');
    door.grantRemotely(seq, command.seconds * 1000);
    return { kind: 'done' };
  }

  #reveal(seq: number): CommandOutcome {
    this.#forgetOld();
    const card = this.#unknown.find((candidate) => candidate.seq === seq);
    return card === undefined ? refused('forgotten') : { kind: 'read', read: card.read };
  }

  #forgetOld(): void {
    const oldestMs = this.#deps.clock.monotonicMs() - unknownCardMs;
    this.#unknown = this.#unknown.filter((card) => card.atMs >= oldestMs);
  }

  /** Keeps the reading of an unknown card, so that staff can enrol it. */
  keepUnknown(seq: number, read: CardRead): void {
    const card = { seq, read, atMs: this.#deps.clock.monotonicMs() };
    this.#unknown = [...this.#unknown, card].slice(-maxUnknownCards);
    this.#deps.later(unknownCardMs + 1, () => this.#forgetOld());
  }

  #startEnrolment(command: DoorCommand & { kind: 'enrol' }, expiresInMs: number): CommandOutcome {
    const { readerKey, commandId } = command;
    if (!this.#deps.readers.has(readerKey)) return refused('unknownReader');
    this.#endEnrolment(readerKey, refused('forgotten'));
    const cancel = this.#deps.later(expiresInMs, () => this.#endEnrolment(readerKey, refused('expired')));
    this.#enrolments.set(readerKey, { commandId, cancel, unsure: null });
    return { kind: 'waiting' };
  }

  #endEnrolment(readerKey: string, outcome: CommandOutcome): void {
    const enrolment = this.#enrolments.get(readerKey);
    if (enrolment === undefined) return;
    this.#enrolments.delete(readerKey);
    enrolment.cancel();
    this.#answer(enrolment.commandId, outcome);
  }

  #cancelEnrolment(readerKey: string): CommandOutcome {
    if (!this.#deps.readers.has(readerKey)) return refused('unknownReader');
    this.#endEnrolment(readerKey, refused('forgotten'));
    return { kind: 'done' };
  }

  /**
   * True when the card was for enrolment, so the door ignores it. A frame that may be another one that lost a bit is taken
   * when it comes twice alike.
   */
  takeForEnrolment(readerKey: string, read: CardRead): boolean {
    const enrolment = this.#enrolments.get(readerKey);
    if (enrolment === undefined) return false;
    if (isUnsure(read) && (enrolment.unsure === null || !isSameRead(enrolment.unsure, read))) {
      enrolment.unsure = read;
      this.#deps.reply(enrolment.commandId, { kind: 'waiting' });
      return true;
    }
    this.#endEnrolment(readerKey, { kind: 'read', read });
    return true;
  }

  #tap(command: DoorCommand & { kind: 'tap' }): CommandOutcome | null {
    const { readerKey, read, keys, commandId } = command;
    if (!this.#deps.readers.has(readerKey)) return refused('unknownReader');
    if (this.#deps.tap === null) return refused('notSimulated');
    this.#deps.tap(readerKey, { read, keys }).then(
      () => this.#answer(commandId, { kind: 'done' }),
      () => this.#answer(commandId, refused('notSimulated')),
    );
    return null;
  }

  stop(): void {
    for (const enrolment of this.#enrolments.values()) enrolment.cancel();
    this.#enrolments.clear();
    this.#unknown = [];
  }
}

type RefusalCode = Extract<CommandOutcome, { kind: 'refused' }>['code'];
export const refused = (code: RefusalCode): CommandOutcome => ({ kind: 'refused', code });
