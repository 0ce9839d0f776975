import { credentialStatuses, memberStatuses, membershipStates } from '#hub/domains/members/schema.ts';
import { bytesToId, idToBytes } from '#hub/kernel/ids.ts';
import { assert } from '#hub/kernel/result.ts';
import { type PinHashes, pinForm, pinHashBytes, pinSaltBytes } from '#hub/platform/pin-hash.ts';
import type { CredentialFacts, PolicyDocument } from '../decide/policy-schema.ts';

/**
 * One credential as 96 bytes, little endian, so that a bridge holds 50,000 of them in 5 MB and finds one by binary
 * search over the digest: 0 digest[16] (HMAC-SHA-256, truncated), 16 credentialId[16], 32 memberId[16],
 * 48 validFrom f64, 56 validUntil f64, 64 membershipFrom f64, 72 membershipUntil f64 (ms; -Infinity / Infinity =
 * unbounded), 80 groupSet u32, 84 plan u32 (0 = none), 88 credentialStatus u8, 89 assurance u8, 90 memberStatus u8,
 * 91 membershipState u8, 92 flags u8 (1 on hold, 2 waiver missing, 4 extended access), 93..95 zero.
 */
export const recordBytes = 96;
export const digestBytes = 16;

const flag = { onHold: 1, waiverMissing: 2, extendedAccess: 4 } as const;

/** Facts with the small numbers that stand for their plan and their set of groups. */
export interface RecordInput extends Omit<CredentialFacts, 'planId' | 'groupIds'> {
  readonly plan: number;
  readonly groupSet: number;
}

export function encodeRecord(digest: Uint8Array, facts: RecordInput): Uint8Array {
  assert(digest.length >= digestBytes, 'a digest has at least 16 bytes');
  const bytes = new Uint8Array(recordBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(digest.subarray(0, digestBytes), 0);
  bytes.set(idToBytes(facts.credentialId), 16);
  bytes.set(idToBytes(facts.memberId), 32);
  view.setFloat64(48, facts.validFromMs ?? Number.NEGATIVE_INFINITY, true);
  view.setFloat64(56, facts.validUntilMs ?? Number.POSITIVE_INFINITY, true);
  view.setFloat64(64, facts.membershipFromMs ?? Number.NEGATIVE_INFINITY, true);
  view.setFloat64(72, facts.membershipUntilMs ?? Number.POSITIVE_INFINITY, true);
  view.setUint32(80, facts.groupSet, true);
  view.setUint32(84, facts.plan, true);
  view.setUint8(88, credentialStatuses.indexOf(facts.credentialStatus));
  view.setUint8(89, facts.assurance);
  view.setUint8(90, memberStatuses.indexOf(facts.memberStatus));
  view.setUint8(91, membershipStates.indexOf(facts.membershipState));
  view.setUint8(
    92,
    (facts.onHold ? flag.onHold : 0) |
      (facts.waiverMissing ? flag.waiverMissing : 0) |
      (facts.extendedAccess ? flag.extendedAccess : 0),
  );
  return bytes;
}

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** The facts in the record at `offset`. Unknown status numbers (a newer hub) read as the most restrictive one. */
export function decodeRecord(
  records: Uint8Array,
  offset: number,
  names: Pick<PolicyDocument, 'planIds' | 'groupSets'>,
): CredentialFacts {
  const view = new DataView(records.buffer, records.byteOffset + offset, recordBytes);
  const flags = view.getUint8(92);
  return {
    credentialId: bytesToId(records, offset + 16),
    memberId: bytesToId(records, offset + 32),
    credentialStatus: credentialStatuses[view.getUint8(88)] ?? 'retired',
    assurance: view.getUint8(89),
    validFromMs: finiteOrNull(view.getFloat64(48, true)),
    validUntilMs: finiteOrNull(view.getFloat64(56, true)),
    memberStatus: memberStatuses[view.getUint8(90)] ?? 'left',
    onHold: (flags & flag.onHold) !== 0,
    waiverMissing: (flags & flag.waiverMissing) !== 0,
    extendedAccess: (flags & flag.extendedAccess) !== 0,
    membershipState: membershipStates[view.getUint8(91)] ?? 'none',
    membershipFromMs: finiteOrNull(view.getFloat64(64, true)),
    membershipUntilMs: finiteOrNull(view.getFloat64(72, true)),
    planId: names.planIds[String(view.getUint32(84, true))] ?? null,
    groupIds: names.groupSets[String(view.getUint32(80, true))] ?? [],
  };
}

/** In the place of a credential's status. Whatever takes such a record for facts, an older bridge too, reads `retired`. */
const sharedMark = 254;
/** More cards than this with one reading are none that could be told apart by anybody: they stay shut. */
export const mostOwners = 255;

/**
 * A reading that several cards have. It stands where a card of its own would: the facts of the first owner, but for 88 mark u8
 * and 93 number of owners u8 (0: too many). The facts of each are found by a digest of their own.
 */
export function encodeShared(digest: Uint8Array, first: RecordInput, owners: number): Uint8Array {
  const bytes = encodeRecord(digest, first);
  bytes[88] = sharedMark;
  bytes[93] = owners > mostOwners ? 0 : owners;
  return bytes;
}

/** Whether the record at `offset` says only that several cards have this reading. */
export const isShared = (records: Uint8Array, offset: number): boolean => records[offset + 88] === sharedMark;

/** How many cards have the reading of the shared record at `offset`. */
export const ownersAt = (records: Uint8Array, offset: number): number => records[offset + 93] ?? 0;

/** In the place of a credential's status. Whatever takes such a record for facts, an older bridge too, reads `retired`. */
const secretMark = 255;

/** The PIN of a member, as a bridge checks it. */
export interface PinSecret extends PinHashes {
  readonly credentialId: string;
  readonly salt: Uint8Array;
}

/**
 * A PIN as one more record, so that pages, hashes and revocations of the policy are the same for it: 0 digest[16] (of the
 * member's id), 16 credentialId[16], 32 salt[16], 48 hash[20], 68 duress hash[20], 88 mark u8, 89 form u8, 90..95 zero.
 */
export function encodeSecret(digest: Uint8Array, secret: PinSecret): Uint8Array {
  const { salt, hash, duressHash } = secret;
  assert(
    salt.length === pinSaltBytes && hash.length === pinHashBytes,
    'a PIN has salt and hash of their lengths',
  );
  assert(duressHash.length === pinHashBytes, 'there is always a second hash');
  const bytes = new Uint8Array(recordBytes);
  bytes.set(digest.subarray(0, digestBytes), 0);
  bytes.set(idToBytes(secret.credentialId), 16);
  bytes.set(salt, 32);
  bytes.set(hash, 48);
  bytes.set(duressHash, 68);
  bytes[88] = secretMark;
  bytes[89] = pinForm;
  return bytes;
}

/** Whether the record at `offset` is a PIN and not facts. */
export const isSecret = (records: Uint8Array, offset: number): boolean => records[offset + 88] === secretMark;

/** The PIN in the record at `offset`; null when it is none, or in a form that this release does not know. */
export function decodeSecret(records: Uint8Array, offset: number): PinSecret | null {
  if (!isSecret(records, offset) || records[offset + 89] !== pinForm) return null;
  const part = (from: number, length: number): Uint8Array =>
    records.slice(offset + from, offset + from + length);
  return {
    credentialId: bytesToId(records, offset + 16),
    salt: part(32, pinSaltBytes),
    hash: part(48, pinHashBytes),
    duressHash: part(68, pinHashBytes),
  };
}

function compareDigest(records: Uint8Array, offset: number, digest: Uint8Array): number {
  for (let index = 0; index < digestBytes; index += 1) {
    const difference = (records[offset + index] ?? 0) - (digest[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Byte offset of the record with this digest in `records` (sorted by digest), or -1. */
export function findRecord(records: Uint8Array, digest: Uint8Array): number {
  let low = 0;
  let high = records.length / recordBytes - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const order = compareDigest(records, middle * recordBytes, digest);
    if (order === 0) return middle * recordBytes;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
