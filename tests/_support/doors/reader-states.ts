import type { ReaderState } from '#hub/domains/access/controllers/link-schema.ts';

/** A Wiegand reader that is well. */
export const wiegandState = (key: string, change: Partial<ReaderState> = {}): ReaderState => ({
  key,
  frameBits: null,
  kind: 'wiegand',
  link: 'online',
  problem: null,
  channel: null,
  pairingUntilMs: null,
  pairingEnded: null,
  tamper: null,
  powerFault: null,
  inputs: [],
  outputs: [],
  identity: null,
  quirks: [],
  lastReadMs: null,
  lastBits: null,
  lastKeysMs: null,
  goodFrames: 0,
  faultyFrames: 0,
  parityFaults: 0,
  lostBits: 0,
  timeouts: 0,
  ...change,
});

/** An OSDP reader that is paired and well. */
export const osdpState = (key: string, change: Partial<ReaderState> = {}): ReaderState =>
  wiegandState(key, {
    kind: 'osdp',
    channel: 'ownKey',
    tamper: false,
    powerFault: false,
    identity: 'maker 5c:26:23, model 12, firmware 2.1.0, serial 0012f3a1',
    goodFrames: 48_211,
    ...change,
  });
