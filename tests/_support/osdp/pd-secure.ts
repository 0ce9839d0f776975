import { createCipheriv, createDecipheriv } from 'node:crypto';

/** The secure channel from the peripheral's side (OSDP 2.2, annex D). */

/** The key that every new peripheral knows: 30 31 .. 3F. */
export const defaultKey: Uint8Array = Uint8Array.from({ length: 16 }, (_, index) => 0x30 + index);

export interface SessionKeys {
  enc: Uint8Array;
  mac1: Uint8Array;
  mac2: Uint8Array;
}

const blockLength = 16;

/** Making a cipher costs more than a block; without padding one serves for any number of blocks. */
const ciphers = new WeakMap<Uint8Array, ReturnType<typeof createCipheriv>>();

function aesBlock(key: Uint8Array, block: Uint8Array): Uint8Array {
  const cipher = ciphers.get(key) ?? createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  ciphers.set(key, cipher);
  return Uint8Array.from(cipher.update(block));
}

export function sessionKeys(baseKey: Uint8Array, randomA: Uint8Array): SessionKeys {
  const derive = (label: number): Uint8Array => {
    const block = new Uint8Array(blockLength);
    block.set([0x01, label, ...randomA.subarray(0, 6)]);
    return aesBlock(baseKey, block);
  };
  return { enc: derive(0x82), mac1: derive(0x01), mac2: derive(0x02) };
}

export const peripheralCryptogram = (
  keys: SessionKeys,
  randomA: Uint8Array,
  randomB: Uint8Array,
): Uint8Array => aesBlock(keys.enc, Uint8Array.from([...randomA, ...randomB]));

export const panelCryptogram = (keys: SessionKeys, randomA: Uint8Array, randomB: Uint8Array): Uint8Array =>
  aesBlock(keys.enc, Uint8Array.from([...randomB, ...randomA]));

/** RMAC_I, the MAC that the panel's first command is chained to. */
export const initialMac = (keys: SessionKeys, cryptogram: Uint8Array): Uint8Array =>
  aesBlock(keys.mac2, aesBlock(keys.mac1, cryptogram));

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, index) => byte ^ b[index]!);

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.floor(bytes.length / blockLength + 1) * blockLength);
  whole.set(bytes);
  whole[bytes.length] = 0x80;
  return whole;
}

/** All 16 bytes; the wire carries the first four. */
export function messageMac(keys: SessionKeys, iv: Uint8Array, covered: Uint8Array): Uint8Array {
  const bytes = covered.length % blockLength === 0 ? covered : padded(covered);
  let chain = iv;
  for (let at = 0; at < bytes.length; at += blockLength) {
    const isLast = at + blockLength === bytes.length;
    chain = aesBlock(isLast ? keys.mac2 : keys.mac1, xor(bytes.subarray(at, at + blockLength), chain));
  }
  return chain;
}

const inverse = (mac: Uint8Array): Uint8Array => mac.map((byte) => ~byte & 0xff);

/** `otherMac` is the last full MAC that the other side sent. */
export function encryptData(keys: SessionKeys, otherMac: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-128-cbc', keys.enc, inverse(otherMac)).setAutoPadding(false);
  return Uint8Array.from(Buffer.concat([cipher.update(padded(plain)), cipher.final()]));
}

/** Null when it is not whole blocks or its padding is not `80 00..`. */
export function decryptData(keys: SessionKeys, otherMac: Uint8Array, secret: Uint8Array): Uint8Array | null {
  if (secret.length === 0 || secret.length % blockLength !== 0) return null;
  const decipher = createDecipheriv('aes-128-cbc', keys.enc, inverse(otherMac)).setAutoPadding(false);
  const plain = Uint8Array.from(Buffer.concat([decipher.update(secret), decipher.final()]));
  const end = plain.findLastIndex((byte) => byte !== 0);
  if (end < plain.length - blockLength || plain[end] !== 0x80) return null;
  return plain.slice(0, end);
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);

export type KeyKind = 'default' | 'own';

/** One handshake and the session that comes of it. */
export class PeripheralChannel {
  readonly keyKind: KeyKind;
  readonly #keys: SessionKeys;
  readonly #randomA: Uint8Array;
  readonly #randomB: Uint8Array;
  #established = false;
  #panelMac: Uint8Array = new Uint8Array(blockLength);
  #ownMac: Uint8Array = new Uint8Array(blockLength);

  constructor(keyKind: KeyKind, baseKey: Uint8Array, randomA: Uint8Array, randomB: Uint8Array) {
    this.keyKind = keyKind;
    this.#keys = sessionKeys(baseKey, randomA);
    this.#randomA = randomA;
    this.#randomB = randomB;
  }

  get established(): boolean {
    return this.#established;
  }

  cryptogram(): Uint8Array {
    return peripheralCryptogram(this.#keys, this.#randomA, this.#randomB);
  }

  /** RMAC_I when the panel proved that it has the key, else null. */
  confirm(cryptogram: Uint8Array): Uint8Array | null {
    if (!isSame(panelCryptogram(this.#keys, this.#randomA, this.#randomB), cryptogram)) return null;
    this.#established = true;
    this.#ownMac = initialMac(this.#keys, cryptogram);
    return this.#ownMac;
  }

  /** The command's plain data; `mac` and `data` say what was wrong with it. A good MAC moves the chain on. */
  open(
    covered: Uint8Array,
    mac: Uint8Array,
    data: Uint8Array,
    isEncrypted: boolean,
  ): Uint8Array | 'mac' | 'data' {
    const full = messageMac(this.#keys, this.#ownMac, covered);
    if (!isSame(full.subarray(0, 4), mac)) return 'mac';
    this.#panelMac = full;
    return isEncrypted ? (decryptData(this.#keys, this.#ownMac, data) ?? 'data') : data;
  }

  encrypt(plain: Uint8Array): Uint8Array {
    return encryptData(this.#keys, this.#panelMac, plain);
  }

  /** MACs of replies to the command that was opened last; stays right when the chain has gone on. */
  replyMacs(): (covered: Uint8Array) => Uint8Array {
    const iv = this.#panelMac;
    return (covered) => messageMac(this.#keys, iv, covered);
  }

  /** The reply that was made with this MAC is the one that the panel's next command is chained to. */
  sent(mac: Uint8Array): void {
    this.#ownMac = mac;
  }
}
