import type { Later, ReaderFault } from '#bridge/ports.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';
import type { ReaderSignal } from './feedback.ts';

/** A serial line as its driver sees it. Received bytes arrive in `SerialDriver.onBytes`. */
export interface SerialLine {
  /** Sends in order, without blocking. Bytes for a line that has just gone are lost. */
  write(bytes: Uint8Array): void;
  /** Applies to everything sent and received afterwards. */
  setBaudRate(baudRate: number): void;
}

export interface SerialClock {
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly later: Later;
}

/** The link to a reader; `readers/<kind>/` has the sentences for `problem`. */
export type ReaderLinkState = 'offline' | 'connecting' | 'online';

/** The present state of a serial reader, for the Readers page. */
export interface SerialReaderState {
  readonly readerKey: string;
  readonly link: ReaderLinkState;
  /** Null if this kind of reader has no secure channel. `installKey`: the key that everybody knows. */
  readonly channel: 'none' | 'installKey' | 'ownKey' | null;
  /** Levels that the reader itself reports; null until it does. */
  readonly tamper: boolean | null;
  readonly powerFault: boolean | null;
  /** Levels of its own inputs and outputs in order; empty if it has none, or is offline. */
  readonly inputs: readonly boolean[];
  readonly outputs: readonly boolean[];
  /** Maker, model, firmware, serial number, as far as it reports them. */
  readonly identity: string | null;
  /** Counted since the start. */
  readonly goodFrames: number;
  readonly faultyFrames: number;
  readonly timeouts: number;
  /** Why it is offline, as a word of this kind of reader; null if it is online. */
  readonly problem: string | null;
  /** What it does otherwise than its standard says, as words of this kind of reader; it is used all the same. */
  readonly quirks: readonly string[];
}

/** Callbacks of a driver, called in the order of events on the line. */
export interface SerialHooks {
  onRead(read: { readonly readerKey: string; readonly read: CardRead }): void;
  /** Keys as they were pressed: digits, `*` and `#`. */
  onKeys(keys: { readonly readerKey: string; readonly keys: string }): void;
  onFault(fault: ReaderFault): void;
  /** `report()` has changed. */
  onChange(readerKey: string): void;
}

/**
 * Drives one serial line with all readers on it. Runs in the serial process, never in the bridge's; pure but for its
 * line and clock, so that tests drive it with virtual time.
 */
export interface SerialDriver {
  /** The line has opened: start from scratch. */
  onOpen(line: SerialLine): void;
  onBytes(bytes: Uint8Array): void;
  /** The line has closed; every reader on it is offline until `onOpen`. */
  onClosed(): void;
  report(): readonly SerialReaderState[];
  /** The words of `SerialReaderState.problem` and `quirks` as sentences with the next step. */
  readonly problemTexts: Readonly<Record<string, string>>;
  /** Cancels every timer. */
  stop(): void;
}

/** Orders for readers with lamps, outputs or keys of their own. Best effort: no order is confirmed or repeated. */
export interface ReaderOrders {
  signal(readerKey: string, signal: ReaderSignal): void;
  /** Lets the reader be given its own key for `forMs`; one that has such a key gets another. */
  pair(readerKey: string, forMs: number): void;
  cancelPairing(readerKey: string): void;
  /** Switches output `output`, counted from 1, on for `forMs`; then the reader restores it by itself. */
  switchOutput(readerKey: string, output: number, forMs: number): void;
}
