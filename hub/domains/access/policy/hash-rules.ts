import { createHash } from 'node:crypto';
import type { PolicyDocument } from '../decide/policy-schema.ts';
import { recordBytes } from './record-schema.ts';

/** Bytes of each hash here (SHA-256). */
export const policyHashBytes = 32;

/** JSON with every object's keys sorted, so that two copies of one value give one text. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
}

/** SHA-256 of the document's canonical JSON. */
export const documentHash = (document: PolicyDocument): Uint8Array =>
  new Uint8Array(createHash('sha256').update(canonicalJson(document)).digest());

/** XORs the SHA-256 of the record at `offset` into `sum`: doing it twice undoes it, order does not matter. */
export function toggleRecord(sum: Uint8Array, records: Uint8Array, offset = 0): void {
  const hash = createHash('sha256')
    .update(records.subarray(offset, offset + recordBytes))
    .digest();
  for (let index = 0; index < policyHashBytes; index += 1)
    sum[index] = (sum[index] ?? 0) ^ (hash[index] ?? 0);
}

/** The XOR over all records of `records` (whole records, any order). No records: 32 zero bytes. */
export function recordsSum(records: Uint8Array): Uint8Array {
  const sum = new Uint8Array(policyHashBytes);
  for (let offset = 0; offset + recordBytes <= records.length; offset += recordBytes)
    toggleRecord(sum, records, offset);
  return sum;
}

/** The content hash of a policy (hex): SHA-256 over the records' sum followed by the document's hash. */
export const policyHash = (sum: Uint8Array, hashOfDocument: Uint8Array): string =>
  createHash('sha256').update(sum).update(hashOfDocument).digest('hex');
