import { describe, expect, test } from 'vitest';
import {
  type BusRig,
  busRig,
  bytesOf,
  frameBytes,
  hexOf,
  newKeyHex,
  onlineRig,
  ownKey,
  ScriptedReader,
  w26Card,
} from './fixtures.ts';

/** A reader from the factory, its bus open and waiting for pairing to be started. */
function newReaderRig(
  options: Partial<Parameters<typeof busRig>[1]> = {},
): BusRig & { reader: ScriptedReader } {
  const reader = new ScriptedReader(0);
  const rig = busRig([reader], {
    readers: [{ readerKey: 'front', address: 0, secureChannel: 'required', key: null }],
    ...options,
  });
  rig.bus.onOpen(rig.line);
  rig.clock.advance(500);
  return { ...rig, reader };
}
const idsSince = (reader: ScriptedReader, atMs: number): string =>
  reader.seen
    .filter((each) => each.atMs >= atMs)
    .map((each) => each.id.toString(16))
    .join(' ');

describe('pairing', () => {
  test('gives a reader on the install key a key of its own and connects it anew with that', () => {
    const { reader, clock, bus, link, pendingKeys, keysSet } = newReaderRig();
    const atMs = clock.now();
    expect(bus.beginInstall('front', 60_000)).toBe(true);
    clock.advance(1000);
    expect(idsSince(reader, atMs).startsWith('61 62 76 77 75 61 62 76 77 60')).toBe(true);
    expect(hexOf(reader.key)).toBe(newKeyHex(1));
    expect(pendingKeys.map((each) => each.key)).toEqual([newKeyHex(1)]);
    expect(keysSet).toEqual([newKeyHex(1)]);
    expect(bus.report()).toMatchObject([{ link: 'online', channel: 'ownKey' }]);
    expect(link()).toBe('online');
  });

  test('the new key does not go over the line in the open', () => {
    const { bus, clock, sent, keysSet } = newReaderRig();
    bus.beginInstall('front', 60_000);
    clock.advance(1000);
    expect(keysSet).toHaveLength(1);
    expect(sent.some(({ bytes }) => hexOf(bytes).includes(newKeyHex(1)))).toBe(false);
  });

  test('KEYSET waits until the new key is stored, and no card counts meanwhile', () => {
    const { reader, bus, clock, pendingKeys, reads, link, keysSet } = newReaderRig({ storesKeys: false });
    bus.beginInstall('front', 60_000);
    reader.pending.push(w26Card);
    clock.advance(3000);
    expect(pendingKeys).toHaveLength(1);
    expect(reader.ids()).not.toContain('75');
    expect(reader.pending).toEqual([]);
    expect([link(), reads, bus.report()[0]!.channel]).toEqual(['connecting', [], 'installKey']);
    pendingKeys[0]!.stored();
    clock.advance(1000);
    expect([link(), keysSet]).toEqual(['online', [newKeyHex(1)]]);
  });

  test('ends by itself: afterwards the install key is refused again', () => {
    const { reader, bus, clock, problem } = newReaderRig();
    reader.isMute = true;
    bus.beginInstall('front', 5000);
    clock.advance(6000);
    reader.isMute = false;
    const atMs = clock.now();
    clock.advance(20_000);
    expect(idsSince(reader, atMs)).not.toContain('76');
    expect(problem()).toBe('notPaired');
  });

  test('that ends while the key is not stored leaves the session on the install key', () => {
    const { reader, bus, clock, link, problem, pendingKeys } = newReaderRig({ storesKeys: false });
    bus.beginInstall('front', 2000);
    clock.advance(4000);
    expect([link(), problem()]).toEqual(['connecting', 'notPaired']);
    pendingKeys[0]!.stored();
    clock.advance(10_000);
    expect(reader.ids()).not.toContain('75');
  });

  test('can be cancelled', () => {
    const { reader, bus, clock } = newReaderRig({ storesKeys: false });
    bus.beginInstall('front', 60_000);
    clock.advance(300);
    expect(bus.report()[0]!.channel).toBe('installKey');
    bus.cancelInstall('front');
    clock.advance(300);
    const atMs = clock.now();
    clock.advance(20_000);
    expect(idsSince(reader, atMs)).not.toContain('76');
    expect(bus.report()[0]!.channel).toBe('none');
  });

  test('lasts fifteen minutes at most, whatever it is asked for', () => {
    const { reader, bus, clock } = newReaderRig();
    reader.isMute = true;
    bus.beginInstall('front', 10 * 3_600_000);
    clock.advance(16 * 60_000);
    reader.isMute = false;
    clock.advance(20_000);
    expect(reader.ids()).not.toContain('76');
  });

  test('whose KEYSET is refused says so and keeps trying no more than the back-off allows', () => {
    const { reader, bus, clock, problem, keysSet } = newReaderRig();
    reader.instead = ({ id }) => (id === 0x75 ? { id: 0x41, data: Uint8Array.of(9) } : undefined);
    bus.beginInstall('front', 60_000);
    clock.advance(10_000);
    expect([problem(), keysSet]).toEqual(['keyRefused', []]);
    expect(reader.seen.filter((each) => each.id === 0x75).length).toBeLessThan(6);
  });

  test('of an unknown reader is refused', () => {
    expect(newReaderRig().bus.beginInstall('back', 1000)).toBe(false);
  });
});

describe('a new key whose ACK is lost', () => {
  test('is found by the next handshake, which tries it first', () => {
    const { reader, bus, clock, keysSet, link } = newReaderRig();
    reader.onReply = (reply, { id }) => {
      if (id !== 0x75) return reply;
      // The reader took the key, restarted, and its answer never came.
      reader.powerCycle();
      return null;
    };
    bus.beginInstall('front', 60_000);
    clock.advance(10_000);
    expect(keysSet).toEqual([newKeyHex(1)]);
    expect(link()).toBe('online');
  });

  test('is found after a restart of the bridge too, when the caller kept it as pending', () => {
    const reader = new ScriptedReader(0);
    reader.key = bytesOf(newKeyHex(7));
    reader.isOnFactoryKey = false;
    const rig = busRig([reader], {
      readers: [
        {
          readerKey: 'front',
          address: 0,
          secureChannel: 'required',
          key: ownKey,
          pendingKey: bytesOf(newKeyHex(7)),
        },
      ],
    });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(1000);
    expect([rig.link(), rig.keysSet]).toEqual(['online', [newKeyHex(7)]]);
  });

  test('and that never arrived: the old key is tried next, and works', () => {
    const { reader, bus, clock, keysSet, link } = onlineRig();
    clock.advance(6000);
    let isLost = false;
    reader.onReply = (reply, { id }) => {
      if (id !== 0x75 || isLost) return reply;
      isLost = true;
      reader.key = ownKey;
      reader.powerCycle();
      return null;
    };
    bus.changeKey('front');
    clock.advance(20_000);
    expect(isLost).toBe(true);
    expect(link()).toBe('online');
    // It was still wanted, so it was sent again and taken.
    expect(keysSet).toEqual([newKeyHex(1)]);
    expect(hexOf(reader.key)).toBe(newKeyHex(1));
  });

  test('an ACK in the open that a stranger sent proves nothing: the key is not called set', () => {
    const { reader, bus, clock, keysSet, link } = onlineRig();
    clock.advance(6000);
    reader.onReply = (reply, { id, sequence }) => {
      if (id !== 0x75) return reply;
      reader.key = ownKey;
      return frameBytes({ address: 0x80, control: sequence, id: 0x40 });
    };
    bus.changeKey('front');
    clock.advance(10_000);
    expect([link(), keysSet]).toEqual(['online', []]);
    expect(reader.seen.filter((each) => each.id === 0x75)).toHaveLength(1);
  });

  test('an ACK in the open of the reader itself is enough, for its next handshake proves the key', () => {
    const { reader, bus, clock, keysSet, link } = newReaderRig();
    reader.onReply = (reply, { id, sequence }) =>
      id === 0x75 ? frameBytes({ address: 0x80, control: sequence, id: 0x40 }) : reply;
    bus.beginInstall('front', 60_000);
    clock.advance(2000);
    expect([link(), keysSet]).toEqual(['online', [newKeyHex(1)]]);
  });
});

describe('the key of a reader', () => {
  test('can be changed while it is online', () => {
    const { reader, bus, clock, keysSet, link } = onlineRig();
    bus.changeKey('front');
    clock.advance(2000);
    expect(hexOf(reader.key)).toBe(newKeyHex(1));
    expect([link(), keysSet]).toEqual(['online', [newKeyHex(1)]]);
  });

  test('that is set from outside is tried at once', () => {
    const reader = new ScriptedReader(0);
    reader.key = ownKey;
    reader.isOnFactoryKey = false;
    const rig = busRig([reader], {
      readers: [{ readerKey: 'front', address: 0, secureChannel: 'required', key: null }],
    });
    rig.bus.onOpen(rig.line);
    rig.clock.advance(20_000);
    expect(rig.problem()).toBe('notPaired');
    rig.bus.setKey('front', ownKey);
    rig.clock.advance(600);
    expect(rig.link()).toBe('online');
    rig.bus.setKey('front', ownKey);
    expect(rig.link()).toBe('online');
    rig.bus.setKey('front', null);
    rig.clock.advance(1000);
    expect([rig.link(), rig.problem()]).toEqual(['connecting', 'notPaired']);
  });
});
