import { unreachable } from '#hub/kernel/result.ts';

/** Commands as bytes (OSDP 2.2, 6). Numbers are little endian; times in 100 ms, as on the line. */

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
