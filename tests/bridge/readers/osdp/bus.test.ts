import { describe, expect, test } from 'vitest';
import { decideNak } from '#bridge/readers/osdp/peripheral/nak-rules.ts';
import { VirtualBus } from '#tests/_support/osdp/virtual-bus.ts';
import {
  busRig,
  bytesOf,
  factoryKey,
  frameBytes,
  onlineRig,
  ownKey,
  ScriptedReader,
  w26Card,
  w26Read,
  withCrc,
} from './fixtures.ts';

const pairedReader = (address: number, key = ownKey): ScriptedReader => {
  const reader = new ScriptedReader(address);
  reader.key = key;
  reader.isOnFactoryKey = false;
  return reader;
};
const required = (readerKey: string, address: number, key: Uint8Array | null = ownKey) =>
  ({ readerKey, address, secureChannel: 'required', key }) as const;
const since = (reader: ScriptedReader, atMs: number, id: number) =>
  reader.seen.filter((each) => each.atMs >= atMs && each.id === id);

describe('connecting', () => {
  test('goes ID, CAP, CHLNG, SCRYPT with sequence 0, 1, 2, 3 and polls from then on inside the secure channel', () => {
    const { reader, link, bus } = onlineRig();
    expect(reader.ids().startsWith('61 62 76 77 60 ')).toBe(true);
    expect(reader.seen.slice(0, 8).map((each) => each.sequence)).toEqual([0, 1, 2, 3, 1, 2, 3, 1]);
    expect(reader.seen.slice(2, 6).map((each) => each.security)).toEqual([0x11, 0x13, 0x15, 0x15]);
    expect(link()).toBe('online');
    expect(bus.report()).toMatchObject([
      {
        readerKey: 'front',
        link: 'online',
        channel: 'ownKey',
        tamper: false,
        powerFault: false,
        identity: 'vendor 5c2623, model 1.2, serial 12345, firmware 1.2.3',
        problem: null,
        faultyFrames: 0,
        timeouts: 0,
      },
    ]);
  });

  test('every command begins with a mark for adapters that must turn round', () => {
    const { sent } = onlineRig();
    expect(sent.every(({ bytes }) => bytes[0] === 0xff && bytes[1] === 0x53)).toBe(true);
  });

  test('a reader without a key of ours is not asked for a session, on the install key or any other', () => {
    const reader = new ScriptedReader(0);
    const rig = busRig([reader], { readers: [required('front', 0, null)] });
    rig.bus.onOpen(rig.line);
    reader.pending.push(w26Card);
    rig.clock.advance(30_000);
    expect(new Set(reader.seen.map((each) => each.id))).toEqual(new Set([0x61, 0x62]));
    expect([rig.link(), rig.problem(), rig.reads]).toEqual(['connecting', 'notPaired', []]);
  });

  test('a reader that was reset to the install key is refused outside pairing, and its cards with it', () => {
    const reader = new ScriptedReader(0);
    // It answers the challenge under our key with the install key, as many readers do.
    reader.key = factoryKey;
    reader.isOnFactoryKey = false;
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    reader.pending.push(w26Card);
    rig.clock.advance(30_000);
    expect(since(reader, 0, 0x77)).toEqual([]);
    expect([rig.link(), rig.problem(), rig.reads]).toEqual(['connecting', 'installKey', []]);
  });

  test('a reader with another key never sees our cryptogram and is never online', () => {
    const reader = pairedReader(0, bytesOf('ff'.repeat(16)));
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(30_000);
    expect(since(reader, 0, 0x77)).toEqual([]);
    expect([rig.link(), rig.problem()]).toEqual(['connecting', 'wrongKey']);
  });

  test('a reader that says that it has no secure channel is not used without one', () => {
    const reader = pairedReader(0);
    reader.instead = ({ id }) => (id === 0x76 ? { id: 0x41, data: Uint8Array.of(5) } : undefined);
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    reader.pending.push(w26Card);
    rig.clock.advance(30_000);
    expect([rig.link(), rig.problem(), rig.reads]).toEqual(['connecting', 'secureChannelUnsupported', []]);
    expect(since(reader, 0, 0x60)).toEqual([]);
  });

  test('a wrong RMAC_I ends the handshake', () => {
    const reader = pairedReader(0);
    reader.onReply = (reply, { id, sequence }) =>
      id === 0x77
        ? frameBytes({
            address: 0x80,
            control: sequence,
            security: [3, 0x14, 1],
            id: 0x78,
            data: new Uint8Array(16),
          })
        : reply;
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(10_000);
    expect(since(reader, 0, 0x77).length).toBeGreaterThan(1);
    expect([rig.link(), rig.problem(), since(reader, 0, 0x60)]).toEqual(['connecting', 'wrongKey', []]);
  });

  test('a refused handshake is tried again less and less often', () => {
    const reader = pairedReader(0, bytesOf('ff'.repeat(16)));
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(30_000);
    const starts = since(reader, 0, 0x61).map((each) => each.atMs);
    const gaps = starts.slice(1).map((atMs, index) => Math.round((atMs - starts[index]!) / 1000));
    expect(gaps.slice(0, 5)).toEqual([1, 2, 4, 5, 5]);
  });

  test('without a secure channel, where that is configured, there is no handshake', () => {
    const reader = new ScriptedReader(0);
    const rig = busRig([reader], {
      readers: [{ readerKey: 'front', address: 0, secureChannel: 'off', key: null }],
    });
    rig.bus.onOpen(rig.line);
    reader.pending.push(w26Card);
    rig.clock.advance(1000);
    expect(since(reader, 0, 0x76)).toEqual([]);
    expect(rig.reads).toMatchObject([{ readerKey: 'front', read: w26Read }]);
    expect(rig.bus.report()).toMatchObject([{ link: 'online', channel: 'none' }]);
  });

  test('a reader that does not tell its capabilities is used without them', () => {
    const reader = pairedReader(0);
    reader.instead = ({ id }) => (id === 0x62 ? { id: 0x41, data: Uint8Array.of(3) } : undefined);
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(1000);
    expect(rig.link()).toBe('online');
  });
});

describe('what a reader says', () => {
  test('a card is one read, within one poll and the time on the wire', () => {
    const { reader, clock, reads } = onlineRig();
    const presentedMs = clock.now();
    reader.pending.push(w26Card);
    clock.advance(500);
    expect(reads).toMatchObject([{ readerKey: 'front', read: w26Read }]);
    expect(reads[0]!.atMs - presentedMs).toBeLessThan(50 + 70);
  });

  test('wrong parity is a fault and no card', () => {
    const { reader, clock, reads, faults } = onlineRig();
    reader.pending.push({ id: 0x50, data: bytesOf('00 01 1a00 bd88ebc0') });
    clock.advance(500);
    expect(reads).toEqual([]);
    expect(faults).toEqual([{ readerKey: 'front', kind: 'parity', bits: 26 }]);
  });

  test('keys come as they were pressed', () => {
    const { reader, clock, keys } = onlineRig();
    reader.pending.push({ id: 0x53, data: bytesOf('00 05 313233340d') });
    clock.advance(500);
    expect(keys).toEqual([{ readerKey: 'front', keys: '1234#' }]);
  });

  test('tamper and power are known when it announces them, and asked for every five seconds', () => {
    const { reader, clock, bus, changes } = onlineRig();
    expect(since(reader, 0, 0x64)).toHaveLength(1);
    reader.pending.push({ id: 0x48, data: bytesOf('0101') });
    clock.advance(200);
    expect(bus.report()).toMatchObject([{ tamper: true, powerFault: true }]);
    expect(changes.at(-1)).toBe('front online null');
    clock.advance(5000);
    expect(since(reader, 0, 0x64)).toHaveLength(2);
    expect(bus.report()).toMatchObject([{ tamper: false, powerFault: false }]);
  });

  test('inputs and outputs are asked for only where its capabilities say that there are some', () => {
    const without = onlineRig();
    expect([...since(without.reader, 0, 0x65), ...since(without.reader, 0, 0x66)]).toEqual([]);
    const reader = pairedReader(0);
    reader.capabilities = bytesOf('010202 020102');
    reader.instead = ({ id }) => {
      if (id === 0x65) return { id: 0x49, data: bytesOf('0100') };
      return id === 0x66 ? { id: 0x4a, data: bytesOf('0001') } : undefined;
    };
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(2000);
    expect(rig.bus.report()).toMatchObject([{ inputs: [true, false], outputs: [false, true] }]);
    rig.bus.onClosed();
    expect(rig.bus.report()).toMatchObject([{ link: 'offline', inputs: [], outputs: [] }]);
  });

  test('a reply that makes no sense is a fault, and the session goes on', () => {
    const { reader, clock, faults, link } = onlineRig();
    reader.pending.push({ id: 0x50, data: bytesOf('00') });
    clock.advance(500);
    expect([faults, link()]).toEqual([[{ readerKey: 'front', kind: 'truncated', bits: 0 }], 'online']);
  });
});

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
    expect(reader.seen.slice(from, from + 4).map((each) => each.id)).toEqual([0x61, 0x62, 0x76, 0x77]);
  });

  test('after a power cut the reader is connected anew at once, beginning with sequence 0', () => {
    const { reader, clock, link, reads } = onlineRig();
    clock.advance(10_000);
    reader.powerCycle();
    const cutMs = clock.now();
    reader.pending.push(w26Card);
    clock.advance(1000);
    expect(since(reader, cutMs, 0x61)[0]!.sequence).toBe(0);
    expect(link()).toBe('online');
    expect(reads).toHaveLength(1);
  });

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

describe('NAK', () => {
  test.each([
    ['challenge', 5, false, { kind: 'nextKey', problem: 'secureChannelUnsupported' }],
    ['challenge', 6, false, { kind: 'nextKey', problem: 'secureChannelRefused' }],
    ['crypt', 6, false, { kind: 'nextKey', problem: 'wrongKey' }],
    ['capabilities', 3, false, { kind: 'noCapabilities' }],
    ['capabilities', 4, false, { kind: 'restart', problem: 'malformedReply' }],
    ['identity', 3, false, { kind: 'restart', problem: 'malformedReply' }],
    ['poll', 4, true, { kind: 'restart', problem: 'sessionLost' }],
    ['poll', 3, true, { kind: 'restart', problem: 'sessionLost' }],
    ['poll', 9, true, { kind: 'refused', forGood: false }],
    ['poll', 9, false, { kind: 'restart', problem: 'sessionLost' }],
    ['led', 3, true, { kind: 'refused', forGood: true }],
    ['led', 9, true, { kind: 'refused', forGood: false }],
    ['led', 6, true, { kind: 'restart', problem: 'sessionLost' }],
  ] as const)(
    'to %s with code %i, sealed %s, is decided by the table',
    (command, code, isSecured, decision) => {
      const isInSession = command === 'poll' || command === 'led';
      expect(decideNak({ command, code, isSecured, isInSession })).toEqual(decision);
    },
  );

  test.each([
    [4, 'sequence'],
    [6, 'secure channel condition'],
    [5, 'secure channel unsupported'],
  ])('%i, %s, to a poll begins a new session', (code) => {
    const { reader, clock, link } = onlineRig();
    clock.advance(6000);
    const atMs = clock.now();
    let isRefused = false;
    reader.instead = ({ id }) => {
      if (isRefused || id !== 0x60) return undefined;
      isRefused = true;
      return { id: 0x41, data: Uint8Array.of(code) };
    };
    clock.advance(1000);
    expect(since(reader, atMs, 0x61)).toHaveLength(1);
    expect(link()).toBe('online');
  });

  test('3, unknown command, leaves that command out until the reader is connected again', () => {
    const { reader, clock, bus, link } = onlineRig();
    reader.instead = ({ id }) => (id === 0x69 ? { id: 0x41, data: Uint8Array.of(3) } : undefined);
    bus.signal('front', { led: 'idle' });
    clock.advance(300);
    bus.signal('front', { led: 'alarm' });
    clock.advance(300);
    expect(since(reader, 0, 0x69)).toHaveLength(1);
    expect(since(reader, 0, 0x61)).toHaveLength(1);
    expect(link()).toBe('online');
  });

  test('1, wrong check, in the open, brings the same bytes again', () => {
    const { reader, clock, link } = onlineRig();
    let isWrong = false;
    reader.onReply = (reply, { id, sequence }) => {
      if (isWrong || id !== 0x60) return reply;
      isWrong = true;
      return frameBytes({ address: 0x80, control: sequence, id: 0x41, data: Uint8Array.of(1) });
    };
    clock.advance(1000);
    expect([reader.repeats, link()]).toEqual([1, 'online']);
  });

  test('in the open to a poll ends the session: a reply that was held back behind it is worth nothing', () => {
    const { reader, clock, reads, bus } = onlineRig();
    clock.advance(6000);
    let held: Uint8Array | null = null;
    reader.pending.push(w26Card);
    reader.onReply = (reply, { id, sequence }) => {
      if (held !== null || id !== 0x60) return reply;
      held = reply;
      return frameBytes({ address: 0x80, control: sequence, id: 0x41, data: Uint8Array.of(9) });
    };
    clock.advance(60);
    expect(held).not.toBeNull();
    for (let turn = 0; turn < 100; turn += 1) {
      bus.onBytes(held!);
      clock.advance(20);
    }
    expect(reads).toEqual([]);
  });
});

describe('a card that is not sealed by the session', () => {
  test('in the open ends the session and is no read', () => {
    const { reader, clock, reads, changes } = onlineRig();
    clock.advance(6000);
    let isForged = false;
    reader.onReply = (reply, { id, sequence }) => {
      if (isForged || id !== 0x60) return reply;
      isForged = true;
      return frameBytes({ address: 0x80, control: sequence, ...w26Card });
    };
    clock.advance(2000);
    expect(isForged).toBe(true);
    expect(reads).toEqual([]);
    expect(changes).toContain('front connecting plainReply');
  });

  test('during the handshake is no read', () => {
    const reader = pairedReader(0);
    const rig = busRig([reader], { readers: [required('front', 0)] });
    for (const forged of [0x61, 0x62, 0x76, 0x77]) {
      reader.onReply = (reply, { id, sequence }) =>
        id === forged ? frameBytes({ address: 0x80, control: sequence, ...w26Card }) : reply;
      rig.bus.onOpen(rig.line);
      rig.clock.advance(5000);
      expect([rig.link(), rig.reads]).toEqual(['connecting', []]);
    }
  });

  test('no flipped bit of any reply of a session ever gives another card', () => {
    const cardReply = recordCardReply();
    for (let bit = 0; bit < cardReply.length * 8; bit += 1) {
      const { reader, clock, reads } = onlineRig();
      let isFlipped = false;
      reader.pending.push(w26Card);
      reader.onReply = (reply, { id }) => {
        if (isFlipped || id !== 0x60 || reply.length !== cardReply.length) return reply;
        isFlipped = true;
        return reply.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      };
      clock.advance(1500);
      expect(isFlipped).toBe(true);
      for (const each of reads) expect(each.read).toEqual(w26Read);
    }
  });

  test('a flipped reply with the CRC put right by somebody who knows how gives no card at all', () => {
    const length = recordCardReply().length;
    for (let bit = 0; bit < (length - 2) * 8; bit += 1) {
      const { reader, clock, reads } = onlineRig();
      let forged: Uint8Array | null = null;
      reader.pending.push(w26Card);
      reader.onReply = (reply, { id }) => {
        // From then on the reader is cut off: what it would say again is not what is asked here.
        if (forged !== null) return null;
        if (id !== 0x60 || reply.length !== length) return reply;
        const body = reply.subarray(0, -2);
        forged = withCrc(body.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)));
        return forged;
      };
      clock.advance(1500);
      expect(forged).not.toBeNull();
      expect(reads).toEqual([]);
    }
  });

  test('a recorded reply, played at any later moment, is no card', () => {
    const { reader, clock, bus, reads } = onlineRig();
    let recorded: Uint8Array | null = null;
    reader.pending.push(w26Card);
    reader.onReply = (reply, { id }) => {
      if (recorded === null && id === 0x60 && reply.length > 20) recorded = reply;
      return reply;
    };
    clock.advance(300);
    expect(reads).toHaveLength(1);
    for (let turn = 0; turn < 400; turn += 1) {
      bus.onBytes(recorded!);
      clock.advance(7);
    }
    expect(reads).toHaveLength(1);
  });

  test('a recorded reply in place of the answer to each of the next polls is no card', () => {
    const { reader, clock, reads } = onlineRig();
    let recorded: Uint8Array | null = null;
    let played = 0;
    reader.pending.push(w26Card);
    reader.onReply = (reply, { id }) => {
      if (id !== 0x60) return reply;
      if (recorded === null) {
        if (reply.length > 20) recorded = reply;
        return reply;
      }
      played += 1;
      return recorded;
    };
    clock.advance(20_000);
    expect(played).toBeGreaterThan(10);
    expect(reads).toHaveLength(1);
  });
});

/** The reply with a card of a session, without anything done to it. */
function recordCardReply(): Uint8Array {
  const { reader, clock, reads } = onlineRig();
  let recorded = new Uint8Array();
  reader.pending.push(w26Card);
  reader.onReply = (reply) => {
    if (reply.length > recorded.length) recorded = Uint8Array.from(reply);
    return reply;
  };
  clock.advance(300);
  expect(reads).toHaveLength(1);
  return recorded;
}

test.each([true, false])(
  'a reader that answers and never so that it is understood gets a new session within two seconds (secure: %s)',
  (secure) => {
    let isAtOdds = false;
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
        if (isNewSession(bytes)) isAtOdds = false;
        return [bytes];
      },
      onReply: (bytes) => [isAtOdds ? flipLast(bytes) : bytes],
    });
    line.clock.advance(1000);
    expect(line.isOnline).toBe(true);
    isAtOdds = true;
    const { goodFrames } = line;
    line.clock.advance(2000);
    expect(isAtOdds).toBe(false);
    expect(line.isOnline).toBe(true);
    expect(line.goodFrames).toBeGreaterThan(goodFrames + 4);
  },
);
