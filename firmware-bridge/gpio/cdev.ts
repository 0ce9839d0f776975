import { closeSync, constants, openSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Fault } from '#hub/kernel/result.ts';
import type { ChipInfo, LineInfo, WantedLines } from './uapi.ts';
import {
  decodeChipInfo,
  decodeLineInfo,
  decodeLineRequest,
  decodeLineValues,
  encodeLineInfo,
  encodeLineRequest,
  encodeLineValues,
  ioctls,
  planRequest,
  sizes,
} from './uapi.ts';

// The system calls of the GPIO character device. All are synchronous and may be called from any thread on one descriptor:
// the door thread reads and drives lines while a Worker waits for their edges.

export type GpioFaultCode =
  | 'gpioChipMissing'
  | 'gpioAccessDenied'
  | 'gpioLineUnknown'
  | 'gpioLineBusy'
  | 'gpioRequestRefused'
  | 'gpioChipGone'
  | 'gpioIoFailed';

interface Libc {
  /** The result, or minus the error number. */
  readonly ioctl: (fd: number, request: number, argument: Buffer) => number;
  readonly errorNumbers: Readonly<Record<string, number>>;
}

let loaded: Libc | undefined;

/** Loaded at the first call: a hub without GPIO, and every unit test, never maps the native library. */
function libc(): Libc {
  if (loaded) return loaded;
  const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
  // Symbols of the running process: Node is linked to libc, whatever file that is here (glibc, musl, arm64).
  const process = koffi.load(null);
  // ioctl is variadic in C; for one pointer argument the calling convention of Linux x86-64 and arm64 is the same.
  // A Buffer for `void *` is passed by address, so the kernel's answer is in it afterwards.
  const ioctl = process.func('int ioctl(int fd, unsigned long request, void *argument)');
  const orError = (result: number) => (result < 0 ? -koffi.errno() : result);
  loaded = {
    ioctl: (fd, request, argument) => orError(ioctl(fd, request, argument)),
    errorNumbers: koffi.os.errno,
  };
  return loaded;
}

/** Names the error of a result below 0, such as EBUSY. */
function errorName(result: number): string {
  const entry = Object.entries(libc().errorNumbers).find(([, number]) => number === -result);
  return entry?.[0] ?? `error ${-result}`;
}

function isError(result: number, name: string): boolean {
  return result === -(libc().errorNumbers[name] ?? Number.NaN);
}

function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
}

export interface GpioChip extends ChipInfo {
  readonly fd: number;
  /** /dev/gpiochip0 */
  readonly path: string;
}

/**
 * Lists the device nodes, in number order. Pi OS links the number of older kernels to the present one: links are left
 * out.
 */
function chipPaths(): string[] {
  return readdirSync('/dev', { withFileTypes: true })
    .filter((entry) => entry.isCharacterDevice() && /^gpiochip\d+$/.test(entry.name))
    .map((entry) => join('/dev', entry.name))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

function openPath(path: string): GpioChip {
  const fd = openSync(path, constants.O_RDWR);
  const bytes = Buffer.alloc(sizes.chipInfo);
  const result = libc().ioctl(fd, ioctls.getChipInfo, bytes);
  if (result < 0) {
    closeSync(fd);
    throw new Fault('gpioIoFailed', `${path} does not answer as a GPIO chip (${errorName(result)})`);
  }
  return { ...decodeChipInfo(bytes), fd, path };
}

/**
 * Opens the chip with this label (`pinctrl-rp1` on a Pi 5), whatever its number is. Close it with `closeChip`; lines that
 * were requested from it stay.
 * @throws {Fault<GpioFaultCode>} `gpioChipMissing` (the message lists the labels there are), `gpioAccessDenied`.
 */
export function openChip(label: string): GpioChip {
  const found: string[] = [];
  let denied: { path: string; cause: unknown } | undefined;
  for (const path of chipPaths()) {
    let chip: GpioChip;
    try {
      chip = openPath(path);
    } catch (cause) {
      if (cause instanceof Fault) found.push(`${path} (no answer)`);
      else if (['EACCES', 'EPERM'].includes(systemCode(cause))) denied ??= { path, cause };
      else found.push(`${path} (${systemCode(cause)})`);
      continue;
    }
    if (chip.label === label) return chip;
    found.push(chip.label);
    closeSync(chip.fd);
  }
  if (denied) {
    throw new Fault<GpioFaultCode>(
      'gpioAccessDenied',
      `no right to open ${denied.path} while looking for the GPIO chip '${label}'; add this process's user to the group that owns it ('gpio' on Pi OS), or allow the device in the service's unit`,
      { cause: denied.cause },
    );
  }
  const seen = found.length === 0 ? 'this machine has no GPIO chip' : `this machine has: ${found.join(', ')}`;
  throw new Fault<GpioFaultCode>(
    'gpioChipMissing',
    `there is no GPIO chip labelled '${label}'; ${seen}. Set the right label in the bridge's configuration ('gpiodetect' lists them)`,
  );
}

export function closeChip(chip: GpioChip): void {
  closeSync(chip.fd);
}

/**
 * Reads who holds a line and how it is set.
 * @throws {Fault<GpioFaultCode>} `gpioLineUnknown`, `gpioIoFailed`.
 */
export function readLineInfo(chip: GpioChip, offset: number): LineInfo {
  requireKnown(chip, [offset]);
  const bytes = encodeLineInfo({ name: '', consumer: '', offset, flags: 0n, attributes: [] });
  const result = libc().ioctl(chip.fd, ioctls.getLineInfo, bytes);
  if (result < 0) throw ioFault(`asking ${chip.label} for line ${offset}`, result);
  return decodeLineInfo(bytes);
}

function requireKnown(chip: GpioChip, offsets: readonly number[]): void {
  const unknown = offsets.find((offset) => !Number.isInteger(offset) || offset < 0 || offset >= chip.lines);
  if (unknown === undefined) return;
  throw new Fault<GpioFaultCode>(
    'gpioLineUnknown',
    `GPIO chip '${chip.label}' has the lines 0 to ${chip.lines - 1}, not ${unknown}; correct the line in the bridge's configuration (the number is the GPIO number, not the header pin)`,
  );
}

function ioFault(doing: string, result: number): Fault<GpioFaultCode> {
  if (isError(result, 'ENODEV')) {
    return new Fault(
      'gpioChipGone',
      `${doing}: the GPIO chip is gone (ENODEV); check its driver in the kernel log, then restart the bridge`,
    );
  }
  return new Fault('gpioIoFailed', `${doing} failed (${errorName(result)}); the kernel log may say why`);
}

/** Lines held by this process until `closeLines`, or its end. */
export interface RequestedLines {
  /** Poll and read this for edges; a plain number, so that it can be handed to a Worker of this process. */
  readonly fd: number;
  readonly chipLabel: string;
  /** Offset -> bit in the kernel's value maps. */
  readonly bits: ReadonlyMap<number, bigint>;
}

/**
 * Takes lines in one kernel request, so that all their edges share one sequence; outputs are driven to their safe level by
 * the same call. At most 64 lines.
 * @throws {Fault} `GpioFaultCode`, and those of `planRequest`.
 */
export function requestLines(chip: GpioChip, wanted: WantedLines): RequestedLines {
  const plan = planRequest(wanted);
  requireKnown(chip, plan.offsets);
  const bytes = encodeLineRequest(plan);
  const result = libc().ioctl(chip.fd, ioctls.getLine, bytes);
  if (result < 0) throw requestFault(chip, plan.offsets, result);
  return {
    fd: decodeLineRequest(bytes).fd,
    chipLabel: chip.label,
    bits: new Map(plan.offsets.map((offset, index) => [offset, 1n << BigInt(index)])),
  };
}

function requestFault(chip: GpioChip, offsets: readonly number[], result: number): Fault<GpioFaultCode> {
  const lines = `line${offsets.length === 1 ? '' : 's'} ${offsets.join(', ')} of GPIO chip '${chip.label}'`;
  if (isError(result, 'EBUSY')) {
    const held = offsets.map((offset) => readLineInfo(chip, offset)).filter((line) => line.consumer !== '');
    const holders = held.map((line) => `line ${line.offset} is held by '${line.consumer}'`).join(', ');
    return new Fault(
      'gpioLineBusy',
      `cannot take ${lines}: ${holders || 'one is in use'}; stop that program or remove its device-tree overlay, or wire to another line`,
    );
  }
  if (isError(result, 'EPERM') || isError(result, 'EACCES')) {
    return new Fault(
      'gpioAccessDenied',
      `no right to take ${lines} (${errorName(result)}); check the service's device rules`,
    );
  }
  if (isError(result, 'ENODEV')) return ioFault(`taking ${lines}`, result);
  // ENXIO: this chip has no interrupt for a line. EINVAL: a kernel before 5.10, or a setting that the chip cannot do.
  return new Fault(
    'gpioRequestRefused',
    `the kernel refuses ${lines} (${errorName(result)}); check that they can report edges and have the bias that is configured, and that the kernel is 5.10 or later`,
  );
}

export function closeLines(lines: RequestedLines): void {
  closeSync(lines.fd);
}

function bitOf(lines: RequestedLines, offset: number): bigint {
  const bit = lines.bits.get(offset);
  if (bit !== undefined) return bit;
  throw new Fault<GpioFaultCode>(
    'gpioLineUnknown',
    `line ${offset} of '${lines.chipLabel}' was not requested here`,
  );
}

// The 16 bytes of a values call, shared by all calls of this thread: each ends before the next starts.
const valueBytes = Buffer.alloc(sizes.lineValues);

/**
 * Reads logical levels of some lines of the request (inputs or outputs) in the order given, at one instant.
 * @throws {Fault<GpioFaultCode>}
 */
export function getValues(lines: RequestedLines, offsets: readonly number[]): (0 | 1)[] {
  const bits = offsets.map((offset) => bitOf(lines, offset));
  const mask = bits.reduce((all, bit) => all | bit, 0n);
  encodeLineValues({ bits: 0n, mask }, valueBytes);
  const result = libc().ioctl(lines.fd, ioctls.getValues, valueBytes);
  if (result < 0) throw ioFault(`reading lines ${offsets.join(', ')} of '${lines.chipLabel}'`, result);
  const levels = decodeLineValues(valueBytes).bits;
  return bits.map((bit) => ((levels & bit) === 0n ? 0 : 1));
}

/**
 * Drives logical levels, all in one call; the kernel has them when this returns.
 * @throws {Fault<GpioFaultCode>} also for a line that was requested as an input (EPERM).
 */
export function setValues(lines: RequestedLines, levels: ReadonlyMap<number, 0 | 1>): void {
  let mask = 0n;
  let values = 0n;
  for (const [offset, level] of levels) {
    const bit = bitOf(lines, offset);
    mask |= bit;
    if (level === 1) values |= bit;
  }
  encodeLineValues({ bits: values, mask }, valueBytes);
  const result = libc().ioctl(lines.fd, ioctls.setValues, valueBytes);
  if (result < 0)
    throw ioFault(`driving lines ${[...levels.keys()].join(', ')} of '${lines.chipLabel}'`, result);
}
