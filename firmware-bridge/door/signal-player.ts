import type { Later } from '#bridge/ports.ts';
import { type Blink, isPassing, type Signal } from '#bridge/readers/feedback.ts';

/** Plays signals on one output: a passing one (granted, denied) covers the resting one until it ends. */
export class SignalPlayer {
  readonly #write: (level: 0 | 1) => void;
  readonly #later: Later;
  #resting: Signal = 'off';
  #level: 0 | 1 = 0;
  #cancel: (() => void) | null = null;

  constructor(write: (level: 0 | 1) => void, later: Later) {
    this.#write = write;
    this.#later = later;
  }

  play(signal: Signal): void {
    if (!isPassing(signal)) this.#resting = signal;
    this.#start(signal);
  }

  #start(signal: Signal): void {
    this.#cancel?.();
    this.#cancel = null;
    if (signal === 'on' || signal === 'off') this.#drive(signal === 'on' ? 1 : 0);
    else this.#blink(signal, signal.times);
  }

  #blink(signal: Blink, remaining: number | null): void {
    if (remaining === 0) {
      this.#start(this.#resting);
      return;
    }
    this.#drive(1);
    this.#cancel = this.#later(signal.onMs, () => {
      this.#drive(0);
      this.#cancel = this.#later(signal.offMs, () => {
        this.#blink(signal, remaining === null ? null : remaining - 1);
      });
    });
  }

  #drive(level: 0 | 1): void {
    if (this.#level === level) return;
    this.#level = level;
    this.#write(level);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#drive(0);
  }
}
