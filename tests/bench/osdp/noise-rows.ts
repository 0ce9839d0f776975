import type { Patience } from '#bridge/readers/osdp/peripheral/retry-policy.ts';
import { hexToBits } from '#hub/domains/access/cards/format-rules.ts';
import { noisyLine, spoiledEvery } from '#tests/_support/osdp/noise.ts';
import { VirtualBus, type VirtualBusSetup } from '#tests/_support/osdp/virtual-bus.ts';
import { cardNumber } from '#tests/bridge/policy/fixtures.ts';
import { type BenchRow, quantile, row, rowAtLeast } from '../report.ts';

// One reader at 9600 baud on a line that spoils bytes, in virtual time: the panel's bus against a reader that has none of its
// code. Beside each figure the same line and the same reader with the tolerance off.

const baudRate = 9600;
const seeds = [1, 2, 3, 4, 5];
const stepMs = 20;
const limit = { spoiled3: 80, spoiled6: 90, cards: 100, p99: 2000 } as const;

/** Damage counts as silence, and a session of less than five seconds as a failure. */
const intolerant: Patience = {
  settledMs: 5000,
  reconnectDelaysMs: [],
  garbledTries: 3,
  hurriesAfterNoise: false,
};

type Line = Pick<VirtualBusSetup, 'onCommand' | 'onReply' | 'peripheral'>;

function openBus(seed: number, line: Line, tolerates: boolean): VirtualBus {
  const bus = new VirtualBus({
    readers: 1,
    baudRate,
    secure: true,
    seed,
    ...line,
    ...(tolerates ? {} : { patience: intolerant }),
  });
  bus.clock.advance(5000);
  return bus;
}

/** The share of the time, in percent, in which the reader is online, with a spoiled byte in a command each interval. */
function reachable(everyMs: number, seconds: number, tolerates: boolean): number {
  let online = 0;
  let all = 0;
  for (const seed of seeds) {
    const line: Line = {
      onCommand: spoiledEvery(seed, everyMs),
      peripheral: { onBadCheck: 'endsSession' },
    };
    const bus = openBus(seed, line, tolerates);
    for (let ms = 0; ms < seconds * 1000; ms += stepMs) {
      bus.clock.advance(stepMs);
      all += 1;
      if (bus.isOnline) online += 1;
    }
  }
  return (online / all) * 100;
}

interface Cards {
  readonly waits: readonly number[];
  /** Percent. */
  readonly read: number;
}

/** Cards on a line that flips, drops or inserts one byte of a hundred, in both directions. */
function cardsOverNoise(cards: number, tolerates: boolean, onBadCheck: 'nak' | 'silent'): Cards {
  const waits: number[] = [];
  let read = 0;
  for (const seed of seeds) {
    const line: Line = {
      onCommand: noisyLine(seed, 0.01),
      onReply: noisyLine(seed + 100, 0.01),
      peripheral: { onBadCheck },
    };
    const bus = openBus(seed, line, tolerates);
    for (let card = 0; card < cards; card += 1) {
      const { hex, bits } = cardNumber(card);
      const before = bus.reads.length;
      const fromMs = bus.clock.now();
      bus.peripherals[0]?.presentCard(hexToBits(hex, bits).join(''), 1);
      while (bus.reads.length === before && bus.clock.now() < fromMs + 20_000) bus.clock.advance(5);
      if (bus.reads.length > before) read += 1;
      waits.push(bus.clock.now() - fromMs);
      // Somebody goes through the door.
      bus.clock.advance(1500);
    }
  }
  return { waits, read: (read / (cards * seeds.length)) * 100 };
}

/** `cards`: for each seed; `seconds`: of virtual time for each figure of reachability. */
export function noiseRows(cards: number, seconds: number): BenchRow[] {
  const spoiled = (everyMs: number, least: number): BenchRow[] => {
    const what = `9600 baud, a spoiled byte in a command every ${everyMs / 1000} s: reachable`;
    return [
      rowAtLeast(what, reachable(everyMs, seconds, true), '%', least),
      row(`${what}, tolerance off`, reachable(everyMs, seconds, false), '%'),
    ];
  };
  const noisy = (onBadCheck: 'nak' | 'silent'): BenchRow[] => {
    const what = `9600 baud, 1 % of bytes spoiled, reader ${onBadCheck === 'nak' ? 'says so' : 'keeps silent'}`;
    const ours = cardsOverNoise(cards, true, onBadCheck);
    const off = cardsOverNoise(cards, false, onBadCheck);
    return [
      rowAtLeast(`${what}: cards read`, ours.read, '%', limit.cards),
      row(`${what}: cards read, tolerance off`, off.read, '%'),
      row(`${what}: card -> read, p99`, quantile(ours.waits, 0.99), 'ms', limit.p99),
      row(`${what}: card -> read, p99, tolerance off`, quantile(off.waits, 0.99), 'ms'),
    ];
  };
  return [
    ...spoiled(3000, limit.spoiled3),
    ...spoiled(6000, limit.spoiled6),
    ...noisy('nak'),
    ...noisy('silent'),
  ];
}
