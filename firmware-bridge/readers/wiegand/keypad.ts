import { encodeFrame, parityHolds, wiegandFormats } from '#hub/domains/access/card-rules.ts';
import { assert } from '#hub/kernel/result.ts';

/**
 * How a Wiegand reader sends keys. `bursts`: each key at once, in 4 bits or, with its complement before it, in 8 (which of
 * the two shows by itself). `buffered26`: digits until `#` as the number of one 26-bit frame. `none`: it has no keypad.
 */
export const wiegandKeypads = ['bursts', 'buffered26', 'none'] as const;
export type WiegandKeypad = (typeof wiegandKeypads)[number];

/** By the value of a burst. 12 to 15 are function keys of some makers, which nothing here has a use for. */
const keyByValue = '0123456789*#';
/** A PIN has at least so many digits: a number of fewer had zeros before it. */
const shortestPin = 4;

const valueOf = (bits: ArrayLike<number>): number =>
  Array.from(bits).reduce((value, bit) => value * 2 + bit, 0);

/** The key of a burst: the key itself in 4 bits, `~key << 4 | key` in 8; null when it is none. */
export function burstToKey(bits: ArrayLike<number>): string | null {
  const value = valueOf(bits);
  if (bits.length === 4) return keyByValue[value] ?? null;
  const key = value & 0x0f;
  return bits.length === 8 && value >> 4 === (~key & 0x0f) ? (keyByValue[key] ?? null) : null;
}

/** A key as a burst of 4 or 8 bits, first sent first; what a keypad would send, for simulations. */
export function keyToBurst(key: string, length: 4 | 8): string {
  const value = keyByValue.indexOf(key);
  assert(key.length === 1 && value >= 0, 'a key is a digit, * or #');
  const burst = length === 4 ? value : ((~value & 0x0f) << 4) | value;
  return burst.toString(2).padStart(length, '0');
}

const w26 = wiegandFormats.find((format) => format.prefix === 'w26');

/**
 * What was typed before `#`, out of a frame of a keypad that buffers; null when the frame is a card or damaged. Zeros at
 * the front are not in the frame: what is too short for a PIN had them.
 */
export function frameToDigits(bits: ArrayLike<number>, facility: number): string | null {
  if (bits.length !== 26 || w26 === undefined || !parityHolds(w26, bits)) return null;
  const all = Array.from(bits);
  if (valueOf(all.slice(1, 9)) !== facility) return null;
  return String(valueOf(all.slice(9, 25))).padStart(shortestPin, '0');
}

/**
 * What such a keypad sends for these keys, for simulations: a burst of 4 bits each, or one frame for digits up to `#`.
 * Nothing where there is no keypad; a keypad that buffers sends digits only.
 */
export function keysToFrames(
  keys: string,
  wiring: { readonly keypad: WiegandKeypad; readonly keypadFacility: number },
): readonly string[] {
  if (wiring.keypad === 'none') return [];
  if (wiring.keypad === 'bursts') return Array.from(keys, (key) => keyToBurst(key, 4));
  const digits = /^(\d+)#$/.exec(keys)?.[1];
  const frame = digits === undefined ? null : digitsToFrame(digits, wiring.keypadFacility);
  return frame === null ? [] : [frame];
}

/** Digits as the frame of a keypad that buffers; null: they do not fit into its 16 bits. */
export function digitsToFrame(digits: string, facility: number): string | null {
  const encoded = w26 === undefined ? null : encodeFrame(w26, facility, Number(digits));
  return encoded?.ok === true ? encoded.value.join('') : null;
}
