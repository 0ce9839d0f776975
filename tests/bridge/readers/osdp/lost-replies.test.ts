import { describe, expect, test } from 'vitest';
import { VirtualBus } from '#tests/_support/osdp/virtual-bus.ts';
import {
  busRig,
  bytesOf,
  frameBytes,
  onlineRig,
  pairedReader,
  required,
  since,
  w26Card,
} from './fixtures.ts';

describe('what is lost or late', () => {
  test('a lost reply is asked for again with the same bytes and number, and the card in it is read once', () => {
    const { reader, clock, reads, bus, link } = onlineRig();
    let isLost = false;
    reader.pending.push(w26Card);
    reader.onReply = (reply, { id }) => {
      if (isLost || id !== 0x60) return reply;
      isLost = true;
      return null;
    };
    clock.advance(2000);
    expect(reader.repeats).toBe(1);
    const repeated = reader.seen.findIndex((each, index) => each.bytes === reader.seen[index - 1]?.bytes);
    expect(reader.seen[repeated]?.sequence).toBe(reader.seen[repeated - 1]?.sequence);
    expect(reads).toHaveLength(1);
    expect(bus.report()).toMatchObject([{ timeouts: 1 }]);
    expect(link()).toBe('online');
  });

  test('a reply that comes after its time-out is answer to nothing but the same question', () => {
    const { reader, clock, reads, link, faults } = onlineRig();
    reader.pending.push(w26Card);
    reader.delayMs = 260;
    clock.advance(600);
    reader.delayMs = 3;
    clock.advance(3000);
    expect(reads).toHaveLength(1);
    expect([link(), faults]).toEqual(['online', []]);
  });

  test('a late reply of one reader, which comes while another is asked, is neither its card nor its answer', () => {
    const left = pairedReader(1);
    const right = pairedReader(2);
    const rig = busRig([left, right], { readers: [required('left', 1), required('right', 2)] });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(2000);
    left.pending.push(w26Card);
    left.delayMs = 290;
    right.delayMs = 90;
    rig.clock.advance(500);
    left.delayMs = 3;
    rig.clock.advance(3000);
    expect(rig.reads.map((each) => each.readerKey)).toEqual(['left']);
    expect([rig.link('left'), rig.link('right')]).toEqual(['online', 'online']);
  });

  test('BUSY is waited for and the same bytes are sent again', () => {
    const { reader, clock, link, bus } = onlineRig();
    let busy = 3;
    reader.instead = () => {
      busy -= 1;
      return busy >= 0 ? 'busy' : undefined;
    };
    const from = reader.seen.length;
    clock.advance(1000);
    const asked = reader.seen.slice(from, from + 4);
    expect(new Set(asked.map((each) => each.bytes)).size).toBe(1);
    expect(asked[1]!.atMs - asked[0]!.atMs).toBeGreaterThanOrEqual(100);
    expect(link()).toBe('online');
    expect(bus.report()).toMatchObject([{ timeouts: 0, faultyFrames: 0 }]);
  });

  test('a reader that is busy for ever is offline after eight seconds', () => {
    const { reader, clock, link } = onlineRig();
    reader.instead = () => 'busy';
    clock.advance(7500);
    expect(link()).toBe('online');
    clock.advance(1000);
    expect(link()).toBe('offline');
  });

  test('a reader that falls silent is offline after eight seconds and online again by a new handshake', () => {
    const { reader, clock, link, problem, bus } = onlineRig();
    reader.isMute = true;
    clock.advance(7500);
    expect(link()).toBe('online');
    clock.advance(800);
    expect([link(), problem()]).toEqual(['offline', 'noAnswer']);
    expect(bus.report()).toMatchObject([{ channel: 'none', tamper: null, powerFault: null }]);
    const from = reader.seen.length;
    reader.isMute = false;
    reader.powerCycle();
    clock.advance(6000);
    expect(link()).toBe('online');
    expect(reader.seen.slice(from, from + 5).map((each) => each.id)).toEqual([0x60, 0x61, 0x62, 0x76, 0x77]);
  });

  test('after a power cut the reader is connected anew at once, beginning with sequence 0', () => {
    const { reader, clock, link, reads } = onlineRig();
    clock.advance(10_000);
    reader.powerCycle();
    const cutMs = clock.now();
    reader.pending.push(w26Card);
    clock.advance(1000);
    // Who it is, is known already.
    expect(since(reader, cutMs, 0x61)).toEqual([]);
    expect(since(reader, cutMs, 0x76)[0]!.sequence).toBe(0);
    expect(link()).toBe('online');
    expect(reads).toHaveLength(1);
  });
});

describe('a noisy line', () => {
  test('noise, our own echo and replies from other addresses are no answer', () => {
    const { reader, clock, link, sent, bus } = onlineRig();
    reader.onReply = (reply) =>
      Uint8Array.from([
        ...sent.at(-1)!.bytes,
        ...bytesOf('00 12 53'),
        ...frameBytes({ address: 0x85, control: 1, id: 0x40 }),
        ...reply,
      ]);
    clock.advance(20_000);
    expect(link()).toBe('online');
    expect(bus.report()[0]!.faultyFrames).toBeGreaterThan(0);
  });

  test('an answer behind what looked like the start of a long frame is taken when the wait ends', () => {
    const { reader, clock, reads, bus } = onlineRig();
    reader.pending.push(w26Card);
    reader.onReply = (reply, { id }) =>
      id === 0x60 && reply.length > 20 ? Uint8Array.from([...bytesOf('53 80 00 05 04'), ...reply]) : reply;
    clock.advance(2000);
    expect(reads).toHaveLength(1);
    expect(bus.report()).toMatchObject([{ timeouts: 0 }]);
  });

  test('bytes that nobody asked for keep us quiet until they have been over for 20 ms', () => {
    const { clock, bus, sent } = onlineRig();
    // In the pause between two polls.
    while (sent.at(-1)!.atMs + 45 > clock.now()) clock.advance(1);
    const before = sent.length;
    for (let byte = 0; byte < 10; byte += 1) {
      bus.onBytes(bytesOf('00'));
      clock.advance(15);
    }
    expect(sent.length).toBe(before);
    const overMs = clock.now() - 15;
    clock.advance(50);
    expect(sent[before]!.atMs - overMs).toBeGreaterThanOrEqual(20);
    expect(sent[before]!.atMs - overMs).toBeLessThan(22);
  });

  test('a line that babbles without end does not stop the bus', () => {
    const { reader, clock, bus } = onlineRig();
    reader.isMute = true;
    const from = clock.now();
    const timer = (): void => {
      bus.onBytes(bytesOf('00'));
      if (clock.now() < from + 5000) clock.later(5, timer);
    };
    timer();
    const before = bus.report()[0]!.timeouts;
    clock.advance(5000);
    expect(bus.report()[0]!.timeouts).toBeGreaterThan(before + 1);
  });

  test('a line that goes away takes its readers offline and leaves no timer', () => {
    const { clock, bus, link, problem, line } = onlineRig();
    // Until no reply is on the line.
    while (clock.timers > 1) clock.advance(1);
    bus.onClosed();
    expect([link(), problem(), clock.timers]).toEqual(['offline', 'lineClosed', 0]);
    bus.onOpen(line);
    clock.advance(1000);
    expect(link()).toBe('online');
    bus.stop();
    expect(bus.signal('front', { led: 'alarm' })).toBe(true);
    clock.advance(100);
    expect(clock.timers).toBe(0);
  });
});

test.each([true, false])(
  'a reader that answers and never so that it is understood gets a new session within two seconds (secure: %s)',
  (secure) => {
    let isOutOfSync = false;
    const flipLast = (bytes: Uint8Array): Uint8Array =>
      bytes.map((byte, index) => (index === bytes.length - 1 ? byte ^ 1 : byte));
    const isNewSession = (bytes: Uint8Array): boolean => {
      const control = bytes[bytes.indexOf(0x53) + 4] ?? 0xff;
      return (control & 0x03) === 0;
    };
    const line = new VirtualBus({
      readers: 1,
      baudRate: 9600,
      secure,
      seed: 5,
      onCommand: (bytes) => {
        if (isNewSession(bytes)) isOutOfSync = false;
        return [bytes];
      },
      onReply: (bytes) => [isOutOfSync ? flipLast(bytes) : bytes],
    });
    line.clock.advance(1000);
    expect(line.isOnline).toBe(true);
    isOutOfSync = true;
    const { goodFrames } = line;
    line.clock.advance(2000);
    expect(isOutOfSync).toBe(false);
    expect(line.isOnline).toBe(true);
    expect(line.goodFrames).toBeGreaterThan(goodFrames + 4);
  },
);
