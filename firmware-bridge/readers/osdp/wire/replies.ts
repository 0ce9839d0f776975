import type { OsdpQuirk } from '../problems.ts';

/** Replies as values (OSDP 2.2, 7). Numbers are little endian; times in 100 ms, as on the line. */

/** Codes of NAK (OSDP 2.2, 7.3). */
export const nakCodes = {
  check: 1,
  length: 2,
  unknownCommand: 3,
  sequence: 4,
  secureChannelUnsupported: 5,
  secureChannelCondition: 6,
} as const;

export interface Capability {
  readonly code: number;
  readonly compliance: number;
  readonly count: number;
}
/** Capability functions (OSDP 2.2, annex B) that the panel uses. */
export const capabilityCodes = { inputs: 1, outputs: 2 } as const;

export type Reply =
  | { readonly kind: 'ack' }
  | { readonly kind: 'nak'; readonly code: number }
  | { readonly kind: 'identity'; readonly text: string }
  | { readonly kind: 'capabilities'; readonly capabilities: readonly Capability[] }
  | { readonly kind: 'localStatus'; readonly tamper: boolean; readonly powerFault: boolean }
  | { readonly kind: 'inputStatus'; readonly active: readonly boolean[] }
  | { readonly kind: 'outputStatus'; readonly active: readonly boolean[] }
  /** 0 normal, 1 not connected, 2 tampered, for each read head. */
  | { readonly kind: 'readerStatus'; readonly states: readonly number[] }
  | {
      readonly kind: 'card';
      readonly reader: number;
      /** 0 raw, 1 parity-checked Wiegand. */
      readonly format: number;
      readonly bits: number;
      readonly data: Uint8Array;
    }
  | { readonly kind: 'keys'; readonly reader: number; readonly keys: string }
  | { readonly kind: 'communication'; readonly address: number; readonly baudRate: number }
  | {
      readonly kind: 'challengeReply';
      readonly clientId: Uint8Array;
      readonly peripheralRandom: Uint8Array;
      readonly cryptogram: Uint8Array;
    }
  | { readonly kind: 'cryptReply'; readonly replyMac: Uint8Array }
  | { readonly kind: 'busy' }
  /** A card or keys that anybody at the cable could read; not taken. */
  | { readonly kind: 'refusedCard' }
  /** A known reply of an impossible shape. */
  | { readonly kind: 'malformed'; readonly id: number }
  | { readonly kind: 'unknown'; readonly id: number };

export const replyIds = {
  ack: 0x40,
  nak: 0x41,
  identity: 0x45,
  capabilities: 0x46,
  localStatus: 0x48,
  inputStatus: 0x49,
  outputStatus: 0x4a,
  readerStatus: 0x4b,
  card: 0x50,
  formatted: 0x51,
  keys: 0x53,
  communication: 0x54,
  challengeReply: 0x76,
  cryptReply: 0x78,
  busy: 0x79,
} as const;

const identityBytes = 12;

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const levels = (data: Uint8Array): boolean[] => Array.from(data, (byte) => byte !== 0);

function identityText(data: Uint8Array): string {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const vendor = hex(data.subarray(0, 3));
  const firmware = data.subarray(9, 12).join('.');
  return `vendor ${vendor}, model ${view.getUint8(3)}.${view.getUint8(4)}, serial ${view.getUint32(5, true)}, firmware ${firmware}`;
}

function capabilitiesOf(data: Uint8Array): Capability[] {
  return Array.from({ length: Math.floor(data.length / 3) }, (_, index) => ({
    code: data[index * 3] ?? 0,
    compliance: data[index * 3 + 1] ?? 0,
    count: data[index * 3 + 2] ?? 0,
  }));
}

function cardOf(data: Uint8Array): Reply | null {
  if (data.length < 4) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const bits = view.getUint16(2, true);
  const end = 4 + Math.ceil(bits / 8);
  if (data.length < end) return null;
  return { kind: 'card', reader: view.getUint8(0), format: view.getUint8(1), bits, data: data.slice(4, end) };
}

/** Readers send `*` and `#` as themselves, or as 7F and 0D (OSDP 2.2, 7.12); other keys are left out. */
const keyOf = (code: number): string => {
  if (code >= 0x30 && code <= 0x39) return String.fromCharCode(code);
  if (code === 0x2a || code === 0x7f) return '*';
  return code === 0x23 || code === 0x0d ? '#' : '';
};

function keysOf(data: Uint8Array): Reply | null {
  const [reader, count] = data;
  if (reader === undefined || count === undefined || data.length < 2 + count) return null;
  return { kind: 'keys', reader, keys: Array.from(data.subarray(2, 2 + count), keyOf).join('') };
}

/** Formatted data (OSDP 2.2, 7.11), in which some keypads send what is typed; anything but keys is no such text. */
function formattedOf(data: Uint8Array): Reply | null {
  const [reader, direction, count] = data;
  if (reader === undefined || direction === undefined || count === undefined) return null;
  if (data.length < 3 + count) return null;
  const keys = Array.from(data.subarray(3, 3 + count), keyOf);
  if (direction === 1) keys.reverse();
  return keys.includes('') ? null : { kind: 'keys', reader, keys: keys.join('') };
}

function communicationOf(data: Uint8Array): Reply | null {
  if (data.length !== 5) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return { kind: 'communication', address: view.getUint8(0) & 0x7f, baudRate: view.getUint32(1, true) };
}

function challengeReplyOf(data: Uint8Array): Reply | null {
  if (data.length !== 32) return null;
  return {
    kind: 'challengeReply',
    clientId: data.slice(0, 8),
    peripheralRandom: data.slice(8, 16),
    cryptogram: data.slice(16),
  };
}

function knownReply(id: number, data: Uint8Array): Reply | null {
  const [first, second] = data;
  switch (id) {
    case replyIds.ack:
      return { kind: 'ack' };
    case replyIds.nak:
      return first === undefined ? null : { kind: 'nak', code: first };
    case replyIds.identity:
      return data.length >= identityBytes ? { kind: 'identity', text: identityText(data) } : null;
    case replyIds.capabilities:
      return { kind: 'capabilities', capabilities: capabilitiesOf(data) };
    case replyIds.localStatus:
      return first === undefined || second === undefined
        ? null
        : { kind: 'localStatus', tamper: first !== 0, powerFault: second !== 0 };
    case replyIds.inputStatus:
      return { kind: 'inputStatus', active: levels(data) };
    case replyIds.outputStatus:
      return { kind: 'outputStatus', active: levels(data) };
    case replyIds.readerStatus:
      return { kind: 'readerStatus', states: [...data] };
    case replyIds.card:
      return cardOf(data);
    case replyIds.formatted:
      return formattedOf(data);
    case replyIds.keys:
      return keysOf(data);
    case replyIds.communication:
      return communicationOf(data);
    case replyIds.challengeReply:
      return challengeReplyOf(data);
    case replyIds.cryptReply:
      return data.length === 16 ? { kind: 'cryptReply', replyMac: data.slice() } : null;
    case replyIds.busy:
      return { kind: 'busy' };
    default:
      return { kind: 'unknown', id };
  }
}

/** The length that the standard gives the data of a reply; null: any. */
function lengthOf(id: number, data: Uint8Array): number | null {
  const [, second, third] = data;
  switch (id) {
    case replyIds.identity:
      return identityBytes;
    case replyIds.capabilities:
      return data.length - (data.length % 3);
    case replyIds.localStatus:
      return 2;
    case replyIds.card:
      return 4 + Math.ceil(((third ?? 0) | ((data[3] ?? 0) << 8)) / 8);
    case replyIds.keys:
      return 2 + (second ?? 0);
    case replyIds.formatted:
      return 3 + (third ?? 0);
    default:
      return null;
  }
}

/** What of a reply is otherwise than in the standard; null: nothing. */
export function quirkOf(id: number, data: Uint8Array): OsdpQuirk | null {
  if (id === replyIds.formatted) return 'formattedKeys';
  const length = lengthOf(id, data);
  return length !== null && data.length > length ? 'surplusBytes' : null;
}

/**
 * Parses a reply. Never throws: a bad shape is `malformed`, an unsupported id is `unknown`. Bytes beyond the data are
 * passed over.
 */
export const parseReply = (id: number, data: Uint8Array): Reply =>
  knownReply(id, data) ?? { kind: 'malformed', id };
