import { createHmac } from 'node:crypto';
import type { CardRead } from '../schema.ts';

/** Bytes of a card's digest: HMAC-SHA-256, truncated. */
export const cardDigestBytes = 16;
/** Bytes of a digest key. */
export const digestKeyBytes = 32;

/**
 * What a bridge knows a card by: a keyed digest of reading, length and bits. A bare hash of 26 bits could be
 * searched in a moment; the key, which each bridge has its own of, is what prevents that.
 */
export const digestOf = (key: Uint8Array, read: CardRead): Uint8Array =>
  truncatedHmac(key, `${read.reading}:${read.bits}:${read.hex}`);

/** What a bridge finds the owners of a reading by that several cards have; `place` counts from 1. */
export const ownerDigestOf = (key: Uint8Array, read: CardRead, place: number): Uint8Array =>
  truncatedHmac(key, `owner:${String(place)}:${read.reading}:${read.bits}:${read.hex}`);

/** What a bridge finds a member by whose number was typed. No reading of a card is called so. */
export const numberDigestOf = (key: Uint8Array, memberNumber: number): Uint8Array =>
  truncatedHmac(key, `number:${String(memberNumber)}`);

/** What a bridge finds the PIN of a member by. */
export const pinDigestOf = (key: Uint8Array, memberId: string): Uint8Array =>
  truncatedHmac(key, `pin:${memberId}`);

function truncatedHmac(key: Uint8Array, text: string): Uint8Array {
  const digest = createHmac('sha256', key).update(text).digest();
  return new Uint8Array(digest.buffer, digest.byteOffset, cardDigestBytes).slice();
}
