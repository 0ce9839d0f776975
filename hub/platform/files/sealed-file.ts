import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Fault } from '#hub/kernel/result.ts';

/**
 * The form of every encrypted file of ours that is not a database:
 * `MCSF` | version 1 | key check (4) | nonce (12) | ciphertext | tag (16), ChaCha20-Poly1305 (RFC 8439).
 * The purpose and the header are authenticated, so a file sealed for one purpose does not open as another.
 */
const magic = Buffer.from('MCSF');
const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const checkBytes = 4;
const headerBytes = magic.length + 1 + checkBytes + nonceBytes;
/** Bytes that sealing adds. */
export const sealOverheadBytes = headerBytes + tagBytes;

export type SealFaultCode = 'wrongKey' | 'tornFile';

/**
 * First bytes of the keystream under a nonce that random nonces never meet in practice (all ones): tells a wrong key from a damaged file
 * without giving away anything about the key.
 */
function keyCheck(key: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, Buffer.alloc(nonceBytes, 0xff), {
    authTagLength: tagBytes,
  });
  return cipher.update(Buffer.alloc(checkBytes));
}

const additionalData = (header: Uint8Array, purpose: string): Buffer =>
  Buffer.concat([header, Buffer.from(purpose, 'utf8')]);

/** Encrypted at once; a large file is never in memory whole a second time. */
const pieceBytes = 65_536;

/**
 * Encrypts the parts, one after the other, under a 32-byte key: the pieces of the sealed file, in order. `purpose` names
 * what the file is for and must be given again to `unseal`.
 */
export function* seal(
  key: Uint8Array,
  parts: readonly Uint8Array[],
  purpose: string,
): Generator<Uint8Array, void, undefined> {
  const nonce = randomBytes(nonceBytes);
  const header = Buffer.concat([magic, Buffer.of(version), keyCheck(key), nonce]);
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(additionalData(header, purpose), {
    plaintextLength: parts.reduce((sum, part) => sum + part.length, 0),
  });
  yield header;
  for (const part of parts)
    for (let offset = 0; offset < part.length; offset += pieceBytes)
      yield cipher.update(part.subarray(offset, offset + pieceBytes));
  yield cipher.final();
  yield cipher.getAuthTag();
}

/**
 * Decrypts what `seal` made. Throws the Fault `wrongKey` when it was sealed under another key, and `tornFile` when it
 * is cut off, changed, of another purpose or not a sealed file.
 */
export function unseal(key: Uint8Array, sealed: Uint8Array, purpose: string): Buffer {
  const file = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (file.length < sealOverheadBytes || !file.subarray(0, magic.length).equals(magic))
    throw new Fault<SealFaultCode>(
      'tornFile',
      `not a sealed file, or cut off (${file.length} bytes): ${purpose}`,
    );
  const header = file.subarray(0, headerBytes);
  if (header[magic.length] !== version)
    throw new Fault<SealFaultCode>(
      'tornFile',
      `sealed in a form that this release does not know: ${purpose}`,
    );
  if (!header.subarray(magic.length + 1, magic.length + 1 + checkBytes).equals(keyCheck(key)))
    throw new Fault<SealFaultCode>('wrongKey', `sealed under another key: ${purpose}`);
  const nonce = header.subarray(headerBytes - nonceBytes);
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(additionalData(header, purpose), { plaintextLength: file.length - sealOverheadBytes });
  decipher.setAuthTag(file.subarray(file.length - tagBytes));
  try {
    const plain = decipher.update(file.subarray(headerBytes, file.length - tagBytes));
    decipher.final();
    return plain;
  } catch (cause) {
    throw new Fault<SealFaultCode>('tornFile', `changed or damaged since it was sealed: ${purpose}`, {
      cause,
    });
  }
}
