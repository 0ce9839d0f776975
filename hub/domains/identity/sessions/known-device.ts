import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { deviceCookieName } from '#hub/http/endpoint/auth.ts';

/**
 * A browser in which somebody has signed in before keeps a proof of it, so that strangers who guess at the account
 * cannot lock its owner out of it (OWASP Authentication Cheat Sheet, "Device cookies"). It opens nothing: it only says
 * under which counter wrong passwords fall.
 */
export interface KnownDevice {
  /** Names the device where its wrong tries are counted. */
  readonly id: string;
}

/** Derives the key of the proofs from the hub's master secret for tokens. */
export const deviceKeyOf = (master: Uint8Array): Uint8Array =>
  Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), 'makrcave known device', 32));

const idBytes = 16;
const lifeSeconds = 180 * 24 * 60 * 60;
const tokenPattern = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;

const proofOf = (key: Uint8Array, id: string, username: string): Buffer =>
  createHmac('sha256', key).update(`${id}\n${username}`, 'utf8').digest();

/** Makes the proof of a new device for the account with this username. */
export function createDeviceToken(key: Uint8Array, username: string): string {
  const id = randomBytes(idBytes).toString('base64url');
  return `${id}.${proofOf(key, id, username).toString('base64url')}`;
}

/** The device that `token` proves for this username; null for none, and for the proof of another. */
export function readDeviceToken(
  key: Uint8Array,
  token: string | undefined,
  username: string,
): KnownDevice | null {
  const [, id, proof] = tokenPattern.exec(token ?? '') ?? [];
  if (id === undefined || proof === undefined) return null;
  const isOurs = timingSafeEqual(Buffer.from(proof, 'base64url'), proofOf(key, id, username));
  return isOurs ? { id } : null;
}

export const printDeviceCookie = (token: string): string =>
  `${deviceCookieName}=${token}; Path=/; Max-Age=${lifeSeconds}; HttpOnly; Secure; SameSite=Strict`;
