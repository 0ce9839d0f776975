import type { BuzzerPattern, LedPattern } from '../../feedback.ts';
import type { Command, LedBlink, LedCommand, OutputCommand } from '../wire/commands.ts';
import { type BuzzerSignal, buzzerSignalOf, ledSignalOf } from './signals.ts';

/** The read head that commands address: readers on a door have one. */
const readHead = 0;
/** More than any reader has; bounds the memory that a caller in a loop can take. */
const maxOutputs = 16;

/**
 * Queues what the door wants to show on a reader. The latest state of each lamp and buzzer is sent again after each
 * reconnect; passing signals (granted, denied) and output commands are sent now or never.
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
    // A reader has no permanent state for its buzzer: an alarm takes another command to continue, silence takes none.
    const isLoud = this.#buzzerResting !== null && this.#buzzerResting.sound.tone !== 'off';
    this.#buzzerRestingAtMs = isLoud ? nowMs + signal.lastsMs : null;
  }

  /** Keeps the latest command for each output. False: no room. */
  output(command: OutputCommand): boolean {
    const same = this.#outputs.findIndex((each) => each.output === command.output);
    if (same >= 0) this.#outputs.splice(same, 1);
    if (this.#outputs.length >= maxOutputs) return false;
    this.#outputs.push(command);
    return true;
  }

  /** A session began: the reader may have lost power and with it our state. */
  resendAll(nowMs: number): void {
    this.#unsupported.clear();
    this.#isLedRestingDue = this.#ledResting !== null;
    this.#ledTemporary = this.#ledResting === null ? 'keep' : 'cancel';
    this.#buzzerRestingAtMs = this.#buzzerResting === null ? null : nowMs;
  }

  /** The session ended. An output switched late could open a door long after the person left. */
  dropPassing(): void {
    this.#outputs.length = 0;
    this.#ledTemporary = 'keep';
    this.#buzzerPassing = null;
  }

  /** The reader does not support this command: not sent again until it reconnects. */
  markUnsupported(kind: Command['kind']): void {
    this.#unsupported.add(kind);
  }
  #isSupported(kind: Command['kind']): boolean {
    return !this.#unsupported.has(kind);
  }

  /** When the next command is due; infinity: none. */
  dueAtMs(): number {
    if (this.#outputs.length > 0 && this.#isSupported('output')) return Number.NEGATIVE_INFINITY;
    if (this.#isLedDue()) return Number.NEGATIVE_INFINITY;
    if (!this.#isSupported('buzzer')) return Number.POSITIVE_INFINITY;
    return this.#buzzerPassing === null
      ? (this.#buzzerRestingAtMs ?? Number.POSITIVE_INFINITY)
      : Number.NEGATIVE_INFINITY;
  }

  /** Dequeues the next command; null if none is due. */
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
