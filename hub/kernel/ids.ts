import { z } from 'zod';

/** UUIDv7 in its text form, made where the row is made. Stored in small letters; capitals are taken. */
export const idSchema = z.uuid({ version: 'v7' }).toLowerCase().meta({ description: 'UUIDv7' });

/** A UUID's 16 bytes, as they stand in binary records. */
export function idToBytes(id: string): Uint8Array {
  const hex = id.replaceAll('-', '');
  const bytes = new Uint8Array(16);
  for (let index = 0; index < 16; index += 1)
    bytes[index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16);
  return bytes;
}

const hexByByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** The text form of the 16 bytes at `offset`. */
export function bytesToId(bytes: Uint8Array, offset = 0): string {
  let text = '';
  for (let index = 0; index < 16; index += 1) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text += '-';
    text += hexByByte[bytes[offset + index] ?? 0] ?? '00';
  }
  return text;
}
