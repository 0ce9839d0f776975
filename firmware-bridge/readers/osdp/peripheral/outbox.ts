import type { BuzzerPattern, LedPattern } from '../../feedback.ts';
import type { Command, LedBlink, LedCommand, OutputCommand } from '../wire/messages.ts';
import { type BuzzerSignal, buzzerSignalOf, ledSignalOf } from './signals.ts';

/** The read head of commands: readers on a door have one. */
const readHead = 0;
/** More than a reader has outputs; a caller in a loop must not fill the memory. */
const mostOutputs = 16;

/**
 * What the door wants shown on a reader. Of every lamp and buzzer the latest state counts and is sent again after each
 * reconnect; a passing signal (granted, denied) and an output command are for now or never.
 */
export class Outbox {
  readonly #led: number;
  readonly #outputs: OutputCommand[] = [];
  readonly #unsupported = new Set<Command['kind']>();
  #ledResting: LedBlink | null = null;
  #isLedRestingDue = false;
  #ledTemporary: LedCommand['temporary'] = 'keep';
  #buzzerResting: BuzzerSignal | null = null;
  #buzzerRestingAtMs: number | null = null;
  #buzzerPassing: BuzzerSignal | null = null;

  constructor(led: number) {
    this.#led = led;
  }

  led(pattern: LedPattern, isOnline: boolean): void {
    const signal = ledSignalOf(pattern);
    if (signal.kind === 'resting') {
      this.#ledResting = signal.blink;
      this.#isLedRestingDue = true;
      this.#ledTemporary = 'cancel';
    } else if (isOnline) this.#ledTemporary = signal.blink;
  }

  buzzer(pattern: BuzzerPattern, isOnline: boolean, nowMs: number): void {
    const signal = buzzerSignalOf(pattern);
    if (signal.lastsMs === null) {
      this.#buzzerResting = signal;
      this.#buzzerRestingAtMs = nowMs;
      this.#buzzerPassing = null;
      return;
    }
    if (!isOnline) return;
    this.#buzzerPassing = signal;
    // A reader has no resting state for its buzzer: an alarm goes on by another command; silence comes by itself.
    const isLoud = this.#buzzerResting !== null && this.#buzzerResting.sound.tone !== 'off';
    this.#buzzerRestingAtMs = isLoud ? nowMs + signal.lastsMs : null;
  }

  /** Whether there was room. One command for each output: the latest. */
  output(command: OutputCommand): boolean {
    const same = this.#outputs.findIndex((each) => each.output === command.output);
    if (same >= 0) this.#outputs.splice(same, 1);
    if (this.#outputs.length >= mostOutputs) return false;
    this.#outputs.push(command);
    return true;
  }

  /** A session began: the reader may have been without power, and shows nothing of ours. */
  resendAll(nowMs: number): void {
    this.#unsupported.clear();
    this.#isLedRestingDue = this.#ledResting !== null;
    this.#ledTemporary = this.#ledResting === null ? 'keep' : 'cancel';
    this.#buzzerRestingAtMs = this.#buzzerResting === null ? null : nowMs;
  }

  /** The session ended. An output that was switched late could open a door long after the person left. */
  dropPassing(): void {
    this.#outputs.length = 0;
    this.#ledTemporary = 'keep';
    this.#buzzerPassing = null;
  }

  /** The reader does not know such a command: none of them until it is connected again. */
  markUnsupported(kind: Command['kind']): void {
    this.#unsupported.add(kind);
  }
  #isSupported(kind: Command['kind']): boolean {
    return !this.#unsupported.has(kind);
  }

  /** When there is something to send; infinity = nothing. */
  dueAtMs(): number {
    if (this.#outputs.length > 0 && this.#isSupported('output')) return Number.NEGATIVE_INFINITY;
    if (this.#isLedDue()) return Number.NEGATIVE_INFINITY;
    if (!this.#isSupported('buzzer')) return Number.POSITIVE_INFINITY;
    return this.#buzzerPassing === null
      ? (this.#buzzerRestingAtMs ?? Number.POSITIVE_INFINITY)
      : Number.NEGATIVE_INFINITY;
  }

  /** Takes the next command out; null when none is due. */
  next(nowMs: number): Command | null {
    if (this.dueAtMs() > nowMs) return null;
    if (this.#isSupported('output')) {
      const output = this.#outputs.shift();
      if (output !== undefined) return output;
    }
    return this.#isLedDue() ? this.#takeLed() : this.#takeBuzzer();
  }

  #isLedDue(): boolean {
    return (this.#isLedRestingDue || this.#ledTemporary !== 'keep') && this.#isSupported('led');
  }

  #takeLed(): Command {
    const command: Command = {
      kind: 'led',
      reader: readHead,
      led: this.#led,
      temporary: this.#ledTemporary,
      permanent: this.#isLedRestingDue ? (this.#ledResting ?? 'keep') : 'keep',
    };
    this.#ledTemporary = 'keep';
    this.#isLedRestingDue = false;
    return command;
  }

  #takeBuzzer(): Command | null {
    const signal = this.#buzzerPassing ?? this.#buzzerResting;
    if (this.#buzzerPassing === null) this.#buzzerRestingAtMs = null;
    this.#buzzerPassing = null;
    return signal === null ? null : { ...signal.sound, reader: readHead };
  }
}
