import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { CardRead, KnownReading, Reading } from '../schema.ts';

/** Bits `first` .. `last` of a frame, most significant first; bit 0 was sent first. */
interface Field {
  readonly first: number;
  readonly last: number;
}

/** `bit` makes the number of ones among itself and `covers` even or odd. */
interface Parity {
  readonly bit: number;
  readonly sense: 'even' | 'odd';
  readonly covers: readonly number[];
}

/** How card numbers are written: `PREFIX:FACILITY:NUMBER`, or `PREFIX:NUMBER` where there is no facility code. */
export const cardFormatPrefixes = ['w26', 'w34', 'w35', 'w37', 'w37fc', 'w48'] as const;
export type CardFormatPrefix = (typeof cardFormatPrefixes)[number];

export interface WiegandFormat {
  readonly prefix: CardFormatPrefix;
  /** The field's own name, for people. */
  readonly name: string;
  /** How a frame of this length is called as a reading: by its length alone, so that one frame has one digest. */
  readonly reading: Reading;
  readonly bits: number;
  readonly facility: Field | null;
  readonly number: Field;
  /** In the order in which they must be computed: a later one may cover an earlier one's bit. */
  readonly parity: readonly Parity[];
}

const bitsFrom = (first: number, last: number, keep: (bit: number) => boolean = () => true): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index).filter(keep);

/** Two halves of `bits` bits: bit 0 is even over the first, the last is odd over the second. */
const halves = (bits: number, firstEnd: number, secondStart: number): readonly Parity[] => [
  { bit: 0, sense: 'even', covers: bitsFrom(1, firstEnd) },
  { bit: bits - 1, sense: 'odd', covers: bitsFrom(secondStart, bits - 2) },
];

/** Every Wiegand format whose fields are known. H10302 and H10304 are the same frame, looked at in two ways. */
export const wiegandFormats: readonly WiegandFormat[] = [
  {
    prefix: 'w26',
    name: 'H10301',
    reading: 'w26',
    bits: 26,
    facility: { first: 1, last: 8 },
    number: { first: 9, last: 24 },
    parity: halves(26, 12, 13),
  },
  {
    prefix: 'w34',
    name: 'N10002',
    reading: 'w34',
    bits: 34,
    facility: { first: 1, last: 16 },
    number: { first: 17, last: 32 },
    parity: halves(34, 16, 17),
  },
  {
    prefix: 'w35',
    name: 'C1k35s',
    reading: 'w35',
    bits: 35,
    facility: { first: 2, last: 13 },
    number: { first: 14, last: 33 },
    parity: [
      { bit: 1, sense: 'even', covers: bitsFrom(2, 33, (bit) => bit % 3 !== 1) },
      { bit: 34, sense: 'odd', covers: bitsFrom(1, 33, (bit) => bit % 3 !== 0) },
      { bit: 0, sense: 'odd', covers: bitsFrom(1, 34) },
    ],
  },
  {
    prefix: 'w37',
    name: 'H10302',
    reading: 'w37',
    bits: 37,
    facility: null,
    number: { first: 1, last: 35 },
    parity: halves(37, 18, 18),
  },
  {
    prefix: 'w37fc',
    name: 'H10304',
    reading: 'w37',
    bits: 37,
    facility: { first: 1, last: 16 },
    number: { first: 17, last: 35 },
    parity: halves(37, 18, 18),
  },
  {
    prefix: 'w48',
    name: 'C1k48s',
    reading: 'w48',
    bits: 48,
    facility: { first: 2, last: 23 },
    number: { first: 24, last: 46 },
    parity: [
      { bit: 1, sense: 'even', covers: bitsFrom(3, 46, (bit) => bit % 3 !== 2) },
      { bit: 47, sense: 'odd', covers: bitsFrom(2, 45, (bit) => bit % 3 !== 1) },
      { bit: 0, sense: 'odd', covers: bitsFrom(1, 47) },
    ],
  },
];

export const formatsOfLength = (bits: number): readonly WiegandFormat[] =>
  wiegandFormats.filter((format) => format.bits === bits);

/** The reading's name for a Wiegand frame of this length; lengths without a known format are `raw`. */
export const readingOfLength = (bits: number): Reading => formatsOfLength(bits)[0]?.reading ?? 'raw';

/** Bits (0 or 1, first sent first) as lower-case hex, left-padded with zero bits, most significant first. */
export function bitsToHex(bits: ArrayLike<number>): string {
  const digits = Math.ceil(bits.length / 4);
  const padding = digits * 4 - bits.length;
  let hex = '';
  for (let digit = 0; digit < digits; digit += 1) {
    let value = 0;
    for (let place = 0; place < 4; place += 1) {
      const index = digit * 4 + place - padding;
      value = value * 2 + (index >= 0 && bits[index] === 1 ? 1 : 0);
    }
    hex += value.toString(16);
  }
  return hex;
}

/** The last `bits` bits of `hex`, first sent first. */
export function hexToBits(hex: string, bits: number): Uint8Array {
  const result = new Uint8Array(bits);
  const padding = hex.length * 4 - bits;
  for (let index = 0; index < bits; index += 1) {
    const place = index + padding;
    const digit = place < 0 ? 0 : Number.parseInt(hex[Math.floor(place / 4)] ?? '0', 16);
    result[index] = (digit >> (3 - (place & 3))) & 1;
  }
  return result;
}

function parityBit(parity: Parity, bits: ArrayLike<number>): 0 | 1 {
  let ones = parity.sense === 'odd' ? 1 : 0;
  for (const bit of parity.covers) ones ^= bits[bit] === 1 ? 1 : 0;
  return ones === 1 ? 1 : 0;
}

/** Whether a frame of the format's length has all parity bits right. */
export const parityHolds = (format: WiegandFormat, bits: ArrayLike<number>): boolean =>
  bits.length === format.bits &&
  format.parity.every((parity) => bits[parity.bit] === parityBit(parity, bits));

/** A frame as what it is known by: its length and all of its bits, parity included. */
export const readOfBits = (bits: ArrayLike<number>): CardRead => ({
  reading: readingOfLength(bits.length),
  bits: bits.length,
  hex: bitsToHex(bits),
});

function fieldValue(field: Field, bits: ArrayLike<number>): number {
  let value = 0;
  for (let bit = field.first; bit <= field.last; bit += 1) value = value * 2 + (bits[bit] === 1 ? 1 : 0);
  return value;
}

function setField(field: Field, value: number, bits: Uint8Array): void {
  let rest = value;
  for (let bit = field.last; bit >= field.first; bit -= 1) {
    bits[bit] = rest % 2;
    rest = Math.floor(rest / 2);
  }
}

const fieldMaximum = (field: Field): number => 2 ** (field.last - field.first + 1) - 1;

/** One way to look at a frame: presentation only, the identity is the raw frame. */
export interface CardView {
  readonly format: WiegandFormat;
  readonly facility: number | null;
  readonly number: number;
}

/** The views under which a frame makes sense (parity right); empty when there is none. */
export const decodeCard = (bits: ArrayLike<number>): readonly CardView[] =>
  formatsOfLength(bits.length)
    .filter((format) => parityHolds(format, bits))
    .map((format) => ({
      format,
      facility: format.facility === null ? null : fieldValue(format.facility, bits),
      number: fieldValue(format.number, bits),
    }));

export interface CardTextRefusal extends Refusal<'cardText'> {
  /** A sentence that names what is wrong and what is expected. */
  readonly message: string;
}
const refuseText = (message: string): Result<never, CardTextRefusal> => refuse({ code: 'cardText', message });

/** The frame of a card with these fields, parity computed. */
export function encodeCard(
  format: WiegandFormat,
  facility: number | null,
  number: number,
): Result<CardRead, CardTextRefusal> {
  const frame = encodeFrame(format, facility, number);
  return frame.ok ? ok(readOfBits(frame.value)) : frame;
}

/** The same as bits, first sent first. */
export function encodeFrame(
  format: WiegandFormat,
  facility: number | null,
  number: number,
): Result<Uint8Array, CardTextRefusal> {
  const bits = new Uint8Array(format.bits);
  if ((facility === null) !== (format.facility === null))
    return refuseText(
      format.facility === null
        ? `${format.name} (${format.prefix}) has no facility code: write ${format.prefix}:NUMBER.`
        : `${format.name} (${format.prefix}) needs a facility code: write ${format.prefix}:FACILITY:NUMBER.`,
    );
  if (format.facility !== null && facility !== null) {
    if (!Number.isSafeInteger(facility) || facility < 0 || facility > fieldMaximum(format.facility))
      return refuseText(`The facility code of ${format.name} is 0 to ${fieldMaximum(format.facility)}.`);
    setField(format.facility, facility, bits);
  }
  if (!Number.isSafeInteger(number) || number < 0 || number > fieldMaximum(format.number))
    return refuseText(`The card number of ${format.name} is 0 to ${fieldMaximum(format.number)}.`);
  setField(format.number, number, bits);
  for (const parity of format.parity) bits[parity.bit] = parityBit(parity, bits);
  return ok(bits);
}

/** Serial numbers as other readers give them: fixed length, written in hex. */
const serialBits = { em40: 40, uid4: 32, uid7: 56 } as const;
type Serial = keyof typeof serialBits;
const isSerial = (prefix: string): prefix is Serial => Object.hasOwn(serialBits, prefix);

const expected =
  'Write FACILITY:NUMBER (26 bit, such as 123:4567), as printed (080,33602 or 0005276482), w34:1234:56789, w35:F:N, w37:N, w37fc:F:N, w48:F:N, raw:BITS:HEX, em40:HEX, uid4:HEX or uid7:HEX.';
const isDecimal = (text: string | undefined): text is string => text !== undefined && /^\d{1,16}$/.test(text);

/** A card as people write it: `123:4567`, `w34:1234:56789`, `w37:12345678901`, `raw:32:0badcafe`, `uid4:0badcafe`. */
export function parseCardText(text: string): Result<CardRead, CardTextRefusal> {
  const parts = text.trim().toLowerCase().split(':');
  const [head, second, third] = parts;
  if (parts.length === 2 && isDecimal(head) && isDecimal(second)) return parseFields('w26', head, second);
  if (head === 'raw') return parts.length === 3 ? parseRaw(second, third) : refuseText(expected);
  if (head !== undefined && isSerial(head))
    return parts.length === 2 ? parseSerial(head, second) : refuseText(expected);
  if (parts.length === 3 && isDecimal(second) && isDecimal(third)) return parseFields(head, second, third);
  if (parts.length === 2 && isDecimal(second)) return parseFields(head, null, second);
  return refuseText(expected);
}

function parseFields(
  prefix: string | undefined,
  facility: string | null,
  number: string,
): Result<CardRead, CardTextRefusal> {
  const format = wiegandFormats.find((candidate) => candidate.prefix === prefix);
  if (format === undefined) return refuseText(expected);
  return encodeCard(format, facility === null ? null : Number(facility), Number(number));
}

const isZeroHex = (hex: string): boolean => /^0*$/.test(hex);

function parseRaw(bitsText: string | undefined, hex: string | undefined): Result<CardRead, CardTextRefusal> {
  const bits = isDecimal(bitsText) ? Number(bitsText) : 0;
  if (bits < 1 || bits > 512) return refuseText('A raw frame has 1 to 512 bits: write raw:BITS:HEX.');
  if (hex === undefined || !/^[0-9a-f]+$/.test(hex) || hex.length > 128)
    return refuseText('The bits of a raw frame are written in hex: raw:BITS:HEX.');
  const excess = Math.max(0, hex.length * 4 - bits);
  const above = hexToBits(hex, hex.length * 4).subarray(0, excess);
  if (above.some((bit) => bit === 1)) return refuseText(`${hex} does not fit into ${bits} bits.`);
  return ok(readOfBits(hexToBits(hex, bits)));
}

function parseSerial(reading: Serial, hex: string | undefined): Result<CardRead, CardTextRefusal> {
  const bits = serialBits[reading];
  if (hex === undefined || !new RegExp(`^[0-9a-f]{${bits / 4}}$`).test(hex) || isZeroHex(hex))
    return refuseText(`${reading} is written as ${bits / 4} hex digits, not all zero.`);
  return ok({ reading, bits, hex });
}

/** The canonical text of a reading; `parseCardText` gives the same reading back. */
export function cardText(read: CardRead): string {
  if (isSerial(read.reading)) return `${read.reading}:${read.hex}`;
  const view = decodeCard(hexToBits(read.hex, read.bits))[0];
  if (view === undefined) return `raw:${read.bits}:${read.hex}`;
  if (view.facility === null) return `${view.format.prefix}:${view.number}`;
  return `${view.format.prefix === 'w26' ? '' : `${view.format.prefix}:`}${view.facility}:${view.number}`;
}

/** The end of bits in hex as it may be shown: never more than half of them. */
const tailOf = (hex: string): string => hex.slice(hex.length - Math.min(3, Math.floor(hex.length / 2)));

/**
 * What people may be shown of a card: enough to tell two of their own apart, not enough to copy one. A short number has its
 * leading zeros, so that it is not shown whole; a frame that may be printed in two ways shows the end of both.
 */
export const maskedCardText = (read: CardRead): string => {
  const views = isSerial(read.reading) ? [] : decodeCard(hexToBits(read.hex, read.bits));
  if (views.length === 0) return `…${tailOf(read.hex)}`;
  const tails = views.map(({ format, number }) =>
    String(number)
      .padStart(String(fieldMaximum(format.number)).length, '0')
      .slice(-3),
  );
  return tails.map((tail) => `…${tail}`).join(' or ');
};

const formatByPrefix = (prefix: CardFormatPrefix): WiegandFormat | undefined =>
  wiegandFormats.find((format) => format.prefix === prefix);

/** A 32-bit serial as Wiegand readers send it: all of it in 34 bits, its lower 24 bits in 26. */
function wiegandOfSerial(serial: number): CardRead[] {
  const frames: CardRead[] = [];
  const w34 = formatByPrefix('w34');
  const w26 = formatByPrefix('w26');
  const wide = w34 && encodeCard(w34, Math.floor(serial / 65_536), serial % 65_536);
  const narrow = w26 && encodeCard(w26, Math.floor(serial / 65_536) % 256, serial % 65_536);
  for (const frame of [wide, narrow]) if (frame?.ok) frames.push(frame.value);
  return frames;
}

/**
 * How other common readers would read the same card: an EM4100 or MIFARE serial is sent whole in 34 bits and cut to
 * its lower 24 bits in 26. Only from a wider reading to a narrower one; the reading itself is not among them.
 */
export function derivedReadings(read: CardRead): readonly CardRead[] {
  if (read.reading === 'em40') return wiegandOfSerial(Number.parseInt(read.hex.slice(-8), 16));
  if (read.reading === 'uid4') return wiegandOfSerial(Number.parseInt(read.hex, 16));
  if (read.reading !== 'w34') return [];
  const view = decodeCard(hexToBits(read.hex, read.bits))[0];
  if (view === undefined || view.facility === null) return [];
  return wiegandOfSerial(view.facility * 65_536 + view.number).filter(
    (derived) => derived.reading !== read.reading,
  );
}

const isSameRead = (one: CardRead, other: CardRead): boolean =>
  one.reading === other.reading && one.bits === other.bits && one.hex === other.hex;

/** What follows from the readings of one card that readers delivered and is not among them yet. */
export function missingReadings(readings: readonly KnownReading[]): readonly KnownReading[] {
  const missing: KnownReading[] = [];
  for (const { seen, ...read } of readings)
    for (const derived of seen ? derivedReadings(read) : [])
      if (![...readings, ...missing].some((known) => isSameRead(known, derived)))
        missing.push({ ...derived, seen: false });
  return missing;
}
