import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf } from '#hub/domains/access/cards/digest-rules.ts';
import {
  bitsToHex,
  cardText,
  decodeCard,
  derivedReadings,
  encodeCard,
  encodeFrame,
  formatsOfLength,
  hexToBits,
  maskedCardText,
  parityHolds,
  parseCardText,
  readingOfLength,
  readOfBits,
  wiegandFormats,
} from '#hub/domains/access/cards/format-rules.ts';
import { cardReadSchema } from '#hub/domains/access/schema.ts';

const read = (text: string) => {
  const parsed = parseCardText(text);
  if (!parsed.ok) throw new Error(parsed.refusal.message);
  return parsed.value;
};

describe('the published frames', () => {
  test.each([
    ['123:4567', 'w26', 26, '2f623ae'],
    ['w26:123:4567', 'w26', 26, '2f623ae'],
    ['w34:1234:56789', 'w34', 34, '209a5bbaa'],
    ['w35:1234:567890', 'w35', 35, '69a5154a4'],
    ['w37:12345678901', 'w37', 37, '15bfb8386a'],
    ['w37fc:12345:123456', 'w37', 37, '030393c481'],
  ])('%s is the frame of the standard', (text, reading, bits, hex) => {
    expect(read(text)).toEqual({ reading, bits, hex });
  });

  test('two views of a 37-bit frame are one reading, so one digest', () => {
    const frame = hexToBits('15bfb8386a', 37);
    expect(decodeCard(frame).map((view) => view.format.name)).toEqual(['H10302', 'H10304']);
    const [plain, withFacility] = decodeCard(frame);
    const again = read(`w37fc:${withFacility?.facility}:${withFacility?.number}`);
    expect(again).toEqual(read(`w37:${plain?.number}`));
  });
});

const formatArbitrary = fc.constantFrom(...wiegandFormats);
const fieldsArbitrary = formatArbitrary.chain((format) =>
  fc.record({
    format: fc.constant(format),
    facility:
      format.facility === null
        ? fc.constant(null)
        : fc.integer({ min: 0, max: 2 ** (format.facility.last - format.facility.first + 1) - 1 }),
    number: fc.integer({ min: 0, max: 2 ** (format.number.last - format.number.first + 1) - 1 }),
  }),
);

test('every field value survives encoding and decoding, and parity holds', () => {
  fc.assert(
    fc.property(fieldsArbitrary, ({ format, facility, number }) => {
      const frame = encodeFrame(format, facility, number);
      if (!frame.ok) return false;
      expect(parityHolds(format, frame.value)).toBe(true);
      const view = decodeCard(frame.value).find((candidate) => candidate.format === format);
      expect([view?.facility, view?.number]).toEqual([facility, number]);
      return true;
    }),
  );
});

test('one flipped bit never passes as the same format', () => {
  fc.assert(
    fc.property(fieldsArbitrary, fc.nat(), ({ format, facility, number }, position) => {
      const frame = encodeFrame(format, facility, number);
      if (!frame.ok) return false;
      const bits = frame.value;
      const index = position % bits.length;
      bits[index] = bits[index] === 1 ? 0 : 1;
      return !parityHolds(format, bits);
    }),
  );
});

test('the text of a reading gives the same reading back, whatever its bits', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, 1), { minLength: 1, maxLength: 512 }), (bits) => {
      const frame = readOfBits(bits);
      expect(cardReadSchema.safeParse(frame).success).toBe(true);
      expect(read(cardText(frame))).toEqual(frame);
      expect([...hexToBits(frame.hex, frame.bits)]).toEqual(bits);
    }),
  );
});

test('no text makes the parser throw, and what it accepts is a well-formed reading', () => {
  const soup = fc.oneof(
    fc.string(),
    fc.stringMatching(/^(w26|w34|w35|w37|w37fc|w48|raw|em40|uid4|uid7|[0-9]{1,5})(:[0-9a-fx-]{0,20}){0,3}$/),
  );
  fc.assert(
    fc.property(soup, (text) => {
      const parsed = parseCardText(text);
      if (parsed.ok) expect(cardReadSchema.safeParse(parsed.value).success).toBe(true);
      else expect(parsed.refusal.message.length).toBeGreaterThan(10);
    }),
  );
});

test.each([
  ['256:1', 'The facility code of H10301 is 0 to 255.'],
  ['1:65536', 'The card number of H10301 is 0 to 65535.'],
  ['w37:1:2', 'H10302 (w37) has no facility code: write w37:NUMBER.'],
  ['w34:5', 'N10002 (w34) needs a facility code: write w34:FACILITY:NUMBER.'],
  ['raw:3:f', 'f does not fit into 3 bits.'],
  ['raw:600:0', 'A raw frame has 1 to 512 bits: write raw:BITS:HEX.'],
  ['uid4:00000000', 'uid4 is written as 8 hex digits, not all zero.'],
])('%s is refused with what is wrong', (text, message) => {
  expect(parseCardText(text)).toEqual({ ok: false, refusal: { code: 'cardText', message } });
});

test('a number without a format says how cards are written', () => {
  const parsed = parseCardText('4567');
  expect(parsed.ok ? '' : parsed.refusal.message).toContain('FACILITY:NUMBER');
});

test('lengths without a known format are raw, and hex is padded on the left', () => {
  expect(readingOfLength(27)).toBe('raw');
  expect(readingOfLength(37)).toBe('w37');
  expect(formatsOfLength(37)).toHaveLength(2);
  expect(bitsToHex([1, 0, 1])).toBe('5');
  expect(bitsToHex([1, 0, 1, 0, 1])).toBe('15');
});

test('one fob is known by its serial and by what 34 and 26 bit readers send of it', () => {
  expect(derivedReadings(read('em40:3b04d2ddd5')).map(cardText)).toEqual(['w34:1234:56789', '210:56789']);
  expect(derivedReadings(read('uid4:04d2ddd5')).map(cardText)).toEqual(['w34:1234:56789', '210:56789']);
  expect(derivedReadings(read('w34:1234:56789')).map(cardText)).toEqual(['210:56789']);
  expect(derivedReadings(read('123:4567'))).toEqual([]);
});

test('the masked text does not give a number away', () => {
  expect(maskedCardText(read('123:4567'))).toBe('…567');
});

test('a digest depends on key, reading, length and bits', () => {
  const key = new Uint8Array(32).fill(7);
  const digest = (keyBytes: Uint8Array, text: string): string =>
    Buffer.from(digestOf(keyBytes, read(text))).toString('hex');
  expect(digest(key, '123:4567')).toHaveLength(32);
  expect(digest(key, '123:4567')).not.toBe(digest(new Uint8Array(32).fill(8), '123:4567'));
  expect(digest(key, 'raw:27:1')).not.toBe(digest(key, 'raw:28:1'));
  const made = encodeCard(wiegandFormats[0]!, 123, 4567);
  expect(made.ok && Buffer.from(digestOf(key, made.value)).toString('hex')).toBe(digest(key, '123:4567'));
});
