import { createHash } from 'node:crypto';

/** Without letters that are taken for digits (Crockford's base 32). */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
export const joinCodeBytes = 16;

/** 16 random bytes as people type them: `8KZ4-...`, 26 letters and digits in groups of four. */
export function joinCodeOf(bytes: Uint8Array): string {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  let text = '';
  for (let rest = bits, left = Math.ceil((bytes.length * 8) / 5); left > 0; left -= 1, rest >>= 5n)
    text = `${alphabet[Number(rest & 31n)] ?? ''}${text}`;
  return text.replaceAll(/(.{4})(?=.)/g, '$1-');
}

/** Hashes a code as the centre stores it, however it was typed. */
export function joinCodeHash(typed: string): Buffer {
  const code = typed
    .toUpperCase()
    .replaceAll(/[^0-9A-Z]/g, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1');
  return createHash('sha256').update(code).digest();
}
