import type { z } from 'zod';
import type { BridgeCommand, replySchema } from '#hub/domains/access/controllers/link-schema.ts';
import type { CardRead } from '#hub/domains/access/schema.ts';

/**
 * The shapes that the rooms of the bridge exchange: hardware as the door thread sees it (adapters live in `gpio/`), reader
 * drivers, commands and timers. Types only, so that nobody loads anything by importing them.
 */

/** An edge as the kernel reported it. */
export interface GpioEdge {
  /** Kernel time, CLOCK_MONOTONIC, ns since boot. */
  readonly timestampNs: bigint;
  readonly offset: number;
  /** Logical edge (after active-low): true = inactive to active. */
  readonly rising: boolean;
  /** Counts all edges of the request; a gap means that the kernel dropped edges. */
  readonly seqno: number;
}

export interface InputLine {
  readonly offset: number;
  readonly activeLow: boolean;
  readonly bias: 'pullUp' | 'pullDown' | 'none';
  /** The edges to report. Wiegand data lines: falling only. */
  readonly edges: 'falling' | 'both';
  /** Kernel debounce; 0: none (data lines). */
  readonly debounceMicros: number;
}

export interface OutputLine {
  readonly offset: number;
  readonly activeLow: boolean;
  /** Logical level (after active-low) that is driven from the moment the line is requested. */
  readonly safeLevel: 0 | 1;
}

export interface GpioLines {
  /** All data lines of all readers: one kernel request, so that their edges share one sequence. */
  readonly data: readonly InputLine[];
  /** Contacts, request-to-exit, tamper. */
  readonly inputs: readonly InputLine[];
  readonly outputs: readonly OutputLine[];
}

export interface GpioPort {
  readonly kind: 'cdev' | 'sysfs' | 'fake';
  /**
   * Called on the door thread with edges in order (sorted by seqno). `lost` counts edges that the kernel dropped
   * before the first of them: read the levels of contacts again then.
   */
  onEdges: (edges: readonly GpioEdge[], lost: number) => void;
  /**
   * Every edge of the data lines before `untilNs` (kernel time) has been delivered. Called in order with the edges:
   * after each batch, and 25 and 30 ms after the last one. This, not a timer of the door thread, ends a frame, so
   * that a stall of the door thread never cuts one. Pass it to every reader driver.
   */
  onSettled: (untilNs: bigint) => void;
  /** Called when the port fails for good (chip gone, Worker dead). */
  onFault: (fault: Error) => void;
  /** Reads a logical level from the kernel. Synchronous; microseconds. */
  read(offset: number): 0 | 1;
  /** Drives a logical level. Synchronous; returns when the kernel has it. */
  write(offset: number, level: 0 | 1): void;
  /** Drives every output to its safe level and releases the lines. */
  close(): Promise<void>;
}

/** A card read, as a driver delivers it. */
export interface ReaderRead {
  readonly readerKey: string;
  readonly read: CardRead;
  /** Kernel time of the last bit, ns. */
  readonly lastBitNs: bigint;
}

export interface ReaderFault {
  readonly readerKey: string;
  readonly kind:
    | 'parity'
    | 'truncated'
    | 'noise'
    | 'lostBits'
    | 'unknownLength'
    /** A frame on a serial line with a wrong check sum. */
    | 'checksum'
    /** A phone or another device that invents a new number each time. */
    | 'randomUid'
    /** Well received, but no card has this number: all zeros, out of range, or incomplete. */
    | 'notACard';
  readonly bits: number;
}

/** A probable fault of a reader's wiring or configuration, worth telling staff. */
export interface ReaderFinding {
  readonly readerKey: string;
  /** A word of this kind of reader; there is one finding of each at a time. */
  readonly kind: string;
  /** A sentence with the next step. */
  readonly message: string;
}

/** Callbacks of a reader driver. Called on the door thread, during the delivery of edges. */
export interface ReaderHooks {
  onRead(read: ReaderRead): void;
  /** Keys as they were pressed: digits, `*` and `#`. */
  onKeys(keys: { readonly readerKey: string; readonly keys: string }): void;
  onFault(fault: ReaderFault): void;
  onFinding(finding: ReaderFinding): void;
}

/** A reader driver: fed with the events of its port, in their order. Made by its `GpioReaderKind`. */
export interface ReaderDriver {
  readonly readerKey: string;
  onEdges(edges: readonly GpioEdge[], lost: number): void;
  onSettled(untilNs: bigint): void;
}

/** A card and keys to play at a simulated reader. */
export interface SimulatedTap {
  readonly read?: CardRead | undefined;
  readonly keys?: string | undefined;
}

/** Commands that concern the doors; the link carries out `approve` itself, because it keeps the policy. */
export type DoorCommand = Exclude<BridgeCommand, { kind: 'approve' }>;

export type CommandOutcome = z.infer<typeof replySchema>['outcome'];

/** Runs `run` once after `delayMs`; the returned function cancels it. */
export type Later = (delayMs: number, run: () => void) => () => void;
