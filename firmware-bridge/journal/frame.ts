import { createCipheriv, createDecipheriv } from 'node:crypto';
import type {
  AccessCheck,
  AccessEventKind,
  CheckResult,
  DenyReason,
  PortalMode,
} from '#hub/domains/access/schema.ts';
import { bytesToId, idToBytes } from '#hub/kernel/ids.ts';
import { assert } from '#hub/kernel/result.ts';
import type { ClockTrust } from '#hub/kernel/time.ts';
import type { BridgeEvent } from '#hub/mqtt/topics.ts';

/** An event before the journal gives it its number; the boot is that of the segment. */
export type JournalEntry = Omit<BridgeEvent, 'seq' | 'bootId'>;

/*
 * What stands on disks for years is a position in these lists: they only ever grow at their ends, whatever the order
 * in the schemas is.
 */
export const kindCodes: readonly AccessEventKind[] = [
  'granted',
  'denied',
  'remoteGranted',
  'entered',
  'notEntered',
  'egress',
  'forcedOpen',
  'heldOpen',
  'preAlarm',
  'restored',
  'modeChanged',
  'tamper',
  'policyApplied',
  'boot',
  'readFault',
  'journalGap',
  'clockChanged',
  'readerOffline',
  'readerOnline',
  'readerPaired',
  'pinLockout',
];
export const reasonCodes: readonly DenyReason[] = [
  'unknownCredential',
  'credentialInactive',
  'memberInactive',
  'hold',
  'waiverMissing',
  'noMembership',
  'portalLocked',
  'staleSnapshot',
  'clockUntrusted',
  'noPermission',
  'timeWindow',
  'openingHours',
  'holiday',
  'journalFault',
  'assuranceTooLow',
  'tooManyAttempts',
  'pinRequired',
  'pinWrong',
];
export const checkCodes: readonly AccessCheck[] = [
  'credentialKnown',
  'credentialActive',
  'memberActive',
  'noHold',
  'waiverSigned',
  'membershipValid',
  'portalNotLocked',
  'snapshotFresh',
  'clockTrusted',
  'rulePermits',
  'withinTimeWindow',
  'withinOpeningHours',
  'notHoliday',
  'journalWritable',
  'assuranceSufficient',
  'attemptsLeft',
  'pinGiven',
  'pinRight',
];
export const modeCodes: readonly PortalMode[] = [
  'fireRelease',
  'lockdown',
  'heldOpen',
  'unlocked',
  'cardOnly',
  'locked',
  'controlled',
];
export const trustCodes: readonly ClockTrust[] = ['ntp', 'rtc', 'hub', 'restored', 'none'];

const present = {
  portalKey: 1,
  readerKey: 1 << 1,
  credentialId: 1 << 2,
  memberId: 1 << 3,
  digest: 1 << 4,
  reason: 1 << 5,
  checks: 1 << 6,
  ruleId: 1 << 7,
  observed: 1 << 8,
  observedValue: 1 << 9,
  mode: 1 << 10,
  policyEpoch: 1 << 11,
  policyRevision: 1 << 12,
  commandId: 1 << 13,
  followsSeq: 1 << 14,
  count: 1 << 15,
  note: 1 << 16,
  /** No byte follows: a frame is as long with it as without. */
  duress: 1 << 17,
} as const;

/** 0 len u16, 2 seq u48; then the sealed payload and its tag. */
export const frameHeaderBytes = 8;
export const tagBytes = 16;
export const maxPayloadBytes = 4096;
export const maxFrameBytes = frameHeaderBytes + maxPayloadBytes + tagBytes;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const maxShortBytes = 254;
const uuidMark = 255;

class PayloadWriter {
  readonly bytes = Buffer.alloc(maxPayloadBytes);
  #at = 0;

  reset(): void {
    this.#at = 0;
  }

  get length(): number {
    return this.#at;
  }

  byte(value: number): void {
    assert(value >= 0 && value < 256, 'a byte of a journal payload is out of range');
    this.bytes[this.#at] = value;
    this.#at += 1;
  }

  u32(value: number): void {
    this.#at = this.bytes.writeUInt32LE(value, this.#at);
  }

  f64(value: number): void {
    this.#at = this.bytes.writeDoubleLE(value, this.#at);
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  short(text: string): void {
    const bytes = Buffer.from(text, 'utf8').subarray(0, maxShortBytes);
    this.byte(bytes.length);
    this.raw(bytes);
  }

  /** Ids are UUIDs as a rule: 16 bytes instead of 36. */
  id(text: string): void {
    if (!uuidPattern.test(text)) {
      this.short(text);
      return;
    }
    this.byte(uuidMark);
    this.raw(idToBytes(text));
  }

  long(text: string): void {
    const bytes = Buffer.from(text, 'utf8').subarray(0, 1500);
    this.varint(bytes.length);
    this.raw(bytes);
  }
}

const writer = new PayloadWriter();

function presenceOf(entry: JournalEntry): number {
  return (
    (entry.portalKey === undefined ? 0 : present.portalKey) |
    (entry.readerKey === undefined ? 0 : present.readerKey) |
    (entry.credentialId === undefined ? 0 : present.credentialId) |
    (entry.memberId === undefined ? 0 : present.memberId) |
    (entry.digest === undefined ? 0 : present.digest) |
    (entry.reason === undefined ? 0 : present.reason) |
    (entry.checks === undefined ? 0 : present.checks) |
    (entry.ruleId === undefined ? 0 : present.ruleId) |
    (entry.observed === undefined ? 0 : present.observed) |
    (entry.observed === true ? present.observedValue : 0) |
    (entry.mode === undefined ? 0 : present.mode) |
    (entry.policyEpoch === undefined ? 0 : present.policyEpoch) |
    (entry.policyRevision === undefined ? 0 : present.policyRevision) |
    (entry.commandId === undefined ? 0 : present.commandId) |
    (entry.followsSeq === undefined ? 0 : present.followsSeq) |
    (entry.count === undefined ? 0 : present.count) |
    (entry.note === undefined ? 0 : present.note) |
    (entry.duress === undefined ? 0 : present.duress)
  );
}

/** Fields in the order of the presence bits. The answer is valid until the next call. */
export function encodeEntry(entry: JournalEntry): Uint8Array {
  writer.reset();
  writer.byte(kindCodes.indexOf(entry.kind));
  writer.byte(trustCodes.indexOf(entry.clockTrust));
  writer.u32(presenceOf(entry));
  writer.f64(entry.wallMs);
  writer.varint(entry.monotonicMs);
  if (entry.portalKey !== undefined) writer.short(entry.portalKey);
  if (entry.readerKey !== undefined) writer.short(entry.readerKey);
  if (entry.credentialId !== undefined) writer.id(entry.credentialId);
  if (entry.memberId !== undefined) writer.id(entry.memberId);
  if (entry.digest !== undefined) writer.raw(Buffer.from(entry.digest, 'hex'));
  if (entry.reason !== undefined) writer.byte(reasonCodes.indexOf(entry.reason));
  if (entry.checks !== undefined) {
    writer.byte(entry.checks.length);
    for (const { check, passed } of entry.checks)
      writer.byte(checkCodes.indexOf(check) | (passed ? 0x80 : 0));
  }
  if (entry.ruleId !== undefined) writer.id(entry.ruleId);
  if (entry.mode !== undefined) writer.byte(modeCodes.indexOf(entry.mode));
  if (entry.policyEpoch !== undefined) writer.f64(entry.policyEpoch);
  if (entry.policyRevision !== undefined) writer.f64(entry.policyRevision);
  if (entry.commandId !== undefined) writer.id(entry.commandId);
  if (entry.followsSeq !== undefined) writer.varint(entry.followsSeq);
  if (entry.count !== undefined) writer.varint(entry.count);
  if (entry.note !== undefined) writer.long(entry.note);
  return writer.bytes.subarray(0, writer.length);
}

/** Reads past the end give zeros and set `failed`: the tag has vouched for the bytes, so only a newer format does that. */
class PayloadReader {
  readonly #bytes: Buffer;
  #at = 0;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  #take(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) {
      this.failed = true;
      return -1;
    }
    this.#at += length;
    return start;
  }

  byte(): number {
    const start = this.#take(1);
    return start < 0 ? 0 : (this.#bytes[start] ?? 0);
  }

  u32(): number {
    const start = this.#take(4);
    return start < 0 ? 0 : this.#bytes.readUInt32LE(start);
  }

  f64(): number {
    const start = this.#take(8);
    return start < 0 ? 0 : this.#bytes.readDoubleLE(start);
  }

  varint(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 8; count += 1) {
      const byte = this.byte();
      value += (byte % 128) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    this.failed = true;
    return value;
  }

  #text(length: number): string {
    const start = this.#take(length);
    return start < 0 ? '' : this.#bytes.toString('utf8', start, start + length);
  }

  short(): string {
    return this.#text(this.byte());
  }

  long(): string {
    return this.#text(this.varint());
  }

  hex(length: number): string {
    const start = this.#take(length);
    return start < 0 ? '' : this.#bytes.toString('hex', start, start + length);
  }

  id(): string {
    const length = this.byte();
    if (length !== uuidMark) return this.#text(length);
    const start = this.#take(16);
    return start < 0 ? '' : bytesToId(this.#bytes, start);
  }
}

/** Every outcome of every check, made once: a drained segment holds tens of thousands of them. */
const checkResults = checkCodes.map((check) => ({
  passed: Object.freeze({ check, passed: true }),
  failed: Object.freeze({ check, passed: false }),
}));

function readChecks(reader: PayloadReader): CheckResult[] {
  const checks: CheckResult[] = [];
  const count = reader.byte();
  for (let index = 0; index < count; index += 1) {
    const code = reader.byte();
    const results = checkResults[code & 0x7f];
    if (results !== undefined) checks.push((code & 0x80) === 0 ? results.failed : results.passed);
  }
  return checks;
}

/** The event of a payload, or null when it was written by a newer release. */
export function decodeEntry(payload: Uint8Array, seq: number, bootId: string): BridgeEvent | null {
  const reader = new PayloadReader(payload);
  const kind = kindCodes[reader.byte()];
  const clockTrust = trustCodes[reader.byte()];
  if (kind === undefined || clockTrust === undefined) return null;
  const bits = reader.u32();
  const has = (bit: number): boolean => (bits & bit) !== 0;
  const event: BridgeEvent = {
    seq,
    bootId,
    kind,
    wallMs: reader.f64(),
    clockTrust,
    monotonicMs: reader.varint(),
  };
  if (has(present.portalKey)) event.portalKey = reader.short();
  if (has(present.readerKey)) event.readerKey = reader.short();
  if (has(present.credentialId)) event.credentialId = reader.id();
  if (has(present.memberId)) event.memberId = reader.id();
  if (has(present.digest)) event.digest = reader.hex(16);
  if (has(present.reason)) {
    const reason = reasonCodes[reader.byte()];
    if (reason !== undefined) event.reason = reason;
  }
  if (has(present.checks)) event.checks = readChecks(reader);
  if (has(present.ruleId)) event.ruleId = reader.id();
  if (has(present.observed)) event.observed = has(present.observedValue);
  if (has(present.mode)) {
    const mode = modeCodes[reader.byte()];
    if (mode !== undefined) event.mode = mode;
  }
  if (has(present.policyEpoch)) event.policyEpoch = reader.f64();
  if (has(present.policyRevision)) event.policyRevision = reader.f64();
  if (has(present.commandId)) event.commandId = reader.id();
  if (has(present.followsSeq)) event.followsSeq = reader.varint();
  if (has(present.count)) event.count = reader.varint();
  if (has(present.note)) event.note = reader.long();
  if (has(present.duress)) event.duress = true;
  return reader.failed ? null : event;
}

const nonce = Buffer.alloc(12);
const nonceOf = (seq: number): Buffer => {
  nonce.writeUIntLE(seq, 0, 6);
  return nonce;
};

/** One frame: the payload sealed with ChaCha20-Poly1305 under the segment's key; the nonce is the sequence number. */
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

/** What the eight bytes at `offset` say, or null when no frame can stand there. */
export function readFrameHeader(segment: Buffer, offset: number): FrameHeader | null {
  if (offset + frameHeaderBytes + tagBytes >= segment.length) return null;
  const payloadBytes = segment.readUInt16LE(offset);
  const end = offset + frameHeaderBytes + payloadBytes + tagBytes;
  if (payloadBytes === 0 || payloadBytes > maxPayloadBytes || end > segment.length) return null;
  return { seq: segment.readUIntLE(offset + 2, 6), payloadBytes, end };
}

/** The payload, or null when the tag does not fit: torn, damaged, or another key. */
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
