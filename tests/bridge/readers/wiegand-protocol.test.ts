import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GpioEdge } from '#bridge/ports.ts';
import { wiegandKeypads } from '#bridge/readers/wiegand/keypad.ts';
import {
  type FrameOutcome,
  maxFrameBits,
  type WiegandAssembler,
  wiegandAssembler,
} from '#bridge/readers/wiegand/protocol.ts';
import { encodeFrame, hexToBits, wiegandFormats } from '#hub/domains/access/cards/format-rules.ts';

const d0 = 5;
const d1 = 6;
const micros = (us: number): bigint => BigInt(Math.round(us * 1000));
const anyLength = { d0, d1, fixedBits: null, silenceMs: 25, keypad: 'bursts', keypadFacility: 0 } as const;
const start = 1_000_000_000n;

let seqno = 0;
const edge = (offset: number, timestampNs: bigint): GpioEdge => {
  seqno += 1;
  return { offset, timestampNs, rising: false, seqno };
};

/** Edges of a frame whose first bit is at `fromNs`. */
const frameEdges = (bits: ArrayLike<number>, fromNs = start, intervalUs = 1000): GpioEdge[] =>
  Array.from(bits, (bit, index) => edge(bit === 1 ? d1 : d0, fromNs + micros(index * intervalUs)));

const pushAll = (assembler: WiegandAssembler, edges: readonly GpioEdge[]): FrameOutcome[] =>
  edges.map((each) => assembler.push(each)).filter((outcome) => outcome !== null);

/** All outcomes of the edges, followed by silence. */
function outcomesOf(assembler: WiegandAssembler, edges: readonly GpioEdge[]): FrameOutcome[] {
  const outcomes = pushAll(assembler, edges);
  const deadline = assembler.nextDeadlineNs();
  const last = deadline === null ? null : assembler.expire(deadline);
  return last === null ? outcomes : [...outcomes, last];
}

const bitsOf = (hex: string, bits: number): Uint8Array => hexToBits(hex.toLowerCase(), bits);
const h10301 = bitsOf('2F623AE', 26);
const kindsOf = (outcomes: readonly FrameOutcome[]): string[] =>
  outcomes.map((outcome) =>
    outcome.kind === 'read' ? outcome.read.reading : outcome.kind === 'keys' ? outcome.keys : outcome.fault,
  );

const formatArbitrary = fc.constantFrom(...wiegandFormats);
/** A valid frame of any format. */
const frameArbitrary = formatArbitrary.chain((format) => {
  const maximum = (field: { first: number; last: number } | null): number =>
    field === null ? 0 : 2 ** (field.last - field.first + 1) - 1;
  return fc
    .tuple(
      fc.integer({ min: 0, max: maximum(format.facility) }),
      fc.integer({ min: 0, max: maximum(format.number) }),
    )
    .map(([facility, number]) => {
      const frame = encodeFrame(format, format.facility === null ? null : facility, number);
      if (!frame.ok) throw new Error(frame.refusal.message);
      return { format, bits: frame.value };
    });
});

describe('a frame of a known format', () => {
  test.each([
    ['w26', '2F623AE', 26],
    ['w34', '209A5BBAA', 34],
    ['w35', '69A5154A4', 35],
    ['w37', '15BFB8386A', 37],
    ['w37', '030393C481', 37],
  ])('%s %s is read with its bits as hex', (reading, hex, bits) => {
    const edges = frameEdges(bitsOf(hex, bits));
    expect(outcomesOf(wiegandAssembler(anyLength), edges)).toEqual([
      {
        kind: 'read',
        read: { reading, bits, hex: hex.toLowerCase() },
        lastBitNs: edges.at(-1)?.timestampNs,
      },
    ]);
  });

  test('every format comes back as it was sent, at every interval within the limits', () => {
    fc.assert(
      fc.property(
        frameArbitrary,
        fc.oneof(fc.constantFrom(200, 20_000), fc.integer({ min: 200, max: 20_000 })),
        fc.constantFrom(25, 30),
        ({ format, bits }, intervalUs, silenceMs) => {
          const assembler = wiegandAssembler({ ...anyLength, silenceMs });
          const [outcome, ...rest] = outcomesOf(assembler, frameEdges(bits, start, intervalUs));
          expect(rest).toEqual([]);
          expect(outcome?.kind).toBe('read');
          if (outcome?.kind !== 'read') return;
          expect(outcome.read.reading).toBe(format.reading);
          expect(bitsOf(outcome.read.hex, outcome.read.bits)).toEqual(bits);
        },
      ),
    );
  });

  test('every single flipped bit is a parity fault', () => {
    fc.assert(
      fc.property(frameArbitrary, fc.nat(), ({ bits }, position) => {
        const flipped = Uint8Array.from(bits);
        const at = position % bits.length;
        flipped[at] = 1 - bits[at]!;
        expect(kindsOf(outcomesOf(wiegandAssembler(anyLength), frameEdges(flipped)))).toEqual(['parity']);
      }),
    );
  });

  test('a dropped bit is never a card of the same format, and none at all on a reader of one length', () => {
    fc.assert(
      fc.property(frameArbitrary, fc.nat(), ({ format, bits }, position) => {
        const dropped = bits.filter((_, index) => index !== position % bits.length);
        // What parity cannot catch: 35 bits less one may pass as somebody's 34.
        const free = kindsOf(outcomesOf(wiegandAssembler(anyLength), frameEdges(dropped)));
        expect(free).toHaveLength(1);
        expect(free[0]).not.toBe(format.reading);
        if (format.bits !== 35) expect(['truncated', 'raw', 'noise']).toContain(free[0]);
        const fixed = wiegandAssembler({ ...anyLength, fixedBits: format.bits });
        expect(kindsOf(outcomesOf(fixed, frameEdges(dropped)))).toEqual(['truncated']);
      }),
    );
  });
});

describe('the end of a frame', () => {
  test('without a configured length a card is read only after 25 ms of silence', () => {
    const assembler = wiegandAssembler(anyLength);
    const edges = frameEdges(h10301);
    expect(pushAll(assembler, edges)).toEqual([]);
    const lastNs = edges.at(-1)!.timestampNs;
    expect(assembler.nextDeadlineNs()).toBe(lastNs + micros(25_000));
    expect(assembler.expire(lastNs + micros(25_000) - 1n)).toBeNull();
    expect(assembler.expire(lastNs + micros(25_000))?.kind).toBe('read');
    expect(assembler.nextDeadlineNs()).toBeNull();
    expect(assembler.expire(lastNs + micros(90_000))).toBeNull();
  });

  test('with one configured length it is read at its last bit, and once', () => {
    const assembler = wiegandAssembler({ ...anyLength, fixedBits: 26 });
    const edges = frameEdges(h10301);
    expect(pushAll(assembler, edges.slice(0, -1))).toEqual([]);
    expect(assembler.push(edges.at(-1)!)?.kind).toBe('read');
    expect(assembler.expire(assembler.nextDeadlineNs()!)).toBeNull();
  });

  test('the first bit after the silence ends the frame before and begins the next', () => {
    const assembler = wiegandAssembler(anyLength);
    const first = frameEdges(h10301);
    const second = frameEdges(h10301, first.at(-1)!.timestampNs + micros(25_000));
    expect(kindsOf(outcomesOf(assembler, [...first, ...second]))).toEqual(['w26', 'w26']);
  });

  test('a frame that goes on after the configured length is found, and from then on its end is awaited', () => {
    const assembler = wiegandAssembler({ ...anyLength, fixedBits: 26 });
    // The first 26 bits of this frame pass 26-bit parity: somebody else's card.
    const long = new Uint8Array([...h10301, 0, 0, 0, 0, 0, 0, 0, 0]);
    const first = outcomesOf(assembler, frameEdges(long));
    expect(kindsOf(first)).toEqual(['w26', 'unknownLength']);
    expect(first[1]).toMatchObject({ finding: { kind: 'longerThanConfigured', bits: 34 } });
    expect(kindsOf(outcomesOf(assembler, frameEdges(long, start * 2n)))).toEqual(['unknownLength']);
    expect(kindsOf(outcomesOf(assembler, frameEdges(h10301, start * 3n)))).toEqual(['w26']);
  });

  test('a bounce after the last bit is noise, not a longer frame', () => {
    const assembler = wiegandAssembler({ ...anyLength, fixedBits: 26 });
    const edges = frameEdges(h10301);
    const bounce = edge(d0, edges.at(-1)!.timestampNs + micros(40));
    expect(kindsOf(outcomesOf(assembler, [...edges, bounce]))).toEqual(['w26', 'noise']);
    const again = frameEdges(h10301, start * 2n);
    expect(kindsOf(pushAll(assembler, again))).toEqual(['w26']);
  });
});

describe('frames that are no card', () => {
  const oneOutcome = (bits: number[] | Uint8Array, fixedBits: number | null = null): string[] =>
    kindsOf(outcomesOf(wiegandAssembler({ ...anyLength, fixedBits }), frameEdges(bits)));

  test.each([
    ['a burst of 4 bits that is no key', [1, 1, 0, 0], 'unknownLength'],
    ['a burst of 8 bits whose halves do not fit', [1, 0, 1, 0, 1, 0, 1, 0], 'unknownLength'],
    ['a single spike', [1], 'noise'],
    ['the first half of a card', [...h10301].slice(0, 13), 'truncated'],
    ['more bits than any card has', Array.from({ length: 300 }, (_, index) => index % 2), 'unknownLength'],
    ['only zeros in a length without parity', Array.from({ length: 32 }, () => 0), 'noise'],
    ['only ones in a length without parity', Array.from({ length: 56 }, () => 1), 'noise'],
  ])('%s', (_name, bits, fault) => {
    expect(oneOutcome(bits)).toEqual([fault]);
  });

  test('on a reader of one length a shorter frame is truncated and a longer one unknown', () => {
    expect(oneOutcome(bitsOf('209A5BBAA', 34), 35)).toEqual(['truncated']);
    expect(oneOutcome(bitsOf('209A5BBAA', 34), 32)).toEqual(['unknownLength']);
  });

  test.each([
    [199.999, ['noise']],
    [200, ['w26']],
    [20_000, ['w26']],
    [20_000.001, ['noise']],
  ])('bits %d us apart: %s', (intervalUs, kinds) => {
    const outcomes = outcomesOf(wiegandAssembler(anyLength), frameEdges(h10301, start, intervalUs));
    expect(kindsOf(outcomes)).toEqual(kinds);
  });

  test('both lines at the same instant spoil the frame', () => {
    const edges = frameEdges(h10301);
    const both = edge(edges[7]!.offset === d0 ? d1 : d0, edges[7]!.timestampNs);
    const spoiled = [...edges.slice(0, 8), both, ...edges.slice(8)];
    expect(kindsOf(outcomesOf(wiegandAssembler(anyLength), spoiled))).toEqual(['noise']);
    // Even where the spoiled frame would have the configured length and right parity.
    const fixed = wiegandAssembler({ ...anyLength, fixedBits: 26 });
    const faulty = frameEdges(h10301).map((each, index) =>
      index === 8 ? { ...each, timestampNs: start + micros(7000) } : each,
    );
    expect(kindsOf(outcomesOf(fixed, faulty))).toEqual(['noise']);
  });

  test('noise without end is reported once it cannot be a frame any more', () => {
    const assembler = wiegandAssembler(anyLength);
    const flood = Array.from({ length: 5000 }, (_, index) => edge(d0, start + micros(index * 100)));
    expect(kindsOf(pushAll(assembler, flood))).toEqual(['noise']);
    expect(kindsOf(outcomesOf(assembler, frameEdges(h10301, start * 2n)))).toEqual(['w26']);
  });

  test('lost edges spoil the frame under way, until there has been silence', () => {
    const assembler = wiegandAssembler({ ...anyLength, fixedBits: 26 });
    const edges = frameEdges(h10301);
    const before = pushAll(assembler, edges.slice(0, 10));
    assembler.lose(edges[12]!.timestampNs);
    expect(kindsOf([...before, ...outcomesOf(assembler, edges.slice(12))])).toEqual(['lostBits']);
    expect(kindsOf(pushAll(assembler, frameEdges(h10301, start * 2n)))).toEqual(['w26']);
  });

  test('a frame whose first bits were lost is spoiled though the rest is a whole card', () => {
    const assembler = wiegandAssembler({ ...anyLength, fixedBits: 26 });
    assembler.lose(start);
    expect(kindsOf(outcomesOf(assembler, frameEdges(h10301)))).toEqual(['lostBits']);
  });

  test('a loss while this reader rests leaves no trace after the silence', () => {
    const assembler = wiegandAssembler(anyLength);
    assembler.lose(start);
    expect(assembler.expire(start + micros(25_000))).toBeNull();
    expect(kindsOf(outcomesOf(assembler, frameEdges(h10301, start + micros(26_000))))).toEqual(['w26']);
  });
});

describe('serials without a known format', () => {
  test.each([32, 56, 58, 64, maxFrameBits])('%d bits are read raw', (length) => {
    const bits = Array.from({ length }, (_, index) => (index % 3 === 0 ? 1 : 0));
    const outcomes = outcomesOf(wiegandAssembler(anyLength), frameEdges(bits));
    expect(outcomes).toMatchObject([{ kind: 'read', read: { reading: 'raw', bits: length } }]);
    const outcome = outcomes[0]!;
    expect(outcome.kind === 'read' && [...bitsOf(outcome.read.hex, length)]).toEqual(bits);
  });

  test('a configured raw length still waits for silence, since no parity confirms it', () => {
    const assembler = wiegandAssembler({ ...anyLength, fixedBits: 24 });
    const edges = frameEdges(Array.from({ length: 24 }, (_, index) => index % 2));
    expect(pushAll(assembler, edges)).toEqual([]);
    expect(kindsOf(outcomesOf(assembler, []))).toEqual(['raw']);
  });
});

describe('wiring findings', () => {
  const findingsAfter = (frames: readonly Uint8Array[]): unknown[] => {
    const assembler = wiegandAssembler(anyLength);
    return frames
      .flatMap((bits, index) => outcomesOf(assembler, frameEdges(bits, start * BigInt(index + 1))))
      .flatMap((outcome) => (outcome.kind === 'fault' && outcome.finding ? [outcome.finding] : []));
  };
  const swapped = h10301.map((bit) => 1 - bit);
  const broken = Uint8Array.from(h10301, (bit, index) => (index === 3 || index === 15 ? 1 - bit : bit));

  test('five frames in a row with wrong parity, right when exchanged: D0 and D1 are swapped', () => {
    expect(findingsAfter(Array.from({ length: 4 }, () => swapped))).toEqual([]);
    const found = findingsAfter(Array.from({ length: 9 }, () => swapped));
    expect(found).toEqual([{ kind: 'linesSwapped', framesInRow: 5, swapFixes: true }]);
  });

  test('a swap that would not make all of them right is not promised to', () => {
    const halfBroken = Uint8Array.from(h10301, (bit, index) => (index === 3 ? 1 - bit : bit));
    const found = findingsAfter([swapped, swapped, halfBroken, swapped, broken]);
    expect(found).toEqual([{ kind: 'linesSwapped', framesInRow: 5, swapFixes: false }]);
  });

  test('a good read between them begins the count anew', () => {
    expect(findingsAfter([swapped, swapped, swapped, swapped, h10301, swapped])).toEqual([]);
  });

  test('swapped lines never read as a card in any format with two halves', () => {
    const twoHalves = frameArbitrary.filter(({ format }) => [26, 34, 37].includes(format.bits));
    fc.assert(
      fc.property(twoHalves, ({ bits }) => {
        const exchanged = bits.map((bit) => 1 - bit);
        expect(kindsOf(outcomesOf(wiegandAssembler(anyLength), frameEdges(exchanged)))).toEqual(['parity']);
      }),
    );
  });
});

describe('whatever arrives', () => {
  const stepArbitrary = fc.record({
    offset: fc.oneof(
      { weight: 100, arbitrary: fc.constantFrom(d0, d1) },
      { weight: 1, arbitrary: fc.constant(7) },
    ),
    rising: fc.oneof(
      { weight: 100, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
    gapUs: fc.oneof(
      { weight: 300, arbitrary: fc.integer({ min: 200, max: 9000 }) },
      { weight: 4, arbitrary: fc.integer({ min: 20_000, max: 60_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: -500, max: 300 }) },
    ),
    act: fc.oneof(
      { weight: 300, arbitrary: fc.constant('edge') },
      { weight: 10, arbitrary: fc.constant('expire') },
      { weight: 1, arbitrary: fc.constant('lose') },
    ),
  });
  const lines = fc.record({
    d0: fc.constant(d0),
    d1: fc.constant(d1),
    fixedBits: fc.constantFrom(null, 24, 26, 34, 35, 37, 48),
    silenceMs: fc.integer({ min: 25, max: 30 }),
    keypad: fc.constantFrom(...wiegandKeypads),
    keypadFacility: fc.constant(0),
  });

  test('it never throws, and a card consists of the last bits that were sent', () => {
    let reads = 0;
    fc.assert(
      fc.property(lines, fc.array(stepArbitrary, { minLength: 60, maxLength: 250 }), (config, steps) => {
        const assembler = wiegandAssembler(config);
        let nowNs = start;
        let sent: number[] = [];
        const check = (outcome: FrameOutcome | null, bits: readonly number[]): void => {
          if (outcome?.kind !== 'read') return;
          reads += 1;
          const read = [...bitsOf(outcome.read.hex, outcome.read.bits)];
          expect(read).toEqual(bits.slice(-read.length));
        };
        for (const step of steps) {
          nowNs += micros(step.gapUs);
          if (step.act === 'expire') check(assembler.expire(nowNs), sent);
          else if (step.act === 'lose') assembler.lose(nowNs);
          else {
            const before = sent;
            if (!step.rising && step.offset !== 7) sent = [...sent, step.offset === d1 ? 1 : 0];
            const outcome = assembler.push({ ...step, timestampNs: nowNs, seqno: 0 });
            // The outcome is that of this bit (one length) or that of the frame which this bit's silence ended.
            const isNow = outcome?.kind === 'read' && outcome.lastBitNs === nowNs;
            check(outcome, isNow ? sent : before);
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(reads).toBeGreaterThan(0);
  });

  test('two readers that send at once are read apart', () => {
    fc.assert(
      fc.property(
        frameArbitrary,
        frameArbitrary,
        fc.integer({ min: 200, max: 5000 }),
        fc.integer({ min: 200, max: 5000 }),
        fc.integer({ min: 0, max: 30_000 }),
        (one, other, intervalOne, intervalOther, delayUs) => {
          const first = wiegandAssembler(anyLength);
          const second = wiegandAssembler({ ...anyLength, d0: 15, d1: 16 });
          const shifted = frameEdges(other.bits, start + micros(delayUs), intervalOther).map((each) => ({
            ...each,
            offset: each.offset + 10,
          }));
          const all = [...frameEdges(one.bits, start, intervalOne), ...shifted].sort((a, b) =>
            Number(a.timestampNs - b.timestampNs),
          );
          for (const assembler of [first, second]) {
            const sentBits = assembler === first ? one.bits : other.bits;
            const outcomes = outcomesOf(assembler, all);
            expect(outcomes).toHaveLength(1);
            const outcome = outcomes[0]!;
            expect(outcome.kind === 'read' && bitsOf(outcome.read.hex, outcome.read.bits)).toEqual(sentBits);
          }
        },
      ),
    );
  });
});
