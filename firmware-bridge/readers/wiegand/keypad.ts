import { encodeFrame, parityHolds, wiegandFormats } from '#hub/domains/access/cards/format-rules.ts';
import { assert } from '#hub/kernel/result.ts';

/**
 * How a Wiegand reader sends keys. `bursts`: each key at once, in 4 bits, or in 8 with its complement first (detected
 * by length). `buffered26`: digits until `#`, as the number of a 26-bit frame. `none`: no keypad.
 */
export const wiegandKeypads = ['bursts', 'buffered26', 'none'] as const;
export type WiegandKeypad = (typeof wiegandKeypads)[number];

/** By the value of a burst. 12 to 15 are function keys of some makers, unused here. */
const keyByValue = '0123456789*#';
/** The shortest PIN: a number with fewer digits began with zeros. */
const shortestPin = 4;

const valueOf = (bits: ArrayLike<number>): number =>
  Array.from(bits).reduce((value, bit) => value * 2 + bit, 0);

/**
 * Decodes a burst: the key itself in 4 bits, `~key << 4
 * key` in 8; null if it is none.
 */
export function burstToKey(bits: ArrayLike<number>): string | null {
  const value = valueOf(bits);
  if (bits.length === 4) return keyByValue[value] ?? null;
  const key = value & 0x0f;
  return bits.length === 8 && value >> 4 === (~key & 0x0f) ? (keyByValue[key] ?? null) : null;
}

/** Encodes a key as a burst of 4 or 8 bits, first sent first; for simulations. */
export function keyToBurst(key: string, length: 4 | 8): string {
  const value = keyByValue.indexOf(key);
  assert(key.length === 1 && value >= 0, 'a key is a digit, * or #');
  const burst = length === 4 ? value : ((~value & 0x0f) << 4) | value;
  return burst.toString(2).padStart(length, '0');
}

const w26 = wiegandFormats.find((format) => format.prefix === 'w26');

/**
 * Decodes the digits typed before `#` from a frame of a buffering keypad; null for a card or a damaged frame. Leading
 * zeros are not in the frame: a result too short for a PIN had them.
 */
export function frameToDigits(bits: ArrayLike<number>, facility: number): string | null {
  if (bits.length !== 26 || w26 === undefined || !parityHolds(w26, bits)) return null;
  const all = Array.from(bits);
  if (valueOf(all.slice(1, 9)) !== facility) return null;
  return String(valueOf(all.slice(9, 25))).padStart(shortestPin, '0');
}

/**
 * Encodes keys as such a keypad sends them, for simulations: a burst of 4 bits each, or one frame for digits up to
 * `#`. Nothing without a keypad; a buffering keypad sends digits only.
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

/** Encodes digits as the frame of a buffering keypad; null if they do not fit into its 16 bits. */
export function digitsToFrame(digits: string, facility: number): string | null {
  const encoded = w26 === undefined ? null : encodeFrame(w26, facility, Number(digits));
  return encoded?.ok === true ? encoded.value.join('') : null;
}
