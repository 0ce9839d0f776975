import { ok, type Result, refuse } from '#hub/kernel/result.ts';
import type { CardRead } from '../schema.ts';
import {
  type CardFormatPrefix,
  type CardTextRefusal,
  decodeCard,
  encodeCard,
  formatsOfLength,
  hexToBits,
  parseCardText,
  wiegandFormats,
} from './format-rules.ts';

/** Lengths of a frame in no known format that a reader sends. */
const rawBits = { least: 24, most: 128 } as const;

const refuseText = (message: string): Result<never, CardTextRefusal> => refuse({ code: 'cardText', message });

function frameOf(
  prefix: CardFormatPrefix,
  facility: number | null,
  number: number,
): Result<CardRead, CardTextRefusal> {
  const format = wiegandFormats.find((candidate) => candidate.prefix === prefix);
  return format === undefined ? refuseText('is in no known format') : encodeCard(format, facility, number);
}

/** The number of a card as its upper and its lower 16 bits. */
const halvesOf = (number: number): readonly [number, number] => [
  Math.floor(number / 65_536),
  number % 65_536,
];

/** `080,33602`: facility code and number, with anything but a colon between them. */
const printedPair = /^(\d{1,5})\s*[,;./-]\s*(\d{1,5})$/;
/** Both that stand on a 125 kHz fob: its ten digits, and the same number in two parts. */
const printedBoth = /^(\d{8,10})[\s,;]+(\d{1,5})\s*[,;./]\s*(\d{1,5})$/;
/** `04:A1:B2:C3`: bytes of a serial number. */
const printedBytes = /^[0-9a-f]{2}(?:[:\s-][0-9a-f]{2}){3,6}$/;

function readPair(facility: number, number: number): Result<CardRead, CardTextRefusal> {
  return frameOf(facility > 255 ? 'w34' : 'w26', facility, number);
}

function readBoth(whole: string, facility: number, number: number): Result<CardRead, CardTextRefusal> {
  const [upper, lower] = halvesOf(Number(whole));
  const printed = `${whole} is ${String(upper % 256)},${String(lower)} in two parts`;
  if (upper % 256 !== facility || lower !== number)
    return refuseText(`The two numbers do not belong together: ${printed}. Look at the card again.`);
  return readSerial(whole);
}

/** A number of up to ten digits that is the whole of a card. Eight digits are its lower three bytes. */
function readSerial(digits: string): Result<CardRead, CardTextRefusal> {
  const [upper, lower] = halvesOf(Number(digits));
  if (digits.length < 10 && upper <= 255) return frameOf('w26', upper, lower);
  if (upper > 65_535) return refuseText(`${digits} is more than the number of a fob can be: look again.`);
  return frameOf('w34', upper, lower);
}

/** Digits alone: the whole number of a fob, or the number of a card whose facility code is not printed. */
function readDigits(digits: string): Result<CardRead, CardTextRefusal> {
  const number = Number(digits);
  const [upper, lower] = halvesOf(number);
  if (digits.length === 11) return frameOf('w37', null, number);
  if (digits.length > 11) return refuseText(`${digits} has more digits than a card: look again.`);
  if (digits.length === 10 && digits.startsWith('0')) return readSerial(digits);
  const whole = upper > 255 ? `w34:${String(upper)}:${String(lower)}` : `${String(upper)}:${String(lower)}`;
  const other =
    number <= 65_535
      ? `FACILITY:NUMBER, with ${String(number)} as the number, if it is the number of a card whose facility code is not printed (it stands on the box or the order)`
      : `w37:${String(number)} if it is the number of a 37-bit card`;
  const isSerial = /^\d{8}$/.test(digits)
    ? `, or uid4:${digits} if it is the serial number of an NFC card`
    : '';
  if (upper > 65_535) return refuseText(`${digits} may be the number of a 37-bit card: write w37:${digits}.`);
  return refuseText(
    `${digits} can be read in several ways. Write ${whole} if it is the whole number of a fob, or ${other}${isSerial}.`,
  );
}

const serialByDigits: Readonly<Record<number, 'uid4' | 'em40' | 'uid7'>> = {
  8: 'uid4',
  10: 'em40',
  14: 'uid7',
};

function readHex(hex: string): Result<CardRead, CardTextRefusal> | null {
  const prefix = serialByDigits[hex.length];
  return prefix === undefined ? null : parseCardText(`${prefix}:${hex}`);
}

/** A card as it is printed; null when the text is in none of those forms. */
function readPrinted(text: string): Result<CardRead, CardTextRefusal> | null {
  const [, whole, code, rest] = printedBoth.exec(text) ?? [];
  if (whole !== undefined) return readBoth(whole, Number(code), Number(rest));
  const [, facility, number] = printedPair.exec(text) ?? [];
  if (facility !== undefined) return readPair(Number(facility), Number(number));
  if (/^\d{1,16}$/.test(text)) return readDigits(text);
  if (printedBytes.test(text)) return readHex(text.replaceAll(/[:\s-]/g, ''));
  return /^[0-9a-f]+$/.test(text) ? readHex(text) : null;
}

/**
 * A card as people write it or as it is printed: `123:4567`, `w34:1234:56789`, `080,33602`, `0005276482`,
 * `0005276482 080,33602`, `04A1B2C3`. What can be read in several ways is refused with each of them to choose from.
 */
export function readWritten(text: string): Result<CardRead, CardTextRefusal> {
  const trimmed = text.trim().toLowerCase();
  const read = readPrinted(trimmed) ?? parseCardText(trimmed);
  if (!read.ok) return read;
  const why = whyNoReader(read.value);
  return why === null ? ok(read.value) : refuseText(why);
}

/** Whether some parity is right, where a frame of this length has one. */
function holdsParity({ bits, hex }: CardRead): boolean {
  return formatsOfLength(bits).length === 0 || decodeCard(hexToBits(hex, bits)).length > 0;
}

const isFrame = ({ reading }: CardRead): boolean => reading === 'raw' || reading.startsWith('w');

/** Why no reader would ever deliver this; null when some does. */
function whyNoReader(read: CardRead): string | null {
  if (!isFrame(read)) return null;
  if (!holdsParity(read))
    return `These ${String(read.bits)} bits have a wrong parity, so a reader takes them for a faulty frame. Write the card as FACILITY:NUMBER, or tap it.`;
  if (read.bits < rawBits.least || read.bits > rawBits.most)
    return `No card has ${String(read.bits)} bits: readers send ${String(rawBits.least)} to ${String(rawBits.most)}.`;
  const bits = hexToBits(read.hex, read.bits);
  return read.reading === 'raw' && bits.every((bit) => bit === bits[0])
    ? 'No card has only zeros or only ones.'
    : null;
}

/**
 * A frame that may as well be another one that lost a bit: no parity vouches for it. It is believed when it comes twice.
 */
export const isUnsure = (read: CardRead): boolean =>
  isFrame(read) && (read.reading === 'raw' || !holdsParity(read));

const serialWords: Partial<Record<CardRead['reading'], string>> = {
  em40: 'EM4100 serial number',
  uid4: 'NFC serial number',
  uid7: 'NFC serial number',
};

/** The format and length of a reading, for people: `26 bit (H10301)`. */
export function formatWords(read: CardRead): string {
  const formats = decodeCard(hexToBits(read.hex, read.bits)).map(({ format }) => format.name);
  const name = serialWords[read.reading] ?? (formats.length > 0 ? formats.join(' or ') : 'no known format');
  return `${String(read.bits)} bit (${name})`;
}
