import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blueprint, blueprintConfigSchema } from '#bridge/readers/_blueprint/kind.ts';
import { blueprintParser } from '#bridge/readers/_blueprint/protocol.ts';
import {
  ascii,
  chunksOf,
  Delivered,
  damagesOf,
  faultsIn,
  outcomesOf,
  readsIn,
  sizesArbitrary,
  VirtualClock,
} from './uart-fixtures.ts';

/** A frame as the reader sends it. */
function frameOf(hex: string): Uint8Array {
  const check = Buffer.from(hex, 'hex').reduce((sum, byte) => sum ^ byte, 0);
  return ascii(`$${hex.toUpperCase()}*${check.toString(16).toUpperCase().padStart(2, '0')}\r`);
}
const uid4 = (hex: string) => ({ reading: 'uid4', bits: 32, hex });
const card = '1a9b3faa';
const cardArbitrary = fc
  .uint8Array({ minLength: 4, maxLength: 4 })
  .filter((bytes) => bytes.some((byte) => byte !== 0))
  .map((bytes) => Buffer.from(bytes).toString('hex'));

describe('a frame', () => {
  test('of the data sheet is read as a number of 4 bytes', () => {
    expect(outcomesOf(blueprintParser(), ascii('$1A9B3FAA*14\r'))).toEqual([
      { kind: 'read', read: uid4(card) },
    ]);
  });

  test('of any card is read in whatever pieces it arrives', () => {
    fc.assert(
      fc.property(fc.array(cardArbitrary, { maxLength: 5 }), sizesArbitrary, (cards, sizes) => {
        const bytes = Uint8Array.from(cards.flatMap((hex) => [...frameOf(hex)]));
        const parser = blueprintParser();
        const outcomes = chunksOf(bytes, sizes).flatMap((chunk) => parser.push(chunk, 0));
        expect(readsIn(outcomes)).toEqual(cards.map(uid4));
      }),
    );
  });

  test('with any bit flipped or any byte lost is no card, and the frame after it is read', () => {
    fc.assert(
      fc.property(cardArbitrary, cardArbitrary, (hex, next) => {
        for (const damaged of damagesOf(frameOf(hex))) {
          const parser = blueprintParser();
          expect(readsIn(parser.push(damaged, 0))).toEqual([]);
          expect(readsIn(parser.push(frameOf(next), 10)).slice(-1)).toEqual([uid4(next)]);
        }
      }),
      { numRuns: 30 },
    );
  });

  test.each([
    ['a wrong check', '$1A9B3FAA*15\r', 'checksum'],
    ['nothing but zeros', '$00000000*00\r', 'notACard'],
    ['too few digits', '$1A9B*81\r', 'truncated'],
    ['another separator', '$1A9B3FAA:14\r', 'noise'],
    ['no end', '$1A9B3FAA*1400', 'unknownLength'],
    ['bytes of another reader', 'hello', 'noise'],
  ])('with %s is a fault, once', (_, bytes, fault) => {
    expect(faultsIn(outcomesOf(blueprintParser(), ascii(bytes)))).toEqual([fault]);
  });

  test('that stops halfway is given up', () => {
    const parser = blueprintParser();
    parser.push(frameOf(card).subarray(0, 6), 0);
    expect(faultsIn(parser.push(frameOf(card), 101))).toEqual(['truncated']);
  });
});

describe('a reader', () => {
  const started = async () => {
    const clock = new VirtualClock();
    const delivered = new Delivered();
    const wiring = blueprintConfigSchema.parse({ kind: 'blueprint', port: '/dev/ttyAMA0' });
    const hooks = Object.assign(delivered, {
      onKeyPending: () => undefined,
      onKeyRefused: () => undefined,
      onKeySet: () => undefined,
    });
    const keys = { own: null, pending: null };
    const { driver } = await blueprint.open([{ readerKey: 'front', wiring, keys }], hooks, clock);
    driver.onOpen({ write: () => undefined, setBaudRate: () => undefined });
    return { clock, delivered, driver };
  };

  test('delivers a card once while it lies there, and again when it was gone for a second', async () => {
    const { clock, delivered, driver } = await started();
    for (let frame = 0; frame < 20; frame += 1) {
      driver.onBytes(frameOf(card));
      clock.advance(65);
    }
    expect(delivered.reads).toEqual([uid4(card)]);
    clock.advance(1001);
    driver.onBytes(frameOf(card));
    expect(delivered.reads).toEqual([uid4(card), uid4(card)]);
  });

  test('is online while its port is open, and says why it is not', async () => {
    const { driver } = await started();
    expect(driver.report()[0]).toMatchObject({ readerKey: 'front', link: 'online', problem: null });
    driver.onClosed();
    const problem = driver.report()[0]?.problem ?? '';
    expect(driver.problemTexts[problem]).toMatch(/not open/);
  });
});
