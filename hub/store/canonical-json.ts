import { createHash } from 'node:crypto';
import { assert } from '#hub/kernel/result.ts';

/** A value of a column. */
export type ColumnValue = null | number | bigint | string | Uint8Array;
/** Some columns of a row, by name. */
export type ColumnValues = Readonly<Record<string, ColumnValue>>;

/**
 * The one JSON text of a row's columns (RFC 8785: names sorted by UTF-16 code units, numbers as ECMAScript prints
 * them, no white space). Bytes stand as base64url.
 */
export function canonicalJson(columns: ColumnValues): string {
  const members = Object.keys(columns)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${valueJson(columns[name] ?? null)}`);
  return `{${members.join(',')}}`;
}

/**
 * SHA-256 (hex) of the canonical JSON in which each personal column's value, unless null, stands as the SHA-256 of
 * its own JSON. Whoever empties personal columns later keeps these digests and so breaks no chain over them.
 */
export function digestOf(columns: ColumnValues, personalColumns: readonly string[]): string {
  const personal = new Set(personalColumns);
  const covered = Object.fromEntries(
    Object.entries(columns).map(([name, value]) => [
      name,
      personal.has(name) && value !== null ? sha256(valueJson(value)) : value,
    ]),
  );
  return sha256(canonicalJson(covered));
}

function valueJson(value: ColumnValue): string {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64url'));
  if (typeof value === 'bigint') {
    assert(Number.isSafeInteger(Number(value)), 'an integer of the store fits 53 bits');
    return JSON.stringify(Number(value));
  }
  if (typeof value === 'number') assert(Number.isFinite(value), 'a number of the store is finite');
  return JSON.stringify(value);
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
