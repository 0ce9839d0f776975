import type { Later, ReaderFault } from '#bridge/ports.ts';
import { kindOf, type ReaderConfig } from '#bridge/readers/registry.ts';
import type { SerialReaderState } from '#bridge/readers/serial-driver.ts';
import type { ReaderState } from '#hub/domains/access/controllers/link-schema.ts';
import { mostQuirks, mostReaderLines, type ReaderKind } from '#hub/domains/access/schema.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import { Alternation, changesNote } from './alternation.ts';
import type { DoorEntry } from './door.ts';

type PairingOutcome = NonNullable<ReaderState['pairingEnded']>['outcome'];

interface ReaderRecord {
  readonly shownAs: ReaderKind;
  /** The only length of its frames; null: any, or it sends none. */
  readonly frameBits: number | null;
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
  /** State reported by the driver of a serial reader; null for a GPIO reader, or before the first report. */
  serial: SerialReaderState | null;
  /** Its driver cannot reach it. */
  isOffline: boolean;
  /** It has been offline for longer than the grace period. */
  isReportedOffline: boolean;
  /** Writes down that it goes and comes. */
  readonly presence: Alternation;
  /** Writes down that its supply is not sound, and that it is again. */
  readonly supply: Alternation;
  /** Cancels the pending offline report; null: none is due. */
  reportingOffline: (() => void) | null;
  /** UTC ms. */
  pairingUntilMs: number | null;
  endPairing: (() => void) | null;
  pairingEnded: ReaderState['pairingEnded'];
}

/** A noisy line must not fill the journal: after the first entry, faults are counted for this long. */
const reportMs = 60_000;
/**
 * Grace period for a plug that is put back and for a restart of the serial process. A reader on a bus has been silent
 * for 8 s by then: together less than ten.
 */
const offlineForMs = 1500;
const startMs = 8000;

/** A GPIO reader works from the start; a serial reader is offline until it reports. */
const newRecord = (
  { shownAs, connection }: ReturnType<typeof kindOf>,
  entries: Pick<ReaderRecord, 'frameBits' | 'presence' | 'supply'>,
): ReaderRecord => ({
  ...entries,
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
  isOffline: connection === 'serial',
  isReportedOffline: false,
  reportingOffline: null,
  pairingUntilMs: null,
  endPairing: null,
  pairingEnded: null,
});

interface ReaderSetup extends Pick<ReaderConfig, 'kind'> {
  readonly fixedBits?: number | null;
}

interface ReaderHealthDeps {
  readonly clock: Clock;
  readonly later: Later;
  readonly append: (entry: DoorEntry) => number | null;
  /** Something that a screen shows has changed. */
  readonly onChange: () => void;
}

/** Counts reads and faults of each reader and tracks whether it is online. */
export class ReaderHealth {
  readonly #records: ReadonlyMap<string, ReaderRecord>;
  readonly #deps: ReaderHealthDeps;

  constructor(
    readers: readonly { readonly key: string; readonly wiring: ReaderSetup }[],
    deps: ReaderHealthDeps,
  ) {
    this.#deps = deps;
    this.#records = new Map(
      readers.map(({ key, wiring }) => [
        key,
        newRecord(kindOf(wiring), {
          frameBits: wiring.fixedBits ?? null,
          presence: new Alternation(deps.later, (isGone, changes) =>
            this.#appendPresence(key, isGone, changes),
          ),
          supply: new Alternation(deps.later, (isGone, changes) =>
            this.#append(key, isGone ? 'powerFault' : 'powerRestored', changesNote(changes)),
          ),
        }),
      ]),
    );
    // Reported even if it never appears.
    for (const record of this.#records.values()) if (record.isOffline) this.#reportIn(startMs, record);
  }

  noteRead(readerKey: string, bits: number): void {
    const record = this.#records.get(readerKey);
    if (record === undefined) return;
    record.goodFrames += 1;
    record.lastBits = bits;
    record.lastReadMs = this.#nowMs();
  }

  noteKeys(readerKey: string): void {
    const record = this.#records.get(readerKey);
    if (record === undefined) return;
    record.lastKeysMs = this.#nowMs();
    this.#deps.onChange();
  }

  noteFault(fault: ReaderFault): void {
    const record = this.#records.get(fault.readerKey);
    if (record === undefined) return;
    record.faultyFrames += 1;
    if (fault.kind === 'lostBits') record.lostBits += 1;
    if (fault.kind === 'parity' || fault.kind === 'checksum') record.parityFaults += 1;
    if (record.reporting !== null) {
      record.unreported += 1;
      return;
    }
    this.#appendFaults(fault.readerKey, 1, `${fault.kind}, ${String(fault.bits)} bits`);
    this.#countFaults(fault.readerKey, record);
  }

  #countFaults(readerKey: string, record: ReaderRecord): void {
    record.reporting = this.#deps.later(reportMs, () => {
      record.reporting = null;
      if (record.unreported === 0) return;
      this.#appendFaults(readerKey, record.unreported, 'faulty frames of a minute');
      record.unreported = 0;
      this.#countFaults(readerKey, record);
    });
  }

  #appendFaults(readerKey: string, count: number, note: string): void {
    this.#deps.append({ kind: 'readFault', readerKey, count, note });
  }

  /** Takes the states that the drivers of serial readers report. */
  noteStates(states: readonly SerialReaderState[]): void {
    for (const state of states) {
      const record = this.#records.get(state.readerKey);
      if (record === undefined) continue;
      record.serial = state;
      // An offline reader says nothing of its supply.
      if (state.powerFault !== null) record.supply.note(state.powerFault);
      if (state.link === 'online') this.#noteOnline(record);
      else this.#noteOffline(record);
    }
    this.#deps.onChange();
  }

  #noteOnline(record: ReaderRecord): void {
    record.isOffline = false;
    record.reportingOffline?.();
    record.reportingOffline = null;
    record.isReportedOffline = false;
    record.presence.note(false);
  }

  #noteOffline(record: ReaderRecord): void {
    if (record.isOffline) return;
    record.isOffline = true;
    this.#reportIn(offlineForMs, record);
  }

  #reportIn(delayMs: number, record: ReaderRecord): void {
    record.reportingOffline = this.#deps.later(delayMs, () => {
      record.reportingOffline = null;
      record.isReportedOffline = true;
      record.presence.note(true);
      this.#deps.onChange();
    });
  }

  #appendPresence(readerKey: string, isGone: boolean, changes: number): void {
    const problem = isGone ? (this.#records.get(readerKey)?.serial?.problem ?? '') : '';
    const note = [changesNote(changes), problem].filter((part) => part !== '').join('. ');
    this.#append(readerKey, isGone ? 'readerOffline' : 'readerOnline', note);
  }

  #append(readerKey: string, kind: DoorEntry['kind'], note: string): void {
    this.#deps.append({ kind, readerKey, ...(note === '' ? {} : { note: note.slice(0, 300) }) });
  }

  isOnline(readerKey: string): boolean {
    const record = this.#records.get(readerKey);
    return record !== undefined && (!record.isSerial || record.serial?.link === 'online');
  }

  /** The number of outputs that it reports. */
  countOutputs(readerKey: string): number {
    return this.#records.get(readerKey)?.serial?.outputs.length ?? 0;
  }

  notePairing(readerKey: string, forMs: number): void {
    const record = this.#records.get(readerKey);
    if (record === undefined) return;
    record.endPairing?.();
    record.pairingUntilMs = this.#nowMs() + forMs;
    record.endPairing = this.#deps.later(forMs, () => this.endPairing(readerKey, 'over'));
    this.#deps.onChange();
  }

  endPairing(readerKey: string, outcome: PairingOutcome): void {
    const record = this.#records.get(readerKey);
    if (record === undefined) return;
    record.endPairing?.();
    record.endPairing = null;
    if (record.pairingUntilMs !== null) record.pairingEnded = { atMs: this.#nowMs(), outcome };
    record.pairingUntilMs = null;
    this.#deps.onChange();
  }

  /** The reader has its own key now. */
  notePaired(readerKey: string): void {
    this.#deps.append({ kind: 'readerPaired', readerKey });
    this.endPairing(readerKey, 'paired');
  }

  /** No key comes any more for a reader that goes on with the one that it has; others are still tried. */
  noteKeyRefused(readerKey: string): void {
    if (this.isOnline(readerKey)) this.endPairing(readerKey, 'refused');
  }

  findings(): Finding[] {
    return [...this.#records]
      .filter(([, record]) => record.isReportedOffline)
      .map(([key, { serial }]) => ({
        id: `reader.offline.${key}`,
        severity: 'error',
        evidence: `The reader "${key}" cannot be used: cards at it open nothing.`,
        fix: serial?.problem ?? 'Look at its wiring and at the log of the door controller.',
      }));
  }

  report(): ReaderState[] {
    return [...this.#records].map(([key, record]) => ({
      key,
      kind: record.shownAs,
      frameBits: record.frameBits,
      link: record.isSerial ? (record.serial?.link ?? 'connecting') : 'online',
      problem: record.serial?.problem ?? null,
      channel: record.serial?.channel ?? null,
      pairingUntilMs: record.pairingUntilMs,
      pairingEnded: record.pairingEnded,
      tamper: record.serial?.tamper ?? null,
      powerFault: record.serial?.powerFault ?? null,
      inputs: record.serial?.inputs.slice(0, mostReaderLines) ?? [],
      outputs: record.serial?.outputs.slice(0, mostReaderLines) ?? [],
      identity: record.serial?.identity?.slice(0, 200) ?? null,
      quirks: record.serial?.quirks.slice(0, mostQuirks) ?? [],
      lastReadMs: record.lastReadMs,
      lastBits: record.lastBits,
      lastKeysMs: record.lastKeysMs,
      // Serial drivers count every frame, GPIO readers count cards.
      goodFrames: record.serial?.goodFrames ?? record.goodFrames,
      faultyFrames: record.serial?.faultyFrames ?? record.faultyFrames,
      parityFaults: record.parityFaults,
      lostBits: record.lostBits,
      timeouts: record.serial?.timeouts ?? 0,
    }));
  }

  #nowMs(): number {
    return Math.round(this.#deps.clock.nowMs());
  }

  stop(): void {
    for (const record of this.#records.values()) {
      record.reporting?.();
      record.endPairing?.();
      record.reportingOffline?.();
      record.presence.stop();
      record.supply.stop();
    }
  }
}
