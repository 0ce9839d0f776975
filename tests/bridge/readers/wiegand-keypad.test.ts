import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bridgeConfigSchema } from '#bridge/config.ts';
import {
  burstToKey,
  digitsToFrame,
  frameToDigits,
  keysToFrames,
  keyToBurst,
} from '#bridge/readers/wiegand/keypad.ts';
import { wiegandAssembler } from '#bridge/readers/wiegand/protocol.ts';
import { hexToBits, parseCardText } from '#hub/domains/access/cards/format-rules.ts';

const bitsOf = (text: string): number[] => Array.from(text, Number);

test.each([
  ['0000', '0'],
  ['0001', '1'],
  ['1001', '9'],
  ['1010', '*'],
  ['1011', '#'],
  ['1100', null],
  ['1111', null],
  // ~n << 4 | n
  ['11110000', '0'],
  ['11100001', '1'],
  ['01101001', '9'],
  ['01011010', '*'],
  ['01001011', '#'],
  ['00111100', null],
  ['11110001', null],
  ['00000000', null],
  ['101', null],
])('a burst of %s is %s', (bits, key) => {
  expect(burstToKey(bitsOf(bits))).toBe(key);
});

test('every key comes back out of its bursts, and one flipped bit of eight never makes a key', () => {
  for (const key of '0123456789*#')
    for (const length of [4, 8] as const) expect(burstToKey(bitsOf(keyToBurst(key, length)))).toBe(key);
  for (const key of '0123456789*#')
    for (let at = 0; at < 8; at += 1) {
      const bits = bitsOf(keyToBurst(key, 8));
      bits[at] = 1 - (bits[at] ?? 0);
      expect(burstToKey(bits)).toBeNull();
    }
});

describe('a keypad that buffers', () => {
  test('sends the digits as the number of a frame; zeros at the front of a PIN of four are put back', () => {
    for (const [digits, comesBack] of [
      ['4711', '4711'],
      ['0042', '0042'],
      ['65535', '65535'],
      ['04711', '4711'],
    ] as const)
      expect(frameToDigits(bitsOf(digitsToFrame(digits, 0) ?? ''), 0)).toBe(comesBack);
    expect(digitsToFrame('65536', 0)).toBeNull();
  });
  test('is told from a card by its facility code, and a damaged frame is neither', () => {
    const frame = bitsOf(digitsToFrame('4711', 7) ?? '');
    expect([frameToDigits(frame, 7), frameToDigits(frame, 0)]).toEqual(['4711', null]);
    fc.assert(
      fc.property(fc.nat(25), (at) => {
        expect(frameToDigits(frame.with(at, 1 - (frame[at] ?? 0)), 7)).toBeNull();
      }),
    );
  });
});

const [d0, d1] = [5, 6];
/** What the assembler makes of frames, each followed by silence. */
function outcomes(
  frames: readonly string[],
  how: { keypad: 'bursts' | 'buffered26' | 'none'; fixedBits?: number | null },
) {
  const lines = { d0, d1, silenceMs: 25, keypadFacility: 0, fixedBits: null, ...how };
  const assembler = wiegandAssembler(lines);
  let nowNs = 1_000_000_000n;
  let seqno = 0;
  return frames.flatMap((frame) => {
    nowNs += 100_000_000n;
    const seen = Array.from(frame, (bit) => {
      nowNs += 1_000_000n;
      seqno += 1;
      return assembler.push({ offset: bit === '1' ? d1 : d0, timestampNs: nowNs, rising: false, seqno });
    });
    seen.push(assembler.expire(nowNs + 30_000_000n));
    return seen
      .filter((outcome) => outcome !== null)
      .map((outcome) =>
        outcome.kind === 'keys' ? outcome.keys : outcome.kind === 'read' ? 'card' : outcome.fault,
      );
  });
}
const cardFrame = (text: string): string => {
  const card = parseCardText(text);
  if (!card.ok) throw new Error(card.refusal.message);
  return hexToBits(card.value.hex, card.value.bits).join('');
};

describe('cards and keys on the same lines', () => {
  const bursts = { keypad: 'bursts', keypadFacility: 0 } as const;
  const typed = keysToFrames('17*4711#', bursts);
  test.each([[null], [26], [34]])('keys in bursts, with fixedBits %s', (fixedBits) => {
    const card = cardFrame(fixedBits === 34 ? 'w34:1:2' : '1:2');
    expect(outcomes([card, ...typed, card], { keypad: 'bursts', fixedBits })).toEqual([
      'card',
      ...Array.from('17*4711#'),
      'card',
    ]);
  });
  test.each([[null], [26], [34]])('keys in one frame, with fixedBits %s', (fixedBits) => {
    const card = cardFrame(fixedBits === 34 ? 'w34:1:2' : '1:2');
    const frames = keysToFrames('4711#', { keypad: 'buffered26', keypadFacility: 0 });
    expect(outcomes([card, ...frames, card], { keypad: 'buffered26', fixedBits })).toEqual([
      'card',
      '4711#',
      'card',
    ]);
  });
  test('a reader without a keypad has no keys: they are frames of a length that no card has', () => {
    expect(outcomes(typed.slice(0, 1), { keypad: 'none' })).toEqual(['unknownLength']);
    expect(keysToFrames('4711#', { keypad: 'none', keypadFacility: 0 })).toEqual([]);
    expect(keysToFrames('17*4711#', { keypad: 'buffered26', keypadFacility: 0 })).toEqual([]);
  });
});

test('a mistaken keypad in bridge.yaml is named with what is possible', () => {
  const parsed = bridgeConfigSchema.safeParse({
    portals: [
      {
        key: 'front',
        name: 'Front',
        readers: [
          { key: 'in', wiring: { kind: 'wiegand', d0: 1, d1: 2, keypad: 'burst', keypadFacility: 256 } },
        ],
        strike: { line: 3, failMode: 'secure' },
      },
    ],
  });
  expect(parsed.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)).toEqual([
    expect.stringMatching(/^portals\.0\.readers\.0\.wiring\.keypad: .*"bursts"\|"buffered26"\|"none"/),
    expect.stringMatching(/^portals\.0\.readers\.0\.wiring\.keypadFacility: /),
  ]);
});
