import type { ReaderFault } from '#bridge/ports.ts';
import type { UartOutcome, UartParser } from '../listening-driver.ts';

/**
 * RDM6300, 125 kHz (EM4100): `02`, 10 hex digits (version byte and 32-bit number), 2 hex digits (XOR of the five bytes),
 * `03`; upper-case digits, 9600 8N1, again and again while the card lies there.
 *
 * What the check catches: every flipped bit and every lost byte. It does not catch two flips of the same bit in two of the
 * five bytes.
 */

const frameStart = 0x02;
const frameEnd = 0x03;
const dataDigits = 10;
const frameDigits = 12;
/** A whole frame takes 15 ms: after a longer pause inside one, its rest is not coming. */
const maxGapMs = 100;

/** The value of an upper-case hex digit, or null: the reader sends no lower-case ones. */
function hexValue(byte: number): number | null {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  return byte >= 0x41 && byte <= 0x46 ? byte - 0x37 : null;
}

function judgeDigits(digits: readonly number[]): UartOutcome {
  let check = 0;
  for (let index = 0; index < frameDigits; index += 2)
    check ^= (digits[index] ?? 0) * 16 + (digits[index + 1] ?? 0);
  if (check !== 0) return fault('checksum', frameDigits + 2);
  const data = digits.slice(0, dataDigits);
  // All zeros have a valid check sum: a card that was read badly, or never written.
  if (data.every((digit) => digit === 0)) return fault('notACard', frameDigits + 2);
  const hex = data.map((digit) => digit.toString(16)).join('');
  return { kind: 'read', read: { reading: 'em40', bits: 40, hex } };
}

const fault = (kind: ReaderFault['kind'], bytes: number): UartOutcome => ({
  kind: 'fault',
  fault: kind,
  bits: bytes * 8,
});

export function rdm6300Parser(): UartParser {
  /** Values of the digits since the frame's start; null between frames. */
  let digits: number[] | null = null;
  /** Bytes between frames have been reported; the rest of them up to the next start is swallowed. */
  let noisy = false;
  let lastByteMs = 0;

  /** Gives up the frame under way; this fault also covers the rest of it. */
  const giveUp = (kind: ReaderFault['kind'], bytes: number): UartOutcome => {
    digits = null;
    noisy = true;
    return fault(kind, bytes);
  };

  const start = (): UartOutcome | null => {
    const torn = digits === null ? null : fault('truncated', digits.length + 1);
    digits = [];
    noisy = false;
    return torn;
  };

  const end = (frame: readonly number[]): UartOutcome => {
    digits = null;
    return frame.length === frameDigits ? judgeDigits(frame) : fault('truncated', frame.length + 2);
  };

  const pushByte = (byte: number): UartOutcome | null => {
    if (byte === frameStart) return start();
    if (digits === null) return noisy ? null : giveUp('noise', 1);
    if (byte === frameEnd) return end(digits);
    const value = hexValue(byte);
    if (value === null) return giveUp('noise', digits.length + 2);
    if (digits.length === frameDigits) return giveUp('unknownLength', frameDigits + 2);
    digits.push(value);
    return null;
  };

  return {
    push(bytes, nowMs) {
      const outcomes: UartOutcome[] = [];
      if (digits !== null && nowMs - lastByteMs > maxGapMs)
        outcomes.push(giveUp('truncated', digits.length + 1));
      for (const byte of bytes) {
        const outcome = pushByte(byte);
        if (outcome !== null) outcomes.push(outcome);
      }
      lastByteMs = nowMs;
      return outcomes;
    },
    reset() {
      digits = null;
      noisy = false;
    },
  };
}
