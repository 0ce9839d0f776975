import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { assert, Fault } from '#hub/kernel/result.ts';
import { keyBytes } from '#hub/platform/files/keys.ts';
import { seal, unseal } from '#hub/platform/files/sealed-file.ts';
import { pinHashBytes, pinSaltBytes } from '#hub/platform/pin-hash.ts';
import type { StoredPin } from '../pins/repository.ts';
import type { KnownReading } from '../schema.ts';
import { type CardRead, cardReadSchema } from '../schema.ts';

/** What of a credential never leaves the hub in the clear. */
export interface CardSecrets {
  readonly readings: readonly KnownReading[];
  readonly pin: StoredPin | null;
}

const bytesSchema = (length: number) =>
  z
    .string()
    .transform((text): Uint8Array => Buffer.from(text, 'base64url'))
    .refine((bytes) => bytes.length === length);
const secretsSchema = z.strictObject({
  pin: z
    .strictObject({
      duressHash: bytesSchema(pinHashBytes),
      hash: bytesSchema(pinHashBytes),
      salt: bytesSchema(pinSaltBytes),
    })
    .nullable(),
  readings: z.array(z.strictObject({ ...cardReadSchema.shape, seen: z.boolean() })),
});

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const nameOf = ({ reading, bits, hex }: CardRead): string => `${reading}:${bits}:${hex}`;

/** The one JSON text of a credential's secrets (RFC 8785: names sorted, no white space), readings in order. */
export function secretsText({ readings, pin }: CardSecrets): string {
  const sorted = readings.toSorted((left, right) => (nameOf(left) < nameOf(right) ? -1 : 1));
  return JSON.stringify({
    pin:
      pin === null
        ? null
        : { duressHash: base64url(pin.duressHash), hash: base64url(pin.hash), salt: base64url(pin.salt) },
    readings: sorted.map(({ bits, hex, reading, seen }) => ({ bits, hex, reading, seen })),
  });
}

const sealText = (key: Uint8Array, content: Uint8Array, purpose: string): string =>
  Buffer.concat([...seal(key, [content], purpose)]).toString('base64url');

// Names the credential, so that one row cannot be put in the place of another.
const purposeOf = (credentialId: string): string => `makrcave card vault 1: credential ${credentialId}`;

/** A credential's secrets for `credential_seal`. */
export const sealSecrets = (cardKey: Uint8Array, credentialId: string, secrets: CardSecrets): string =>
  sealText(cardKey, Buffer.from(secretsText(secrets)), purposeOf(credentialId));

/** The text that was sealed. Faults: `wrongKey`, and `tornFile` when it is damaged or another credential's. */
export const openSecretsText = (cardKey: Uint8Array, credentialId: string, sealed: string): string =>
  unseal(cardKey, Buffer.from(sealed, 'base64url'), purposeOf(credentialId)).toString('utf8');

/** The secrets that were sealed. Faults as of `openSecretsText`; `tornFile` also for what is no secrets. */
export function openSecrets(cardKey: Uint8Array, credentialId: string, sealed: string): CardSecrets {
  const text = openSecretsText(cardKey, credentialId, sealed);
  try {
    return secretsSchema.parse(JSON.parse(text));
  } catch {
    // No cause: its message would quote what was in it.
    throw new Fault('tornFile', `what is sealed of the credential ${credentialId} is not of this form`);
  }
}

/** Names a card key without giving it away: the key is 256 random bits. */
export const cardKeyId = (cardKey: Uint8Array): string =>
  createHash('sha256').update('makrcave card key id\0').update(cardKey).digest('hex').slice(0, 32);

/** The card key as it may lie anywhere: who has not the recovery code has nothing of it. Both base64url. */
export interface WrappedCardKey {
  readonly salt: string;
  readonly wrapped: string;
}

const wrapSaltBytes = 16;
const wrapPurpose = 'makrcave card key 1';

// HKDF and no slow hash: the code is 128 random bits, which nobody tries out however fast a try is.
const wrappingKey = (code: Uint8Array, salt: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', code, salt, wrapPurpose, keyBytes));

/** Wraps the card key by the bytes of a recovery code. */
export function wrapCardKey(code: Uint8Array, cardKey: Uint8Array): WrappedCardKey {
  assert(cardKey.length === keyBytes, 'a card key has 32 bytes');
  const salt = randomBytes(wrapSaltBytes);
  return {
    salt: salt.toString('base64url'),
    wrapped: sealText(wrappingKey(code, salt), cardKey, wrapPurpose),
  };
}

/** The card key. Faults: `wrongKey` for another code, `tornFile` for a damaged wrap. */
export function unwrapCardKey(code: Uint8Array, { salt, wrapped }: WrappedCardKey): Uint8Array {
  const key = wrappingKey(code, Buffer.from(salt, 'base64url'));
  return new Uint8Array(unseal(key, Buffer.from(wrapped, 'base64url'), wrapPurpose));
}
