import { unreachable } from '#hub/kernel/result.ts';

/**
 * Encodes commands and parses replies (OSDP 2.2, 6 and 7). Numbers are little endian; times in 100 ms, as on the
 * line.
 */

/** Colours of a lamp (OSDP 2.2, 6.10). */
export const ledColors = { black: 0, red: 1, green: 2, amber: 3, blue: 4 } as const;
export type LedColor = (typeof ledColors)[keyof typeof ledColors];

/** Times are in units of 100 ms, 0 to 255. */
export interface LedBlink {
  readonly on: number;
  readonly off: number;
  readonly onColor: LedColor;
  readonly offColor: LedColor;
}

export interface LedCommand {
  readonly kind: 'led';
  readonly reader: number;
  readonly led: number;
  /** `timer` in 100 ms; then the permanent state shows again. */
  readonly temporary: 'keep' | 'cancel' | (LedBlink & { readonly timer: number });
  readonly permanent: 'keep' | LedBlink;
}

export interface BuzzerCommand {
  readonly kind: 'buzzer';
  readonly reader: number;
  readonly tone: 'off' | 'default';
  readonly on: number;
  readonly off: number;
  /** 0: until another command. */
  readonly count: number;
}

/** Control code of OUT (OSDP 2.2, 6.9): on for `timer`, then back to the previous state. */
export const timedOnCode = 5;

export interface OutputCommand {
  readonly kind: 'output';
  /** From 0. */
  readonly output: number;
  /** 1 off, 2 on, or `timedOnCode`. */
  readonly code: number;
  /** 100 ms, 0 to 65535. */
  readonly timer: number;
}

export interface TextCommand {
  readonly kind: 'text';
  readonly reader: number;
  /** Seconds; 0: until another text. */
  readonly seconds: number;
  readonly row: number;
  readonly column: number;
  /** Printable ASCII, 32 characters at most; the rest is cut off. */
  readonly text: string;
}

export type Command =
  | { readonly kind: 'poll' }
  | { readonly kind: 'identity' }
  | { readonly kind: 'capabilities' }
  | { readonly kind: 'localStatus' }
  | { readonly kind: 'inputStatus' }
  | { readonly kind: 'outputStatus' }
  | { readonly kind: 'readerStatus' }
  | OutputCommand
  | LedCommand
  | BuzzerCommand
  | TextCommand
  | { readonly kind: 'communication'; readonly address: number; readonly baudRate: number }
  | { readonly kind: 'keySet'; readonly key: Uint8Array }
  | { readonly kind: 'challenge'; readonly panelRandom: Uint8Array; readonly ownKey: boolean }
  | { readonly kind: 'crypt'; readonly cryptogram: Uint8Array; readonly ownKey: boolean }
  | { readonly kind: 'receiveSize'; readonly bytes: number }
  | { readonly kind: 'keepActive'; readonly ms: number };

const commandIds: Readonly<Record<Command['kind'], number>> = {
  poll: 0x60,
  identity: 0x61,
  capabilities: 0x62,
  localStatus: 0x64,
  inputStatus: 0x65,
  outputStatus: 0x66,
  readerStatus: 0x67,
  output: 0x68,
  led: 0x69,
  buzzer: 0x6a,
  text: 0x6b,
  communication: 0x6e,
  keySet: 0x75,
  challenge: 0x76,
  crypt: 0x77,
  receiveSize: 0x7b,
  keepActive: 0xa7,
};

const u16 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];

function ledBytes(command: LedCommand): number[] {
  const { temporary, permanent } = command;
  const blink = (each: LedBlink): number[] => [each.on, each.off, each.onColor, each.offColor];
  const nothing = [0, 0, 0, 0];
  const temporaryBytes =
    typeof temporary === 'string'
      ? [temporary === 'cancel' ? 1 : 0, ...nothing, 0, 0]
      : [2, ...blink(temporary), ...u16(temporary.timer)];
  const permanentBytes = permanent === 'keep' ? [0, ...nothing] : [1, ...blink(permanent)];
  return [command.reader, command.led, ...temporaryBytes, ...permanentBytes];
}

function textBytes(command: TextCommand): number[] {
  const characters = Array.from(command.text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 32), (character) =>
    character.charCodeAt(0),
  );
  const isTemporary = command.seconds > 0;
  return [
    command.reader,
    isTemporary ? 3 : 1,
    command.seconds,
    command.row,
    command.column,
    characters.length,
    ...characters,
  ];
}

function commandBytes(command: Command): readonly number[] | Uint8Array {
  switch (command.kind) {
    case 'poll':
    case 'localStatus':
    case 'inputStatus':
    case 'outputStatus':
    case 'readerStatus':
      return [];
    case 'identity':
    case 'capabilities':
      return [0];
    case 'output':
      return [command.output, command.code, ...u16(command.timer)];
    case 'led':
      return ledBytes(command);
    case 'buzzer':
      return [command.reader, command.tone === 'off' ? 1 : 2, command.on, command.off, command.count];
    case 'text':
      return textBytes(command);
    case 'communication':
      return [command.address, ...u32(command.baudRate)];
    case 'keySet':
      return [0x01, command.key.length, ...command.key];
    case 'challenge':
      return command.panelRandom;
    case 'crypt':
      return command.cryptogram;
    case 'receiveSize':
      return u16(command.bytes);
    case 'keepActive':
      return u16(command.ms);
    default:
      return unreachable(command);
  }
}

export const encodeCommand = (command: Command): { readonly id: number; readonly data: Uint8Array } => ({
  id: commandIds[command.kind],
  data: Uint8Array.from(commandBytes(command)),
});

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
  keys: 0x53,
  communication: 0x54,
  challengeReply: 0x76,
  cryptReply: 0x78,
  busy: 0x79,
} as const;

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
  return Array.from({ length: data.length / 3 }, (_, index) => ({
    code: data[index * 3] ?? 0,
    compliance: data[index * 3 + 1] ?? 0,
    count: data[index * 3 + 2] ?? 0,
  }));
}

function cardOf(data: Uint8Array): Reply | null {
  if (data.length < 4) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const bits = view.getUint16(2, true);
  if (data.length !== 4 + Math.ceil(bits / 8)) return null;
  return { kind: 'card', reader: view.getUint8(0), format: view.getUint8(1), bits, data: data.slice(4) };
}

/** Readers send `*` and `#` as themselves, or as 7F and 0D (OSDP 2.2, 7.12); other keys are left out. */
const keyOf = (code: number): string => {
  if (code >= 0x30 && code <= 0x39) return String.fromCharCode(code);
  if (code === 0x2a || code === 0x7f) return '*';
  return code === 0x23 || code === 0x0d ? '#' : '';
};

function keysOf(data: Uint8Array): Reply | null {
  const [reader, count] = data;
  if (reader === undefined || count === undefined || data.length !== 2 + count) return null;
  return { kind: 'keys', reader, keys: Array.from(data.subarray(2), keyOf).join('') };
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
      return data.length === 12 ? { kind: 'identity', text: identityText(data) } : null;
    case replyIds.capabilities:
      return data.length % 3 === 0 ? { kind: 'capabilities', capabilities: capabilitiesOf(data) } : null;
    case replyIds.localStatus:
      return data.length === 2
        ? { kind: 'localStatus', tamper: first !== 0, powerFault: second !== 0 }
        : null;
    case replyIds.inputStatus:
      return { kind: 'inputStatus', active: levels(data) };
    case replyIds.outputStatus:
      return { kind: 'outputStatus', active: levels(data) };
    case replyIds.readerStatus:
      return { kind: 'readerStatus', states: [...data] };
    case replyIds.card:
      return cardOf(data);
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

/** Parses a reply. Never throws: a bad shape is `malformed`, an unsupported id is `unknown`. */
export const parseReply = (id: number, data: Uint8Array): Reply =>
  knownReply(id, data) ?? { kind: 'malformed', id };
