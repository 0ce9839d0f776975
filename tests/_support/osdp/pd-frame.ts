/**
 * OSDP frames as a peripheral sees them (OSDP 2.2, 5.9): written from the design page, not from the panel's code,
 * so that the two check each other.
 */

export const som = 0x53;
export const broadcast = 0x7f;
const replyBit = 0x80;
export const mark = 0xff;
/** SOM, address, length, control, id and a checksum: nothing shorter is a frame. */
export const shortestFrame = 7;
/** The largest message that the standard lets a link carry. */
export const longestFrame = 1440;

export type CheckKind = 'crc' | 'checksum';

export interface Frame {
  /** 0..0x7F without the reply bit. */
  address: number;
  isReply: boolean;
  /** 0..3 */
  sequence: number;
  check: CheckKind;
  /** The security control block without its length byte: type, then its data. */
  security: Uint8Array | null;
  id: number;
  /** What stands between id and MAC or check: plain or ciphertext. */
  data: Uint8Array;
  /** The four bytes on the wire; only with the security blocks 15 to 18. */
  mac: Uint8Array | null;
}

export interface FrameHead {
  address: number;
  isReply: boolean;
  sequence: number;
  check: CheckKind;
}

export type DecodedFrame =
  /** `covered`: the bytes that the MAC is over. */
  | { kind: 'frame'; frame: Frame; covered: Uint8Array }
  | { kind: 'broken'; problem: 'check' | 'length'; head: FrameHead }
  | { kind: 'noise' };

/** CRC-16 of OSDP: polynomial 0x1021, most significant bit first, started with 0x1D0F. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0x1d0f;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}

/** The byte that makes the sum of all bytes 0. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return -sum & 0xff;
}

const checkLength = (check: CheckKind): number => (check === 'crc' ? 2 : 1);

export const hasMac = (security: Uint8Array | null): boolean =>
  security !== null && security[0]! >= 0x15 && security[0]! <= 0x18;

function isIntact(bytes: Uint8Array, check: CheckKind): boolean {
  const body = bytes.subarray(0, bytes.length - checkLength(check));
  if (check === 'checksum') return checksum(body) === bytes.at(-1);
  return crc16(body) === (bytes.at(-2)! | (bytes.at(-1)! << 8));
}

/** One complete frame, with or without the mark byte before it. */
export function decodeFrame(received: Uint8Array): DecodedFrame {
  const start = received[0] === mark ? 1 : 0;
  const bytes = received.subarray(start);
  if (bytes.length < shortestFrame || bytes[0] !== som) return { kind: 'noise' };
  const control = bytes[4]!;
  const head: FrameHead = {
    address: bytes[1]! & 0x7f,
    isReply: (bytes[1]! & replyBit) !== 0,
    sequence: control & 0x03,
    check: control & 0x04 ? 'crc' : 'checksum',
  };
  const length = bytes[2]! | (bytes[3]! << 8);
  if (length !== bytes.length) return { kind: 'broken', problem: 'length', head };
  if (!isIntact(bytes, head.check)) return { kind: 'broken', problem: 'check', head };

  let at = 5;
  let security: Uint8Array | null = null;
  if (control & 0x08) {
    const blockLength = bytes[at]!;
    if (blockLength < 2) return { kind: 'broken', problem: 'length', head };
    security = bytes.slice(at + 1, at + blockLength);
    at += blockLength;
  }
  const end = bytes.length - checkLength(head.check) - (hasMac(security) ? 4 : 0);
  if (at >= end) return { kind: 'broken', problem: 'length', head };
  const frame: Frame = {
    ...head,
    security,
    id: bytes[at]!,
    data: bytes.slice(at + 1, end),
    mac: hasMac(security) ? bytes.slice(end, end + 4) : null,
  };
  return { kind: 'frame', frame, covered: bytes.slice(0, end) };
}

/** `macOf` is asked for the 16 byte MAC when the security block calls for one; its first four bytes go out. */
export function encodeFrame(
  frame: Omit<Frame, 'mac'>,
  macOf: (covered: Uint8Array) => Uint8Array = () => new Uint8Array(16),
): { bytes: Uint8Array; mac: Uint8Array | null } {
  const { security } = frame;
  const block = security === null ? [] : [security.length + 1, ...security];
  const macBytes = hasMac(security) ? 4 : 0;
  const length = 5 + block.length + 1 + frame.data.length + macBytes + checkLength(frame.check);
  const control = frame.sequence | (frame.check === 'crc' ? 0x04 : 0) | (security === null ? 0 : 0x08);
  const address = frame.isReply ? frame.address | replyBit : frame.address;
  const covered = Uint8Array.from([
    som,
    address,
    length & 0xff,
    length >> 8,
    control,
    ...block,
    frame.id,
    ...frame.data,
  ]);
  const mac = macBytes === 0 ? null : macOf(covered);
  const body = Uint8Array.from([...covered, ...(mac?.subarray(0, 4) ?? [])]);
  const crc = crc16(body);
  const check = frame.check === 'crc' ? [crc & 0xff, crc >> 8] : [checksum(body)];
  return { bytes: Uint8Array.from([...body, ...check]), mac };
}

/** Finds commands in a stream of bytes with their times; what is on the line between frames is passed over. */
export class CommandFinder {
  readonly #interByteMs: number;
  #held: number[] = [];
  #lastAtMs = Number.NEGATIVE_INFINITY;

  /** A frame with a longer silence inside it is given up. */
  constructor(interByteMs: number) {
    this.#interByteMs = interByteMs;
  }

  /** The frame that this byte completes, or null. */
  push(byte: number, atMs: number): Uint8Array | null {
    if (atMs - this.#lastAtMs > this.#interByteMs) this.#held = [];
    this.#lastAtMs = atMs;
    this.#held.push(byte);
    for (;;) {
      const start = this.#held.indexOf(som);
      if (start < 0) this.#held = [];
      else if (start > 0) this.#held.splice(0, start);
      if (this.#held.length < 4) return null;
      const length = this.#held[2]! | (this.#held[3]! << 8);
      if (length < shortestFrame || length > longestFrame) {
        this.#held.shift();
        continue;
      }
      return this.#held.length < length ? null : Uint8Array.from(this.#held.splice(0, length));
    }
  }
}
