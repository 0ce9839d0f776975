import type { BuzzerPattern, LedPattern } from '../../feedback.ts';
import { buzzerSignals, isPassing, ledSignals } from '../../feedback.ts';
import { type BuzzerCommand, type LedBlink, type LedColor, ledColors } from '../wire/commands.ts';

/** Translates the door's patterns to OSDP: the rhythm of a wired lamp, in steps of 100 ms, in colours. */

const units = (ms: number): number => Math.min(255, Math.max(1, Math.round(ms / 100)));

const colors: Readonly<Record<LedPattern, LedColor>> = {
  // A dark lamp could not be told from a dead one.
  idle: ledColors.red,
  granted: ledColors.green,
  denied: ledColors.red,
  unlocked: ledColors.green,
  locked: ledColors.red,
  enterPin: ledColors.amber,
  preAlarm: ledColors.amber,
  alarm: ledColors.red,
};

export type LedSignal =
  | { readonly kind: 'resting'; readonly blink: LedBlink }
  | { readonly kind: 'passing'; readonly blink: LedBlink & { readonly timer: number } };

export function ledSignalOf(pattern: LedPattern): LedSignal {
  const signal = ledSignals[pattern];
  const onColor = colors[pattern];
  // A lamp needs an "on" time even if it is never off.
  if (typeof signal === 'string')
    return { kind: 'resting', blink: { on: 10, off: 0, onColor, offColor: onColor } };
  const blink = { on: units(signal.onMs), off: units(signal.offMs), onColor, offColor: ledColors.black };
  if (!isPassing(signal)) return { kind: 'resting', blink };
  return { kind: 'passing', blink: { ...blink, timer: units((signal.onMs + signal.offMs) * signal.times) } };
}

type BuzzerSound = Omit<BuzzerCommand, 'reader'>;
export interface BuzzerSignal {
  readonly sound: BuzzerSound;
  /** Its duration; null: until another pattern. */
  readonly lastsMs: number | null;
}

export function buzzerSignalOf(pattern: BuzzerPattern): BuzzerSignal {
  const signal = buzzerSignals[pattern];
  if (typeof signal === 'string')
    return {
      sound: { kind: 'buzzer', tone: signal === 'on' ? 'default' : 'off', on: 1, off: 0, count: 0 },
      lastsMs: null,
    };
  const on = units(signal.onMs);
  const off = units(signal.offMs);
  const count = signal.times ?? 0;
  return {
    sound: { kind: 'buzzer', tone: 'default', on, off, count },
    lastsMs: isPassing(signal) ? (on + off) * count * 100 : null,
  };
}
