import { bytesToId, idToBytes } from '#hub/kernel/ids.ts';
import { assert } from '#hub/kernel/result.ts';

export const maxPayloadBytes = 4096;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const maxShortBytes = 254;
const uuidMark = 255;

/** Writes the fields of a payload into one buffer, which the next payload reuses. */
export class PayloadWriter {
  readonly bytes = Buffer.alloc(maxPayloadBytes);
  #at = 0;

  reset(): void {
    this.#at = 0;
  }

  get length(): number {
    return this.#at;
  }

  byte(value: number): void {
    assert(value >= 0 && value < 256, 'a byte of a journal payload is out of range');
    this.bytes[this.#at] = value;
    this.#at += 1;
  }

  u32(value: number): void {
    this.#at = this.bytes.writeUInt32LE(value, this.#at);
  }

  f64(value: number): void {
    this.#at = this.bytes.writeDoubleLE(value, this.#at);
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  short(text: string): void {
    const bytes = Buffer.from(text, 'utf8').subarray(0, maxShortBytes);
    this.byte(bytes.length);
    this.raw(bytes);
  }

  /** Ids are UUIDs as a rule: 16 bytes instead of 36. */
  id(text: string): void {
    if (!uuidPattern.test(text)) {
      this.short(text);
      return;
    }
    this.byte(uuidMark);
    this.raw(idToBytes(text));
  }

  long(text: string): void {
    const bytes = Buffer.from(text, 'utf8').subarray(0, 1500);
    this.varint(bytes.length);
    this.raw(bytes);
  }
}

/** Returns zeros past the end and sets `failed`: the tag vouches for the bytes, so only a newer format causes that. */
export class PayloadReader {
  readonly #bytes: Buffer;
  #at = 0;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  #take(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) {
      this.failed = true;
      return -1;
    }
    this.#at += length;
    return start;
  }

  byte(): number {
    const start = this.#take(1);
    return start < 0 ? 0 : (this.#bytes[start] ?? 0);
  }

  u32(): number {
    const start = this.#take(4);
    return start < 0 ? 0 : this.#bytes.readUInt32LE(start);
  }

  f64(): number {
    const start = this.#take(8);
    return start < 0 ? 0 : this.#bytes.readDoubleLE(start);
  }

  varint(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 8; count += 1) {
      const byte = this.byte();
      value += (byte % 128) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    this.failed = true;
    return value;
  }

  #text(length: number): string {
    const start = this.#take(length);
    return start < 0 ? '' : this.#bytes.toString('utf8', start, start + length);
  }

  short(): string {
    return this.#text(this.byte());
  }

  long(): string {
    return this.#text(this.varint());
  }

  hex(length: number): string {
    const start = this.#take(length);
    return start < 0 ? '' : this.#bytes.toString('hex', start, start + length);
  }

  id(): string {
    const length = this.byte();
    if (length !== uuidMark) return this.#text(length);
    const start = this.#take(16);
    return start < 0 ? '' : bytesToId(this.#bytes, start);
  }
}
