import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import type {
  AccessCheck,
  AccessEventKind,
  CheckResult,
  DenyReason,
  PortalMode,
} from '#hub/domains/access/schema.ts';
import type { ClockTrust } from '#hub/kernel/time.ts';
import { PayloadReader, PayloadWriter } from './payload.ts';

/** An event without its number in the journal; the boot is that of the segment. */
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
  'tamperEnded',
  'powerFault',
  'powerRestored',
  'portClosed',
  'portOpened',
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
  'ambiguousCard',
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
  'cardUnambiguous',
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

/** Encodes the fields in the order of the presence bits. The result is valid until the next call. */
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

/** Every outcome of every check, allocated once: a drained segment holds tens of thousands of them. */
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

/** Decodes a payload; null if a newer release wrote it. */
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
