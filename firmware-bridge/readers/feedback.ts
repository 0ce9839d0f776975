export type LedPattern =
  | 'idle'
  | 'granted'
  | 'denied'
  | 'enterPin'
  | 'unlocked'
  | 'locked'
  | 'preAlarm'
  | 'alarm';
export type BuzzerPattern = 'silent' | 'granted' | 'denied' | 'enterPin' | 'preAlarm' | 'alarm';

/** A pattern for a reader with lamp and buzzer of its own. */
export type ReaderSignal = { readonly led: LedPattern } | { readonly buzzer: BuzzerPattern };

/** On for `onMs`, then off for `offMs`, `times` times; null: until another signal. */
export interface Blink {
  readonly onMs: number;
  readonly offMs: number;
  readonly times: number | null;
}
export type Signal = 'on' | 'off' | Blink;

/** Whether it ends by itself; the resting signal then shows again. */
export const isPassing = (signal: Signal): signal is Blink & { readonly times: number } =>
  typeof signal !== 'string' && signal.times !== null;

/** One lamp and one buzzer are enough: steady: open, fast: no, slow: look. */
export const ledSignals: Readonly<Record<LedPattern, Signal>> = {
  idle: 'off',
  granted: { onMs: 1000, offMs: 50, times: 1 },
  denied: { onMs: 100, offMs: 100, times: 5 },
  // As long as the wait for the first key.
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
