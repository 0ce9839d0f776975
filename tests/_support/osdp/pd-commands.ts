/** Ids and data of commands and replies (OSDP 2.2, 6 and 7). */

export const commandIds = {
  poll: 0x60,
  id: 0x61,
  cap: 0x62,
  lstat: 0x64,
  istat: 0x65,
  ostat: 0x66,
  rstat: 0x67,
  out: 0x68,
  led: 0x69,
  buz: 0x6a,
  text: 0x6b,
  comset: 0x6e,
  keyset: 0x75,
  chlng: 0x76,
  scrypt: 0x77,
  acurxsize: 0x7b,
  mfg: 0x80,
  keepactive: 0xa7,
} as const;

export const replyIds = {
  ack: 0x40,
  nak: 0x41,
  pdid: 0x45,
  pdcap: 0x46,
  lstatr: 0x48,
  istatr: 0x49,
  ostatr: 0x4a,
  rstatr: 0x4b,
  raw: 0x50,
  keypad: 0x53,
  com: 0x54,
  ccrypt: 0x76,
  rmacI: 0x78,
  busy: 0x79,
  mfgrep: 0x90,
} as const;

export const nakCodes = {
  check: 1,
  length: 2,
  unknown: 3,
  sequence: 4,
  securityUnsupported: 5,
  securityConditions: 6,
} as const;

const exactly = (wanted: number) => (length: number) => length === wanted;
const records = (size: number) => (length: number) => length > 0 && length % size === 0;
const atLeast = (least: number) => (length: number) => length >= least;

/** The lengths of plain data that a command may have; an id that is not here is unknown. */
const dataLengths = new Map<number, (length: number) => boolean>([
  [commandIds.poll, exactly(0)],
  [commandIds.id, exactly(1)],
  [commandIds.cap, exactly(1)],
  [commandIds.lstat, exactly(0)],
  [commandIds.istat, exactly(0)],
  [commandIds.ostat, exactly(0)],
  [commandIds.rstat, exactly(0)],
  [commandIds.out, records(4)],
  [commandIds.led, records(14)],
  [commandIds.buz, exactly(5)],
  [commandIds.text, atLeast(6)],
  [commandIds.comset, exactly(5)],
  [commandIds.keyset, exactly(18)],
  [commandIds.chlng, exactly(8)],
  [commandIds.scrypt, exactly(16)],
  [commandIds.acurxsize, exactly(2)],
  [commandIds.mfg, atLeast(3)],
  [commandIds.keepactive, exactly(2)],
]);

export function checkData(id: number, data: Uint8Array): 'good' | 'unknown' | 'length' {
  const fits = dataLengths.get(id);
  if (fits === undefined) return 'unknown';
  return fits(data.length) ? 'good' : 'length';
}

export interface LedCommand {
  reader: number;
  led: number;
  /** Code 0 leaves it, 1 ends it, 2 sets it. Times in 100 ms. */
  temporary: {
    code: number;
    on: number;
    off: number;
    onColor: number;
    offColor: number;
    timer: number;
  };
  /** Code 0 leaves it, 1 sets it. */
  permanent: { code: number; on: number; off: number; onColor: number; offColor: number };
}
/** Tone 1 off, 2 the default tone; times in 100 ms; count 0 is for ever. */
export interface BuzzerCommand {
  reader: number;
  tone: number;
  on: number;
  off: number;
  count: number;
}
/** Code 1 off, 2 on, 5 on for `timer` x 100 ms. */
export interface OutputCommand {
  output: number;
  code: number;
  timer: number;
}
export interface TextCommand {
  reader: number;
  command: number;
  seconds: number;
  row: number;
  column: number;
  text: string;
}

export const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8);
export const u32 = (bytes: Uint8Array, at: number): number =>
  (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
export const u32Bytes = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

function split(data: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: data.length / size }, (_, index) =>
    data.subarray(index * size, (index + 1) * size),
  );
}

export const dataToLeds = (data: Uint8Array): LedCommand[] =>
  split(data, 14).map((one) => ({
    reader: one[0]!,
    led: one[1]!,
    temporary: {
      code: one[2]!,
      on: one[3]!,
      off: one[4]!,
      onColor: one[5]!,
      offColor: one[6]!,
      timer: u16(one, 7),
    },
    permanent: { code: one[9]!, on: one[10]!, off: one[11]!, onColor: one[12]!, offColor: one[13]! },
  }));

export const dataToBuzzer = (data: Uint8Array): BuzzerCommand => ({
  reader: data[0]!,
  tone: data[1]!,
  on: data[2]!,
  off: data[3]!,
  count: data[4]!,
});

export const dataToOutputs = (data: Uint8Array): OutputCommand[] =>
  split(data, 4).map((one) => ({ output: one[0]!, code: one[1]!, timer: u16(one, 2) }));

/** Null when the length inside does not fit. */
export function dataToText(data: Uint8Array): TextCommand | null {
  if (data.length !== 6 + data[5]!) return null;
  return {
    reader: data[0]!,
    command: data[1]!,
    seconds: data[2]!,
    row: data[3]!,
    column: data[4]!,
    text: Buffer.from(data.subarray(6)).toString('latin1'),
  };
}
