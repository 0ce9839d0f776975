import type { BuzzerPattern, LedPattern } from './portal.ts';

/** Lit or sounding for `onMs`, then not for `offMs`, `times` times; null = until something else comes. */
export interface Blink {
  readonly onMs: number;
  readonly offMs: number;
  readonly times: number | null;
}
export type Signal = 'on' | 'off' | Blink;

/** Whether it ends by itself; what shone before then shines again. */
export const isPassing = (signal: Signal): signal is Blink & { readonly times: number } =>
  typeof signal !== 'string' && signal.times !== null;

/** One lamp and one buzzer say it all: steady = open, fast = no, slow = look. */
export const ledSignals: Readonly<Record<LedPattern, Signal>> = {
  idle: 'off',
  granted: { onMs: 1000, offMs: 50, times: 1 },
  denied: { onMs: 100, offMs: 100, times: 5 },
  // As long as the first key is waited for.
  enterPin: { onMs: 300, offMs: 200, times: 20 },
  unlocked: 'on',
  locked: { onMs: 50, offMs: 2950, times: null },
  preAlarm: { onMs: 500, offMs: 500, times: null },
  alarm: { onMs: 125, offMs: 125, times: null },
};
export const buzzerSignals: Readonly<Record<BuzzerPattern, Signal>> = {
  silent: 'off',
  granted: { onMs: 150, offMs: 50, times: 1 },
  denied: { onMs: 100, offMs: 100, times: 3 },
  enterPin: { onMs: 50, offMs: 100, times: 2 },
  preAlarm: { onMs: 100, offMs: 900, times: null },
  alarm: { onMs: 500, offMs: 250, times: null },
};

export type Later = (delayMs: number, run: () => void) => () => void;

/** Plays signals on one output: a passing one (granted, denied) lies over the resting one until it is through. */
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
