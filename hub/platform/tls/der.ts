/**
 * ASN.1 DER (X.690), the writing half, as far as a certificate needs it. Every function answers one complete element:
 * tag, length, content.
 */

function lengthBytes(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.of(0x80 + bytes.length, ...bytes);
}

export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.of(tag), lengthBytes(content.length), content]);
}

export const sequence = (...items: readonly Uint8Array[]): Buffer => element(0x30, ...items);
export const set = (...items: readonly Uint8Array[]): Buffer => element(0x31, ...items);
export const octets = (bytes: Uint8Array): Buffer => element(0x04, bytes);
export const utf8 = (text: string): Buffer => element(0x0c, Buffer.from(text, 'utf8'));
export const nothing = element(0x05);
export const isTrue = element(0x01, Buffer.of(0xff));

/** Context-specific tag `[number]`; `constructed` when it holds elements and not bytes. */
export const context = (number: number, constructed: boolean, ...contents: readonly Uint8Array[]): Buffer =>
  element(0x80 + (constructed ? 0x20 : 0) + number, ...contents);

/** A non-negative integer from its big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const shortest = bytes.subarray(start);
  const isNegative = (shortest[0] ?? 0) >= 0x80;
  return isNegative ? element(0x02, Buffer.of(0), shortest) : element(0x02, shortest);
}

/** `unusedBits` of the last byte do not count. */
export const bits = (bytes: Uint8Array, unusedBits = 0): Buffer =>
  element(0x03, Buffer.of(unusedBits), bytes);

/** `1.2.840.10045.4.3.2`. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left % 128) + 128);
    bytes.push(...groups);
  }
  return element(0x06, Buffer.from(bytes));
}

/** Whole seconds; UTCTime for 1950 .. 2049 and GeneralizedTime outside, as RFC 5280, 4.1.2.5 wants it. */
export function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const year = Number(digits.slice(0, 4));
  const isShort = year >= 1950 && year < 2050;
  return element(isShort ? 0x17 : 0x18, Buffer.from(isShort ? digits.slice(2) : digits, 'ascii'));
}
