import { describe, expect, test } from 'vitest';
import { noisyLine, spoiledEvery } from '#tests/_support/osdp/noise.ts';
import { VirtualBus } from '#tests/_support/osdp/virtual-bus.ts';
import { onlineRig, since, type VirtualClock, w26Card } from './fixtures.ts';

const bits = '10111101100010001110101110';

/** The share of the time in which the reader is online. */
function reachable(line: VirtualBus, forMs: number): number {
  let online = 0;
  const stepMs = 20;
  for (let ms = 0; ms < forMs; ms += stepMs) {
    line.clock.advance(stepMs);
    if (line.isOnline) online += 1;
  }
  return online / (forMs / stepMs);
}

describe('a spoiled byte in a command', () => {
  test.each([
    [3000, 0.8],
    [6000, 0.9],
  ])(
    'every %i ms leaves the reader reachable, though each ends the session of this one',
    (everyMs, least) => {
      const line = new VirtualBus({
        readers: 1,
        baudRate: 9600,
        secure: true,
        seed: 3,
        peripheral: { onBadCheck: 'endsSession' },
        onCommand: spoiledEvery(3, everyMs),
      });
      line.clock.advance(1000);
      expect(reachable(line, 120_000)).toBeGreaterThan(least);
    },
  );

  test.each(['nak', 'silent'] as const)(
    'costs a frame and not the session where the answer is: %s',
    (onBadCheck) => {
      const line = new VirtualBus({
        readers: 1,
        baudRate: 9600,
        secure: true,
        seed: 4,
        peripheral: { onBadCheck },
        onCommand: spoiledEvery(4, 1500),
      });
      line.clock.advance(1000);
      expect(reachable(line, 60_000)).toBe(1);
    },
  );
});

/** What comes of 60 cards on a line that flips, drops or inserts one byte of a hundred. */
function cardsOverNoise(onBadCheck: 'nak' | 'silent' | 'endsSession') {
  const line = new VirtualBus({
    readers: 1,
    baudRate: 9600,
    secure: true,
    seed: 5,
    peripheral: { onBadCheck },
    onCommand: noisyLine(5, 0.01),
    onReply: noisyLine(6, 0.01),
  });
  line.clock.advance(10_000);
  const waits: number[] = [];
  for (let card = 0; card < 60; card += 1) {
    const before = line.reads.length;
    line.peripherals[0]!.presentCard(bits, 1);
    const fromMs = line.clock.now();
    while (line.reads.length === before && line.clock.now() < fromMs + 5000) line.clock.advance(10);
    waits.push(line.clock.now() - fromMs);
    line.clock.advance(500);
  }
  waits.sort((one, other) => one - other);
  return { reads: line.reads.length, waits };
}

describe('one byte of a hundred flipped, dropped or inserted', () => {
  test.each(['nak', 'silent'] as const)(
    'keeps no card back: each is read once and soon (bad check: %s)',
    (how) => {
      const { reads, waits } = cardsOverNoise(how);
      expect(reads).toBe(60);
      expect(waits.at(-1)).toBeLessThanOrEqual(2000);
    },
  );

  test('costs a reader that ends its session each time no more than the card that it was about to repeat', () => {
    const { reads, waits } = cardsOverNoise('endsSession');
    expect(reads).toBeGreaterThanOrEqual(58);
    expect(waits[30]).toBeLessThanOrEqual(1000);
  });
});

function advanceUntil(clock: VirtualClock, isSo: () => boolean): void {
  while (!isSo()) clock.advance(1);
}

describe('a process that is held up', () => {
  test('reads what lies in the port before it believes that nothing came', () => {
    const { reader, clock, bus, link } = onlineRig();
    const atMs = clock.now();
    for (let stop = 0; stop < 20; stop += 1) {
      let held: Uint8Array | null = null;
      reader.onReply = (reply) => {
        held = reply;
        return null;
      };
      advanceUntil(clock, () => held !== null);
      reader.onReply = (reply) => reply;
      clock.stall(350);
      clock.advance(0);
      bus.onBytes(held!);
      clock.advance(300);
    }
    expect([...since(reader, atMs, 0x61), ...since(reader, atMs, 0x76)]).toEqual([]);
    expect([link(), reader.repeats]).toEqual(['online', 0]);
    expect(bus.report()).toMatchObject([{ timeouts: 0 }]);
  });

  test('and asks again when there is nothing', () => {
    const { reader, clock, bus, reads } = onlineRig();
    reader.pending.push(w26Card);
    let isLost = false;
    reader.onReply = (reply) => {
      if (isLost) return reply;
      isLost = true;
      return null;
    };
    advanceUntil(clock, () => isLost);
    clock.stall(350);
    clock.advance(1000);
    expect(reads).toHaveLength(1);
    expect(bus.report()).toMatchObject([{ timeouts: 1 }]);
  });
});

test.each([
  [true, 'checksum', 'answersChecksum'],
  [false, 'crc', 'answersCrc'],
] as const)(
  'with CRC %s here, a reader that knows the %s only is found, and that is said',
  (crc, knowsChecks, quirk) => {
    const line = new VirtualBus({
      readers: 1,
      baudRate: 9600,
      secure: true,
      seed: 8,
      crc,
      peripheral: { knowsChecks },
    });
    line.clock.advance(4000);
    line.peripherals[0]!.presentCard(bits, 1);
    line.clock.advance(1000);
    expect(line.reads).toHaveLength(1);
    expect(line.bus.report()).toMatchObject([{ link: 'online', quirks: [quirk] }]);
    expect(line.peripherals[0]!.violations).toEqual([]);
  },
);
