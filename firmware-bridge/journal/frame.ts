import { createCipheriv, createDecipheriv } from 'node:crypto';
import { maxPayloadBytes } from './payload.ts';

/** 0 len u16, 2 seq u48; then the sealed payload and its tag. */
export const frameHeaderBytes = 8;
export const tagBytes = 16;
export const maxFrameBytes = frameHeaderBytes + maxPayloadBytes + tagBytes;

const nonce = Buffer.alloc(12);
const nonceOf = (seq: number): Buffer => {
  nonce.writeUIntLE(seq, 0, 6);
  return nonce;
};

/**
 * Encodes a frame: the payload sealed with ChaCha20-Poly1305 under the segment's key; the nonce is the sequence
 * number.
 */
export function sealFrame(key: Uint8Array, seq: number, payload: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonceOf(seq), { authTagLength: tagBytes });
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length + tagBytes);
  frame.writeUInt16LE(payload.length, 0);
  frame.writeUIntLE(seq, 2, 6);
  cipher.update(payload).copy(frame, frameHeaderBytes);
  cipher.final();
  cipher.getAuthTag().copy(frame, frameHeaderBytes + payload.length);
  return frame;
}

export interface FrameHeader {
  readonly seq: number;
  readonly payloadBytes: number;
  /** Offset behind the frame. */
  readonly end: number;
}

/** Parses the eight bytes at `offset`; null if no frame can stand there. */
export function readFrameHeader(segment: Buffer, offset: number): FrameHeader | null {
  if (offset + frameHeaderBytes + tagBytes >= segment.length) return null;
  const payloadBytes = segment.readUInt16LE(offset);
  const end = offset + frameHeaderBytes + payloadBytes + tagBytes;
  if (payloadBytes === 0 || payloadBytes > maxPayloadBytes || end > segment.length) return null;
  return { seq: segment.readUIntLE(offset + 2, 6), payloadBytes, end };
}

/** Opens the payload; null if the tag does not match: torn, damaged, or another key. */
export function openFrame(
  key: Uint8Array,
  segment: Buffer,
  offset: number,
  header: FrameHeader,
): Buffer | null {
  const start = offset + frameHeaderBytes;
  const tagAt = start + header.payloadBytes;
  const decipher = createDecipheriv('chacha20-poly1305', key, nonceOf(header.seq), {
    authTagLength: tagBytes,
  });
  decipher.setAuthTag(segment.subarray(tagAt, header.end));
  try {
    const payload = decipher.update(segment.subarray(start, tagAt));
    decipher.final();
    return payload;
  } catch {
    return null;
  }
}
