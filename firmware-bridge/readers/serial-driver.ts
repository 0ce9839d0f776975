import type { Later, ReaderFault } from '#bridge/ports.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import type { ReaderSignal } from './feedback.ts';

/** A serial line as its driver uses it. Bytes that arrive come by `SerialDriver.onBytes`. */
export interface SerialLine {
  /** Sends in order; never blocks. What a line that just went away does not take is lost. */
  write(bytes: Uint8Array): void;
  /** Everything after it is sent and read at this speed. */
  setBaudRate(baudRate: number): void;
}

export interface SerialClock {
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly later: Later;
}

/** Why a reader does not work as it should; `readers/<kind>/` has the words for people. */
export type ReaderLinkState = 'offline' | 'connecting' | 'online';

/** What one reader on a serial line is like now, for the Readers page. */
export interface SerialReaderState {
  readonly readerKey: string;
  readonly link: ReaderLinkState;
  /** Null where this kind of reader has no secure channel. `installKey`: with the key that everybody knows. */
  readonly channel: 'none' | 'installKey' | 'ownKey' | null;
  /** Levels that the reader itself reports; null while it does not say. */
  readonly tamper: boolean | null;
  readonly powerFault: boolean | null;
  /** Levels of its own inputs and outputs, the first one first; empty where it has none, or is not online. */
  readonly inputs: readonly boolean[];
  readonly outputs: readonly boolean[];
  /** Who made it, model, firmware, serial number: as far as it says so. */
  readonly identity: string | null;
  /** Counted since the start. */
  readonly goodFrames: number;
  readonly faultyFrames: number;
  readonly timeouts: number;
  /** Why it is not online, in a word of this kind of reader; null when it is. */
  readonly problem: string | null;
}

/** Where a driver delivers. Called in the order in which things happened on the line. */
export interface SerialHooks {
  onRead(read: { readonly readerKey: string; readonly read: CardRead }): void;
  /** Keys as they were pressed: digits, `*` and `#`. */
  onKeys(keys: { readonly readerKey: string; readonly keys: string }): void;
  onFault(fault: ReaderFault): void;
  /** Something of `report()` changed. */
  onChange(readerKey: string): void;
}

/**
 * What speaks on one serial line, with all readers that hang on it. Runs in the serial process, never in the bridge's;
 * pure but for the line and the clock that it is given, so that tests drive it with virtual time.
 */
export interface SerialDriver {
  /** The line is open (again): begin from scratch. */
  onOpen(line: SerialLine): void;
  onBytes(bytes: Uint8Array): void;
  /** The line is gone; every reader on it is offline until `onOpen`. */
  onClosed(): void;
  report(): readonly SerialReaderState[];
  /** The words of `SerialReaderState.problem` as sentences with the next step. */
  readonly problemTexts: Readonly<Record<string, string>>;
  /** Cancels every timer. */
  stop(): void;
}

/** Orders for readers with lamps, outputs or keys of their own. Best effort: none waits, none is repeated. */
export interface ReaderOrders {
  signal(readerKey: string, signal: ReaderSignal): void;
  /** For so long the reader may be given a key of its own; one that has such a key gets another. */
  pair(readerKey: string, forMs: number): void;
  cancelPairing(readerKey: string): void;
  /** Switches output `output`, counted from 1, on for so long; then the reader restores it by itself. */
  switchOutput(readerKey: string, output: number, forMs: number): void;
}
