import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checksum, crc16, decodeFrame, encodeFrame } from '#tests/_support/osdp/pd-frame.ts';
import {
  decryptData,
  defaultKey,
  encryptData,
  initialMac,
  panelCryptogram,
  peripheralCryptogram,
  sessionKeys,
} from '#tests/_support/osdp/pd-secure.ts';
import { SimulatedPeripheral } from '#tests/_support/osdp/peripheral.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const hex = (some: Uint8Array): string => Buffer.from(some).toString('hex');

describe("the design page's vectors", () => {
  it('hold for the checks of a frame', () => {
    expect(crc16(bytes('53000900046100'))).toBe(0x66c0);
    expect(checksum(bytes('530007000060'))).toBe(0x46);
  });

  it('hold for every key and cryptogram of the handshake', () => {
    const randomA = bytes('b0b1b2b3b4b5b6b7');
    const randomB = bytes('a0a1a2a3a4a5a6a7');
    const keys = sessionKeys(defaultKey, randomA);
    const panel = panelCryptogram(keys, randomA, randomB);
    expect(hex(keys.enc)).toBe('bf8dc2a8329acb8c67c6d0cd9a451682');
    expect(hex(keys.mac1)).toBe('5e86c676603bdee2d8beafe178637332');
    expect(hex(keys.mac2)).toBe('6fda86e857777e81132035758239172e');
    expect(hex(panel)).toBe('26d3356e07762d262801fc8e6665a891');
    expect(hex(peripheralCryptogram(keys, randomA, randomB))).toBe('fde5d2f428ec16312471ea3c02bd7796');
    expect(hex(initialMac(keys, panel))).toBe('b2a30057eb98ba2229ec1f875662b524');
  });

  it('leave data of any length and ending whole through the cipher, always with padding', () => {
    const keys = sessionKeys(defaultKey, bytes('b0b1b2b3b4b5b6b7'));
    const mac = bytes('000102030405060708090a0b0c0d0e0f');
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (plain) => {
        const secret = encryptData(keys, mac, plain);
        expect(secret.length).toBeGreaterThan(plain.length);
        expect(decryptData(keys, mac, secret)).toEqual(plain);
      }),
    );
  });
});

/** A reader, and commands to it with the right numbers. */
function reader() {
  let nowMs = 0;
  let sequence = 0;
  const peripheral = new SimulatedPeripheral({ now: () => nowMs });
  const say = (id: number, data: string): string => {
    const command = { address: 0, isReply: false, sequence, check: 'crc', security: null } as const;
    sequence = (sequence % 3) + 1;
    const reply = decodeFrame(
      peripheral.receive(encodeFrame({ ...command, id, data: bytes(data) }).bytes) ?? bytes(''),
    );
    return reply.kind === 'frame' ? hex(Uint8Array.of(reply.frame.id, ...reply.frame.data)) : reply.kind;
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { peripheral, say, pass };
}

describe('what the simulated OSDP reader shows and tells', () => {
  it('shows the temporary colour for its time and the permanent one before and after', () => {
    const { peripheral, say, pass } = reader();
    expect(say(0x69, '0000 00 00 00 00 00 0000 01 05 05 01 00')).toBe('40');
    expect(say(0x69, '0000 02 01 00 02 00 1400 00 00 00 00 00')).toBe('40');
    expect(peripheral.device.shownLed(0, 0)).toMatchObject({ onColor: 2, timer: 20 });
    pass(2000);
    expect(peripheral.device.shownLed(0, 0)).toMatchObject({ onColor: 1, on: 5 });
  });

  it('switches an output for a time, for good, and tells its state', () => {
    const { peripheral, say, pass } = reader();
    say(0x68, '01 05 0a00');
    expect(say(0x66, '')).toBe('4a0001');
    pass(1000);
    expect(say(0x66, '')).toBe('4a0000');
    say(0x68, '00 02 0000');
    expect(say(0x66, '')).toBe('4a0100');
    expect(peripheral.device.outputCommands).toHaveLength(2);
  });

  it('remembers sounds and texts, and refuses a text whose length is wrong', () => {
    const { peripheral, say } = reader();
    expect(say(0x6a, '00 02 02 01 03')).toBe('40');
    expect(peripheral.device.buzzes).toEqual([{ reader: 0, tone: 2, on: 2, off: 1, count: 3 }]);
    expect(say(0x6b, '00 01 00 01 01 02 4f4b')).toBe('40');
    expect(peripheral.device.texts[0]?.text).toBe('OK');
    expect(say(0x6b, '00 01 00 01 01 03 4f4b')).toBe('4102');
  });

  it('tells tamper, power, inputs and readers when asked', () => {
    const { peripheral, say } = reader();
    peripheral.tamper(true);
    peripheral.powerFault(true);
    peripheral.device.input(1, true);
    expect([say(0x64, ''), say(0x65, ''), say(0x67, '')]).toEqual(['480101', '490001', '4b00']);
    expect([say(0x60, ''), say(0x60, ''), say(0x60, ''), say(0x60, '')]).toEqual([
      '480100',
      '480101',
      '490001',
      '40',
    ]);
  });

  it("takes the panel's limits, echoes its own vendor's command, and knows no other vendor's", () => {
    const { peripheral, say } = reader();
    expect([say(0x7b, '0002'), say(0xa7, 'e803')]).toEqual(['40', '40']);
    expect([peripheral.device.acuReceiveSize, peripheral.device.keepActiveMs]).toEqual([512, 1000]);
    expect([say(0x80, '4d4b43 07'), say(0x80, '000000 07')]).toEqual(['904d4b4307', '4103']);
  });

  it('takes no key in the clear', () => {
    const { peripheral, say } = reader();
    expect(say(0x75, `0110${'ab'.repeat(16)}`)).toBe('4106');
    expect(peripheral.ownKey).toBeNull();
    expect(peripheral.violations).toEqual(['a key in the clear']);
  });

  it('survives any bytes, framed or not', () => {
    const peripheral = new SimulatedPeripheral({ now: () => 0 });
    const framed = fc
      .record({
        address: fc.constantFrom(0, 0x7f),
        sequence: fc.nat(3),
        check: fc.constantFrom('crc' as const, 'checksum' as const),
        security: fc.option(fc.uint8Array({ minLength: 1, maxLength: 3 })),
        id: fc.nat(255),
        data: fc.uint8Array({ maxLength: 40 }),
      })
      .map((frame) => encodeFrame({ ...frame, isReply: false }).bytes);
    fc.assert(
      fc.property(fc.oneof(framed, fc.uint8Array({ maxLength: 40 })), (command) => {
        const reply = peripheral.receive(command);
        if (reply !== null) expect(decodeFrame(reply).kind).toBe('frame');
      }),
      { numRuns: 2000 },
    );
  });
});
