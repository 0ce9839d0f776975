import type { ReaderFault } from '#bridge/ports.ts';
import { encodeCard, parseCardText, wiegandFormats } from '#hub/domains/access/cards/format-rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { unreachable } from '#hub/kernel/result.ts';
import type { UartOutcome, UartParser } from '../listening-driver.ts';

/**
 * Readers that type a card's number as a line of ASCII, ended by CR, LF or both; STX and ETX around it are passed over.
 *
 * There is no check sum. A lost byte is found where the length of a line is known (all but `cardText`); a digit that
 * arrives as another digit is not found by anything.
 */

export type WedgeReads = 'em10' | 'facilityNumber' | 'hex' | 'cardText';

export interface WedgeFormat {
  readonly reads: WedgeReads;
  /** Digits of a line when `reads` is `hex`: 6 = w26, 8 = w34, 10 = em40, 14 = uid7. */
  readonly hexDigits: 6 | 8 | 10 | 14;
  /** `reversed`: the reader writes the bytes of a `hex` line in the other order than Wiegand readers send them. */
  readonly byteOrder: 'asSent' | 'reversed';
}

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const startOfText = 0x02;
const endOfText = 0x03;
export const maxLineBytes = 64;
/** A reader types a line within some ms: after a longer pause the rest of a line is another card's. */
const maxGapMs = 500;

type Refused = 'notACard' | 'unknownLength';

/** Parses a line without its end as a card, or returns why it is none. */
export function readOfLine(line: string, format: WedgeFormat): CardRead | Refused {
  switch (format.reads) {
    case 'em10':
      return readOfDecimal(line);
    case 'facilityNumber':
      return readOfFacilityNumber(line);
    case 'hex':
      return readOfHex(line, format);
    case 'cardText': {
      const parsed = parseCardText(line);
      return parsed.ok ? parsed.value : 'notACard';
    }
    default:
      return unreachable(format.reads);
  }
}

/**
 * Ten decimal digits: the 32-bit number of an EM4100 card. They lack its version byte, so the widest exact reading is
 * what a 34-bit Wiegand reader sends of the same card; `derivedReadings` gives the same one for an `em40`.
 */
function readOfDecimal(line: string): CardRead | Refused {
  if (!/^\d+$/.test(line)) return 'notACard';
  return line.length === 10 ? serialRead('w34', Number(line)) : 'unknownLength';
}

/** `123,04567` as it is printed on cards: 3 digits of facility code, 5 of card number, a separator or none between. */
function readOfFacilityNumber(line: string): CardRead | Refused {
  const [, facility, number] = /^(\d+)[,:.\- ](\d+)$/.exec(line) ?? /^(\d{1,3})(\d*)$/.exec(line) ?? [];
  if (facility === undefined || number === undefined) return 'notACard';
  if (facility.length !== 3 || number.length !== 5) return 'unknownLength';
  return fieldsRead('w26', Number(facility), Number(number));
}

function readOfHex(line: string, { hexDigits, byteOrder }: WedgeFormat): CardRead | Refused {
  if (!/^[0-9a-f]+$/i.test(line)) return 'notACard';
  if (line.length !== hexDigits) return 'unknownLength';
  const bytes = line.toLowerCase().match(/../g) ?? [];
  const hex = (byteOrder === 'reversed' ? bytes.toReversed() : bytes).join('');
  if (/^0+$/.test(hex)) return 'notACard';
  if (hexDigits === 10) return { reading: 'em40', bits: 40, hex };
  if (hexDigits === 14) return { reading: 'uid7', bits: 56, hex };
  return serialRead(hexDigits === 8 ? 'w34' : 'w26', Number.parseInt(hex, 16));
}

/** Encodes a number as its Wiegand frame: its lower 16 bits are the card number, the others the facility code. */
const serialRead = (prefix: 'w26' | 'w34', serial: number): CardRead | Refused =>
  fieldsRead(prefix, Math.floor(serial / 65_536), serial % 65_536);

function fieldsRead(prefix: 'w26' | 'w34', facility: number, number: number): CardRead | Refused {
  const format = wiegandFormats.find((candidate) => candidate.prefix === prefix);
  if (format === undefined || facility + number === 0) return 'notACard';
  const encoded = encodeCard(format, facility, number);
  return encoded.ok ? encoded.value : 'notACard';
}

const fault = (kind: ReaderFault['kind'], bytes: number): UartOutcome => ({
  kind: 'fault',
  fault: kind,
  bits: bytes * 8,
});

export function wedgeParser(format: WedgeFormat): UartParser {
  let line = '';
  /** Why the line under way is unreadable; its length is still counted. */
  let spoiled: 'noise' | 'unknownLength' | null = null;
  let count = 0;
  let lastByteMs = 0;

  const reset = (): void => {
    line = '';
    spoiled = null;
    count = 0;
  };

  const end = (): UartOutcome | null => {
    if (count === 0) return null;
    const read = spoiled ?? readOfLine(line, format);
    const outcome = typeof read === 'string' ? fault(read, count) : ({ kind: 'read', read } as const);
    reset();
    return outcome;
  };

  const drop = (): UartOutcome | null => {
    const torn = count === 0 ? null : fault(spoiled ?? 'truncated', count);
    reset();
    return torn;
  };

  const pushByte = (byte: number): UartOutcome | null => {
    if (byte === carriageReturn || byte === lineFeed) return end();
    if (byte === startOfText) return drop();
    if (byte === endOfText) return null;
    count += 1;
    if (count > maxLineBytes) {
      spoiled = 'unknownLength';
      line = '';
    } else if (byte < 0x20 || byte > 0x7e) spoiled ??= 'noise';
    else line += String.fromCharCode(byte);
    return null;
  };

  return {
    push(bytes, nowMs) {
      const outcomes: UartOutcome[] = [];
      const torn = nowMs - lastByteMs > maxGapMs ? drop() : null;
      if (torn !== null) outcomes.push(torn);
      for (const byte of bytes) {
        const outcome = pushByte(byte);
        if (outcome !== null) outcomes.push(outcome);
      }
      lastByteMs = nowMs;
      return outcomes;
    },
    reset,
  };
}
