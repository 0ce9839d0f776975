import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checksum,
  crc16,
  type DecoderOutcome,
  encodeFrame,
  type Frame,
  type FrameParts,
  frameDecoder,
  maxFrameBytes,
} from '#bridge/readers/osdp/wire/frame.ts';
import { bytesOf, frameBytes, hexOf } from './fixtures.ts';

const none = new Uint8Array();
const idRequest: FrameParts = {
  address: 0,
  isReply: false,
  sequence: 0,
  crc: true,
  security: null,
  id: 0x61,
  data: none,
};

const decodeAll = (bytes: Uint8Array, crc = true): DecoderOutcome[] => {
  const decoder = frameDecoder(crc);
  return [...decoder.push(bytes), ...decoder.flush()];
};
const framesOf = (outcomes: readonly DecoderOutcome[]): Frame[] =>
  outcomes.flatMap((outcome) => (outcome.kind === 'frame' ? [outcome.frame] : []));
const partsOf = ({ address, isReply, sequence, crc, security, id, data }: Frame): FrameParts => ({
  address,
  isReply,
  sequence,
  crc,
  security,
  id,
  data,
});

const byteArrays = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const partsArbitrary: fc.Arbitrary<FrameParts> = fc.record({
  address: fc.integer({ min: 0, max: 127 }),
  isReply: fc.boolean(),
  sequence: fc.integer({ min: 0, max: 3 }),
  crc: fc.constant(true),
  security: fc.option(fc.record({ type: fc.integer({ min: 0x11, max: 0x14 }), data: byteArrays(2) }), {
    nil: null,
  }),
  id: fc.integer({ min: 0, max: 255 }),
  data: byteArrays(200),
});

describe('the check', () => {
  test('CRC-16 of 53000900046100 is C0 66 on the line', () => {
    expect(crc16(bytesOf('53000900046100'))).toBe(0x66c0);
  });

  test('a checksum makes the sum of all bytes zero', () => {
    fc.assert(
      fc.property(byteArrays(50), (bytes) => {
        const sum = bytes.reduce((total, byte) => total + byte, checksum(bytes));
        expect(sum & 0xff).toBe(0);
      }),
    );
  });
});

describe('a frame', () => {
  test('the ID request is 53 00 09 00 04 61 00 C0 66', () => {
    expect(hexOf(encodeFrame({ ...idRequest, data: Uint8Array.of(0) }))).toBe('53000900046100c066');
  });

  test('a poll with a checksum is seven bytes whose last one is the checksum', () => {
    expect(hexOf(encodeFrame({ ...idRequest, crc: false, id: 0x60 }))).toBe(
      '5300070000 60 46'.replaceAll(' ', ''),
    );
  });

  test('a challenge carries its security block before the id', () => {
    const bytes = encodeFrame({
      ...idRequest,
      sequence: 2,
      id: 0x76,
      security: { type: 0x11, data: Uint8Array.of(1) },
      data: bytesOf('b0b1b2b3b4b5b6b7'),
    });
    expect(hexOf(bytes.subarray(0, -2))).toBe('53001300 0e 031101 76 b0b1b2b3b4b5b6b7'.replaceAll(' ', ''));
  });

  test('the MAC is asked for with the final length in place and goes before the CRC', () => {
    const seen: string[] = [];
    const bytes = encodeFrame({ ...idRequest, id: 0x60, security: { type: 0x15, data: none } }, (covered) => {
      seen.push(hexOf(covered));
      return bytesOf('aabbccddeeff00112233445566778899');
    });
    expect(seen).toEqual(['53000e000c021560']);
    expect(hexOf(bytes.subarray(0, -2))).toBe('53000e000c021560aabbccdd');
  });

  test('comes back from the decoder as it was, in any chunks', () => {
    fc.assert(
      fc.property(fc.array(partsArbitrary, { minLength: 1, maxLength: 4 }), byteArrays(20), (all, cuts) => {
        const bytes = Uint8Array.from(all.flatMap((parts) => [0xff, ...encodeFrame(parts)]));
        const decoder = frameDecoder(true);
        const frames: Frame[] = [];
        let at = 0;
        for (const cut of cuts) {
          frames.push(...framesOf(decoder.push(bytes.subarray(at, at + cut))));
          at += cut;
        }
        frames.push(...framesOf(decoder.push(bytes.subarray(at))));
        expect(frames.map(partsOf)).toEqual(all);
      }),
    );
  });

  test('with a MAC says what the MAC covers', () => {
    const bytes = frameBytes({
      address: 0x85,
      control: 1,
      security: [2, 0x16],
      id: 0x40,
      macOf: () => bytesOf('01020304'),
    });
    const [frame] = framesOf(decodeAll(bytes));
    expect(frame).toMatchObject({ address: 5, isReply: true, sequence: 1, id: 0x40, data: none });
    expect(hexOf(frame!.mac!)).toBe('01020304');
    expect(hexOf(frame!.covered)).toBe('53850e000d021640');
  });
});

describe('the decoder', () => {
  test('says what is missing of a frame under way, and whose it is', () => {
    const decoder = frameDecoder(true);
    decoder.push(bytesOf('ff 53850e000d02'));
    expect(decoder.pending()).toEqual({ address: 5, isReply: true, missing: 8 });
  });

  test('one wrong byte anywhere in a frame gives a fault and no frame', () => {
    const bytes = encodeFrame({ ...idRequest, data: Uint8Array.of(0) });
    for (let at = 0; at < bytes.length; at += 1)
      for (let bit = 0; bit < 8; bit += 1) {
        const wrong = bytes.map((byte, index) => (index === at ? byte ^ (1 << bit) : byte));
        const outcomes = decodeAll(wrong);
        expect(outcomes.length).toBeGreaterThan(0);
        expect(framesOf(outcomes)).toEqual([]);
      }
  });

  test('finds the frame behind garbage that looked like the start of a long one', () => {
    const frame = encodeFrame({ ...idRequest, data: Uint8Array.of(0) });
    const outcomes = decodeAll(Uint8Array.from([...bytesOf('00 53 01 20 03 04'), ...frame]));
    expect(framesOf(outcomes).map(partsOf)).toEqual([{ ...idRequest, data: Uint8Array.of(0) }]);
    expect(outcomes.some((outcome) => outcome.kind === 'fault' && outcome.fault === 'noise')).toBe(true);
  });

  test.each([
    ['a length below the shortest frame', '53 00 07 00 04 61 00 00', 'noise'],
    ['a length above 1440', '53 00 a1 05 04 61 00 00', 'noise'],
  ])('%s is a fault', (_, hex, fault) => {
    const outcomes = decodeAll(bytesOf(hex));
    expect(outcomes.map((outcome) => (outcome.kind === 'fault' ? outcome.fault : 'frame'))).toEqual([fault]);
  });

  test('a security block that does not fit into its frame is a fault of length', () => {
    const bytes = frameBytes({ address: 0x80, control: 0, security: [9, 0x12], id: 0x40 });
    expect(decodeAll(bytes)).toEqual([{ kind: 'fault', fault: 'length', bytes: bytes.length }]);
  });

  test('a frame with the other kind of check is noise', () => {
    const withChecksum = encodeFrame({ ...idRequest, crc: false });
    expect(framesOf(decodeAll(withChecksum, true))).toEqual([]);
    expect(framesOf(decodeAll(withChecksum, false))).toHaveLength(1);
  });

  test('the longest frame is taken whole and one byte of it missing is not', () => {
    const bytes = encodeFrame({ ...idRequest, data: new Uint8Array(maxFrameBytes - 8) });
    expect(bytes).toHaveLength(maxFrameBytes);
    expect(framesOf(decodeAll(bytes))).toHaveLength(1);
    expect(framesOf(decodeAll(bytes.subarray(0, -1)))).toEqual([]);
  });

  test('any bytes in any chunks never crash it, and every frame it gives stands in the bytes with a right CRC', () => {
    const garbage = fc.oneof(
      byteArrays(300),
      fc.array(fc.constantFrom(0x53, 0x00, 0x08, 0x04, 0xff), { maxLength: 300 }),
    );
    fc.assert(
      fc.property(fc.array(garbage, { maxLength: 12 }), (chunks) => {
        const decoder = frameDecoder(true);
        const all = hexOf(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])));
        const outcomes = chunks.flatMap((chunk) => [...decoder.push(Uint8Array.from(chunk))]);
        for (const frame of framesOf([...outcomes, ...decoder.flush()])) {
          const body = Uint8Array.from([...frame.covered, ...(frame.mac ?? [])]);
          const crc = crc16(body);
          expect(all).toContain(hexOf(Uint8Array.from([...body, crc & 255, crc >> 8])));
        }
        expect(decoder.pending()).toBeNull();
      }),
      { numRuns: 300 },
    );
  });

  test('a frame that begins inside what looked like a shorter one is found at once', () => {
    const frame = encodeFrame({ ...idRequest, data: Uint8Array.of(0) });
    const outcomes = frameDecoder(true).push(Uint8Array.from([...bytesOf('53 00 0c 00 04'), ...frame]));
    expect(outcomes[0]).toEqual({ kind: 'fault', fault: 'crc', bytes: 12 });
    expect(framesOf(outcomes).map(partsOf)).toEqual([{ ...idRequest, data: Uint8Array.of(0) }]);
  });

  test('a frame after any garbage is found once the line is quiet', () => {
    const frame = encodeFrame({ ...idRequest, address: 9, data: bytesOf('0102030405') });
    fc.assert(
      fc.property(byteArrays(100), (garbage) => {
        const found = framesOf(decodeAll(Uint8Array.from([...garbage, ...frame])));
        expect(found.map(partsOf)).toContainEqual({ ...idRequest, address: 9, data: bytesOf('0102030405') });
      }),
      { numRuns: 300 },
    );
  });
});
