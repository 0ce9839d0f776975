import { bridgeConfigSchema } from '#bridge/config.ts';
import type { GpioEdge } from '#bridge/ports.ts';
import type { UartOutcome, UartParser } from '#bridge/readers/listening-driver.ts';
import { pn532FrameParser } from '#bridge/readers/pn532/frame.ts';
import { targetOfResponse } from '#bridge/readers/pn532/protocol.ts';
import { rdm6300Parser } from '#bridge/readers/rdm6300/protocol.ts';
import { readerConfigSchema } from '#bridge/readers/registry.ts';
import { type WedgeFormat, wedgeParser } from '#bridge/readers/wedge/protocol.ts';
import { wiegandKeypads } from '#bridge/readers/wiegand/keypad.ts';
import { wiegandAssembler } from '#bridge/readers/wiegand/protocol.ts';
import {
  encodeFrame,
  formatsOfLength,
  parityHolds,
  wiegandFormats,
} from '#hub/domains/access/cards/format-rules.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import { responseFrame } from '#tests/_support/readers/pn532-response.ts';
import { Chance, hexOf, streamOf } from './bytes.ts';
import { osdpFrames, osdpReplies, osdpSeals } from './osdp-cases.ts';

/** One protocol. `run` tries one case and says what is wrong with what came of it; null = nothing. */
export interface Fuzzer {
  readonly name: string;
  run(chance: Chance): string | null;
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** All outcomes of a stream, its pieces some ms apart. */
function pushed(parser: UartParser, bytes: Uint8Array, chance: Chance): UartOutcome[] {
  let nowMs = 0;
  const outcomes: UartOutcome[] = [];
  parser.reset();
  for (const piece of chance.pieces(bytes)) {
    nowMs += chance.int(30);
    outcomes.push(...parser.push(piece, nowMs));
  }
  return outcomes;
}

const cardsOf = (outcomes: readonly UartOutcome[]): CardRead[] =>
  outcomes.flatMap((outcome) => (outcome.kind === 'read' ? [outcome.read] : []));

/** Reads that are none of those which the bytes say. */
function notSaid(reads: readonly CardRead[], said: readonly string[], bytes: Uint8Array): string | null {
  const wrong = reads.find(({ hex }) => !said.includes(hex));
  return wrong === undefined ? null : `card ${wrong.hex} of ${hexOf(bytes)}`;
}

function rdmFrame(number: readonly number[]): Uint8Array {
  const check = number.reduce((sum, byte) => sum ^ byte, 0);
  const digits = hexOf(Uint8Array.of(...number, check)).toUpperCase();
  return ascii(`\u0002${digits}\u0003`);
}

/** Twelve digits between start and end, wherever they stand. */
function digitsIn(bytes: Uint8Array): string[] {
  const found: string[] = [];
  for (const [at, byte] of bytes.entries()) {
    const digits = latin(bytes.subarray(at + 1, at + 13));
    if (byte === 0x02 && bytes[at + 13] === 0x03 && /^[0-9A-F]{12}$/.test(digits)) found.push(digits);
  }
  return found;
}

function rdm6300(): Fuzzer {
  const traffic = [
    [1, 0, 0xe2, 0x40, 0xab],
    [0x4b, 0, 0xda, 0x3f, 0x11],
    [0, 0, 0, 0, 1],
  ].map(rdmFrame);
  const parser = rdm6300Parser();
  const isRight = (digits: string): boolean =>
    Buffer.from(digits, 'hex').reduce((sum, byte) => sum ^ byte, 0) === 0;
  return {
    name: 'RDM6300',
    run(chance) {
      const { bytes, isWhole } = streamOf(traffic, chance);
      const said = digitsIn(bytes)
        .filter(isRight)
        .map((digits) => digits.slice(0, 10).toLowerCase());
      const reads = cardsOf(pushed(parser, bytes, chance));
      if (isWhole && reads.length !== said.length) return `${reads.length} cards of ${hexOf(bytes)}`;
      return notSaid(reads, said, bytes);
    },
  };
}

/** What a second pair of eyes finds: data of whole frames with right sums, each behind `00 FF` and before `00`. */
function pn532Answers(bytes: Uint8Array): Set<string> {
  const found = new Set<string>();
  for (let at = 0; at + 6 < bytes.length; at += 1) {
    const length = bytes[at + 2] ?? 0;
    const end = at + 4 + length;
    if (bytes[at] !== 0x00 || bytes[at + 1] !== 0xff || length < 2 || end + 1 >= bytes.length) continue;
    const sum = bytes.subarray(at + 4, end + 1).reduce((total, byte) => (total + byte) & 0xff, 0);
    const lengthIsRight = ((length + (bytes[at + 3] ?? 0)) & 0xff) === 0;
    if (lengthIsRight && sum === 0 && bytes[at + 4] === 0xd5 && bytes[end + 1] === 0x00)
      found.add(`${(bytes[at + 5] ?? 0) - 1}:${hexOf(bytes.subarray(at + 6, end))}`);
  }
  return found;
}

function pn532(): Fuzzer {
  const target = (sak: number, ...uid: number[]): number[] => [1, 1, 0, 4, sak, uid.length, ...uid];
  const traffic = [
    responseFrame(0x02, [0x32, 1, 6, 7]),
    responseFrame(0x14, []),
    responseFrame(0x4a, [0]),
    responseFrame(0x4a, target(0x08, 0xaa, 0x3f, 0x9b, 0x1a)),
    responseFrame(0x4a, [...target(0x20, 4, 1, 2, 3, 4, 5, 6), 5, 0x75, 0x77, 0x81, 2]),
    Uint8Array.of(0, 0, 0xff, 0, 0xff, 0),
    Uint8Array.of(0, 0, 0xff, 1, 0xff, 0x7f, 0x81, 0),
  ];
  const parser = pn532FrameParser();
  return {
    name: 'PN532 frames and targets',
    run(chance) {
      const { bytes } = streamOf(traffic, chance);
      const real = pn532Answers(bytes);
      parser.reset();
      for (const piece of chance.pieces(bytes))
        for (const frame of parser.push(piece)) {
          if (frame.kind !== 'response') continue;
          if (!real.has(`${frame.code}:${hexOf(frame.data)}`))
            return `an answer that is not in ${hexOf(bytes)}`;
          const wrong = wrongTarget(frame.data);
          if (wrong !== null) return wrong;
        }
      return null;
    },
  };
}

/** A card that the answer does not say, or null. */
function wrongTarget(data: Uint8Array): string | null {
  const outcome = targetOfResponse(data);
  if (outcome.kind !== 'read') return null;
  const uid = data.subarray(6, 6 + (data[5] ?? 0));
  const said = hexOf(uid.length === 4 ? uid.toReversed() : uid);
  return outcome.read.hex === said && [4, 7, 10].includes(uid.length) && outcome.read.bits === uid.length * 8
    ? null
    : `card ${outcome.read.hex} of ${hexOf(data)}`;
}

function pn532Targets(): Fuzzer {
  return {
    name: 'PN532 targets of any bytes',
    run(chance) {
      const data = chance.bytes(chance.int(30));
      if (chance.int(2) === 0 && data.length > 6) data.set([1, 1], 0);
      if (chance.int(2) === 0 && data.length > 6) data[5] = chance.pick([4, 7, 10]);
      return wrongTarget(data);
    },
  };
}

const wedgeFormats: readonly (WedgeFormat & { readonly lines: readonly string[] })[] = [
  {
    reads: 'em10',
    hexDigits: 8,
    byteOrder: 'asSent',
    lines: ['0012345678\r\n', '4294967295\r', '\u00020000000001\u0003\r'],
  },
  { reads: 'facilityNumber', hexDigits: 8, byteOrder: 'asSent', lines: ['123,04567\r\n', '12304567\r'] },
  { reads: 'hex', hexDigits: 14, byteOrder: 'asSent', lines: ['04A1B2C3D4E5F6\r\n', '04a1b2c3d4e5f6\r'] },
  { reads: 'hex', hexDigits: 10, byteOrder: 'reversed', lines: ['AB40E20001\r\n'] },
  { reads: 'cardText', hexDigits: 8, byteOrder: 'asSent', lines: ['w26:123:4567\r\n', '1:2\n'] },
];

const plainLine = /^[\x20-\x7e]+$/;

/** Hex of the numbers that lines of digits say, for the formats in which that is plain to see. */
function saidByLine(line: string, { reads, hexDigits, byteOrder }: WedgeFormat): string | null {
  if (reads === 'em10' && /^\d{10}$/.test(line)) {
    const serial = Number(line);
    const bits =
      serial > 0xff_ff_ff_ff
        ? null
        : encodeFrame(wiegandFormats[1] ?? fail(), Math.floor(serial / 65_536), serial % 65_536);
    return bits?.ok === true
      ? BigInt(`0b${bits.value.join('')}`)
          .toString(16)
          .padStart(9, '0')
      : null;
  }
  if (reads !== 'hex' || line.length !== hexDigits || !/^[0-9a-fA-F]+$/.test(line)) return null;
  const bytes = Buffer.from(line, 'hex');
  return hexOf(byteOrder === 'reversed' ? bytes.toReversed() : bytes);
}

function fail(): never {
  throw new Error('no such format');
}

function wedge(): Fuzzer {
  const parsers = wedgeFormats.map((format) => ({
    format,
    parser: wedgeParser(format),
    traffic: format.lines.map(ascii),
  }));
  return {
    name: 'lines of digits (wedge)',
    run(chance) {
      const { format, parser, traffic } = chance.pick(parsers);
      const { bytes, isWhole } = streamOf(traffic, chance);
      const reads = cardsOf(pushed(parser, bytes, chance));
      const lines = latin(bytes)
        .split(/[\r\n]/)
        .map((line) => line.slice(line.lastIndexOf('\u0002') + 1).replaceAll('\u0003', ''))
        .filter((line) => plainLine.test(line));
      if (reads.length > lines.length) return `${reads.length} cards of ${hexOf(bytes)}`;
      if (isWhole && reads.length !== lines.length) return `${reads.length} cards of ${hexOf(bytes)}`;
      if (format.reads !== 'em10' && format.reads !== 'hex') return null;
      return notSaid(
        reads,
        lines.flatMap((line) => saidByLine(line, format) ?? []),
        bytes,
      );
    },
  };
}

const d0 = 5;
const d1 = 6;

function cardFrame(chance: Chance): Uint8Array {
  const format = chance.pick(wiegandFormats);
  const frame = encodeFrame(format, format.facility === null ? null : chance.int(200), chance.int(60_000));
  return frame.ok ? frame.value : fail();
}

/** Pulses of frames, with bits lost, doubled, bounced, too fast or too slow; or of no meaning. */
function pulses(chance: Chance): { readonly edges: GpioEdge[]; readonly bits: string } {
  const edges: GpioEdge[] = [];
  let atNs = 1_000_000_000n;
  for (let frames = 1 + chance.int(3); frames > 0; frames -= 1) {
    const frame =
      chance.int(3) === 0 ? chance.bytes(chance.int(140)).map((byte) => byte & 1) : cardFrame(chance);
    const harm = chance.int(3) === 0 ? 0 : 1 + chance.int(20);
    for (const bit of frame) {
      if (harm > 0 && chance.int(60) < harm % 4) continue;
      const isOdd = harm > 0 && chance.int(80) === 0;
      atNs += BigInt(isOdd ? chance.int(40_000_000) : 1_000_000 + chance.int(1_000_000));
      const offset = harm > 0 && chance.int(90) === 0 ? chance.pick([d0, d1, 9]) : bit === 1 ? d1 : d0;
      edges.push({
        offset,
        timestampNs: atNs,
        rising: harm > 0 && chance.int(100) === 0,
        seqno: edges.length + 1,
      });
    }
    atNs += BigInt(20_000_000 + chance.int(40_000_000));
  }
  const bits = edges
    .filter(({ rising, offset }) => !rising && (offset === d0 || offset === d1))
    .map(({ offset }) => (offset === d1 ? '1' : '0'))
    .join('');
  return { edges, bits };
}

function wiegand(): Fuzzer {
  return {
    name: 'Wiegand pulses',
    run(chance) {
      const assembler = wiegandAssembler({
        d0,
        d1,
        fixedBits: chance.pick([null, 26, 34, 37, 32]),
        silenceMs: 25,
        keypad: chance.pick(wiegandKeypads),
        keypadFacility: 0,
      });
      const { edges, bits } = pulses(chance);
      const outcomes = edges.map((edge) => {
        if (chance.int(200) === 0) assembler.lose(edge.timestampNs);
        return assembler.push(edge);
      });
      outcomes.push(assembler.expire((edges.at(-1)?.timestampNs ?? 0n) + 30_000_000n));
      if (assembler.nextDeadlineNs() !== null) return 'a frame under way after the end';
      for (const outcome of outcomes) {
        if (outcome?.kind !== 'read') continue;
        const { read } = outcome;
        const frame = BigInt(`0x${read.hex}`).toString(2).padStart(read.bits, '0');
        const formats = formatsOfLength(read.bits);
        const isCard =
          formats.length === 0 || formats.some((format) => parityHolds(format, Array.from(frame, Number)));
        if (!bits.includes(frame) || !isCard) return `card ${frame} of ${bits}`;
      }
      return null;
    },
  };
}

const wirings: readonly Record<string, unknown>[] = [
  {
    kind: 'osdp',
    port: '/dev/serial/by-id/usb-A',
    baudRate: 9600,
    address: 3,
    secureChannel: 'required',
    ledNumber: 1,
    crc: true,
  },
  { kind: 'rdm6300', port: '/dev/ttyAMA0', awayMs: 1000 },
  { kind: 'pn532', port: '/dev/serial0', pollMs: 100, awayMs: 1000 },
  {
    kind: 'wedge',
    port: '/dev/serial/by-path/x',
    baudRate: 9600,
    reads: 'hex',
    hexDigits: 8,
    byteOrder: 'reversed',
  },
  { kind: 'wiegand', d0: 5, d1: 6, fixedBits: 26 },
];
const oddValues: readonly unknown[] = [
  null,
  undefined,
  true,
  0,
  -1,
  127,
  128,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  '',
  'off',
  '9600',
  [],
  {},
  [1],
  '/dev/ttyUSB0',
  '/dev/../etc/passwd',
  '/dev/serial/by-id/..',
  '/dev/serial/by-id/a b',
  'COM1',
  '\u0000',
  '/tmp/x/',
  '__proto__',
];
const allowedPort = /^\/(?!dev\/(?:ttyUSB|ttyACM))[\x21-\x7e]+$/;

function mutatedWiring(chance: Chance): Record<string, unknown> {
  const right = chance.pick(wirings);
  const wiring = { ...right };
  for (let count = chance.int(3); count > 0; count -= 1) {
    const key =
      chance.int(6) === 0 ? String.fromCharCode(97 + chance.int(26)) : chance.pick(Object.keys(right));
    if (chance.int(5) === 0) delete wiring[key];
    else if (chance.int(4) === 0) wiring[key] = latin(chance.bytes(chance.int(30)));
    else wiring[key] = chance.int(3) === 0 ? chance.int(300_000) : chance.pick(oddValues);
  }
  return wiring;
}

function isSound(wiring: ReturnType<typeof readerConfigSchema.parse>): boolean {
  if (wiring.kind === 'wiegand') return wiring.d0 !== wiring.d1;
  if (!allowedPort.test(wiring.port) || wiring.port.split('/').includes('..')) return false;
  return wiring.kind !== 'osdp' || (wiring.address >= 0 && wiring.address <= 126);
}

function configs(): Fuzzer {
  return {
    name: 'configuration of readers',
    run(chance) {
      const wiring = mutatedWiring(chance);
      const parsed = readerConfigSchema.safeParse(wiring);
      if (parsed.success && !isSound(parsed.data)) return `taken: ${JSON.stringify(wiring)}`;
      if (chance.int(10) !== 0) return null;
      const readers = [wiring, mutatedWiring(chance)].map((each, index) => ({
        key: `r${index}`,
        wiring: each,
      }));
      const strike = { line: chance.int(30), failMode: 'secure' };
      bridgeConfigSchema.safeParse({ portals: [{ key: 'front', name: 'Front', readers, strike }] });
      return null;
    },
  };
}

/** Every protocol, with its share of the cases. */
const protocols: readonly { readonly make: () => Fuzzer; readonly share: number }[] = [
  { make: osdpFrames, share: 0.22 },
  { make: osdpReplies, share: 0.16 },
  { make: osdpSeals, share: 0.04 },
  { make: rdm6300, share: 0.14 },
  { make: pn532, share: 0.14 },
  { make: pn532Targets, share: 0.06 },
  { make: wedge, share: 0.12 },
  { make: wiegand, share: 0.08 },
  { make: configs, share: 0.04 },
];

export interface FuzzAccount {
  readonly name: string;
  readonly cases: number;
  readonly seconds: number;
  /** What was not as it must be, the first few. */
  readonly problems: readonly string[];
}

const mostProblems = 5;

function runFuzzer(fuzzer: Fuzzer, seed: number, cases: number): FuzzAccount {
  const problems: string[] = [];
  const startMs = performance.now();
  for (let number = 0; number < cases && problems.length < mostProblems; number += 1) {
    let problem: string | null;
    try {
      problem = fuzzer.run(new Chance(seed + number));
    } catch (error) {
      problem = String(error);
    }
    if (problem !== null) problems.push(`${fuzzer.name}, seed ${seed + number}: ${problem}`);
  }
  return { name: fuzzer.name, cases, seconds: (performance.now() - startMs) / 1000, problems };
}

/** `cases` in all, the same for the same seed but for what a parser keeps from one case to the next. */
export const fuzzParsers = (seed: number, cases: number): FuzzAccount[] =>
  protocols.map(({ make, share }, index) =>
    runFuzzer(make(), seed + index * 10_000_019, Math.ceil(cases * share)),
  );
