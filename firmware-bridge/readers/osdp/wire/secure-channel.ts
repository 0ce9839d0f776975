import {
  type Cipheriv,
  createCipheriv,
  createDecipheriv,
  type Decipheriv,
  timingSafeEqual,
} from 'node:crypto';
import { encodeFrame, type Frame, type FrameParts, macBytes } from './frame.ts';

/** The secure channel of OSDP 2.2, annex D: AES-128, a MAC chain over both directions, encrypted data. */

export const keyBytes = 16;
const blockBytes = 16;

/** SCBK-D, the factory key of every reader. Everybody knows it. */
export const installKey: Uint8Array = Uint8Array.from({ length: keyBytes }, (_, index) => 0x30 + index);

export const securityTypes = {
  challenge: 0x11,
  challengeReply: 0x12,
  crypt: 0x13,
  cryptReply: 0x14,
  commandMac: 0x15,
  replyMac: 0x16,
  commandData: 0x17,
  replyData: 0x18,
} as const;

export interface SessionKeys {
  readonly enc: Uint8Array;
  readonly mac1: Uint8Array;
  readonly mac2: Uint8Array;
}

// One of each per key, because making one costs several times more than a frame's blocks. Single blocks leave no
// state behind; the chain is built from them.
const ciphers = new WeakMap<Uint8Array, Cipheriv>();
const deciphers = new WeakMap<Uint8Array, Decipheriv>();

function encryptBlock(key: Uint8Array, block: Uint8Array): Uint8Array {
  const cipher = ciphers.get(key) ?? createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  ciphers.set(key, cipher);
  return cipher.update(block);
}

function decryptBlocks(key: Uint8Array, blocks: Uint8Array): Uint8Array {
  const decipher = deciphers.get(key) ?? createDecipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  deciphers.set(key, decipher);
  return decipher.update(blocks);
}

/** CBC: each block is XORed with the previous ciphertext block, then encrypted. */
function encryptChain(key: Uint8Array, iv: Uint8Array, blocks: Uint8Array): Uint8Array {
  const result = new Uint8Array(blocks.length);
  let before = iv;
  for (let at = 0; at < blocks.length; at += blockBytes) {
    before = encryptBlock(key, xor(blocks.subarray(at, at + blockBytes), before));
    result.set(before, at);
  }
  return result;
}

function decryptChain(key: Uint8Array, iv: Uint8Array, blocks: Uint8Array): Uint8Array {
  return xor(decryptBlocks(key, blocks), joined(iv, blocks));
}

function xor(bytes: Uint8Array, others: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length);
  for (const [index, byte] of bytes.entries()) result[index] = byte ^ (others[index] ?? 0);
  return result;
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b);

/** `key` has 16 bytes, `panelRandom` (RND.A) 8, of which 6 go into the keys. */
export function deriveSessionKeys(key: Uint8Array, panelRandom: Uint8Array): SessionKeys {
  const derive = (first: number, second: number): Uint8Array => {
    const block = new Uint8Array(blockBytes);
    block.set([first, second]);
    block.set(panelRandom.subarray(0, 6), 2);
    return encryptBlock(key, block);
  };
  return { enc: derive(0x01, 0x82), mac1: derive(0x01, 0x01), mac2: derive(0x01, 0x02) };
}

/** The peripheral's proof that it has the key. */
export const peripheralCryptogram = (keys: SessionKeys, a: Uint8Array, b: Uint8Array): Uint8Array =>
  encryptBlock(keys.enc, joined(a, b));

/** The panel's proof. */
export const panelCryptogram = (keys: SessionKeys, a: Uint8Array, b: Uint8Array): Uint8Array =>
  encryptBlock(keys.enc, joined(b, a));

/** RMAC_I: the MAC before the first one. */
export const initialReplyMac = (keys: SessionKeys, cryptogram: Uint8Array): Uint8Array =>
  encryptBlock(keys.mac2, encryptBlock(keys.mac1, cryptogram));

/** `80 00 ..` up to the next whole block. */
function padded(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array((Math.floor(bytes.length / blockBytes) + 1) * blockBytes);
  result.set(bytes);
  result[bytes.length] = 0x80;
  return result;
}

/** All 16 bytes of the MAC: the last block under MAC2, those before it under MAC1. Padded only if unaligned. */
export function macOf(keys: SessionKeys, iv: Uint8Array, bytes: Uint8Array): Uint8Array {
  const blocks = bytes.length % blockBytes === 0 && bytes.length > 0 ? bytes : padded(bytes);
  const last = blocks.subarray(blocks.length - blockBytes);
  const before = blocks.subarray(0, blocks.length - blockBytes);
  const chained = before.length === 0 ? iv : encryptChain(keys.mac1, iv, before).subarray(-blockBytes);
  return encryptChain(keys.mac2, chained, last);
}

const inverse = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 0xff);

/** Always pads; the IV is the inverse of the other side's last MAC. */
export const encryptData = (keys: SessionKeys, otherMac: Uint8Array, data: Uint8Array): Uint8Array =>
  encryptChain(keys.enc, inverse(otherMac), padded(data));

/** Decrypts and removes the padding; null if these are not whole blocks or the padding is missing. */
export function decryptData(keys: SessionKeys, otherMac: Uint8Array, data: Uint8Array): Uint8Array | null {
  if (data.length === 0 || data.length % blockBytes !== 0) return null;
  const plain = decryptChain(keys.enc, inverse(otherMac), data);
  let end = plain.length - 1;
  while (end > plain.length - blockBytes && plain[end] === 0) end -= 1;
  return plain[end] === 0x80 ? plain.subarray(0, end) : null;
}

export interface SecureSession {
  /** Encodes and seals a command. Wrapping it again makes a new one; a retry resends the first bytes. */
  wrap(parts: FrameParts): Uint8Array;
  /** Opens the reply to the last wrapped command, once; null if it is not one: its MAC is wrong. */
  unwrap(frame: Frame): Unwrapped | null;
}

/** A reply with a right MAC. */
export interface Unwrapped {
  readonly data: Uint8Array;
  /**
   * `sealed`: as in the standard. `open`: anybody at the cable can read the data. `emptyBlock`: announced as
   * encrypted, without any data. `unreadable`: does not decrypt, so there is no data.
   */
  readonly form: 'sealed' | 'open' | 'emptyBlock' | 'unreadable';
}

const noData = new Uint8Array();

/** Takes the data out of a frame whose MAC is right; `commandMac` is the MAC of the command that it answers. */
function dataOf(keys: SessionKeys, commandMac: Uint8Array, { security, data }: Frame): Unwrapped {
  const isEncrypted =
    security?.type === securityTypes.replyData || security?.type === securityTypes.commandData;
  if (!isEncrypted) return { data, form: data.length > 0 ? 'open' : 'sealed' };
  if (data.length === 0) return { data, form: 'emptyBlock' };
  const plain = decryptData(keys, commandMac, data);
  return plain === null ? { data: noData, form: 'unreadable' } : { data: plain, form: 'sealed' };
}

/** A session from RMAC_I on. Only a valid reply advances the chain. */
export function secureSession(keys: SessionKeys, replyMac: Uint8Array): SecureSession {
  let lastReplyMac = replyMac;
  let commandMac: Uint8Array | null = null;

  return {
    wrap(parts) {
      const hasData = parts.data.length > 0;
      const secured: FrameParts = {
        ...parts,
        security: {
          type: hasData ? securityTypes.commandData : securityTypes.commandMac,
          data: new Uint8Array(),
        },
        data: hasData ? encryptData(keys, lastReplyMac, parts.data) : parts.data,
      };
      return encodeFrame(secured, (covered) => {
        commandMac = macOf(keys, lastReplyMac, covered);
        return commandMac;
      });
    },
    unwrap(frame) {
      if (commandMac === null || frame.mac === null) return null;
      const mac = macOf(keys, commandMac, frame.covered);
      if (!sameBytes(mac.subarray(0, macBytes), frame.mac)) return null;
      const unwrapped = dataOf(keys, commandMac, frame);
      lastReplyMac = mac;
      commandMac = null;
      return unwrapped;
    },
  };
}
