import type { ReaderFault } from '#bridge/ports.ts';
import type { UartOutcome, UartParser } from '../listening-driver.ts';

/**
 * The wire format, with its source: `$`, 8 upper-case hex digits (the card's 4-byte number), `*`, 2 more (XOR of the 4
 * bytes), CR; 9600 8N1, repeated while the card lies there.
 *
 * State what the check catches and what it does not: here every flipped bit and every lost byte, but not two flips of
 * the same bit in two of the bytes.
 */

const frameStart = 0x24;
const frameEnd = 0x0d;
const body = /^([0-9A-F]{8})\*([0-9A-F]{2})$/;
const bodyBytes = 11;
/** A frame takes 14 ms: after a longer pause inside one, its rest is not coming. */
const maxGapMs = 100;

const fault = (kind: ReaderFault['kind'], bytes: number): UartOutcome => ({
  kind: 'fault',
  fault: kind,
  bits: bytes * 8,
});

/** The text between start and end of a frame as a card, or the fault that it is. */
function judgeBody(text: string): UartOutcome {
  const frameBytes = text.length + 2;
  if (text.length !== bodyBytes) return fault('truncated', frameBytes);
  const [, hex, check] = body.exec(text) ?? [];
  if (hex === undefined || check === undefined) return fault('noise', frameBytes);
  const sum = Buffer.from(hex, 'hex').reduce((sofar, byte) => sofar ^ byte, 0);
  if (sum !== Number.parseInt(check, 16)) return fault('checksum', frameBytes);
  // The check of nothing but zeros is right, and no card has that number.
  if (/^0+$/.test(hex)) return fault('notACard', frameBytes);
  return { kind: 'read', read: { reading: 'uid4', bits: 32, hex: hex.toLowerCase() } };
}

export function blueprintParser(): UartParser {
  /** The frame under way, without its start; null between frames. */
  let text: string | null = null;
  /** Bytes between frames have been reported; the rest of them is swallowed. */
  let noisy = false;
  let lastByteMs = 0;

  const giveUp = (kind: ReaderFault['kind'], bytes: number): UartOutcome => {
    text = null;
    noisy = true;
    return fault(kind, bytes);
  };

  const pushByte = (byte: number): UartOutcome | null => {
    if (byte === frameStart) {
      const torn = text === null ? null : fault('truncated', text.length + 1);
      text = '';
      noisy = false;
      return torn;
    }
    if (text === null) return noisy ? null : giveUp('noise', 1);
    if (byte === frameEnd) {
      const outcome = judgeBody(text);
      text = null;
      return outcome;
    }
    if (text.length === bodyBytes) return giveUp('unknownLength', bodyBytes + 2);
    text += String.fromCharCode(byte);
    return null;
  };

  return {
    push(bytes, nowMs) {
      const outcomes: UartOutcome[] = [];
      if (text !== null && nowMs - lastByteMs > maxGapMs) outcomes.push(giveUp('truncated', text.length + 1));
      for (const byte of bytes) {
        const outcome = pushByte(byte);
        if (outcome !== null) outcomes.push(outcome);
      }
      lastByteMs = nowMs;
      return outcomes;
    },
    reset() {
      text = null;
      noisy = false;
    },
  };
}
