import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { osdpConfigSchema } from '#bridge/readers/osdp/kind.ts';
import { buzzerSignalOf, ledSignalOf } from '#bridge/readers/osdp/peripheral/signals.ts';
import { readCard } from '#bridge/readers/osdp/wire/card-data.ts';
import { type Command, encodeCommand } from '#bridge/readers/osdp/wire/commands.ts';
import { parseReply, quirkOf } from '#bridge/readers/osdp/wire/replies.ts';
import { encodeFrame, hexToBits, wiegandFormats } from '#hub/domains/access/cards/format-rules.ts';
import { bytesOf, hexOf } from './fixtures.ts';

describe('a command', () => {
  const blink = { on: 1, off: 2, onColor: 1, offColor: 0 } as const;
  test.each<[string, Command, string]>([
    ['POLL', { kind: 'poll' }, '60'],
    ['ID', { kind: 'identity' }, '61 00'],
    ['CAP', { kind: 'capabilities' }, '62 00'],
    ['LSTAT', { kind: 'localStatus' }, '64'],
    ['ISTAT', { kind: 'inputStatus' }, '65'],
    ['OSTAT', { kind: 'outputStatus' }, '66'],
    ['RSTAT', { kind: 'readerStatus' }, '67'],
    ['OUT', { kind: 'output', output: 1, code: 5, timer: 300 }, '68 01 05 2c01'],
    [
      'LED temporary',
      { kind: 'led', reader: 0, led: 1, temporary: { ...blink, timer: 300 }, permanent: 'keep' },
      '69 00 01 02 01020100 2c01 00 00000000',
    ],
    [
      'LED permanent',
      { kind: 'led', reader: 0, led: 0, temporary: 'cancel', permanent: blink },
      '69 00 00 01 00000000 0000 01 01020100',
    ],
    ['BUZ', { kind: 'buzzer', reader: 0, tone: 'default', on: 2, off: 1, count: 3 }, '6a 00 02 02 01 03'],
    [
      'TEXT',
      { kind: 'text', reader: 0, seconds: 5, row: 1, column: 2, text: 'Hi é' },
      '6b 00 03 05 01 02 04 4869203f',
    ],
    ['COMSET', { kind: 'communication', address: 5, baudRate: 115_200 }, '6e 05 00c20100'],
    [
      'KEYSET',
      { kind: 'keySet', key: bytesOf('000102030405060708090a0b0c0d0e0f') },
      '75 01 10 000102030405060708090a0b0c0d0e0f',
    ],
    [
      'CHLNG',
      { kind: 'challenge', panelRandom: bytesOf('b0b1b2b3b4b5b6b7'), ownKey: true },
      '76 b0b1b2b3b4b5b6b7',
    ],
    ['SCRYPT', { kind: 'crypt', cryptogram: new Uint8Array(16), ownKey: true }, `77 ${'00'.repeat(16)}`],
    ['ACURXSIZE', { kind: 'receiveSize', bytes: 1440 }, '7b a005'],
    ['KEEPACTIVE', { kind: 'keepActive', ms: 7000 }, 'a7 581b'],
  ])('%s has the bytes of the spec', (_, command, hex) => {
    const { id, data } = encodeCommand(command);
    expect(hexOf(Uint8Array.of(id, ...data))).toBe(hex.replaceAll(' ', ''));
  });

  test('a text is cut at 32 characters', () => {
    const { data } = encodeCommand({
      kind: 'text',
      reader: 0,
      seconds: 0,
      row: 1,
      column: 1,
      text: 'x'.repeat(99),
    });
    expect(hexOf(data.subarray(0, 6))).toBe('000100010120');
    expect(data).toHaveLength(38);
  });
});

describe('a reply', () => {
  test.each([
    ['ACK', '40', { kind: 'ack' }],
    ['NAK', '41 04', { kind: 'nak', code: 4 }],
    [
      'PDID',
      '45 5c2623 01 02 39300000 010203',
      { kind: 'identity', text: 'vendor 5c2623, model 1.2, serial 12345, firmware 1.2.3' },
    ],
    [
      'PDCAP',
      '46 010204 020101',
      {
        kind: 'capabilities',
        capabilities: [
          { code: 1, compliance: 2, count: 4 },
          { code: 2, compliance: 1, count: 1 },
        ],
      },
    ],
    ['LSTATR', '48 0100', { kind: 'localStatus', tamper: true, powerFault: false }],
    ['ISTATR', '49 0001', { kind: 'inputStatus', active: [false, true] }],
    ['OSTATR', '4a 01', { kind: 'outputStatus', active: [true] }],
    ['RSTATR', '4b 0002', { kind: 'readerStatus', states: [0, 2] }],
    [
      'RAW',
      '50 00 01 1a00 bd88eb80',
      { kind: 'card', reader: 0, format: 1, bits: 26, data: bytesOf('bd88eb80') },
    ],
    ['KEYPAD', '53 00 04 31397f0d', { kind: 'keys', reader: 0, keys: '19*#' }],
    ['COM', '54 05 00c20100', { kind: 'communication', address: 5, baudRate: 115_200 }],
    ['BUSY', '79', { kind: 'busy' }],
    ['MFGREP', '90 0102', { kind: 'unknown', id: 0x90 }],
  ])('%s is read', (_, hex, reply) => {
    const bytes = bytesOf(hex);
    expect(parseReply(bytes[0]!, bytes.subarray(1))).toEqual(reply);
  });

  test.each([
    '41',
    '45 0102',
    '48 01',
    '50 00 01',
    '50 00 01 1a00 bd88eb',
    '51 00 00 02 31',
    '51 00 00 01 3b',
    '53 00 02 31',
    '54 05',
    '76 00',
    '78 00',
  ])('%s is malformed', (hex) => {
    const bytes = bytesOf(hex);
    expect(parseReply(bytes[0]!, bytes.subarray(1))).toEqual({ kind: 'malformed', id: bytes[0] });
  });

  test.each([
    ['46 010202 01', { kind: 'capabilities', capabilities: [{ code: 1, compliance: 2, count: 2 }] }],
    ['48 01 00 00', { kind: 'localStatus', tamper: true, powerFault: false }],
    [
      '50 00 01 1a00 bd88eb80 00',
      { kind: 'card', reader: 0, format: 1, bits: 26, data: bytesOf('bd88eb80') },
    ],
    ['53 00 02 3132 00', { kind: 'keys', reader: 0, keys: '12' }],
  ])('%s has more bytes than it should: they are passed over, and that is said', (hex, reply) => {
    const bytes = bytesOf(hex);
    expect(parseReply(bytes[0]!, bytes.subarray(1))).toEqual(reply);
    expect(quirkOf(bytes[0]!, bytes.subarray(1))).toBe('surplusBytes');
    const exact = bytes.subarray(1, -1);
    expect(quirkOf(bytes[0]!, exact)).toBeNull();
  });

  test('keys as formatted text are keys, in whichever direction they come', () => {
    expect(parseReply(0x51, bytesOf('00 00 05 313233347f'))).toMatchObject({ kind: 'keys', keys: '1234*' });
    expect(parseReply(0x51, bytesOf('00 01 03 333231'))).toMatchObject({ kind: 'keys', keys: '123' });
    expect(quirkOf(0x51, bytesOf('00 01 03 333231'))).toBe('formattedKeys');
  });

  test('of any bytes is a value', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 60 }), (id, data) => {
        const reply = parseReply(id, data);
        expect(typeof reply.kind).toBe('string');
        if (reply.kind === 'card') expect(['read', 'fault']).toContain(readCard(reply).kind);
      }),
      { numRuns: 500 },
    );
  });
});

const leftJustified = (bits: Uint8Array): Uint8Array => {
  const data = new Uint8Array(Math.ceil(bits.length / 8));
  for (const [index, bit] of bits.entries()) data[index >> 3]! |= bit << (7 - (index & 7));
  return data;
};
const card = (format: number, bits: number, data: Uint8Array) =>
  readCard({ kind: 'card', reader: 0, format, bits, data });

describe('card data', () => {
  test.each([
    ['w26', '2f623ae', 26],
    ['w34', '209a5bbaa', 34],
    ['w35', '69a5154a4', 35],
    ['w37', '15bfb8386a', 37],
    ['w37', '030393c481', 37],
  ])('of %s, %s, is the same read as on a Wiegand line', (reading, hex, bits) => {
    expect(card(1, bits, leftJustified(hexToBits(hex, bits)))).toEqual({
      kind: 'read',
      read: { reading, bits, hex },
    });
  });

  test('with one bit flipped in a format that we know is a parity fault, wherever the bit is', () => {
    for (const format of wiegandFormats) {
      const frame = encodeFrame(format, format.facility === null ? null : 12, 345);
      if (!frame.ok) throw new Error('no frame');
      for (let at = 0; at < format.bits; at += 1) {
        const flipped = frame.value.map((bit, index) => (index === at ? 1 - bit : bit));
        expect(card(1, format.bits, leftJustified(flipped))).toEqual({
          kind: 'fault',
          fault: 'parity',
          bits: format.bits,
        });
      }
    }
  });

  test('that the reader calls raw needs no parity and is named by its length', () => {
    expect(card(0, 26, bytesOf('bd88ebc0'))).toEqual({
      kind: 'read',
      read: { reading: 'w26', bits: 26, hex: '2f623af' },
    });
  });

  test.each([
    [32, 'deadbeef'],
    [56, '04a1b2c3d4e580'],
    [58, '04a1b2c3d4e58040'],
    [512, 'a5'.repeat(64)],
  ])('of %i bits is kept raw with its length, whatever the reader calls it', (bits, hex) => {
    for (const format of [0, 1, 2])
      expect(card(format, bits, bytesOf(hex))).toMatchObject({
        kind: 'read',
        read: { reading: 'raw', bits },
      });
  });

  test.each([
    [0, '', 'truncated'],
    [25, 'bd88eb80', 'truncated'],
    [513, `${'a5'.repeat(64)}80`, 'unknownLength'],
    [32, '00000000', 'noise'],
    [32, 'ffffffff', 'noise'],
  ])('of %i bits, %s, is a fault: %s', (bits, hex, fault) => {
    expect(card(1, bits, bytesOf(hex))).toEqual({ kind: 'fault', fault, bits });
  });
});

describe("the door's patterns", () => {
  test('granted is a green second over whatever shows, denied a fast red blink', () => {
    expect(ledSignalOf('granted')).toEqual({
      kind: 'passing',
      blink: { on: 10, off: 1, onColor: 2, offColor: 0, timer: 11 },
    });
    expect(ledSignalOf('denied')).toEqual({
      kind: 'passing',
      blink: { on: 1, off: 1, onColor: 1, offColor: 0, timer: 10 },
    });
  });

  test.each([
    ['idle', 1],
    ['unlocked', 2],
    ['locked', 1],
    ['preAlarm', 3],
    ['alarm', 1],
  ] as const)('%s rests, in colour %i', (pattern, onColor) => {
    expect(ledSignalOf(pattern)).toMatchObject({ kind: 'resting', blink: { onColor } });
  });

  test('a buzzer that passes says how long it sounds, one that rests goes on', () => {
    expect(buzzerSignalOf('denied')).toEqual({
      sound: { kind: 'buzzer', tone: 'default', on: 1, off: 1, count: 3 },
      lastsMs: 600,
    });
    expect(buzzerSignalOf('alarm')).toMatchObject({ sound: { tone: 'default', count: 0 }, lastsMs: null });
    expect(buzzerSignalOf('silent')).toMatchObject({ sound: { tone: 'off' }, lastsMs: null });
  });
});

describe('the configuration', () => {
  const least = { kind: 'osdp', port: '/dev/serial/by-id/usb-rs485', address: 1 };
  test('asks for the secure channel unless it is told not to', () => {
    expect(osdpConfigSchema.parse(least)).toEqual({
      ...least,
      baudRate: 9600,
      secureChannel: 'required',
      ledNumber: 0,
      openCards: false,
      crc: true,
    });
  });

  test.each([
    { address: 127 },
    { address: -1 },
    { baudRate: 1200 },
    { secureChannel: 'optional' },
    { port: '' },
    { key: '00' },
  ])('does not take %o', (wrong) => {
    expect(osdpConfigSchema.safeParse({ ...least, ...wrong }).success).toBe(false);
  });
});
