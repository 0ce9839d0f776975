import type { Later, ReaderFault } from '#bridge/ports.ts';
import { kindOf, type ReaderConfig } from '#bridge/readers/registry.ts';
import type { SerialReaderState } from '#bridge/readers/serial-driver.ts';
import { mostReaderLines, type ReaderKind } from '#hub/domains/access/schema.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import type { ReaderState } from '#hub/mqtt/topics.ts';
import type { Clock } from '#hub/platform/clock.ts';
import type { DoorEntry } from './door.ts';

interface ReaderNotes {
  readonly shownAs: ReaderKind;
  readonly isSerial: boolean;
  lastReadMs: number | null;
  lastBits: number | null;
  lastKeysMs: number | null;
  goodFrames: number;
  faultyFrames: number;
  parityFaults: number;
  lostBits: number;
  /** Faults since the last journal entry about them. */
  unreported: number;
  reporting: (() => void) | null;
  /** What its driver says of a reader on a serial line; null for one on GPIO lines, or before it has said anything. */
  serial: SerialReaderState | null;
  /** It cannot be reached. */
  isGone: boolean;
  /** That it cannot be reached is in the journal. */
  isReportedGone: boolean;
  /** Cancels the report that it cannot be reached; null: none is due. */
  reportingGone: (() => void) | null;
  /** UTC ms. */
  pairingUntilMs: number | null;
  endPairing: (() => void) | null;
}

/** A noisy line must not fill the journal: after a first entry, its faults are counted for so long. */
const reportMs = 60_000;
/**
 * A plug that is put in again, and the start of the serial process, need so long before anybody is told. A reader on a bus
 * has been silent for 8 s by then: together it is less than ten.
 */
const goneForMs = 1500;
const startMs = 8000;

/** A reader on GPIO lines works from the start; one on a serial line has to be heard of first. */
const newNotes = ({ shownAs, connection }: ReturnType<typeof kindOf>): ReaderNotes => ({
  shownAs,
  isSerial: connection === 'serial',
  lastReadMs: null,
  lastBits: null,
  lastKeysMs: null,
  goodFrames: 0,
  faultyFrames: 0,
  parityFaults: 0,
  lostBits: 0,
  unreported: 0,
  reporting: null,
  serial: null,
  isGone: connection === 'serial',
  isReportedGone: false,
  reportingGone: null,
  pairingUntilMs: null,
  endPairing: null,
});

interface ReaderBookDeps {
  readonly clock: Clock;
  readonly later: Later;
  readonly append: (entry: DoorEntry) => number | null;
  /** Something that a screen shows has changed. */
  readonly onChange: () => void;
}

/** What the readers have delivered, counted, and how they are. */
export class ReaderBook {
  readonly #notes: ReadonlyMap<string, ReaderNotes>;
  readonly #deps: ReaderBookDeps;

  constructor(
    readers: readonly { readonly key: string; readonly wiring: Pick<ReaderConfig, 'kind'> }[],
    deps: ReaderBookDeps,
  ) {
    this.#deps = deps;
    this.#notes = new Map(readers.map(({ key, wiring }) => [key, newNotes(kindOf(wiring))]));
    // Also when nothing is ever heard of it.
    for (const [key, notes] of this.#notes) if (notes.isGone) this.#reportIn(startMs, key, notes);
  }

  noteRead(readerKey: string, bits: number): void {
    const notes = this.#notes.get(readerKey);
    if (notes === undefined) return;
    notes.goodFrames += 1;
    notes.lastBits = bits;
    notes.lastReadMs = this.#nowMs();
  }

  noteKeys(readerKey: string): void {
    const notes = this.#notes.get(readerKey);
    if (notes === undefined) return;
    notes.lastKeysMs = this.#nowMs();
    this.#deps.onChange();
  }

  noteFault(fault: ReaderFault): void {
    const notes = this.#notes.get(fault.readerKey);
    if (notes === undefined) return;
    notes.faultyFrames += 1;
    if (fault.kind === 'lostBits') notes.lostBits += 1;
    if (fault.kind === 'parity' || fault.kind === 'checksum') notes.parityFaults += 1;
    if (notes.reporting !== null) {
      notes.unreported += 1;
      return;
    }
    this.#appendFaults(fault.readerKey, 1, `${fault.kind}, ${String(fault.bits)} bits`);
    this.#countFaults(fault.readerKey, notes);
  }

  #countFaults(readerKey: string, notes: ReaderNotes): void {
    notes.reporting = this.#deps.later(reportMs, () => {
      notes.reporting = null;
      if (notes.unreported === 0) return;
      this.#appendFaults(readerKey, notes.unreported, 'faulty frames of a minute');
      notes.unreported = 0;
      this.#countFaults(readerKey, notes);
    });
  }

  #appendFaults(readerKey: string, count: number, note: string): void {
    this.#deps.append({ kind: 'readFault', readerKey, count, note });
  }

  /** What the drivers on serial lines say of their readers. */
  noteStates(states: readonly SerialReaderState[]): void {
    for (const state of states) {
      const notes = this.#notes.get(state.readerKey);
      if (notes === undefined) continue;
      notes.serial = state;
      if (state.link === 'online') this.#noteBack(state.readerKey, notes);
      else this.#noteGone(state.readerKey, notes);
    }
    this.#deps.onChange();
  }

  #noteBack(readerKey: string, notes: ReaderNotes): void {
    notes.isGone = false;
    notes.reportingGone?.();
    notes.reportingGone = null;
    if (!notes.isReportedGone) return;
    notes.isReportedGone = false;
    this.#deps.append({ kind: 'readerOnline', readerKey });
  }

  #noteGone(readerKey: string, notes: ReaderNotes): void {
    if (notes.isGone) return;
    notes.isGone = true;
    this.#reportIn(goneForMs, readerKey, notes);
  }

  #reportIn(delayMs: number, readerKey: string, notes: ReaderNotes): void {
    notes.reportingGone = this.#deps.later(delayMs, () => {
      notes.reportingGone = null;
      notes.isReportedGone = true;
      const note = (notes.serial?.problem ?? '').slice(0, 300);
      this.#deps.append({ kind: 'readerOffline', readerKey, note });
      this.#deps.onChange();
    });
  }

  isOnline(readerKey: string): boolean {
    const notes = this.#notes.get(readerKey);
    return notes !== undefined && (!notes.isSerial || notes.serial?.link === 'online');
  }

  /** How many outputs it has, as far as it says so. */
  countOutputs(readerKey: string): number {
    return this.#notes.get(readerKey)?.serial?.outputs.length ?? 0;
  }

  notePairing(readerKey: string, forMs: number): void {
    const notes = this.#notes.get(readerKey);
    if (notes === undefined) return;
    notes.endPairing?.();
    notes.pairingUntilMs = this.#nowMs() + forMs;
    notes.endPairing = this.#deps.later(forMs, () => this.endPairing(readerKey));
    this.#deps.onChange();
  }

  endPairing(readerKey: string): void {
    const notes = this.#notes.get(readerKey);
    if (notes === undefined) return;
    notes.endPairing?.();
    notes.endPairing = null;
    notes.pairingUntilMs = null;
    this.#deps.onChange();
  }

  /** It has a key of its own now. */
  notePaired(readerKey: string): void {
    this.#deps.append({ kind: 'readerPaired', readerKey });
    this.endPairing(readerKey);
  }

  findings(): Finding[] {
    return [...this.#notes]
      .filter(([, notes]) => notes.isReportedGone)
      .map(([key, { serial }]) => ({
        id: `reader.offline.${key}`,
        severity: 'error',
        evidence: `The reader "${key}" cannot be used: cards at it open nothing.`,
        fix: serial?.problem ?? 'Look at its wiring and at the log of the door controller.',
      }));
  }

  report(): ReaderState[] {
    return [...this.#notes].map(([key, notes]) => ({
      key,
      kind: notes.shownAs,
      link: notes.isSerial ? (notes.serial?.link ?? 'connecting') : 'online',
      problem: notes.serial?.problem ?? null,
      channel: notes.serial?.channel ?? null,
      pairingUntilMs: notes.pairingUntilMs,
      tamper: notes.serial?.tamper ?? null,
      powerFault: notes.serial?.powerFault ?? null,
      inputs: notes.serial?.inputs.slice(0, mostReaderLines) ?? [],
      outputs: notes.serial?.outputs.slice(0, mostReaderLines) ?? [],
      identity: notes.serial?.identity?.slice(0, 200) ?? null,
      lastReadMs: notes.lastReadMs,
      lastBits: notes.lastBits,
      lastKeysMs: notes.lastKeysMs,
      // A driver on a serial line counts every frame, here are the cards.
      goodFrames: notes.serial?.goodFrames ?? notes.goodFrames,
      faultyFrames: notes.serial?.faultyFrames ?? notes.faultyFrames,
      parityFaults: notes.parityFaults,
      lostBits: notes.lostBits,
      timeouts: notes.serial?.timeouts ?? 0,
    }));
  }

  #nowMs(): number {
    return Math.round(this.#deps.clock.nowMs());
  }

  stop(): void {
    for (const notes of this.#notes.values()) {
      notes.reporting?.();
      notes.endPairing?.();
      notes.reportingGone?.();
    }
  }
}
