import { describe, expect, test } from 'vitest';
import { timedOnCode } from '#bridge/readers/osdp/wire/commands.ts';
import { VirtualBus } from '#tests/_support/osdp/virtual-bus.ts';
import {
  type BusRig,
  busRig,
  bytesOf,
  onlineRig,
  ownKey,
  ScriptedReader,
  w26Card,
  w26Read,
} from './fixtures.ts';

const paired = (address: number): ScriptedReader => {
  const reader = new ScriptedReader(address);
  reader.key = ownKey;
  reader.isOnFactoryKey = false;
  return reader;
};
/** Readers r0, r1 .. at addresses 0, 1 .. on one bus. */
function manyRig(count: number, pollMs = 50): BusRig & { readers: ScriptedReader[] } {
  const readers = Array.from({ length: count }, (_, address) => paired(address));
  const rig = busRig(readers, {
    pollMs,
    readers: readers.map((_, address) => ({
      readerKey: `r${address}`,
      address,
      secureChannel: 'required' as const,
      key: ownKey,
    })),
  });
  rig.bus.onOpen(rig.line);
  rig.clock.advance(count * 600);
  return { ...rig, readers };
}
/** The longest time between two commands to a reader, from the last one before `fromMs` on. */
const longestGap = (reader: ScriptedReader, fromMs: number): number => {
  const times = reader.seen.map((each) => each.atMs);
  const first = times.findLastIndex((atMs) => atMs < fromMs);
  const late = times.slice(first);
  return Math.max(...late.slice(1).map((atMs, index) => atMs - late[index]!));
};
const links = (rig: BusRig): string[] => rig.bus.report().map((state) => state.link);

describe('turns', () => {
  test('one idle reader is polled every fifty milliseconds and no more often', () => {
    const { reader, clock } = onlineRig();
    const fromMs = clock.now();
    clock.advance(2000);
    const polls = reader.seen.filter((each) => each.atMs >= fromMs && each.id === 0x60);
    expect(polls.length).toBeGreaterThan(35);
    expect(polls.length).toBeLessThanOrEqual(40);
  });

  test('between an answer and the next command there are at least two characters of silence', () => {
    const rig = manyRig(4);
    const fromMs = rig.clock.now();
    rig.clock.advance(1000);
    const late = rig.sent.filter((each) => each.atMs >= fromMs);
    expect(late.length).toBeGreaterThan(20);
    for (const [index, each] of late.slice(1).entries()) {
      const before = late[index]!;
      // A poll of 15 bytes, 3 ms of thinking and an answer of 14 bytes at 9600 baud.
      expect(each.atMs - before.atMs).toBeGreaterThanOrEqual(((15 + 14 + 2) * 10_000) / 9600 + 3 - 0.01);
    }
  });

  test('a full bus polls back to back, in turn', () => {
    const rig = manyRig(8);
    expect(links(rig)).toEqual(Array.from({ length: 8 }, () => 'online'));
    const fromMs = rig.clock.now();
    rig.clock.advance(10_000);
    const counts = rig.readers.map((reader) => reader.seen.filter((each) => each.atMs >= fromMs).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    // 8 readers of some 36 ms each.
    expect(Math.max(...rig.readers.map((reader) => longestGap(reader, fromMs)))).toBeLessThan(8 * 60);
  });

  test('on a full bus a card waits for one turn of all others, whatever is shown and asked besides', () => {
    const rig = manyRig(8);
    const waits: number[] = [];
    for (let card = 0; card < 200; card += 1) {
      const reader = rig.readers[(card * 5) % 8]!;
      const readerKey = `r${reader.address}`;
      rig.clock.advance(500 + ((card * 37) % 331));
      reader.pending.push(w26Card);
      const presentedMs = rig.clock.now();
      rig.clock.advance(900);
      expect(rig.reads.map((read) => read.readerKey)).toEqual([readerKey]);
      waits.push(rig.reads[0]!.atMs - presentedMs);
      rig.reads.length = 0;
      rig.bus.signal(readerKey, { led: 'granted' });
      rig.bus.signal(readerKey, { buzzer: 'granted' });
    }
    rig.clock.advance(2000);
    // Of a poll of 15 bytes, 3 ms of thinking, an answer of 14 bytes and the silence after it; the card's has 30 bytes.
    const turnMs = 7 * 37 + ((15 + 30) * 10_000) / 9600 + 3;
    expect(Math.max(...waits)).toBeLessThan(1.3 * (turnMs + 37));
    expect(waits.toSorted((a, b) => a - b)[100]).toBeLessThan((1.3 * turnMs) / 2 + 50);
    for (const reader of rig.readers) {
      expect(commandsOf(reader, 0x69)).toHaveLength(25);
      expect(commandsOf(reader, 0x6a)).toHaveLength(25);
    }
  });

  test('a second reader that dies makes no card of the first wait longer than one time-out', () => {
    const rig = manyRig(2);
    const [alive, dead] = rig.readers as [ScriptedReader, ScriptedReader];
    dead.isMute = true;
    const fromMs = rig.clock.now();
    rig.clock.advance(60_000);
    expect(links(rig)).toEqual(['online', 'offline']);
    expect(longestGap(alive, fromMs)).toBeLessThan(50 + 350);
    rig.clock.advance(20);
    alive.pending.push(w26Card);
    const presentedMs = rig.clock.now();
    rig.clock.advance(1000);
    expect(rig.reads).toMatchObject([{ readerKey: 'r0', read: w26Read }]);
    expect(rig.reads[0]!.atMs - presentedMs).toBeLessThan(450);
  });

  test('nine dead readers of ten cost the tenth no more than one of them', () => {
    const rig = manyRig(10);
    for (const reader of rig.readers.slice(1)) reader.isMute = true;
    const cutMs = rig.clock.now();
    rig.clock.advance(5000);
    // All at once, none of them known to be dead: each costs its first time-out.
    expect(longestGap(rig.readers[0]!, cutMs)).toBeLessThan(9 * 350);
    const fromMs = rig.clock.now();
    rig.clock.advance(60_000);
    expect(links(rig)).toEqual(['online', ...Array.from({ length: 9 }, () => 'offline')]);
    expect(longestGap(rig.readers[0]!, fromMs)).toBeLessThan(50 + 350);
    const polls = rig.readers[0]!.seen.filter((each) => each.atMs > fromMs && each.id === 0x60);
    const gaps = polls.slice(1).map((each, index) => each.atMs - polls[index]!.atMs);
    expect(Math.max(...gaps)).toBeLessThan(50 + 400);
  });

  test('an offline reader is asked again after one second, then less often, up to every five', () => {
    const reader = paired(0);
    reader.isMute = true;
    const rig = busRig([reader], {
      readers: [{ readerKey: 'front', address: 0, secureChannel: 'required', key: ownKey }],
    });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(40_000);
    const ids = rig.sent.map(({ bytes }) => bytes[6]);
    // Some readers answer a poll only, so at first it is polled right after it was asked who it is.
    expect(ids.slice(0, 8)).toEqual([0x61, 0x60, 0x61, 0x60, 0x61, 0x60, 0x61, 0x60]);
    const gaps = rig.sent.slice(1).map((each, index) => each.atMs - rig.sent[index]!.atMs);
    expect(gaps.slice(0, 7).map((gap) => Math.round(gap / 1000))).toEqual([0, 1, 0, 2, 4, 5, 5]);
    expect(rig.bus.report()).toMatchObject([{ link: 'offline', problem: 'noAnswer' }]);
  });

  test('a reader that has answered before and is dead costs one time-out at a time', () => {
    const { reader, clock, sent } = onlineRig();
    reader.isMute = true;
    clock.advance(9000);
    const from = sent.length;
    clock.advance(30_000);
    const probes = sent.slice(from);
    const gaps = probes.slice(1).map((each, index) => each.atMs - probes[index]!.atMs);
    expect(Math.min(...gaps)).toBeGreaterThan(1000);
  });

  test('readers that answer but are refused do not keep a dead one from being found again', () => {
    const refused = paired(0);
    refused.key = bytesOf('ee'.repeat(16));
    const back = paired(1);
    const rig = busRig([refused, back], {
      readers: [0, 1].map((address) => ({
        readerKey: `r${address}`,
        address,
        secureChannel: 'required' as const,
        key: ownKey,
      })),
    });
    back.isMute = true;
    rig.bus.onOpen(rig.line);
    rig.clock.advance(30_000);
    back.isMute = false;
    rig.clock.advance(7000);
    expect(links(rig)).toEqual(['connecting', 'online']);
  });
});

const commandsOf = (reader: ScriptedReader, id: number): string[] =>
  reader.seen.filter((each) => each.id === id).map((each) => each.data);

describe('what the door shows', () => {
  test('the latest state of the lamp wins and goes out before the next poll is due', () => {
    const { reader, bus, clock } = onlineRig();
    clock.advance(20);
    const atMs = clock.now();
    bus.signal('front', { led: 'alarm' });
    bus.signal('front', { led: 'unlocked' });
    clock.advance(200);
    const leds = reader.seen.filter((each) => each.id === 0x69);
    expect(leds.map((each) => each.data)).toEqual(['0000 01 000000000000 01 0a000202'.replaceAll(' ', '')]);
    expect(leds[0]!.atMs - atMs).toBeLessThan(60);
  });

  test('a passing signal lies over a resting one that came with it, in one command', () => {
    const { reader, bus, clock } = onlineRig();
    // The line is taken by this one while the next two come.
    bus.signal('front', { buzzer: 'granted' });
    bus.signal('front', { led: 'unlocked' });
    bus.signal('front', { led: 'granted' });
    clock.advance(300);
    expect(commandsOf(reader, 0x69)).toEqual(['0000 02 0a010200 0b00 01 0a000202'.replaceAll(' ', '')]);
  });

  test('is shown again after each reconnect; what passed meanwhile is not', () => {
    const { reader, bus, clock, link } = onlineRig();
    bus.signal('front', { led: 'unlocked' });
    bus.signal('front', { buzzer: 'alarm' });
    clock.advance(6000);
    expect([commandsOf(reader, 0x69).length, commandsOf(reader, 0x6a).length]).toEqual([1, 1]);
    reader.isMute = true;
    clock.advance(10_000);
    expect(link()).toBe('offline');
    bus.signal('front', { led: 'granted' });
    bus.signal('front', { buzzer: 'denied' });
    reader.isMute = false;
    clock.advance(8000);
    expect(link()).toBe('online');
    expect(commandsOf(reader, 0x69).slice(1)).toEqual([
      '0000 01 000000000000 01 0a000202'.replaceAll(' ', ''),
    ]);
    expect(commandsOf(reader, 0x6a)).toEqual(['0002050300', '0002050300']);
  });

  test('an alarm goes on when the tone that lay over it has ended', () => {
    const { reader, bus, clock } = onlineRig();
    bus.signal('front', { buzzer: 'alarm' });
    clock.advance(200);
    bus.signal('front', { buzzer: 'denied' });
    clock.advance(400);
    expect(commandsOf(reader, 0x6a)).toEqual(['0002050300', '0002010103']);
    clock.advance(400);
    expect(commandsOf(reader, 0x6a)).toEqual(['0002050300', '0002010103', '0002050300']);
    bus.signal('front', { buzzer: 'silent' });
    clock.advance(200);
    expect(commandsOf(reader, 0x6a).at(-1)).toBe('0001010000');
  });

  test('signals without end leave every other turn to polls', () => {
    const { reader, bus, clock } = onlineRig();
    const from = reader.seen.length;
    for (let turn = 0; turn < 100; turn += 1) {
      bus.signal('front', { led: turn % 2 === 0 ? 'idle' : 'alarm' });
      clock.advance(10);
    }
    const ids = reader.seen.slice(from).map((each) => each.id);
    expect(ids.filter((id) => id === 0x60).length).toBeGreaterThanOrEqual(ids.length / 2 - 1);
    expect(ids.filter((id) => id === 0x69).length).toBeGreaterThan(5);
  });

  test('an output is switched now or not at all', () => {
    const { reader, bus, clock } = onlineRig();
    expect(bus.output('front', 0, 5, 50)).toBe(true);
    clock.advance(200);
    expect(commandsOf(reader, 0x68)).toEqual(['00053200']);
    reader.isMute = true;
    clock.advance(100);
    expect(bus.output('front', 0, 2, 0)).toBe(true);
    clock.advance(10_000);
    expect(bus.output('front', 0, 2, 0)).toBe(false);
    reader.isMute = false;
    clock.advance(8000);
    expect(commandsOf(reader, 0x68)).toEqual(['00053200']);
  });

  test('an output goes on for its time and back by itself, and both are seen at once', () => {
    const { bus, clock, peripherals } = new VirtualBus({ readers: 2, baudRate: 9600, secure: true, seed: 7 });
    const outputs = () => bus.report().map((state) => state.outputs);
    clock.advance(2000);
    expect(outputs()).toEqual([
      [false, false],
      [false, false],
    ]);
    expect(bus.output('reader-1', 1, timedOnCode, 20)).toBe(true);
    clock.advance(300);
    expect(peripherals.map(({ device }) => device.outputCommands)).toEqual([
      [],
      [{ output: 1, code: 5, timer: 20 }],
    ]);
    expect(outputs()).toEqual([
      [false, false],
      [false, true],
    ]);
    clock.advance(1400);
    expect(outputs()[1]).toEqual([false, true]);
    clock.advance(800);
    expect(outputs()[1]).toEqual([false, false]);
    expect(peripherals.flatMap(({ violations }) => violations)).toEqual([]);
  });

  test('no output is switched without the secure channel that is required', () => {
    const reader = new ScriptedReader(0);
    const { bus, clock, line } = busRig([reader], {
      readers: [{ readerKey: 'front', address: 0, secureChannel: 'required', key: null }],
      storesKeys: false,
    });
    bus.onOpen(line);
    clock.advance(1000);
    expect(bus.output('front', 0, timedOnCode, 10)).toBe(false);
    // In a session on the key that everybody knows.
    bus.beginInstall('front', 60_000);
    clock.advance(1000);
    expect(bus.report()).toMatchObject([{ channel: 'installKey', inputs: [], outputs: [] }]);
    expect(bus.output('front', 0, timedOnCode, 10)).toBe(false);
    clock.advance(1000);
    expect(commandsOf(reader, 0x68)).toEqual([]);
  });

  test('what is not a reader of this bus is refused', () => {
    const { bus } = onlineRig();
    expect(bus.signal('back', { led: 'idle' })).toBe(false);
    expect(bus.output('back', 0, 1, 0)).toBe(false);
  });
});

describe('moving a reader', () => {
  test('to another address and speed is followed when the reader says that it goes', () => {
    const { reader, bus, clock, moves, baudRates, link } = onlineRig();
    reader.onReply = (reply, { id }) => {
      if (id === 0x6e) {
        reader.address = 5;
        reader.powerCycle();
      }
      return reply;
    };
    expect(bus.comset('front', 5, 38_400)).toBe(true);
    clock.advance(2000);
    expect(moves).toEqual([{ address: 5, baudRate: 38_400 }]);
    expect([link(), baudRates]).toEqual(['online', [9600, 38_400]]);
  });

  test('is found out when the answer is lost: it is looked for at both places', () => {
    const { reader, bus, clock, moves, link } = onlineRig();
    reader.onReply = (reply, { id }) => {
      if (id !== 0x6e) return reply;
      reader.address = 5;
      reader.powerCycle();
      return null;
    };
    bus.comset('front', 5, 9600);
    clock.advance(20_000);
    expect([link(), moves]).toEqual(['online', [{ address: 5, baudRate: 9600 }]]);
  });

  test('to the address of another reader is refused', () => {
    const rig = manyRig(2);
    expect(rig.bus.comset('r0', 1, 9600)).toBe(false);
    expect(rig.bus.comset('r0', 7, 9600)).toBe(true);
  });
});
