import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rdm6300Driver } from '#bridge/readers/rdm6300/driver.ts';
import { rdm6300ConfigSchema } from '#bridge/readers/rdm6300/kind.ts';
import { rdm6300Parser } from '#bridge/readers/rdm6300/protocol.ts';
import { cardReadSchema } from '#hub/domains/access/schema.ts';
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

/** A frame as the module sends it. */
function frameOf(hex: string): Uint8Array {
  const check = Buffer.from(hex, 'hex').reduce((sum, byte) => sum ^ byte, 0);
  return ascii(`\x02${hex.toUpperCase()}${check.toString(16).toUpperCase().padStart(2, '0')}\x03`);
}
const em40 = (hex: string) => ({ reading: 'em40', bits: 40, hex });
const card = '0a00bc614e';
const cardArbitrary = fc
  .uint8Array({ minLength: 5, maxLength: 5 })
  .filter((bytes) => bytes.some((byte) => byte !== 0))
  .map((bytes) => Buffer.from(bytes).toString('hex'));

describe('a frame', () => {
  test('of the data sheet is read as 40 bits in lower-case hex', () => {
    // 62 E3 08 6C ED and its check sum 08, from the data sheet of the RDM630.
    const outcomes = outcomesOf(rdm6300Parser(), ascii('\x0262E3086CED08\x03'));
    expect(outcomes).toEqual([{ kind: 'read', read: em40('62e3086ced') }]);
  });

  test('of any card is read in whatever pieces it arrives, between noise and frames of other cards', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cardArbitrary, fc.uint8Array({ maxLength: 9 })), { maxLength: 5 }),
        sizesArbitrary,
        (sent, sizes) => {
          const noiseless = sent.map(([hex, noise]) => ({ hex, noise: noise.filter((byte) => byte !== 2) }));
          const bytes = Uint8Array.from(noiseless.flatMap(({ hex, noise }) => [...noise, ...frameOf(hex)]));
          const parser = rdm6300Parser();
          const outcomes = chunksOf(bytes, sizes).flatMap((chunk) => parser.push(chunk, 0));
          expect(readsIn(outcomes)).toEqual(sent.map(([hex]) => em40(hex)));
        },
      ),
    );
  });

  test('with any bit flipped or any byte lost is no card, and the frame after it is read', () => {
    fc.assert(
      fc.property(cardArbitrary, cardArbitrary, (hex, next) => {
        for (const damaged of damagesOf(frameOf(hex))) {
          const parser = rdm6300Parser();
          expect(readsIn(parser.push(damaged, 0))).toEqual([]);
          expect(readsIn(parser.push(frameOf(next), 10))).toEqual([em40(next)]);
        }
      }),
      { numRuns: 30 },
    );
  });

  test.each([
    ['a wrong check sum', '\x020A00BC614E98\x03', ['checksum']],
    ['nothing but zeros', '\x02000000000000\x03', ['notACard']],
    ['an end too early', '\x020A00BC\x03', ['truncated']],
    ['a start within it', '\x020A00\x02', ['truncated']],
    ['a digit too many', '\x020A00BC614E991\x03', ['unknownLength']],
    ['a lower-case digit', '\x020a00BC614E99\x03', ['noise']],
    ['no start', '0A00BC614E99\x03', ['noise']],
  ])('with %s is one fault', (_what, text, faults) => {
    const outcomes = outcomesOf(rdm6300Parser(), ascii(text));
    expect(readsIn(outcomes)).toEqual([]);
    expect(faultsIn(outcomes)).toEqual(faults);
  });

  test('whose rest comes after a pause is no card: it may be the rest of another one', () => {
    const parser = rdm6300Parser();
    const bytes = frameOf(card);
    expect(parser.push(bytes.subarray(0, 6), 0)).toEqual([]);
    const late = parser.push(bytes.subarray(6), 101);
    expect(readsIn(late)).toEqual([]);
    expect(faultsIn(late)).toEqual(['truncated']);
  });

  test('in two pieces shortly after each other is a card', () => {
    const parser = rdm6300Parser();
    const bytes = frameOf(card);
    expect(parser.push(bytes.subarray(0, 6), 0)).toEqual([]);
    expect(readsIn(parser.push(bytes.subarray(6), 100))).toEqual([em40(card)]);
  });
});

describe('the driver', () => {
  const started = () => {
    const clock = new VirtualClock();
    const delivered = new Delivered();
    const config = rdm6300ConfigSchema.parse({ kind: 'rdm6300', port: '/dev/ttyAMA0' });
    const driver = rdm6300Driver('front', config, delivered, clock);
    driver.onOpen({ write: () => undefined, setBaudRate: () => undefined });
    return { clock, delivered, driver };
  };

  test('reads a card once while it lies there, and again when it was gone for a second', () => {
    const { clock, delivered, driver } = started();
    for (let frame = 0; frame < 200; frame += 1) {
      driver.onBytes(frameOf(card));
      clock.advance(65);
    }
    expect(delivered.reads).toEqual([em40(card)]);
    clock.advance(1000 - 65);
    driver.onBytes(frameOf(card));
    expect(delivered.reads).toHaveLength(1);
    clock.advance(1001);
    driver.onBytes(frameOf(card));
    expect(delivered.reads).toEqual([em40(card), em40(card)]);
  });

  test('reads two cards that lie there together once each', () => {
    const { clock, delivered, driver } = started();
    for (let frame = 0; frame < 50; frame += 1) {
      driver.onBytes(frameOf(frame % 2 === 0 ? card : '0102030405'));
      clock.advance(65);
    }
    expect(delivered.reads).toEqual([em40(card), em40('0102030405')]);
  });

  test('never reads a card out of arbitrary bytes, whatever their pieces and pauses', () => {
    fc.assert(
      fc.property(
        // Bytes of which frames are made, so that the parser gets far.
        fc.array(fc.oneof(fc.constantFrom(2, 3), fc.integer({ min: 0x30, max: 0x46 }), fc.nat(255)), {
          maxLength: 400,
        }),
        sizesArbitrary,
        fc.nat(300),
        (bytes, sizes, pauseMs) => {
          const { clock, delivered, driver } = started();
          for (const chunk of chunksOf(Uint8Array.from(bytes), sizes)) {
            driver.onBytes(chunk);
            clock.advance(pauseMs);
          }
          for (const read of delivered.reads) {
            // A card of right check sum by chance is one that was sent.
            expect(cardReadSchema.parse(read).hex).toHaveLength(10);
            expect(Buffer.from(bytes).includes(Buffer.from(frameOf(read.hex)))).toBe(true);
          }
        },
      ),
    );
  });

  test('is online while the port is open, forgets a half frame with it, and takes nothing while it is closed', () => {
    const { delivered, driver } = started();
    expect(driver.report()[0]).toMatchObject({ readerKey: 'front', link: 'online', problem: null });
    driver.onBytes(frameOf(card).subarray(0, 7));
    driver.onClosed();
    expect(driver.report()[0]).toMatchObject({ link: 'offline', problem: 'portClosed' });
    driver.onBytes(frameOf(card));
    driver.onOpen({ write: () => undefined, setBaudRate: () => undefined });
    driver.onBytes(frameOf(card).subarray(7));
    expect(delivered.reads).toEqual([]);
    expect(delivered.changes).toBe(3);
  });

  test('counts good and faulty frames', () => {
    const { delivered, driver } = started();
    driver.onBytes(frameOf(card));
    driver.onBytes(frameOf(card));
    driver.onBytes(frameOf('0000000000'));
    expect(driver.report()[0]).toMatchObject({ goodFrames: 2, faultyFrames: 1, timeouts: 0 });
    expect(delivered.faults).toEqual(['notACard']);
  });
});
