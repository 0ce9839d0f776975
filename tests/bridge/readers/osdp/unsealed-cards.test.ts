import { describe, expect, test } from 'vitest';
import {
  busRig,
  frameBytes,
  onlineRig,
  pairedReader,
  required,
  since,
  w26Card,
  w26Read,
  withCrc,
} from './fixtures.ts';

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

describe('data that is sealed but not encrypted', () => {
  test.each([0x15, 0x16] as const)('in block %i is a status, and said; the session goes on', (block) => {
    const { reader, clock, bus } = onlineRig();
    reader.openBlock = block;
    const atMs = clock.now();
    reader.pending.push({ id: 0x48, data: Uint8Array.of(1, 1) });
    clock.advance(300);
    expect(bus.report()).toMatchObject([{ tamper: true, powerFault: true, quirks: ['openReplies'] }]);
    clock.advance(20_000);
    expect(since(reader, atMs, 0x76)).toEqual([]);
  });

  test('is no card and no key, and costs no session, where the installer does not allow it', () => {
    const { reader, clock, bus, reads, keys, faults, link } = onlineRig();
    reader.openBlock = 0x16;
    const atMs = clock.now();
    const typed = { id: 0x53, data: Uint8Array.of(0, 1, 0x31) };
    const formatted = { id: 0x51, data: Uint8Array.of(0, 0, 1, 0x31) };
    reader.pending.push(w26Card, typed, formatted);
    clock.advance(1000);
    expect([reads, keys, link()]).toEqual([[], [], 'online']);
    expect(faults).toHaveLength(3);
    expect(since(reader, atMs, 0x76)).toEqual([]);
    expect(bus.report()[0]!.quirks).toContain('openCardsRefused');
    reader.openBlock = null;
    reader.pending.push(w26Card);
    clock.advance(1000);
    expect(reads).toMatchObject([{ read: w26Read }]);
  });

  test('is a card where the installer allows it, and never with a wrong MAC', () => {
    const { reader, clock, reads } = onlineRig({ readers: [{ ...required('front', 0), openCards: true }] });
    reader.openBlock = 0x16;
    reader.pending.push(w26Card);
    clock.advance(500);
    expect(reads).toMatchObject([{ read: w26Read }]);
    let forged = 0;
    reader.onReply = (reply) => {
      if (reply.length < 20) return reply;
      forged += 1;
      return withCrc(reply.subarray(0, -2).map((byte, index) => (index === 14 ? byte ^ 1 : byte)));
    };
    reader.pending.push(w26Card);
    clock.advance(200);
    expect([forged > 0, reads.length]).toEqual([true, 1]);
  });

  test('an empty block of encrypted data is an answer without data', () => {
    const { reader, clock, bus, link } = onlineRig();
    reader.emptyBlock = 0x18;
    const atMs = clock.now();
    clock.advance(10_000);
    expect(since(reader, atMs, 0x76)).toEqual([]);
    expect([link(), bus.report()[0]!.quirks]).toEqual(['online', ['emptyBlocks']]);
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
