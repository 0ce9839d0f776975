import { readCard } from '#bridge/readers/osdp/wire/card-data.ts';
import { type DecoderOutcome, type Frame, frameDecoder } from '#bridge/readers/osdp/wire/frame.ts';
import { parseReply } from '#bridge/readers/osdp/wire/replies.ts';
import {
  deriveSessionKeys,
  initialReplyMac,
  secureSession,
} from '#bridge/readers/osdp/wire/secure-channel.ts';
import { bitsToBytes } from '#tests/_support/osdp/pd-device.ts';
import { crc16, decodeFrame, encodeFrame } from '#tests/_support/osdp/pd-frame.ts';
import { PeripheralChannel, panelCryptogram, sessionKeys } from '#tests/_support/osdp/pd-secure.ts';
import { VirtualBus } from '#tests/_support/osdp/virtual-bus.ts';
import { type Chance, hexOf, streamOf } from './bytes.ts';
import type { Fuzzer } from './parser-cases.ts';

/** Everything that went over the wires of two busses, a secure and a plain one, in which cards and keys were read. */
function recordedTraffic(): Uint8Array[] {
  const seen: Uint8Array[] = [];
  const note = (bytes: Uint8Array): readonly Uint8Array[] => {
    seen.push(bytes);
    return [bytes];
  };
  for (const secure of [true, false]) {
    const line = new VirtualBus({
      readers: 2,
      baudRate: 115_200,
      secure,
      seed: 7,
      onCommand: note,
      onReply: note,
    });
    line.clock.advance(500);
    for (const [index, reader] of line.peripherals.entries()) {
      reader.presentCard('10111101100010001110101110', 1);
      reader.presentCard('1100101011110000'.repeat(2 + index), 0);
      reader.pressKeys('42#');
      reader.tamper(true);
      line.bus.signal(`reader-${index}`, { led: 'granted' });
    }
    line.clock.advance(800);
  }
  return seen;
}

const keyOf = (frame: Pick<Frame, 'address' | 'isReply' | 'sequence' | 'id' | 'data'>): string =>
  [frame.address, frame.isReply, frame.sequence, frame.id, hexOf(frame.data)].join('|');

/** What a second pair of eyes finds in the bytes: every stretch that is a whole frame with a right check. */
function framesIn(bytes: Uint8Array): Set<string> {
  const found = new Set<string>();
  for (let at = bytes.indexOf(0x53); at >= 0; at = bytes.indexOf(0x53, at + 1)) {
    const length = (bytes[at + 2] ?? 0) | ((bytes[at + 3] ?? 0) << 8);
    if (at + length > bytes.length) continue;
    const decoded = decodeFrame(bytes.subarray(at, at + length));
    if (decoded.kind === 'frame' && decoded.frame.check === 'crc') found.add(keyOf(decoded.frame));
  }
  return found;
}

/** A card that the bytes of its reply do not say, or null. */
function wrongCard(id: number, data: Uint8Array): string | null {
  const reply = parseReply(id, data);
  if (reply.kind !== 'card') return null;
  const outcome = readCard(reply);
  if (outcome.kind !== 'read') return null;
  const { bits, hex } = outcome.read;
  const said = Array.from(data.subarray(4), (byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(0, bits);
  const isSame = BigInt(`0b${said}`) === BigInt(`0x${hex}`) && said.length === bits;
  return id === 0x50 && isSame && said.includes('0') && said.includes('1')
    ? null
    : `card ${hex} of ${hexOf(data)}`;
}

export function osdpFrames(): Fuzzer {
  const traffic = recordedTraffic();
  const decoder = frameDecoder(true);
  return {
    name: 'OSDP frames, replies and cards',
    run(chance) {
      const { bytes, isWhole } = streamOf(traffic, chance);
      const outcomes: DecoderOutcome[] = [];
      for (const piece of chance.pieces(bytes)) outcomes.push(...decoder.push(piece));
      outcomes.push(...decoder.flush());
      const real = framesIn(bytes);
      let frames = 0;
      for (const outcome of outcomes) {
        if (outcome.kind !== 'frame') continue;
        frames += 1;
        const { frame } = outcome;
        if (!real.has(keyOf(frame))) return `frame ${keyOf(frame)} that is not in ${hexOf(bytes)}`;
        const wrong = frame.security === null ? wrongCard(frame.id, frame.data) : null;
        if (wrong !== null) return wrong;
      }
      if (isWhole && frames < real.size) return `${frames} of ${real.size} frames of ${hexOf(bytes)}`;
      return decoder.pending() === null ? null : 'a frame under way after the end';
    },
  };
}

const replyIdsTried = [0x40, 0x41, 0x45, 0x46, 0x48, 0x49, 0x4a, 0x4b, 0x50, 0x53, 0x54, 0x76, 0x78, 0x79];

export function osdpReplies(): Fuzzer {
  return {
    name: 'OSDP replies of any bytes',
    run(chance) {
      const id = chance.int(4) === 0 ? chance.int(256) : chance.pick(replyIdsTried);
      const data = chance.bytes(chance.int(40));
      if (id === 0x50 && chance.int(2) === 0 && data.length > 4) {
        const bits = (data.length - 4) * 8 - chance.int(8);
        data.set([bits & 0xff, bits >> 8], 2);
      }
      parseReply(id, data);
      return wrongCard(id, data);
    },
  };
}

const withCrc = (body: Uint8Array): Uint8Array => {
  const crc = crc16(body);
  return Uint8Array.of(...body, crc & 0xff, crc >> 8);
};

const sealedIds = [0x40, 0x48, 0x50, 0x53];

/** A sealed reply with any change but to its check, which is right again: what somebody at the cable could send. */
export function osdpSeals(): Fuzzer {
  const key = Uint8Array.from({ length: 16 }, (_, index) => index * 7 + 1);
  const panelRandom = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const readerRandom = Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1);
  const cryptogram = panelCryptogram(sessionKeys(key, panelRandom), panelRandom, readerRandom);
  const keys = deriveSessionKeys(key, panelRandom);
  const decoder = frameDecoder(true);
  const poll = {
    address: 0,
    isReply: false,
    sequence: 1,
    crc: true,
    security: null,
    id: 0x60,
    data: new Uint8Array(),
  };
  /** A session each, as an opened reply ends its turn. */
  const sealedReply = (chance: Chance) => {
    const session = secureSession(keys, initialReplyMac(keys, cryptogram));
    const channel = new PeripheralChannel('own', key, panelRandom, readerRandom);
    channel.confirm(cryptogram);
    const bytes = session.wrap(poll);
    channel.open(bytes.subarray(0, bytes.length - 6), bytes.subarray(-6, -2), new Uint8Array(), false);
    const id = chance.pick(sealedIds);
    const plain = id === 0x40 ? [] : [0, 0, 26, 0, ...bitsToBytes('10111101100010001110101110')];
    const isEmpty = plain.length === 0;
    const data = isEmpty ? new Uint8Array() : channel.encrypt(Uint8Array.from(plain));
    const head = { address: 0, isReply: true, sequence: 1, check: 'crc' as const };
    const security = Uint8Array.of(isEmpty ? 0x16 : 0x18);
    const sealed = encodeFrame({ ...head, security, id, data }, channel.replyMacs());
    return { session, bytes: sealed.bytes };
  };
  return {
    name: 'OSDP seals that somebody changed',
    run(chance) {
      const { session, bytes } = sealedReply(chance);
      const body = bytes.subarray(0, -2);
      const kind = chance.int(10);
      const changed = kind === 0 ? body : changedSeal(body, chance);
      const isSame = hexOf(changed) === hexOf(body);
      let opened = 0;
      for (const outcome of [...decoder.push(withCrc(changed)), ...decoder.flush()]) {
        if (outcome.kind !== 'frame' || session.unwrap(outcome.frame) === null) continue;
        opened += 1;
        if (!isSame) return `opened ${hexOf(changed)}`;
        if (session.unwrap(outcome.frame) !== null) return 'opened twice';
      }
      return isSame && opened !== 1 ? `not opened: ${hexOf(changed)}` : null;
    },
  };
}

/** Bits flipped, bytes exchanged, blocks cut out or said twice; the length is right again. */
function changedSeal(body: Uint8Array, chance: Chance): Uint8Array {
  const bytes = [...body];
  const at = 4 + chance.int(bytes.length - 4);
  const kind = chance.int(5);
  if (kind === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.int(8));
  else if (kind === 1) bytes[at] = chance.int(256);
  else if (kind === 2) bytes.splice(at, 1 + chance.int(16));
  else if (kind === 3) bytes.splice(at, 0, ...chance.bytes(1 + chance.int(16)));
  else for (let index = bytes.length - 4; index < bytes.length; index += 1) bytes[index] = chance.int(256);
  const length = bytes.length + 2;
  bytes[2] = length & 0xff;
  bytes[3] = length >> 8;
  return Uint8Array.from(bytes);
}
