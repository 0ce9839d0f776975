import { seededRandom } from '#tests/_support/seeded-random.ts';
import type { DeviceReport, KeyCoding } from './pd-device.ts';
import type { KeyKind } from './pd-secure.ts';

export type PeripheralReport =
  | DeviceReport
  | { keyset: { key: string } }
  | { comset: { address: number; baudRate: number } }
  /** A channel stands. */
  | { secure: { key: KeyKind } }
  | { command: { id: number; sequence: number; secure: boolean; data: string } }
  /** The panel did what the standard or the design forbids. */
  | { violation: string };

export interface PeripheralOptions {
  address: number;
  baudRate: number;
  /** 16 bytes; without it the peripheral is as from the factory. */
  ownKey: Uint8Array | null;
  /** What needs a channel: with 'cards' events wait for it, with 'everything' all but ID, CAP and the handshake gets NAK 6. By key: 'cards' with an own one, else 'nothing'. */
  secureFor: 'nothing' | 'cards' | 'everything' | 'byKey';
  /** Whether the handshake with the default key is taken although there is an own one. */
  acceptsDefaultKey: boolean;
  /** Without it CHLNG gets NAK 5 and the capabilities say so. */
  secureCapable: boolean;
  /** In a channel NAKs come plain; else they come with a MAC. */
  plainNaks: boolean;
  plainKeysetAck: boolean;
  /** 'endsSession': NAK, and the session is over. */
  onBadCheck: 'nak' | 'silent' | 'endsSession';
  /** Frames with another check are not heard. */
  knowsChecks: 'both' | 'crc' | 'checksum';
  /** A panel that has not the key hears NAK 6, or RMAC_I whose security block says "refused". */
  onBadCryptogram: 'nak' | 'rmacRefused';
  /** Whose address a reply to 7F carries. */
  broadcastReply: 'broadcast' | 'own';
  outReply: 'ack' | 'ostatr';
  keyCoding: KeyCoding;
  /** FF before every reply. */
  leadingMark: boolean;
  identity: readonly number[];
  capabilities: readonly (readonly [number, number, number])[];
  /** Without a command for this long the session is over. */
  sessionMs: number;
  now: () => number;
  /** Of the faults and of RND.B, so that a run can be repeated. */
  seed: number;
  /** RND.B; 8 bytes are asked for. */
  randomBytes: (length: number) => Uint8Array;
  report: (report: PeripheralReport) => void;
}

export const securityFunction = 9;

/** Two inputs, two timed outputs, card bits, LEDs of three colours, buzzer, text, CRC, AES-128 with a default key, 256 byte buffers, one reader, 2.2. */
const usualCapabilities: PeripheralOptions['capabilities'] = [
  [1, 1, 2],
  [2, 4, 2],
  [3, 1, 0],
  [4, 4, 1],
  [5, 2, 1],
  [6, 1, 1],
  [8, 1, 0],
  [securityFunction, 1, 1],
  [10, 0, 1],
  [11, 0, 1],
  [13, 1, 1],
  [16, 2, 0],
];

export function completeOptions(given: Partial<PeripheralOptions>): PeripheralOptions {
  const address = given.address ?? 0;
  const random = seededRandom((given.seed ?? 1) ^ 0x5eed);
  return {
    address,
    baudRate: 9600,
    ownKey: null,
    knowsChecks: 'both',
    secureFor: 'byKey',
    acceptsDefaultKey: false,
    secureCapable: true,
    plainNaks: true,
    plainKeysetAck: false,
    onBadCheck: 'nak',
    onBadCryptogram: 'nak',
    broadcastReply: 'broadcast',
    outReply: 'ack',
    keyCoding: 'standard',
    leadingMark: false,
    identity: [0x4d, 0x4b, 0x43, 0x01, 0x02, address, 0x00, 0x00, 0x10, 1, 2, 3],
    capabilities: usualCapabilities,
    sessionMs: 8000,
    now: () => performance.now(),
    seed: 1,
    randomBytes: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
    report: () => undefined,
    ...given,
  };
}
