import type { InputLine, OutputLine } from '#bridge/ports.ts';
import { Fault } from '#hub/kernel/result.ts';

// The kernel's GPIO character device, uAPI v2 (include/uapi/linux/gpio.h), as bytes. Everything is little endian and the
// layout is the same on x86-64 and arm64. No system calls here: those are in cdev.ts.

const nameBytes = 32;
const maxLines = 64;
const maxAttributes = 10;
/** The kernel's cap on a request's event buffer. Overflow drops the oldest event. */
const maxEventBuffer = 1024;

export const sizes = {
  chipInfo: 68,
  lineValues: 16,
  attribute: 16,
  configAttribute: 24,
  lineConfig: 272,
  lineRequest: 592,
  lineInfo: 256,
  event: 48,
} as const;

export const ioctls = {
  getChipInfo: 0x8044b401,
  getLineInfo: 0xc100b405,
  getLine: 0xc250b407,
  setConfig: 0xc110b40d,
  getValues: 0xc010b40e,
  setValues: 0xc010b40f,
} as const;

/** Bits of `flags`, for requests and in line info. */
export const lineFlags = {
  used: 1n << 0n,
  activeLow: 1n << 1n,
  input: 1n << 2n,
  output: 1n << 3n,
  risingEdge: 1n << 4n,
  fallingEdge: 1n << 5n,
  openDrain: 1n << 6n,
  openSource: 1n << 7n,
  pullUp: 1n << 8n,
  pullDown: 1n << 9n,
  biasDisabled: 1n << 10n,
  realtimeClock: 1n << 11n,
} as const;

const attributeIds = { flags: 1, outputValues: 2, debounce: 3 } as const;
const edgeIds = { rising: 1, falling: 2 } as const;

export interface ChipInfo {
  /** gpiochip0: the kernel's numbering, differs from boot to boot and from model to model. */
  readonly name: string;
  /** pinctrl-rp1: the kind of chip. */
  readonly label: string;
  readonly lines: number;
}

export type LineAttribute =
  | { readonly kind: 'flags'; readonly flags: bigint }
  | { readonly kind: 'outputValues'; readonly values: bigint }
  | { readonly kind: 'debounce'; readonly micros: number };

/** `mask`: bit i = the request's i-th line (not its offset). */
export type ConfigAttribute = LineAttribute & { readonly mask: bigint };

/** For each line the FIRST attribute of a kind whose mask has its bit counts; lines in no mask get `flags`. */
export interface LineConfig {
  readonly flags: bigint;
  readonly attributes: readonly ConfigAttribute[];
}

export interface LineRequest {
  readonly offsets: readonly number[];
  /** The consumer of the lines, as `gpioinfo` shows it; cut at 31 bytes. */
  readonly consumer: string;
  readonly config: LineConfig;
  /** 0: the kernel takes 16 per line. */
  readonly eventBufferSize: number;
  /** Filled in by the kernel. */
  readonly fd: number;
}

export interface LineInfo {
  readonly name: string;
  readonly consumer: string;
  readonly offset: number;
  readonly flags: bigint;
  readonly attributes: readonly LineAttribute[];
}

/** Bit i of both = the request's i-th line. */
export interface LineValues {
  readonly bits: bigint;
  readonly mask: bigint;
}

/** One edge; fits `GpioEdge`. */
export interface LineEvent {
  /** CLOCK_MONOTONIC, ns. */
  readonly timestampNs: bigint;
  /** Logical edge, after active-low. */
  readonly rising: boolean;
  readonly offset: number;
  /** Counts the request's edges, from 1; u32, wraps. Taken in the interrupt, so records may be read out of its order. */
  readonly seqno: number;
  /** Counts this line's edges, from 1; u32, wraps. */
  readonly lineSeqno: number;
}

function need(bytes: Buffer, at: number, size: number, what: string): void {
  if (bytes.length - at >= size) return;
  throw new Fault(
    'gpioBadRecord',
    `a ${what} of the GPIO device has ${size} bytes, there are ${Math.max(0, bytes.length - at)}`,
  );
}

function check(condition: boolean, message: string): void {
  if (!condition) throw new Fault('gpioBadRecord', message);
}

function readName(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString('utf8', at, end < 0 || end > at + nameBytes ? at + nameBytes : end);
}

/** Writes at most 31 bytes, never half a character; the rest stays 0, as the kernel wants a terminated string. */
function writeName(bytes: Buffer, at: number, name: string): void {
  bytes.fill(0, at, at + nameBytes);
  bytes.write(name, at, nameBytes - 1, 'utf8');
}

/** @throws {Fault} `gpioBadRecord` on fewer than 68 bytes. */
export function decodeChipInfo(bytes: Buffer): ChipInfo {
  need(bytes, 0, sizes.chipInfo, 'chip info');
  return { name: readName(bytes, 0), label: readName(bytes, nameBytes), lines: bytes.readUInt32LE(64) };
}

function writeAttribute(bytes: Buffer, at: number, attribute: LineAttribute): void {
  bytes.writeUInt32LE(attributeIds[attribute.kind], at);
  if (attribute.kind === 'flags') bytes.writeBigUInt64LE(attribute.flags, at + 8);
  else if (attribute.kind === 'outputValues') bytes.writeBigUInt64LE(attribute.values, at + 8);
  else bytes.writeUInt32LE(attribute.micros, at + 8);
}

function readAttribute(bytes: Buffer, at: number): LineAttribute {
  const id = bytes.readUInt32LE(at);
  if (id === attributeIds.flags) return { kind: 'flags', flags: bytes.readBigUInt64LE(at + 8) };
  if (id === attributeIds.outputValues)
    return { kind: 'outputValues', values: bytes.readBigUInt64LE(at + 8) };
  if (id === attributeIds.debounce) return { kind: 'debounce', micros: bytes.readUInt32LE(at + 8) };
  throw new Fault('gpioBadRecord', `unknown GPIO line attribute ${id}`);
}

/** One 272-byte line config; inside a request it starts at 288. */
export function encodeLineConfig(config: LineConfig): Buffer {
  const bytes = Buffer.alloc(sizes.lineConfig);
  check(config.attributes.length <= maxAttributes, `a GPIO request takes ${maxAttributes} attributes`);
  bytes.writeBigUInt64LE(config.flags, 0);
  bytes.writeUInt32LE(config.attributes.length, 8);
  for (const [index, attribute] of config.attributes.entries()) {
    const at = 32 + index * sizes.configAttribute;
    writeAttribute(bytes, at, attribute);
    bytes.writeBigUInt64LE(attribute.mask, at + sizes.attribute);
  }
  return bytes;
}

/** @throws {Fault} `gpioBadRecord` on fewer than 272 bytes or what the kernel never writes. */
export function decodeLineConfig(bytes: Buffer, at = 0): LineConfig {
  need(bytes, at, sizes.lineConfig, 'line config');
  const count = bytes.readUInt32LE(at + 8);
  check(count <= maxAttributes, `a GPIO line config with ${count} attributes`);
  const attributes = Array.from({ length: count }, (_, index) => {
    const start = at + 32 + index * sizes.configAttribute;
    return { ...readAttribute(bytes, start), mask: bytes.readBigUInt64LE(start + sizes.attribute) };
  });
  return { flags: bytes.readBigUInt64LE(at), attributes };
}

/** @throws {Fault} `gpioBadRecord` on 0 or more than 64 lines, or more than 10 attributes. */
export function encodeLineRequest(request: LineRequest): Buffer {
  const bytes = Buffer.alloc(sizes.lineRequest);
  const count = request.offsets.length;
  check(count >= 1 && count <= maxLines, `a GPIO request takes 1 to ${maxLines} lines, not ${count}`);
  for (const [index, offset] of request.offsets.entries()) bytes.writeUInt32LE(offset, index * 4);
  writeName(bytes, 256, request.consumer);
  encodeLineConfig(request.config).copy(bytes, 288);
  bytes.writeUInt32LE(count, 560);
  bytes.writeUInt32LE(request.eventBufferSize, 564);
  bytes.writeInt32LE(request.fd, 588);
  return bytes;
}

/** @throws {Fault} `gpioBadRecord` on fewer than 592 bytes or impossible counts. */
export function decodeLineRequest(bytes: Buffer): LineRequest {
  need(bytes, 0, sizes.lineRequest, 'line request');
  const count = bytes.readUInt32LE(560);
  check(count >= 1 && count <= maxLines, `a GPIO line request with ${count} lines`);
  return {
    offsets: Array.from({ length: count }, (_, index) => bytes.readUInt32LE(index * 4)),
    consumer: readName(bytes, 256),
    config: decodeLineConfig(bytes, 288),
    eventBufferSize: bytes.readUInt32LE(564),
    fd: bytes.readInt32LE(588),
  };
}

/** Encodes a query for a line: the offset, and room for the answer. */
export function encodeLineInfo(info: LineInfo): Buffer {
  const bytes = Buffer.alloc(sizes.lineInfo);
  check(info.attributes.length <= maxAttributes, `a GPIO line has at most ${maxAttributes} attributes`);
  writeName(bytes, 0, info.name);
  writeName(bytes, nameBytes, info.consumer);
  bytes.writeUInt32LE(info.offset, 64);
  bytes.writeUInt32LE(info.attributes.length, 68);
  bytes.writeBigUInt64LE(info.flags, 72);
  for (const [index, attribute] of info.attributes.entries()) {
    writeAttribute(bytes, 80 + index * sizes.attribute, attribute);
  }
  return bytes;
}

/** @throws {Fault} `gpioBadRecord` on fewer than 256 bytes or what the kernel never writes. */
export function decodeLineInfo(bytes: Buffer): LineInfo {
  need(bytes, 0, sizes.lineInfo, 'line info');
  const count = bytes.readUInt32LE(68);
  check(count <= maxAttributes, `a GPIO line with ${count} attributes`);
  return {
    name: readName(bytes, 0),
    consumer: readName(bytes, nameBytes),
    offset: bytes.readUInt32LE(64),
    flags: bytes.readBigUInt64LE(72),
    attributes: Array.from({ length: count }, (_, index) =>
      readAttribute(bytes, 80 + index * sizes.attribute),
    ),
  };
}

/** Encodes into `bytes`, so that a caller can reuse its buffer. */
export function encodeLineValues(values: LineValues, bytes = Buffer.alloc(sizes.lineValues)): Buffer {
  bytes.writeBigUInt64LE(values.bits, 0);
  bytes.writeBigUInt64LE(values.mask, 8);
  return bytes;
}

/** @throws {Fault} `gpioBadRecord` on fewer than 16 bytes. */
export function decodeLineValues(bytes: Buffer): LineValues {
  need(bytes, 0, sizes.lineValues, 'line values record');
  return { bits: bytes.readBigUInt64LE(0), mask: bytes.readBigUInt64LE(8) };
}

/** Encodes a 48-byte record exactly as the kernel writes it: for simulators that write into a pipe. */
export function encodeLineEvent(event: LineEvent): Buffer {
  const bytes = Buffer.alloc(sizes.event);
  bytes.writeBigUInt64LE(event.timestampNs, 0);
  bytes.writeUInt32LE(event.rising ? edgeIds.rising : edgeIds.falling, 8);
  bytes.writeUInt32LE(event.offset, 12);
  bytes.writeUInt32LE(event.seqno, 16);
  bytes.writeUInt32LE(event.lineSeqno, 20);
  return bytes;
}

/** @throws {Fault} `gpioBadRecord` on fewer than 48 bytes from `at`, or an edge that is neither rising nor falling. */
export function decodeLineEvent(bytes: Buffer, at = 0): LineEvent {
  need(bytes, at, sizes.event, 'line event');
  const id = bytes.readUInt32LE(at + 8);
  check(id === edgeIds.rising || id === edgeIds.falling, `a GPIO event with the unknown edge ${id}`);
  return {
    timestampNs: bytes.readBigUInt64LE(at),
    rising: id === edgeIds.rising,
    offset: bytes.readUInt32LE(at + 12),
    seqno: bytes.readUInt32LE(at + 16),
    lineSeqno: bytes.readUInt32LE(at + 20),
  };
}

/** Decodes the first `count` records of a read buffer, in the order read. */
export function decodeLineEvents(bytes: Buffer, count: number): LineEvent[] {
  return Array.from({ length: count }, (_, index) => decodeLineEvent(bytes, index * sizes.event));
}

export interface WantedLines {
  readonly inputs: readonly InputLine[];
  readonly outputs: readonly OutputLine[];
  readonly consumer: string;
  /** Up to 1024; the kernel's own default (16 per line) is less than one frame of two readers. */
  readonly eventBufferSize: number;
}

function inputFlags(line: InputLine): bigint {
  // Edges are logical: with active-low, falling is the moment the line's voltage rises.
  let flags = lineFlags.input | lineFlags.fallingEdge;
  if (line.edges === 'both') flags |= lineFlags.risingEdge;
  if (line.activeLow) flags |= lineFlags.activeLow;
  // 'none' is explicit: a Pi's pins start with a pull-up or pull-down of their own.
  if (line.bias === 'pullUp') return flags | lineFlags.pullUp;
  if (line.bias === 'pullDown') return flags | lineFlags.pullDown;
  return flags | lineFlags.biasDisabled;
}

/**
 * Plans one request, inputs first, then outputs; the system call that takes the lines also drives every output to its
 * safe level. Lines with equal settings share an attribute.
 * @throws {Fault} `gpioLineTwice`; `gpioTooManySettings` when the lines need more than the kernel's 10 attributes.
 */
export function planRequest(wanted: WantedLines): LineRequest {
  const offsets = [...wanted.inputs, ...wanted.outputs].map((line) => line.offset);
  const twice = offsets.find((offset, index) => offsets.indexOf(offset) !== index);
  if (twice !== undefined) {
    throw new Fault(
      'gpioLineTwice',
      `GPIO line ${twice} is configured twice; give each use a line of its own`,
    );
  }
  const flagMasks = new Map<bigint, bigint>();
  const debounceMasks = new Map<number, bigint>();
  let safeValues = 0n;
  let outputMask = 0n;
  for (const [index, line] of wanted.inputs.entries()) {
    const bit = 1n << BigInt(index);
    const flags = inputFlags(line);
    flagMasks.set(flags, (flagMasks.get(flags) ?? 0n) | bit);
    if (line.debounceMicros > 0) {
      debounceMasks.set(line.debounceMicros, (debounceMasks.get(line.debounceMicros) ?? 0n) | bit);
    }
  }
  for (const [index, line] of wanted.outputs.entries()) {
    const bit = 1n << BigInt(wanted.inputs.length + index);
    const flags = lineFlags.output | (line.activeLow ? lineFlags.activeLow : 0n);
    flagMasks.set(flags, (flagMasks.get(flags) ?? 0n) | bit);
    outputMask |= bit;
    if (line.safeLevel === 1) safeValues |= bit;
  }
  // The first group needs no attribute: it is the default.
  const [first, ...others] = [...flagMasks];
  const attributes: ConfigAttribute[] = [
    ...others.map(([flags, mask]) => ({ kind: 'flags' as const, flags, mask })),
    ...[...debounceMasks].map(([micros, mask]) => ({ kind: 'debounce' as const, micros, mask })),
    ...(outputMask > 0n ? [{ kind: 'outputValues' as const, values: safeValues, mask: outputMask }] : []),
  ];
  if (attributes.length > maxAttributes) {
    throw new Fault(
      'gpioTooManySettings',
      `these ${offsets.length} GPIO lines need ${attributes.length} different settings, the kernel takes ${maxAttributes} in one request; use the same debounce and bias on more lines`,
    );
  }
  return {
    offsets,
    consumer: wanted.consumer,
    config: { flags: first?.[0] ?? 0n, attributes },
    eventBufferSize: Math.min(wanted.eventBufferSize, maxEventBuffer),
    fd: 0,
  };
}
