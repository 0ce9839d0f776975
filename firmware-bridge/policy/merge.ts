import {
  digestBytes,
  findRecord,
  isSecret,
  isShared,
  recordBytes,
} from '#hub/domains/access/policy/record-schema.ts';
import { credentialStatuses, memberStatuses } from '#hub/domains/members/schema.ts';
import { bytesToId } from '#hub/kernel/ids.ts';

const digestHex = (records: Uint8Array, offset: number): string =>
  Buffer.from(records.buffer, records.byteOffset + offset, digestBytes).toString('hex');

function compareRecords(left: Uint8Array, leftAt: number, right: Uint8Array, rightAt: number): number {
  for (let index = 0; index < digestBytes; index += 1) {
    const difference = (left[leftAt + index] ?? 0) - (right[rightAt + index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Sorts the offsets of the records by digest; keeps the later of two with one digest. */
function sortRecords(records: Uint8Array): Uint32Array {
  const offsets = Uint32Array.from(
    { length: Math.floor(records.length / recordBytes) },
    (_, index) => index * recordBytes,
  );
  // Of equals, the later stands behind the earlier.
  offsets.sort((left, right) => compareRecords(records, left, records, right) || left - right);
  return offsets.filter((offset, index) => {
    const next = offsets[index + 1];
    return next === undefined || compareRecords(records, offset, records, next) !== 0;
  });
}

/** Merges `changes` into `base` (sorted by digest) and takes out `removed` (hex digests); the result is sorted. */
export function mergeRecords(
  base: Uint8Array,
  changes: Uint8Array,
  removed: ReadonlySet<string>,
): Uint8Array<SharedArrayBuffer> {
  const offsets = sortRecords(changes);
  const merged = new Uint8Array(new SharedArrayBuffer(base.length + offsets.length * recordBytes));
  let length = 0;
  const put = (source: Uint8Array, offset: number): void => {
    if (removed.size > 0 && removed.has(digestHex(source, offset))) return;
    merged.set(source.subarray(offset, offset + recordBytes), length);
    length += recordBytes;
  };
  let next = 0;
  for (let old = 0; old + recordBytes <= base.length; old += recordBytes) {
    const orderOf = (change: number | undefined): number =>
      change === undefined ? 1 : compareRecords(changes, change, base, old);
    let order = orderOf(offsets[next]);
    while (order < 0) {
      put(changes, offsets[next] ?? 0);
      next += 1;
      order = orderOf(offsets[next]);
    }
    if (order !== 0) put(base, old);
  }
  for (const change of offsets.subarray(next)) put(changes, change);
  if (length === merged.length) return merged;
  const exact = new Uint8Array(new SharedArrayBuffer(length));
  exact.set(merged.subarray(0, length));
  return exact;
}

const openStatuses = new Set([credentialStatuses.indexOf('active'), credentialStatuses.indexOf('temporary')]);
const activeMember = memberStatuses.indexOf('active');
const holdFlag = 1;

/** Whether neither its own status, the member's, nor a hold keeps the card shut. */
const isOpen = (records: Uint8Array, offset: number): boolean =>
  openStatuses.has(records[offset + 88] ?? 255) &&
  records[offset + 90] === activeMember &&
  ((records[offset + 92] ?? 0) & holdFlag) === 0;

/**
 * Iterates over the credential of every reading, so one with several readings comes several times. A PIN comes with
 * its record of facts, not with its secret, and a card that looks like another with its own facts only.
 */
function* credentialsIn(records: Uint8Array): Generator<{ readonly id: string; readonly open: boolean }> {
  for (let offset = 0; offset + recordBytes <= records.length; offset += recordBytes)
    if (!isSecret(records, offset) && !isShared(records, offset))
      yield { id: bytesToId(records, offset + 16), open: isOpen(records, offset) };
}

/** Finds those of `ids` in `records`, and whether they are open. */
function findIds(records: Uint8Array, ids: ReadonlySet<string>): Map<string, boolean> {
  const found = new Map<string, boolean>();
  if (ids.size === 0) return found;
  for (const { id, open } of credentialsIn(records)) if (ids.has(id)) found.set(id, open);
  return found;
}

export interface RevocationMemory {
  readonly records: Uint8Array;
  readonly withheldIds: readonly string[];
  /** Credentials removed from the policy. */
  readonly removedIds: readonly string[];
}

const maxRemembered = 10_000;

/** The change that an answer makes to the policy. */
export interface PolicyChange {
  /** It comes from a restored hub: another epoch, or an older revision. */
  readonly restored: boolean;
  /** Digests (hex) removed one by one; null: the answer was whole. */
  readonly removed: readonly string[] | null;
  /** The records it contains. */
  readonly written: Uint8Array;
}

/** Credentials that may be gone: all after a whole answer, else those whose digests were removed or reassigned. */
function possiblyRemovedIds(records: Uint8Array, { removed, written }: PolicyChange): Set<string> {
  const ids = new Set<string>();
  if (removed === null) {
    for (const { id } of credentialsIn(records)) ids.add(id);
    return ids;
  }
  for (const digest of removed) {
    const offset = findRecord(records, Buffer.from(digest, 'hex'));
    if (offset >= 0) ids.add(bytesToId(records, offset + 16));
  }
  for (let at = 0; at + recordBytes <= written.length; at += recordBytes) {
    const offset = findRecord(records, written.subarray(at, at + digestBytes));
    const before = offset < 0 ? null : bytesToId(records, offset + 16);
    if (before !== null && before !== bytesToId(written, at + 16)) ids.add(before);
  }
  return ids;
}

/**
 * Carries revocations over a restore, after which the hub may not know all that this bridge has carried out. Returns
 * the cards that stay shut, and those removed.
 */
export function carryRevocations(
  old: RevocationMemory,
  next: Uint8Array,
  change: PolicyChange,
): { withheldIds: string[]; removedIds: string[] } {
  const shut = new Set(old.withheldIds);
  if (change.restored) {
    for (const { id, open } of credentialsIn(old.records)) if (!open) shut.add(id);
    for (const id of old.removedIds) shut.add(id);
  }
  const shutNow = findIds(next, shut);
  const removed = new Set([...old.removedIds, ...possiblyRemovedIds(old.records, change)]);
  for (const id of findIds(next, removed).keys()) removed.delete(id);
  return {
    withheldIds: [...shut].filter((id) => shutNow.get(id) === true),
    removedIds: [...removed].slice(-maxRemembered),
  };
}
