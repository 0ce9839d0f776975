/**
 * OSDP frames (2.2, 5.9): bytes <-> frames. Pure: no clock, no line. Decodes both directions, so that an adapter's
 * echo of our own frames is recognised.
 */

export const maxFrameBytes = 1440;
const startOfMessage = 0x53;
/** A mark before each frame gives adapters with automatic direction time to switch; losing it does no harm. */
export const mark = 0xff;
const replyBit = 0x80;
const crcBit = 0x04;
const securityBit = 0x08;
const headerBytes = 5;
export const macBytes = 4;

export interface SecurityBlock {
  readonly type: number;
  readonly data: Uint8Array;
}

export interface FrameParts {
  /** 0 to 126; 127 is the broadcast address. Without the reply bit. */
  readonly address: number;
  readonly isReply: boolean;
  readonly sequence: number;
  readonly crc: boolean;
  readonly security: SecurityBlock | null;
  readonly id: number;
  readonly data: Uint8Array;
}

export interface Frame extends FrameParts {
  /** Null if the security block has none. */
  readonly mac: Uint8Array | null;
  /** The bytes that the MAC covers: from the start of message up to it. */
  readonly covered: Uint8Array;
}

export type DecoderOutcome =
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'fault'; readonly fault: 'crc' | 'length' | 'noise'; readonly bytes: number };

/** CRC-16, polynomial 0x1021, most significant bit first. */
const crcTable: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) value = value & 0x8000 ? (value << 1) ^ 0x1021 : value << 1;
  return value & 0xffff;
});

export function crc16(bytes: Uint8Array): number {
  let crc = 0x1d0f;
  for (const byte of bytes) crc = ((crc << 8) & 0xffff) ^ (crcTable[(crc >> 8) ^ byte] ?? 0);
  return crc;
}

/** Two's complement of the sum of the bytes. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return -sum & 0xff;
}

/** Security blocks 15 to 18 carry a MAC, those of the handshake (11 to 14) do not. */
const carriesMac = (type: number): boolean => type >= 0x15 && type <= 0x18;

const checkBytes = (crc: boolean): number => (crc ? 2 : 1);

/**
 * Encodes a frame, without the mark. `macOf` is called if the security block carries a MAC, with all bytes before the
 * MAC, the final length included. Callers keep frames below `maxFrameBytes`.
 */
export function encodeFrame(parts: FrameParts, macOf?: (covered: Uint8Array) => Uint8Array): Uint8Array {
  const { security, crc } = parts;
  const securityBytes = security === null ? [] : [security.data.length + 2, security.type, ...security.data];
  const withMac = security !== null && carriesMac(security.type) && macOf !== undefined;
  const coveredBytes = headerBytes + securityBytes.length + 1 + parts.data.length;
  const length = coveredBytes + (withMac ? macBytes : 0) + checkBytes(crc);
  const bytes = new Uint8Array(length);
  bytes.set([
    startOfMessage,
    parts.address | (parts.isReply ? replyBit : 0),
    length & 0xff,
    length >> 8,
    (parts.sequence & 0x03) | (crc ? crcBit : 0) | (security === null ? 0 : securityBit),
    ...securityBytes,
    parts.id,
  ]);
  bytes.set(parts.data, coveredBytes - parts.data.length);
  if (withMac) bytes.set(macOf(bytes.subarray(0, coveredBytes)).subarray(0, macBytes), coveredBytes);
  const end = length - checkBytes(crc);
  if (crc) new DataView(bytes.buffer).setUint16(end, crc16(bytes.subarray(0, end)), true);
  else bytes[end] = checksum(bytes.subarray(0, end));
  return bytes;
}

const checkHolds = (bytes: Uint8Array, crc: boolean): boolean => {
  const end = bytes.length - checkBytes(crc);
  const body = bytes.subarray(0, end);
  if (!crc) return bytes[end] === checksum(body);
  const expected = crc16(body);
  return bytes[end] === (expected & 0xff) && bytes[end + 1] === expected >> 8;
};

/** Parses a whole frame with a valid check; null if its security block does not fit into it. */
function readFrame(bytes: Uint8Array): Frame | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const control = view.getUint8(4);
  const crc = (control & crcBit) !== 0;
  const end = bytes.length - checkBytes(crc);
  const hasSecurity = (control & securityBit) !== 0;
  const securityLength = hasSecurity ? view.getUint8(headerBytes) : 0;
  if (hasSecurity && (securityLength < 2 || headerBytes + securityLength + 1 > end)) return null;
  const idAt = headerBytes + securityLength;
  const security = hasSecurity
    ? { type: view.getUint8(headerBytes + 1), data: bytes.slice(headerBytes + 2, idAt) }
    : null;
  const macAt = security !== null && carriesMac(security.type) ? end - macBytes : end;
  if (macAt < idAt + 1) return null;
  return {
    address: view.getUint8(1) & 0x7f,
    isReply: (view.getUint8(1) & replyBit) !== 0,
    sequence: control & 0x03,
    crc,
    security,
    id: view.getUint8(idAt),
    data: bytes.slice(idAt + 1, macAt),
    mac: macAt < end ? bytes.slice(macAt, end) : null,
    covered: bytes.slice(0, macAt),
  };
}

export interface FrameDecoder {
  push(bytes: Uint8Array): readonly DecoderOutcome[];
  /** No more bytes will come: gives up the apparent start of a frame and looks for frames behind it. */
  flush(): readonly DecoderOutcome[];
  /** Forgets what has come. `crc`: the check of the frames to come; null: either. */
  reset(crc?: boolean | null): void;
  /** The frame under way: its sender, and how many of its bytes are missing. */
  pending(): { readonly address: number; readonly isReply: boolean; readonly missing: number } | null;
}

/**
 * Finds frames in a byte stream. After an invalid frame it resumes at the byte behind its start, so that a frame
 * inside it is found. Holds at most `maxFrameBytes`. A frame with the other kind of check than the expected one is
 * noise: random bytes match a one-byte checksum too easily.
 */
export function frameDecoder(crc: boolean | null): FrameDecoder {
  let expectsCrc = crc;
  const held = new Uint8Array(maxFrameBytes);
  let count = 0;
  /** Bytes that belong to no frame, not yet reported. */
  let stray = 0;

  const drop = (bytes: number): void => {
    held.copyWithin(0, bytes, count);
    count -= bytes;
  };

  /** Length of the frame at the start of `held`; null while unknown; 'impossible' when it is none. */
  const lengthOfFirst = (): number | 'impossible' | null => {
    if (count < headerBytes) return null;
    const length = (held[2] ?? 0) | ((held[3] ?? 0) << 8);
    const control = held[4] ?? 0;
    const hasCrc = (control & crcBit) !== 0;
    if (expectsCrc !== null && hasCrc !== expectsCrc) return 'impossible';
    const least = headerBytes + 1 + checkBytes(hasCrc);
    return length < least || length > maxFrameBytes ? 'impossible' : length;
  };

  const skipToStart = (): void => {
    let at = 0;
    while (at < count && held[at] !== startOfMessage) {
      if (held[at] !== mark) stray += 1;
      at += 1;
    }
    if (at > 0) drop(at);
  };

  const reportStray = (outcomes: DecoderOutcome[]): void => {
    if (stray > 0) outcomes.push({ kind: 'fault', fault: 'noise', bytes: stray });
    stray = 0;
  };

  /** One step at the start of `held`: false when it needs more bytes. */
  const step = (outcomes: DecoderOutcome[]): boolean => {
    skipToStart();
    const length = lengthOfFirst();
    if (length === null || (length !== 'impossible' && count < length)) return false;
    if (length === 'impossible') {
      stray += 1;
      drop(1);
      return true;
    }
    const bytes = held.slice(0, length);
    const isRight = checkHolds(bytes, ((held[4] ?? 0) & crcBit) !== 0);
    const frame = isRight ? readFrame(bytes) : null;
    reportStray(outcomes);
    if (frame === null) outcomes.push({ kind: 'fault', fault: isRight ? 'length' : 'crc', bytes: length });
    else outcomes.push({ kind: 'frame', frame });
    drop(isRight ? length : 1);
    return true;
  };

  /** Takes whole frames off the start of `held`; cannot find more frames than bytes. */
  const scan = (outcomes: DecoderOutcome[]): void => {
    for (let steps = count; steps > 0 && step(outcomes); steps -= 1) if (count === 0) return;
  };

  return {
    push(bytes) {
      const outcomes: DecoderOutcome[] = [];
      for (let at = 0; at < bytes.length; ) {
        // A scan leaves room: no frame is longer than `held`.
        const part = bytes.subarray(at, at + maxFrameBytes - count);
        held.set(part, count);
        count += part.length;
        at += part.length;
        scan(outcomes);
      }
      if (count === 0) reportStray(outcomes);
      return outcomes;
    },
    flush() {
      const outcomes: DecoderOutcome[] = [];
      for (let left = count; left > 0; left = count) {
        stray += 1;
        drop(1);
        scan(outcomes);
      }
      reportStray(outcomes);
      return outcomes;
    },
    reset(nextCrc = expectsCrc) {
      expectsCrc = nextCrc;
      count = 0;
      stray = 0;
    },
    pending() {
      const length = count > 0 && held[0] === startOfMessage ? lengthOfFirst() : null;
      if (length === null || length === 'impossible') return null;
      const address = held[1] ?? 0;
      return { address: address & 0x7f, isReply: (address & replyBit) !== 0, missing: length - count };
    },
  };
}
