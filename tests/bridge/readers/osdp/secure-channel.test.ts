import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame, type Frame, type FrameParts, frameDecoder } from '#bridge/readers/osdp/wire/frame.ts';
import {
  decryptData,
  deriveSessionKeys,
  encryptData,
  initialReplyMac,
  installKey,
  macOf,
  panelCryptogram,
  peripheralCryptogram,
  type SecureSession,
  sameBytes,
  secureSession,
} from '#bridge/readers/osdp/wire/secure-channel.ts';
import { bytesOf, hexOf } from './fixtures.ts';

const panelRandom = bytesOf('b0b1b2b3b4b5b6b7');
const readerRandom = bytesOf('a0a1a2a3a4a5a6a7');
const keys = deriveSessionKeys(installKey, panelRandom);
const replyMacI = bytesOf('b2a30057eb98ba2229ec1f875662b524');

const poll: FrameParts = {
  address: 0,
  isReply: false,
  sequence: 1,
  crc: true,
  security: null,
  id: 0x60,
  data: new Uint8Array(),
};
const onlyFrame = (bytes: Uint8Array): Frame => {
  const [outcome] = frameDecoder(true).push(bytes);
  if (outcome?.kind !== 'frame') throw new Error('not a frame');
  return outcome.frame;
};

/** What a reader would answer to the command that `session` wrapped last. */
function replyTo(command: Uint8Array, id: number, data: Uint8Array, iv = replyMacI): Uint8Array {
  const commandMac = macOf(keys, iv, onlyFrame(command).covered);
  const hasData = data.length > 0;
  return encodeFrame(
    {
      ...poll,
      isReply: true,
      id,
      security: { type: hasData ? 0x18 : 0x16, data: new Uint8Array() },
      data: hasData ? encryptData(keys, commandMac, data) : data,
    },
    (covered) => macOf(keys, commandMac, covered),
  );
}
const newSession = (): SecureSession => secureSession(keys, replyMacI);

describe("the vectors of the standard's annex", () => {
  const cryptogram = panelCryptogram(keys, panelRandom, readerRandom);
  test.each([
    ['ENC', keys.enc, 'bf8dc2a8329acb8c67c6d0cd9a451682'],
    ['MAC1', keys.mac1, '5e86c676603bdee2d8beafe178637332'],
    ['MAC2', keys.mac2, '6fda86e857777e81132035758239172e'],
    ['the cryptogram of the panel', cryptogram, '26d3356e07762d262801fc8e6665a891'],
    [
      'the cryptogram of the peripheral',
      peripheralCryptogram(keys, panelRandom, readerRandom),
      'fde5d2f428ec16312471ea3c02bd7796',
    ],
    ['RMAC_I', initialReplyMac(keys, cryptogram), 'b2a30057eb98ba2229ec1f875662b524'],
    ['the install key', installKey, '303132333435363738393a3b3c3d3e3f'],
  ])('%s comes out', (_, bytes, hex) => {
    expect(hexOf(bytes)).toBe(hex);
  });
});

describe('data', () => {
  test('comes back for every length, and is always padded', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (data) => {
        const encrypted = encryptData(keys, replyMacI, data);
        expect(encrypted.length).toBe((Math.floor(data.length / 16) + 1) * 16);
        expect(decryptData(keys, replyMacI, encrypted)).toEqual(data);
      }),
    );
  });

  test('that is no whole blocks, or has no padding, is refused', () => {
    expect(decryptData(keys, replyMacI, new Uint8Array())).toBeNull();
    expect(decryptData(keys, replyMacI, new Uint8Array(15))).toBeNull();
    const withoutPadding = encryptData(keys, replyMacI, new Uint8Array(16).fill(7)).subarray(0, 16);
    expect(decryptData(keys, replyMacI, withoutPadding)).toBeNull();
  });
});

describe('a session', () => {
  test('a poll carries block 15 and four bytes of MAC, a command with data block 17', () => {
    const session = newSession();
    const bytes = session.wrap(poll);
    expect(hexOf(bytes.subarray(0, 8))).toBe('53000e000d021560');
    expect(bytes).toHaveLength(14);
    const led = newSession().wrap({ ...poll, id: 0x69, data: new Uint8Array(14) });
    expect(onlyFrame(led).security?.type).toBe(0x17);
    expect(onlyFrame(led).data).toHaveLength(16);
  });

  test('opens the reply to its last command, with and without data', () => {
    const session = newSession();
    const first = session.wrap(poll);
    const firstReply = replyTo(first, 0x40, new Uint8Array());
    expect(session.unwrap(onlyFrame(firstReply))).toEqual({ data: new Uint8Array(), form: 'sealed' });
    const replyMac = macOf(
      keys,
      macOf(keys, replyMacI, onlyFrame(first).covered),
      onlyFrame(firstReply).covered,
    );
    const second = session.wrap({ ...poll, sequence: 2 });
    const reply = replyTo(second, 0x50, bytesOf('000102'), replyMac);
    expect(session.unwrap(onlyFrame(reply))).toEqual({ data: bytesOf('000102'), form: 'sealed' });
  });

  test('opens a reply once', () => {
    const session = newSession();
    const reply = onlyFrame(replyTo(session.wrap(poll), 0x50, bytesOf('01')));
    expect(session.unwrap(reply)?.data).toEqual(bytesOf('01'));
    expect(session.unwrap(reply)).toBeNull();
    session.wrap({ ...poll, sequence: 2 });
    expect(session.unwrap(reply)).toBeNull();
  });

  test('a wrong reply does not move the chain: the right one is still opened', () => {
    const session = newSession();
    const reply = replyTo(session.wrap(poll), 0x50, bytesOf('01'));
    const wrong = onlyFrame(reply);
    expect(session.unwrap({ ...wrong, mac: wrong.mac!.map((byte) => byte ^ 1) })).toBeNull();
    expect(session.unwrap(onlyFrame(reply))?.data).toEqual(bytesOf('01'));
  });

  test.each([
    ['block 16 with data', 0x16, '01', { data: bytesOf('01'), form: 'open' }],
    ['block 15 with data', 0x15, '01', { data: bytesOf('01'), form: 'open' }],
    ['an empty block 18', 0x18, '', { data: bytesOf(''), form: 'emptyBlock' }],
    ['a block 18 that does not decrypt', 0x18, '01', { data: bytesOf(''), form: 'unreadable' }],
  ])('%s is opened for its right MAC, and said to be what it is', (_, type, data, unwrapped) => {
    const session = newSession();
    const commandMac = macOf(keys, replyMacI, onlyFrame(session.wrap(poll)).covered);
    const open = encodeFrame(
      {
        ...poll,
        isReply: true,
        id: 0x48,
        security: { type, data: new Uint8Array() },
        data: bytesOf(data),
      },
      (covered) => macOf(keys, commandMac, covered),
    );
    const frame = onlyFrame(open);
    const wrong = { ...frame, mac: frame.mac!.map((byte) => byte ^ 1) };
    expect(session.unwrap(wrong)).toBeNull();
    expect(session.unwrap(frame)).toEqual(unwrapped);
  });

  test('our own command is not a reply', () => {
    const session = newSession();
    expect(session.unwrap(onlyFrame(session.wrap(poll)))).toBeNull();
  });
});

test('bytes are the same only with the same length and content', () => {
  expect(sameBytes(bytesOf('0102'), bytesOf('0102'))).toBe(true);
  expect(sameBytes(bytesOf('0102'), bytesOf('0103'))).toBe(false);
  expect(sameBytes(bytesOf('0102'), bytesOf('01'))).toBe(false);
});
