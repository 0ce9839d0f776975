import { describe, expect, test } from 'vitest';
import { decideNak } from '#bridge/readers/osdp/peripheral/nak-rules.ts';
import {
  busRig,
  bytesOf,
  factoryKey,
  frameBytes,
  onlineRig,
  pairedReader,
  required,
  ScriptedReader,
  since,
  w26Card,
  w26Read,
} from './fixtures.ts';

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

describe('NAK', () => {
  test.each([
    ['challenge', 5, false, { kind: 'nextKey', problem: 'secureChannelUnsupported' }],
    ['challenge', 6, false, { kind: 'nextKey', problem: 'secureChannelRefused' }],
    ['crypt', 6, false, { kind: 'nextKey', problem: 'wrongKey' }],
    ['capabilities', 3, false, { kind: 'withoutIt' }],
    ['challenge', 4, false, { kind: 'restart', problem: 'sessionLost' }],
    ['crypt', 4, false, { kind: 'restart', problem: 'sessionLost' }],
    ['capabilities', 4, false, { kind: 'restart', problem: 'sessionLost' }],
    ['identity', 3, false, { kind: 'withoutIt' }],
    ['identity', 4, false, { kind: 'restart', problem: 'sessionLost' }],
    ['poll', 4, true, { kind: 'restart', problem: 'sessionLost' }],
    ['poll', 3, true, { kind: 'restart', problem: 'sessionLost' }],
    ['poll', 9, true, { kind: 'refused', forGood: false }],
    ['poll', 9, false, { kind: 'restart', problem: 'sessionLost' }],
    ['led', 3, true, { kind: 'refused', forGood: true }],
    ['led', 9, true, { kind: 'refused', forGood: false }],
    ['poll', 6, true, { kind: 'restart', problem: 'sessionLost' }],
    ['led', 6, true, { kind: 'refused', forGood: true }],
    ['led', 6, false, { kind: 'refused', forGood: true }],
    ['led', 4, true, { kind: 'restart', problem: 'sessionLost' }],
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
    expect(since(reader, atMs, 0x76)).toHaveLength(1);
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
