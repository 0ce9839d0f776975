import { describe, expect, test } from 'vitest';
import { encodeFrame as encodeFrameOf, frameDecoder } from '#bridge/readers/osdp/wire/frame.ts';
import {
  busRig,
  bytesOf,
  onlineRig,
  ownKey,
  pairedReader,
  required,
  ScriptedReader,
  since,
  w26Card,
  w26Read,
} from './fixtures.ts';

const nak = (code: number) => ({ id: 0x41, data: Uint8Array.of(code) });

/** A reply with the other check. */
function withChecksum(reply: Uint8Array): Uint8Array {
  const [outcome] = frameDecoder(true).push(reply);
  if (outcome?.kind !== 'frame') throw new Error('no frame');
  // What the MAC covers has another length and control byte, so this is for replies outside a session.
  return encodeFrameOf({ ...outcome.frame, crc: false });
}

describe('a reader that refuses something', () => {
  test.each([5, 6])('sealed with code %i, a question, is not asked that again and stays online', (code) => {
    const { reader, clock, changes, bus } = onlineRig();
    const atMs = clock.now();
    reader.instead = ({ id }) => (id === 0x64 ? nak(code) : undefined);
    clock.advance(30_000);
    expect(since(reader, atMs, 0x64)).toHaveLength(1);
    expect([...since(reader, atMs, 0x61), ...since(reader, atMs, 0x76)]).toEqual([]);
    expect(
      changes.slice(changes.indexOf('front online null')).every((each) => each === 'front online null'),
    ).toBe(true);
    expect(bus.report()).toMatchObject([{ link: 'online', quirks: ['refusesCommands'] }]);
  });

  test('a new key, sealed, keeps its old one: it is said once and not sent again', () => {
    const { reader, clock, bus, keysRefused, link } = onlineRig();
    reader.instead = ({ id }) => (id === 0x75 ? nak(6) : undefined);
    const atMs = clock.now();
    bus.beginInstall('front', 60_000);
    bus.changeKey('front', 60_000);
    for (let samples = 0; samples < 1200; samples += 1) {
      clock.advance(100);
      expect(link()).toBe('online');
    }
    expect(since(reader, atMs, 0x75)).toHaveLength(1);
    expect(keysRefused).toEqual(['front']);
    reader.pending.push(w26Card);
    reader.powerCycle();
    clock.advance(2000);
    expect([link(), bus.report()[0]!.channel]).toEqual(['online', 'ownKey']);
  });

  test.each(['silence', 'an answer of another kind'] as const)(
    'a new key with %s costs seconds, once, and keeps its old one',
    (how) => {
      const { reader, clock, bus, keysRefused, link } = onlineRig();
      reader.onReply = (reply, { id }) => {
        if (id !== 0x75) return reply;
        reader.key = ownKey;
        return how === 'silence' ? null : reply;
      };
      reader.instead = ({ id }) =>
        id === 0x75 && how !== 'silence' ? { id: 0x48, data: bytesOf('0000') } : undefined;
      bus.beginInstall('front', 60_000);
      bus.changeKey('front', 60_000);
      clock.advance(4000);
      expect([link(), keysRefused]).toEqual(['online', ['front']]);
      const atMs = clock.now();
      clock.advance(60_000);
      expect(since(reader, atMs, 0x75)).toEqual([]);
      expect(since(reader, atMs, 0x76)).toEqual([]);
    },
  );

  test('a new key that is not wanted any more, or not in time, is not sent', () => {
    for (const end of ['cancel', 'time'] as const) {
      const { reader, clock, bus, pendingKeys } = onlineRig({ storesKeys: false });
      bus.changeKey('front', 2000);
      clock.advance(1000);
      if (end === 'cancel') bus.cancelInstall('front');
      else clock.advance(2000);
      pendingKeys[0]!.stored();
      clock.advance(10_000);
      expect(reader.ids()).not.toContain('75');
    }
  });
});

describe('a reader that begins otherwise', () => {
  test('silent until it has been polled is found, and that is said', () => {
    const reader = pairedReader(0);
    let isAwake = false;
    reader.onReply = (reply, { id }) => {
      isAwake ||= id === 0x60;
      return isAwake ? reply : null;
    };
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(1500);
    expect(rig.bus.report()).toMatchObject([{ link: 'online', quirks: ['wakesOnPoll'] }]);
  });

  test('that refuses to say who it is outside the channel is asked inside it', () => {
    const reader = pairedReader(0);
    reader.instead = ({ id, security }) => {
      if (id === 0x61)
        return security === null ? nak(6) : { id: 0x45, data: bytesOf('5c262301023930000001020300') };
      if (id !== 0x62) return undefined;
      return security === null ? nak(6) : { id: 0x46, data: bytesOf('010202') };
    };
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(1500);
    expect(rig.bus.report()).toMatchObject([
      {
        link: 'online',
        identity: 'vendor 5c2623, model 1.2, serial 12345, firmware 1.2.3',
        quirks: ['noIdentity', 'surplusBytes'],
      },
    ]);
    rig.clock.advance(6000);
    expect(since(reader, 0, 0x65).length).toBeGreaterThan(0);
  });

  test('whose list of capabilities has a byte too many is online, and its inputs are known', () => {
    const reader = pairedReader(0);
    reader.capabilities = bytesOf('010202 02');
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(1500);
    expect(rig.bus.report()).toMatchObject([{ link: 'online', quirks: ['surplusBytes'] }]);
    expect(since(reader, 0, 0x65)).toHaveLength(1);
  });

  test('on the install key, which refuses ours without a word about that, is found to be on it', () => {
    const reader = new ScriptedReader(0);
    const rig = busRig([reader], { readers: [required('front', 0)] });
    rig.bus.onOpen(rig.line);
    reader.pending.push(w26Card);
    rig.clock.advance(30_000);
    expect([rig.link(), rig.problem(), rig.reads]).toEqual(['connecting', 'installKey', []]);
    expect(since(reader, 0, 0x77)).toEqual([]);
  });

  test('that seals with the right key answers with the checksum where it is asked by CRC: it is taken and said', () => {
    const reader = new ScriptedReader(0);
    reader.onReply = withChecksum;
    const rig = busRig([reader], {
      readers: [{ readerKey: 'front', address: 0, secureChannel: 'off', key: null }],
    });
    rig.bus.onOpen(rig.line);
    reader.pending.push(w26Card);
    rig.clock.advance(1000);
    expect(rig.reads).toMatchObject([{ read: w26Read }]);
    expect(rig.bus.report()).toMatchObject([
      { link: 'online', quirks: ['answersChecksum'], faultyFrames: 0 },
    ]);
  });
});

describe('a read head', () => {
  test('that is opened or cut off is a tamper until it says otherwise', () => {
    const { reader, clock, bus } = onlineRig();
    const tamper = (): boolean | null => bus.report()[0]!.tamper;
    for (const state of [2, 1]) {
      reader.instead = ({ id }) => (id === 0x67 ? { id: 0x4b, data: Uint8Array.of(state) } : undefined);
      reader.pending.push({ id: 0x4b, data: Uint8Array.of(state) });
      clock.advance(200);
      expect(tamper()).toBe(true);
      clock.advance(12_000);
      expect(tamper()).toBe(true);
      // Its end is not announced.
      reader.instead = ({ id }) => (id === 0x67 ? { id: 0x4b, data: Uint8Array.of(0) } : undefined);
      clock.advance(6000);
      expect(tamper()).toBe(false);
    }
  });
});

test('keys that come as formatted text are keys', () => {
  const { reader, clock, keys, bus } = onlineRig();
  reader.pending.push({ id: 0x51, data: bytesOf('00 00 05 313233340d') });
  clock.advance(500);
  expect(keys).toEqual([{ readerKey: 'front', keys: '1234#' }]);
  expect(bus.report()[0]!.quirks).toEqual(['formattedKeys']);
});

test('a card with a byte of padding is that card', () => {
  const { reader, clock, reads, bus } = onlineRig();
  reader.pending.push({ ...w26Card, data: Uint8Array.from([...w26Card.data, 0]) });
  clock.advance(500);
  expect(reads).toMatchObject([{ read: w26Read }]);
  expect(bus.report()[0]!.quirks).toEqual(['surplusBytes']);
});
