import { hkdfSync, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { bytesToId, idToBytes } from '#hub/kernel/ids.ts';
import type { JournalDisk } from './disk.ts';
import { decodeEntry } from './entry.ts';
import { maxFrameBytes, openFrame, readFrameHeader } from './frame.ts';

/**
 * A segment is a file of 256 KiB: a header of 64 bytes, then frames, then zeros. Header: 0 'MCJ1', 4 number u32,
 * 8 journalId[16], 24 bootId[16], 40 salt[16], 56 zero u32, 60 CRC-32 of all before. The header is the salt of the
 * segment's key, so that each header has its own key. One boot writes a segment, never two: a sequence number
 * that was torn away and given again is thus sealed under another key, and no nonce is used twice.
 */
export const segmentBytes = 262_144;
export const segmentHeaderBytes = 64;

const magic = Buffer.from('MCJ1');

export interface SegmentHeader {
  readonly number: number;
  readonly journalId: string;
  readonly bootId: string;
  readonly key: Buffer;
}

export const segmentName = (number: number): string => `${String(number).padStart(10, '0')}.seg`;

/** Parses the number in a segment's file name; null for any other file. */
export function segmentNumber(name: string): number | null {
  const match = /^(\d{10})\.seg$/.exec(name);
  return match?.[1] === undefined ? null : Number(match[1]);
}

const keyOf = (bridgeKey: Uint8Array, header: Uint8Array): Buffer =>
  Buffer.from(hkdfSync('sha256', bridgeKey, header, 'makrcave bridge journal', 32));

export interface NewSegment {
  readonly number: number;
  readonly journalId: string;
  readonly bootId: string;
}

export function makeSegmentHeader(
  bridgeKey: Uint8Array,
  segment: NewSegment,
): { readonly bytes: Buffer; readonly header: SegmentHeader } {
  const bytes = Buffer.alloc(segmentHeaderBytes);
  magic.copy(bytes, 0);
  bytes.writeUInt32LE(segment.number, 4);
  bytes.set(idToBytes(segment.journalId), 8);
  bytes.set(idToBytes(segment.bootId), 24);
  randomBytes(16).copy(bytes, 40);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  return { bytes, header: { ...segment, key: keyOf(bridgeKey, bytes) } };
}

/** Parses a header; null if it is not whole. */
export function readSegmentHeader(bridgeKey: Uint8Array, segment: Buffer): SegmentHeader | null {
  if (segment.length < segmentHeaderBytes || !segment.subarray(0, 4).equals(magic)) return null;
  const bytes = segment.subarray(0, segmentHeaderBytes);
  if (crc32(bytes.subarray(0, 60)) !== bytes.readUInt32LE(60)) return null;
  return {
    number: bytes.readUInt32LE(4),
    journalId: bytesToId(bytes, 8),
    bootId: bytesToId(bytes, 24),
    key: keyOf(bridgeKey, bytes),
  };
}

export interface Frame {
  readonly seq: number;
  readonly payload: Buffer;
  readonly end: number;
}

/** After a damaged frame only this many numbers ahead are plausible, so that noise is not tried as a frame. */
const resyncReach = 100_000;

/** Skips zeros: a frame's length, its first two bytes, is never zero. */
function nextCandidate(segment: Buffer, from: number): number {
  let offset = from;
  while (offset < segment.length && segment[offset] === 0) offset += 1;
  return Math.max(from, offset - 1);
}

/**
 * Iterates over the frames of a segment in order. After damage it resumes at the next frame whose tag matches; the
 * jump in `seq` shows the loss. Writes of one boot may reach the medium out of order, so whole frames may follow a
 * torn one.
 */
export function* framesIn(
  header: SegmentHeader,
  segment: Buffer,
  start = segmentHeaderBytes,
  afterSeq = 0,
): Generator<Frame> {
  let offset = start;
  let last = afterSeq;
  while (offset < segment.length) {
    const found = readFrameHeader(segment, offset);
    const plausible =
      found !== null && found.seq > last && (last === 0 || found.seq <= last + resyncReach) ? found : null;
    const payload = plausible === null ? null : openFrame(header.key, segment, offset, plausible);
    if (plausible === null || payload === null) {
      offset = nextCandidate(segment, offset + 1);
      continue;
    }
    yield { seq: plausible.seq, payload, end: plausible.end };
    last = plausible.seq;
    offset = plausible.end;
  }
}

export interface SegmentSummary {
  readonly number: number;
  readonly name: string;
  readonly bytes: number;
  readonly journalId: string;
  readonly firstSeq: number;
  readonly firstWallMs: number;
}

export type SegmentFinding =
  | { readonly kind: 'used'; readonly summary: SegmentSummary }
  /** A valid header without any frame that this key opens: mostly nothing at all. */
  | {
      readonly kind: 'unused';
      readonly number: number;
      readonly name: string;
      readonly bytes: number;
      readonly journalId: string;
    }
  | { readonly kind: 'unreadable'; readonly number: number; readonly name: string; readonly bytes: number };

const headBytes = segmentHeaderBytes + maxFrameBytes + 1;

/** Reads the head of a segment only, and all of it if its first frame is damaged. */
export function inspectSegment(disk: JournalDisk, bridgeKey: Uint8Array, name: string): SegmentFinding {
  const number = segmentNumber(name) ?? 0;
  const file = disk.open(name, 'read');
  try {
    const bytes = file.size();
    const head = file.read(0, Math.min(bytes, headBytes));
    const header = readSegmentHeader(bridgeKey, head);
    if (header === null || header.number !== number) return { kind: 'unreadable', number, name, bytes };
    const found = readFrameHeader(head, segmentHeaderBytes);
    const direct = found === null ? null : openFrame(header.key, head, segmentHeaderBytes, found);
    const first =
      found !== null && direct !== null
        ? { seq: found.seq, payload: direct }
        : framesIn(header, file.read(0, bytes)).next().value;
    if (first === undefined) return { kind: 'unused', number, name, bytes, journalId: header.journalId };
    const event = decodeEntry(first.payload, first.seq, header.bootId);
    return {
      kind: 'used',
      summary: {
        number,
        name,
        bytes,
        journalId: header.journalId,
        firstSeq: first.seq,
        firstWallMs: event?.wallMs ?? 0,
      },
    };
  } finally {
    file.close();
  }
}
