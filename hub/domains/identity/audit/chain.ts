import { createHash } from 'node:crypto';

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** An entry of the audit log. Its hash covers all fields, and through `prevHash` all earlier entries. */
export interface AuditLink {
  readonly id: string;
  readonly seq: number;
  readonly atMs: number;
  readonly actorKind: string;
  readonly actorId: string | null;
  readonly action: string;
  readonly targetTable: string | null;
  readonly targetId: string | null;
  /** Hex. Stands for the payload, so that the chain still holds when the payload has been emptied. */
  readonly payloadDigest: string;
  readonly prevHash: string;
}

/** The personal part of an entry. The salt keeps a short payload from being guessed out of its digest. */
export interface AuditPayload {
  readonly salt: string;
  readonly actorName: string | null;
  readonly body: string;
}

/** `prevHash` of the first entry. */
export const chainStart = '0'.repeat(64);

/** JSON with the keys of every object in code-unit order: one text for one value. */
export function canonicalJson(value: JsonValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
}

/** `Array.isArray` does not narrow a readonly array out of a union. */
function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Hex SHA-256 of a payload. */
export function digestPayload(payload: AuditPayload): string {
  return sha256(canonicalJson([payload.salt, payload.actorName, payload.body]));
}

/** Hex SHA-256 over the hash before and the entry's own fields, in a fixed order. */
export function hashLink(link: AuditLink): string {
  return sha256(
    canonicalJson([
      link.prevHash,
      link.id,
      link.seq,
      link.atMs,
      link.actorKind,
      link.actorId,
      link.action,
      link.targetTable,
      link.targetId,
      link.payloadDigest,
    ]),
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
