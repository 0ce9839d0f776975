import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wedgeDriver } from '#bridge/readers/wedge/driver.ts';
import { wedgeConfigSchema } from '#bridge/readers/wedge/kind.ts';
import { maxLineBytes, wedgeParser } from '#bridge/readers/wedge/protocol.ts';
import { cardText, derivedReadings } from '#hub/domains/access/cards/format-rules.ts';
import {
  ascii,
  chunksOf,
  Delivered,
  faultsIn,
  outcomesOf,
  readsIn,
  sizesArbitrary,
  VirtualClock,
} from './uart-fixtures.ts';

const configOf = (settings: object) =>
  wedgeConfigSchema.parse({ kind: 'wedge', port: '/dev/ttyAMA0', ...settings });
const parserOf = (settings: object) => wedgeParser(configOf(settings));
const textsOf = (settings: object, bytes: string): string[] =>
  readsIn(outcomesOf(parserOf(settings), ascii(bytes))).map(cardText);
const faultsOf = (settings: object, bytes: string): string[] =>
  faultsIn(outcomesOf(parserOf(settings), ascii(bytes)));

const em10 = { reads: 'em10' };
const hex8 = { reads: 'hex' };

describe('a line', () => {
  test.each([
    ['ten digits of an EM card', em10, '0012345678', 'w34:188:24910'],
    ['the greatest number of an EM card', em10, '4294967295', 'w34:65535:65535'],
    ['facility code and number as printed', { reads: 'facilityNumber' }, '123,04567', '123:4567'],
    ['facility code and number without a separator', { reads: 'facilityNumber' }, '12304567', '123:4567'],
    ['eight hex digits', hex8, '00BC614E', 'w34:188:24910'],
    [
      'eight hex digits in the other byte order',
      { ...hex8, byteOrder: 'reversed' },
      '4E61BC00',
      'w34:188:24910',
    ],
    ['six hex digits', { reads: 'hex', hexDigits: 6 }, 'bc614e', '188:24910'],
    ['ten hex digits', { reads: 'hex', hexDigits: 10 }, '0A00BC614E', 'em40:0a00bc614e'],
    ['fourteen hex digits', { reads: 'hex', hexDigits: 14 }, '04AF68DAC85A80', 'uid7:04af68dac85a80'],
    ['the text of a card', { reads: 'cardText' }, 'w34:1234:56789', 'w34:1234:56789'],
  ])('with %s is that card', (_what, settings, line, text) => {
    for (const end of ['\r', '\n', '\r\n']) expect(textsOf(settings, `${line}${end}`)).toEqual([text]);
    expect(textsOf(settings, `\x02${line}\r\n\x03\x02${line}\x03\r`)).toEqual([text, text]);
  });

  test('with ten digits is the reading that is derived from the same card on a reader of 40 bits', () => {
    const [read] = readsIn(outcomesOf(parserOf(em10), ascii('0012345678\r')));
    expect(derivedReadings({ reading: 'em40', bits: 40, hex: '0a00bc614e' })).toContainEqual(read);
  });

  test.each([
    ['a number beyond 32 bits', em10, '4294967296', 'notACard'],
    ['nothing but zeros', em10, '0000000000', 'notACard'],
    ['a letter', em10, '00123A5678', 'notACard'],
    ['a digit too few', em10, '012345678', 'unknownLength'],
    ['two lines in one', em10, '00123456780012345678', 'unknownLength'],
    ['a facility code beyond 8 bits', { reads: 'facilityNumber' }, '256,00001', 'notACard'],
    ['a number beyond 16 bits', { reads: 'facilityNumber' }, '123,65536', 'notACard'],
    ['a short card number', { reads: 'facilityNumber' }, '123,4567', 'unknownLength'],
    ['a hex digit too few', hex8, '0BC614E', 'unknownLength'],
    ['hex zeros', hex8, '00000000', 'notACard'],
    ['a byte that is no text', em10, '00123\xe95678', 'noise'],
    ['a text that names no card', { reads: 'cardText' }, 'hello', 'notACard'],
  ])('with %s is one fault and no card', (_what, settings, line, fault) => {
    const bytes = Buffer.from(`${line}\r`, 'latin1');
    const outcomes = outcomesOf(parserOf(settings), bytes);
    expect(readsIn(outcomes)).toEqual([]);
    expect(faultsIn(outcomes)).toEqual([fault]);
  });

  test('of no bytes is nothing', () => {
    expect(outcomesOf(parserOf(em10), ascii('\r\n\r\n\n\r\x03'))).toEqual([]);
  });

  test('longer than the bound is dropped whole, also when its end looks like a card', () => {
    const long = `${'9'.repeat(maxLineBytes)}0012345678\r`;
    expect(textsOf(em10, long)).toEqual([]);
    expect(faultsOf(em10, long)).toEqual(['unknownLength']);
    expect(textsOf(em10, `${long}0012345678\r`)).toEqual(['w34:188:24910']);
  });

  test('without an end is no card, however long the pause after it', () => {
    const parser = parserOf(em10);
    expect(parser.push(ascii('0012345678'), 0)).toEqual([]);
    expect(parser.push(ascii(''), 10_000)).toEqual([{ kind: 'fault', fault: 'truncated', bits: 80 }]);
    expect(parser.push(ascii('\r'), 10_000)).toEqual([]);
  });

  test('whose rest comes after half a second is no card', () => {
    const parser = parserOf(em10);
    parser.push(ascii('00123'), 0);
    const late = parser.push(ascii('45678\r'), 501);
    expect(faultsIn(late)).toEqual(['truncated', 'unknownLength']);
    expect(readsIn(late)).toEqual([]);
    parser.push(ascii('00123'), 600);
    expect(readsIn(parser.push(ascii('45678\r'), 1100))).toHaveLength(1);
  });

  test('that lost a byte is never another card where its length is known', () => {
    const digit = fc.constantFrom(...'0123456789'.split(''));
    const lineArbitrary = fc.oneof(
      fc.tuple(fc.constant(em10), fc.string({ unit: digit, minLength: 10, maxLength: 10 })),
      fc.tuple(
        fc.constant({ reads: 'facilityNumber' }),
        fc
          .tuple(fc.integer({ min: 1, max: 255 }), fc.nat(65_535), fc.constantFrom(',', ''))
          .map(([facility, number, between]) =>
            [String(facility).padStart(3, '0'), between, String(number).padStart(5, '0')].join(''),
          ),
      ),
      fc.tuple(
        fc.constant(hex8),
        fc.string({ unit: fc.constantFrom(...'0123456789ABCDEF'.split('')), minLength: 8, maxLength: 8 }),
      ),
    );
    fc.assert(
      fc.property(lineArbitrary, lineArbitrary, ([settings, line], [, next]) => {
        const sent = textsOf(settings, `${line}\r`);
        for (const index of line.split('').keys()) {
          const torn = `${line.slice(0, index)}${line.slice(index + 1)}\r`;
          // A lost separator leaves the same card.
          expect([[], sent]).toContainEqual(textsOf(settings, torn));
        }
        // A lost end glues the next line to it.
        expect(textsOf(settings, `${line}${next}\r`)).toEqual([]);
      }),
    );
  });

  test('is never made of arbitrary bytes that do not hold it, whatever their pieces', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('em10', 'facilityNumber', 'hex', 'cardText'),
        fc.array(fc.oneof(fc.constantFrom(2, 3, 10, 13), fc.integer({ min: 0x2c, max: 0x46 }), fc.nat(255)), {
          maxLength: 300,
        }),
        sizesArbitrary,
        (reads, bytes, sizes) => {
          const whole = Uint8Array.from(bytes);
          const parser = parserOf({ reads });
          const outcomes = chunksOf(whole, sizes).flatMap((chunk) => parser.push(chunk, 0));
          const lines = Buffer.from(whole)
            .toString('latin1')
            .replaceAll('\x02', '\n')
            .split(/[\r\n]/)
            .map((line) => line.replaceAll('\x03', ''));
          const allowed = lines.flatMap((line) => textsOf({ reads }, `${line}\r`));
          for (const text of readsIn(outcomes).map(cardText)) expect(allowed).toContain(text);
        },
      ),
    );
  });
});

describe('the driver', () => {
  test('reads a repeated line once, and again when it was gone for a second', () => {
    const clock = new VirtualClock();
    const delivered = new Delivered();
    const driver = wedgeDriver('front', configOf(em10), delivered, clock);
    driver.onOpen({ write: () => undefined, setBaudRate: () => undefined });
    for (let turn = 0; turn < 5; turn += 1) {
      driver.onBytes(ascii('0012345678\r\n'));
      clock.advance(300);
    }
    expect(delivered.reads.map(cardText)).toEqual(['w34:188:24910']);
    clock.advance(1001);
    driver.onBytes(ascii('0012345678\r\n'));
    expect(delivered.reads).toHaveLength(2);
    expect(driver.report()[0]).toMatchObject({ link: 'online', goodFrames: 6, faultyFrames: 0 });
  });
});

describe('the configuration', () => {
  test.each([
    ['/dev/ttyUSB0', /by-id/],
    ['/dev/ttyACM1', /by-id/],
    ['/dev/serial/by-id/../../ttyUSB0', /whole path/],
    ['/dev/sda', /\/dev\/serial\/by-id/],
    ['ttyAMA0', /whole path/],
    ['/dev/serial/by-id/', /whole path/],
    ['/dev/tty AMA0', /spaces/],
  ])('refuses the port %s with the next step', (port, message) => {
    const parsed = wedgeConfigSchema.safeParse({ kind: 'wedge', reads: 'em10', port });
    expect(parsed.error?.issues.map((issue) => issue.message).join()).toMatch(message);
  });

  test.each([
    '/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0',
    '/dev/serial/by-path/platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.2:1.0-port0',
    '/dev/ttyAMA0',
    '/dev/ttyS0',
    '/dev/serial0',
    '/dev/pts/3',
    '/run/makrcave-hub/simulated-reader',
  ])('takes the port %s', (port) => {
    expect(wedgeConfigSchema.parse({ kind: 'wedge', reads: 'em10', port }).port).toBe(port);
  });
});
