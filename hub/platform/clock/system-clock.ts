import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { assert, Fault } from '#hub/kernel/result.ts';
import type { ClockTrust } from '#hub/kernel/time.ts';
import { writeFileDurably } from '../files/durable-file.ts';
import type { Clock } from './clock.ts';
import {
  adoptTime,
  type ClockMark,
  type ClockState,
  clockMarkSchema,
  continueTime,
  type KernelFacts,
  startTime,
  timeAt,
} from './clock-trust.ts';

/** Interval between queries of the kernel; in between the time advances by the monotonic clock. */
export const clockRefreshMs = 5000;

/** systemd-timesyncd makes it when the clock was set, and it is gone after a boot. */
const timesyncdFlag = '/run/systemd/timesync/synchronized';
/** The battery-backed clock that the kernel takes its time from at boot. */
const rtcFolder = '/sys/class/rtc/rtc0';
const bootIdFile = '/proc/sys/kernel/random/boot_id';

/** adjtimex(2): the state TIME_ERROR and the status bit STA_UNSYNC both say that nothing keeps the clock. */
const timeError = 5;
const unsynchronizedBit = 0x40;
/** `struct timex` of 64-bit Linux: `status` stands at byte 40, all of it is 208 bytes. */
const timexBytes = 256;
const timexStatusOffset = 40;

const readText = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
};

/** True when NTP (timesyncd, chrony, ntpd) disciplines the kernel's clock; false too where the kernel cannot be asked. */
function createKernelQuery(): () => boolean {
  try {
    // Loaded only here: a machine with timesyncd never needs it.
    const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
    const adjtimex = koffi.load(null).func('int adjtimex(void *timex)');
    const timex = Buffer.alloc(timexBytes);
    return () => {
      timex.fill(0);
      const state: unknown = adjtimex(timex);
      const status = timex.readInt32LE(timexStatusOffset);
      return (
        typeof state === 'number' && state >= 0 && state !== timeError && (status & unsynchronizedBit) === 0
      );
    };
  } catch {
    return () => false;
  }
}

/** UTC ms of the battery-backed clock itself; null unless the kernel took the time from it at boot (`hctosys` is 1). */
function readRtc(folder: string): number | null {
  if (readText(path.join(folder, 'hctosys')) !== '1') return null;
  const seconds = readText(path.join(folder, 'since_epoch'));
  return seconds !== undefined && /^\d{1,12}$/.test(seconds) ? Number(seconds) * 1000 : null;
}

const monotonicNow = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

/**
 * Reads the machine's clocks. Linux; elsewhere nothing vouches for the time.
 * @param rtc where the kernel shows the battery-backed clock
 */
export function createFactsReader(rtc: string = rtcFolder): () => KernelFacts {
  const bootId = readText(bootIdFile) ?? 'unknown';
  // A slow bus, and only its value at the start counts: it goes on by the monotonic clock.
  const rtcAtStartMs = readRtc(rtc);
  const startedMs = monotonicNow();
  let askKernel: (() => boolean) | undefined;
  const isSynchronized = (): boolean => {
    if (existsSync(timesyncdFlag)) return true;
    askKernel ??= createKernelQuery();
    return askKernel();
  };
  return () => {
    const monotonicMs = monotonicNow();
    return {
      wallMs: Date.now(),
      monotonicMs,
      bootId,
      synchronized: isSynchronized(),
      rtcMs: rtcAtStartMs === null ? null : rtcAtStartMs + (monotonicMs - startedMs),
    };
  };
}

export interface SystemClock extends Clock {
  /** `clockMarkTorn` when the high-water mark was there and could not be read; for the log. */
  readonly markFault: Fault | undefined;
  /** Asks the kernel again. Called by itself every five seconds. */
  refresh(): void;
  /** A bridge: the time that its hub told it. */
  adoptHubTime(wallMs: number, trust: ClockTrust): void;
  /** Writes the high-water mark, durably. To be called now and then (a minute apart is plenty) and at the end. */
  saveMark(): Promise<void>;
  close(): void;
}

export interface SystemClockOptions {
  /** File of the high-water mark. */
  readonly markFile: string;
  /** The owner says that the system's time is right although nothing shows it. */
  readonly trustSystem: boolean;
  readonly readFacts?: () => KernelFacts;
  /** The running part of `readFacts`, for the time in between. */
  readonly monotonicMs?: () => number;
}

/** A damaged mark must not keep a door's process from starting: it counts as none, and is reported. */
function readMark(file: string): { readonly mark?: ClockMark; readonly fault?: Fault } {
  const text = readText(file);
  if (text === undefined) return {};
  try {
    return { mark: clockMarkSchema.parse(JSON.parse(text)) };
  } catch (cause) {
    const message = `${file} is damaged: until the clock is set, it may be behind a time that has passed`;
    return { fault: new Fault('clockMarkTorn', message, { cause }) };
  }
}

/**
 * The machine's time, which never goes back behind the high-water mark unless NTP says so, and how far it is to be
 * trusted. Cheap to read: nothing is asked of the kernel but the monotonic clock.
 */
export function createSystemClock(options: SystemClockOptions): SystemClock {
  const readFacts = options.readFacts ?? createFactsReader();
  const monotonicMs = options.monotonicMs ?? monotonicNow;
  const { mark: knownMark, fault: markFault } = readMark(options.markFile);
  let state: ClockState = startTime(readFacts(), knownMark, options.trustSystem);
  const refresh = (): void => {
    state = continueTime(state, readFacts(), options.trustSystem);
  };
  const timer = setInterval(refresh, clockRefreshMs);
  timer.unref();
  const nowMs = (): number => Math.floor(timeAt(state, monotonicMs()));
  return {
    nowMs,
    monotonicMs,
    trust: () => state.trust,
    markFault,
    refresh,
    adoptHubTime(wallMs, trust) {
      assert(Number.isSafeInteger(wallMs), 'a time is a whole number of ms');
      state = adoptTime(state, { monotonicMs: monotonicMs(), bootId: state.bootId }, { wallMs, trust });
    },
    async saveMark() {
      const mark: ClockMark = {
        wallMs: nowMs(),
        monotonicMs: monotonicMs(),
        bootId: state.bootId,
        trust: state.trust,
      };
      await writeFileDurably(options.markFile, JSON.stringify(mark));
    },
    close: () => clearInterval(timer),
  };
}
