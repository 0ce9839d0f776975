import type { z } from 'zod';
import type { CardRead } from '#hub/domains/access/schema.ts';
import type { BridgeCommand, replySchema } from '#hub/mqtt/topics.ts';

/**
 * The shapes that the rooms of the bridge exchange: hardware as the door thread sees it (adapters live in `gpio/`), reader
 * drivers, commands and timers. Types only, so that nobody loads anything by importing them.
 */

/** One edge as the kernel reported it. */
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
  /** Which edges are reported. Wiegand data lines: falling only. */
  readonly edges: 'falling' | 'both';
  /** Kernel debounce; 0 = none (data lines). */
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
   * Every edge of the data lines before `untilNs` (kernel time) has been delivered. It comes in order with the edges:
   * after each batch, and 25 and 30 ms after the last one. This, not a timer of the door thread, ends a frame, so that
   * a stall of the door thread never cuts one. Hand it to every reader driver.
   */
  onSettled: (untilNs: bigint) => void;
  /** Called when the port fails for good (chip gone, Worker dead). */
  onFault: (fault: Error) => void;
  /** Logical level now, read from the kernel. Synchronous; microseconds. */
  read(offset: number): 0 | 1;
  /** Drives a logical level. Synchronous; returns when the kernel has it. */
  write(offset: number, level: 0 | 1): void;
  /** Drives every output to its safe level and releases the lines. */
  close(): Promise<void>;
}

/** A card as a reader driver delivers it to its portal. */
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
    /** A frame on a serial line whose check sum is wrong. */
    | 'checksum'
    /** A phone or another device that makes up a new number each time. */
    | 'randomUid'
    /** Well received, but no card has this number: all zeros, out of range, or only a part of it. */
    | 'notACard';
  readonly bits: number;
}

/** What is probably wrong with a reader's wiring or configuration, worth telling staff. */
export interface ReaderFinding {
  readonly readerKey: string;
  /** A word of this kind of reader; one finding of each stands at a time. */
  readonly kind: string;
  /** A sentence with the next step. */
  readonly message: string;
}

/** Where a reader driver delivers what it saw. Called on the door thread, inside the delivery of edges. */
export interface ReaderHooks {
  onRead(read: ReaderRead): void;
  /** Keys as they were pressed: digits, `*` and `#`. */
  onKeys(keys: { readonly readerKey: string; readonly keys: string }): void;
  onFault(fault: ReaderFault): void;
  onFinding(finding: ReaderFinding): void;
}

/** A reader driver: fed with what its port delivers, in the same order. Made by `readers/registry.ts`. */
export interface ReaderDriver {
  readonly readerKey: string;
  onEdges(edges: readonly GpioEdge[], lost: number): void;
  onSettled(untilNs: bigint): void;
}

/** A card and keys to be played at a simulated reader. */
export interface SimulatedTap {
  readonly read?: CardRead | undefined;
  readonly keys?: string | undefined;
}

/** Commands that concern the doors; the link carries out `approve` itself, because it keeps the policy. */
export type DoorCommand = Exclude<BridgeCommand, { kind: 'approve' }>;

export type CommandOutcome = z.infer<typeof replySchema>['outcome'];

/** Runs `run` once after `delayMs`; the returned function cancels it. */
export type Later = (delayMs: number, run: () => void) => () => void;
