import type { GpioEdge, ReaderFault } from '#bridge/ports.ts';
import { formatsOfLength, parityHolds, readOfBits } from '#hub/domains/access/cards/format-rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { burstToKey, frameToDigits, type WiegandKeypad } from './keypad.ts';

/**
 * Edges of two data lines -> frames -> card reads and keys. Pure: time comes with the edges (kernel time), never from a clock.
 *
 * What parity can and cannot catch. It catches every frame with one bit flipped. A pulse that vanished on the wire (no gap
 * in the kernel's count) changes the length: 26 -> 25 and 48 -> 47 bits are never a card of a known format, but 35 -> 34
 * bits passes 34-bit parity in about a quarter of the cases, and several flipped bits may cancel out. A reader that is
 * configured for one length is immune to the first; nothing in the Wiegand protocol is immune to the second.
 */

/** Pulse interval limits of the Wiegand convention, ns. Shorter is bounce or crosstalk. */
const minIntervalNs = 200_000;
const maxIntervalNs = 20_000_000;
/**
 * A frame in no known format is a raw serial number if its length is between these; below, it is a torn 26-bit frame.
 */
const minRawBits = 27;
export const maxFrameBits = 128;
/** This many frames in a row with wrong parity point to a wiring fault rather than a card pulled away. */
const parityFailuresForFinding = 5;

export interface WiegandLines {
  /** Offsets of the data lines. A pulse on D0 is a 0, on D1 a 1. */
  readonly d0: number;
  readonly d1: number;
  /** The only length that this reader sends, or null: any known format. */
  readonly fixedBits: number | null;
  /** Silence that ends a frame, 25 to 30 ms. */
  readonly silenceMs: number;
  readonly keypad: WiegandKeypad;
  /** The facility code that tells a frame of a buffering keypad from a card. */
  readonly keypadFacility: number;
}

export type WiegandFinding =
  | { readonly kind: 'linesSwapped'; readonly framesInRow: number; readonly swapFixes: boolean }
  | { readonly kind: 'longerThanConfigured'; readonly bits: number };

export type FrameOutcome =
  | { readonly kind: 'read'; readonly read: CardRead; readonly lastBitNs: bigint }
  /** Digits, `*` and `#`, as they were pressed. */
  | { readonly kind: 'keys'; readonly keys: string }
  | {
      readonly kind: 'fault';
      readonly fault: ReaderFault['kind'];
      readonly bits: number;
      readonly finding: WiegandFinding | null;
    };

/** Collects the bits of one reader. Each call returns at most one outcome, or null. */
export interface WiegandAssembler {
  push(edge: GpioEdge): FrameOutcome | null;
  /** Every edge before `untilNs` has been pushed: ends the frame after enough silence. */
  expire(untilNs: bigint): FrameOutcome | null;
  /** Edges were lost somewhere before `beforeNs`: the frame under way is not trustworthy. */
  lose(beforeNs: bigint): void;
  /** When `expire` would end the frame under way, kernel ns; null without one. */
  nextDeadlineNs(): bigint | null;
}

type Taint = 'noise' | 'lostBits';

export function wiegandAssembler(lines: WiegandLines): WiegandAssembler {
  const silenceNs = lines.silenceMs * 1_000_000;
  const bits = new Uint8Array(maxFrameBits);
  const wiring = wiringWatch();
  // A frame is under way while `active`. Times are numbers: exact for 104 days of uptime, within 16 ns for years.
  let active = false;
  let count = 0;
  let lastNs = 0;
  let lastBitNs = 0n;
  let taint: Taint | null = null;
  /** The frame has had its outcome, at the configured length or at the limit; the rest until silence is swallowed. */
  let answered: 'no' | 'atLength' | 'atBound' = 'no';
  /** Off once a frame continued after the configured length: its first bits may be another card. */
  let earlyEnd = lines.fixedBits !== null && formatsOfLength(lines.fixedBits).length > 0;

  const fault = (kind: ReaderFault['kind'], finding: WiegandFinding | null = null): FrameOutcome => ({
    kind: 'fault',
    fault: kind,
    bits: count,
    finding,
  });

  const outcomeOfAnswered = (): FrameOutcome | null => {
    if (answered === 'atBound' || count === lines.fixedBits) return null;
    if (taint !== null) return fault(taint);
    earlyEnd = false;
    return fault('unknownLength', { kind: 'longerThanConfigured', bits: count });
  };

  const outcome = (): FrameOutcome | null => {
    if (answered !== 'no') return outcomeOfAnswered();
    if (taint !== null) return count === 0 ? null : fault(taint);
    const keys = keysOf(bits.subarray(0, Math.min(count, maxFrameBits)), lines);
    if (keys !== null) return { kind: 'keys', keys };
    const wrongLength = lengthFault(count, lines.fixedBits);
    if (wrongLength !== null) return fault(wrongLength);
    const frame = bits.subarray(0, count);
    const judged = judgeFrame(frame);
    if (judged === 'parity') return fault('parity', wiring.parityFailed(frame));
    if (judged === 'noise') return fault('noise');
    wiring.readSucceeded();
    return { kind: 'read', read: readOfBits(frame), lastBitNs };
  };

  const end = (): FrameOutcome | null => {
    const result = outcome();
    active = false;
    count = 0;
    taint = null;
    answered = 'no';
    return result;
  };

  const append = (bit: 0 | 1, edge: GpioEdge, atNs: number): FrameOutcome | null => {
    // After a loss the first bit has no predecessor to measure from.
    if (active && count > 0) {
      const intervalNs = atNs - lastNs;
      if (intervalNs < minIntervalNs || intervalNs > maxIntervalNs) taint ??= 'noise';
    }
    active = true;
    if (count < maxFrameBits) bits[count] = bit;
    count += 1;
    lastNs = atNs;
    lastBitNs = edge.timestampNs;
    if (answered !== 'no') return null;
    if (count > maxFrameBits) {
      // Without silence there is no end: reported now, or a line that never rests would never be.
      answered = 'atBound';
      return fault(taint ?? 'unknownLength');
    }
    if (!earlyEnd || count !== lines.fixedBits || taint !== null) return null;
    const frame = bits.subarray(0, count);
    if (judgeFrame(frame) !== 'card') return null;
    answered = 'atLength';
    wiring.readSucceeded();
    const keys = keysOf(frame, lines);
    if (keys !== null) return { kind: 'keys', keys };
    return { kind: 'read', read: readOfBits(frame), lastBitNs };
  };

  return {
    push(edge) {
      if (edge.rising || (edge.offset !== lines.d0 && edge.offset !== lines.d1)) return null;
      const atNs = Number(edge.timestampNs);
      const before = active && atNs - lastNs >= silenceNs ? end() : null;
      return append(edge.offset === lines.d1 ? 1 : 0, edge, atNs) ?? before;
    },
    expire(untilNs) {
      return active && Number(untilNs) - lastNs >= silenceNs ? end() : null;
    },
    lose(beforeNs) {
      const atNs = Number(beforeNs);
      if (!active || atNs > lastNs) lastNs = atNs;
      active = true;
      taint = 'lostBits';
    },
    nextDeadlineNs() {
      return active ? BigInt(lastNs + silenceNs) : null;
    },
  };
}

/** Decodes keys if the frame is one of this reader's keypad; a buffered frame is sent on `#`. */
function keysOf(frame: Uint8Array, { keypad, keypadFacility }: WiegandLines): string | null {
  if (keypad === 'bursts') return burstToKey(frame);
  const digits = keypad === 'buffered26' ? frameToDigits(frame, keypadFacility) : null;
  return digits === null ? null : `${digits}#`;
}

/** Why a frame of `count` bits cannot be a card of this reader; null if its length is possible. */
function lengthFault(count: number, fixedBits: number | null): ReaderFault['kind'] | null {
  if (count < 4) return 'noise';
  // Bursts of 4 and 8 bits come from a keypad, they are no remains of a card.
  if (count === 4 || count === 8) return 'unknownLength';
  if (fixedBits !== null) {
    if (count === fixedBits) return null;
    return count < fixedBits ? 'truncated' : 'unknownLength';
  }
  if (count > maxFrameBits) return 'unknownLength';
  return count < minRawBits && formatsOfLength(count).length === 0 ? 'truncated' : null;
}

/** A raw frame of only zeros or only ones is a dead or chattering wire: no serial number looks like that. */
function judgeFrame(frame: Uint8Array): 'card' | 'parity' | 'noise' {
  const formats = formatsOfLength(frame.length);
  if (formats.length > 0) return formats.some((format) => parityHolds(format, frame)) ? 'card' : 'parity';
  return frame.every((bit) => bit === frame[0]) ? 'noise' : 'card';
}

/** Counts consecutive frames with wrong parity, and whether exchanging D0 and D1 would have fixed them. */
function wiringWatch() {
  let failures = 0;
  let fixedBySwap = 0;
  return {
    readSucceeded(): void {
      failures = 0;
      fixedBySwap = 0;
    },
    /** The finding, once per run of failures. */
    parityFailed(frame: Uint8Array): WiegandFinding | null {
      failures += 1;
      const swapped = frame.map((bit) => 1 - bit);
      if (formatsOfLength(frame.length).some((format) => parityHolds(format, swapped))) fixedBySwap += 1;
      if (failures !== parityFailuresForFinding) return null;
      return { kind: 'linesSwapped', framesInRow: failures, swapFixes: fixedBySwap === failures };
    },
  };
}
