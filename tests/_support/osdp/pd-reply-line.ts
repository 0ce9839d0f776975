import { commandIds } from './pd-commands.ts';
import type { Reply } from './pd-device.ts';
import type { FaultPlan } from './pd-faults.ts';
import { encodeFrame, type FrameHead } from './pd-frame.ts';
import type { PeripheralChannel } from './pd-secure.ts';

/** One stretch of bytes, to start this much after the turn-around. */
export interface Transmission {
  bytes: Uint8Array;
  delayMs: number;
}

export interface StoredReply {
  id: number;
  head: FrameHead;
  bytes: Uint8Array;
  /** The same reply, whole and with a right MAC, under another number or address. */
  as: (changed: Partial<FrameHead>) => Uint8Array;
}

/** `security` is for the handshake's blocks; in a channel the block follows from the data. */
export function sealReply(
  head: FrameHead,
  reply: Reply,
  channel: PeripheralChannel | null,
  security: readonly number[] | null = null,
): StoredReply {
  const plain = Uint8Array.from(reply.data);
  const block = channel === null ? security : [plain.length === 0 ? 0x16 : 0x18];
  const data = channel === null || plain.length === 0 ? plain : channel.encrypt(plain);
  const macs = channel?.replyMacs();
  const encode = (changed: Partial<FrameHead>): ReturnType<typeof encodeFrame> =>
    encodeFrame(
      { ...head, ...changed, security: block === null ? null : Uint8Array.from(block), id: reply.id, data },
      macs,
    );
  const { bytes, mac } = encode({});
  if (mac !== null) channel?.sent(mac);
  return { id: reply.id, head, bytes, as: (changed) => encode(changed).bytes };
}

const historyLength = 64;

/** The way of a reply to the wire, with what the faults do to it there. */
export class ReplyLine {
  readonly #faults: FaultPlan;
  readonly #leadingMark: boolean;
  readonly #history: StoredReply[] = [];

  constructor(faults: FaultPlan, leadingMark: boolean) {
    this.#faults = faults;
    this.#leadingMark = leadingMark;
  }

  remember(reply: StoredReply): void {
    this.#history.push(reply);
    if (this.#history.length > historyLength) this.#history.shift();
  }

  send(reply: StoredReply, commandId: number): Transmission[] {
    const faults = this.#faults;
    if (commandId === commandIds.keyset && faults.take('silentKeyset', commandId)) return [];
    if (faults.take('dropReply', commandId)) return [];

    const changed: Partial<FrameHead> = {};
    const wrongSequence = faults.take('wrongSequence', commandId);
    if (wrongSequence) changed.sequence = (reply.head.sequence + wrongSequence.by) & 3;
    const wrongAddress = faults.take('wrongAddress', commandId);
    if (wrongAddress) changed.address = wrongAddress.address ?? (reply.head.address + 1) & 0x7f;
    let bytes = wrongSequence || wrongAddress ? reply.as(changed) : reply.bytes;

    const replay = faults.take('replay', commandId);
    if (replay) {
      const { replyId } = replay;
      const earlier = this.#history.slice(0, -1).filter((one) => replyId === undefined || one.id === replyId);
      bytes = earlier.at(-replay.back)?.bytes ?? bytes;
    }
    const flip = faults.take('flipByte', commandId);
    if (flip) {
      const at = flip.at ?? faults.randomInt(bytes.length);
      const mask = flip.mask ?? 1 << faults.randomInt(8);
      bytes = bytes.map((byte, index) => (index === at ? byte ^ mask : byte));
    }
    const drop = faults.take('dropByte', commandId);
    if (drop) {
      const at = drop.at ?? faults.randomInt(bytes.length);
      bytes = bytes.filter((_, index) => index !== at);
    }
    if (this.#leadingMark) bytes = Uint8Array.from([0xff, ...bytes]);
    const garbage = faults.take('garbage', commandId);
    if (garbage) {
      const { hex, length } = garbage;
      const noise =
        hex === undefined ? Array.from({ length }, () => faults.randomInt(256)) : Buffer.from(hex, 'hex');
      bytes = Uint8Array.from([...noise, ...bytes]);
    }
    const delayMs = faults.take('late', commandId)?.ms ?? 0;
    const twice = faults.take('twice', commandId);
    const first = { bytes, delayMs };
    return twice ? [first, { bytes, delayMs: delayMs + twice.gapMs }] : [first];
  }
}
