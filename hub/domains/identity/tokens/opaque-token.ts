import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * The form of every token of ours that is only a secret: a prefix by which secret scanners know it, secrets of 256
 * bits in letters and digits (one double click takes it whole), and six characters of checksum, so that a mistyped or
 * cut one is refused before the store is asked.
 */
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62 ** 43 is just above 2 ** 256. */
const secretLength = 43;
const checksumLength = 6;

const accessPrefix = 'mkc_';
const refreshPrefix = 'mkr_';

function toBase62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n) text = alphabet.charAt(Number(rest % 62n)) + text;
  return text;
}

/** 32 bytes as 43 letters and digits. */
export const bytesToSecret = (bytes: Uint8Array): string =>
  toBase62(BigInt(`0x${Buffer.from(bytes).toString('hex')}`), secretLength);

export const createSecret = (): string => bytesToSecret(randomBytes(32));

const withChecksum = (text: string): string => text + toBase62(BigInt(crc32(text)), checksumLength);

/** The secrets in a token with this prefix; null when it is not one of ours. */
function readSecrets(text: string, prefix: string, count: number): readonly string[] | null {
  const length = prefix.length + count * secretLength;
  if (text.length !== length + checksumLength || !text.startsWith(prefix)) return null;
  if (!/^\w+$/.test(text) || withChecksum(text.slice(0, length)) !== text) return null;
  return Array.from({ length: count }, (_, index) => {
    const start = prefix.length + index * secretLength;
    return text.slice(start, start + secretLength);
  });
}

const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');

// Access tokens of service accounts

/** 256 random bits; only its hash is stored. */
export const createAccessToken = (): string => withChecksum(accessPrefix + createSecret());

export const isAccessTokenLike = (text: string): boolean => text.startsWith(accessPrefix);

/** Null when it is no access token of ours. */
export function hashAccessToken(text: string): string | null {
  const [secret] = readSecrets(text, accessPrefix, 1) ?? [];
  return secret === undefined ? null : sha256(`access token ${secret}`);
}

// Refresh tokens

/**
 * `family` stays the same from sign-in to sign-out, `secret` changes with each use. Whoever shows the right family
 * with a secret that is not the current one holds an old token.
 */
export interface RefreshToken {
  readonly family: string;
  readonly secret: string;
}

export const printRefreshToken = ({ family, secret }: RefreshToken): string =>
  withChecksum(refreshPrefix + family + secret);

export function readRefreshToken(text: string): RefreshToken | null {
  const [family, secret] = readSecrets(text, refreshPrefix, 2) ?? [];
  return family === undefined || secret === undefined ? null : { family, secret };
}

export const hashRefreshFamily = (family: string): string => sha256(`refresh family ${family}`);
export const hashRefreshSecret = (secret: string): string => sha256(`refresh secret ${secret}`);
