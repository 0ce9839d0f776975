import { randomUUID } from 'node:crypto';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import { assert } from '#hub/kernel/result.ts';
import type { JournalDisk, JournalFile } from './disk.ts';
import { encodeEntry, type JournalEntry } from './entry.ts';
import { sealFrame } from './frame.ts';
import { JournalReader } from './reader.ts';
import { type JournalRecovery, recoverJournal } from './recovery.ts';
import {
  makeSegmentHeader,
  type SegmentHeader,
  type SegmentSummary,
  segmentBytes,
  segmentHeaderBytes,
  segmentName,
} from './segment.ts';

export interface JournalOptions {
  readonly disk: JournalDisk;
  readonly key: Uint8Array;
  readonly bootId: string;
  readonly maxBytes: number;
  /** UTC ms, or null while the time is unknown: then no segment expires. */
  readonly trustedNowMs: () => number | null;
  readonly later: (delayMs: number, run: () => void) => () => void;
  readonly ackedSeq?: { readonly journalId: string; readonly seq: number } | null;
  /** Numbers or writability, which the door thread reports, have changed. */
  readonly onChange?: () => void;
  readonly onFault?: (error: unknown) => void;
}

/** How long acknowledged events are kept, so that a restored hub can have them again. */
export const keepAckedMs = 35 * 86_400_000;
const retryMs = 5000;
/** Spare segments, zeroed and on the medium: the next one, and one in reserve. */
const readySegments = 2;

interface ReadySegment {
  readonly name: string;
  readonly header: SegmentHeader;
  readonly file: JournalFile;
}

interface ActiveSegment extends ReadySegment {
  offset: number;
}

interface UnsyncedSegment {
  readonly file: JournalFile;
  lastSeq: number;
  readonly retired: boolean;
}

/**
 * The bridge's append-only record of the events at its doors. `append` is one synchronous `pwrite` into preallocated
 * space, so it survives a kill; `fdatasync` follows at once in the thread pool, and from then on it survives a power
 * cut. Only synced events leave the bridge.
 */
export class Journal {
  readonly journalId: string;
  readonly bootId: string;
  readonly recovery: JournalRecovery;
  readonly #options: JournalOptions;
  #segments: SegmentSummary[];
  #ready: ReadySegment[] = [];
  #active: ActiveSegment | null = null;
  #unsynced: UnsyncedSegment[] = [];
  #lastSeq: number;
  readonly #firstOwnSeq: number;
  #syncedSeq: number;
  #ackedSeq: number;
  #nextNumber: number;
  #lost = 0;
  #syncing: Promise<void> | null = null;
  #syncFailing = false;
  #preparing: Promise<void> | null = null;
  #cancelRetry: (() => void) | null = null;
  #reader: JournalReader | null = null;
  #closed = false;
  readonly #zeros = Buffer.alloc(segmentBytes - segmentHeaderBytes);

  private constructor(options: JournalOptions, recovery: JournalRecovery) {
    this.#options = options;
    this.recovery = recovery;
    this.bootId = options.bootId;
    this.journalId = recovery.journalId ?? randomUUID();
    this.#segments = [...recovery.segments];
    this.#lastSeq = recovery.lastSeq;
    this.#firstOwnSeq = recovery.lastSeq + 1;
    this.#syncedSeq = recovery.lastSeq;
    this.#nextNumber = recovery.nextNumber;
    const acked = options.ackedSeq;
    this.#ackedSeq = acked?.journalId === this.journalId ? Math.min(acked.seq, recovery.lastSeq) : 0;
  }

  /**
   * Recovers the journal on the disk, then prepares the segments of this boot. Without room the journal is not
   * writable and retries by itself; only an unreadable directory throws.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const recovery = await recoverJournal(options.disk, options.key);
    const journal = new Journal(options, recovery);
    for (const name of recovery.reusable) await journal.#readyExisting(name);
    await journal.#prepare();
    return journal;
  }

  get firstSeq(): number {
    return this.#segments[0]?.firstSeq ?? this.#lastSeq + 1;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Events up to this number are on the medium. */
  get syncedSeq(): number {
    return this.#syncedSeq;
  }

  get ackedSeq(): number {
    return this.#ackedSeq;
  }

  get writable(): boolean {
    return !this.#closed && !this.#syncFailing && (this.#fits(0) || this.#ready.length > 0);
  }

  /** Events lost for lack of room since the journal was last writable. */
  get lostEvents(): number {
    return this.#lost;
  }

  get totalBytes(): number {
    const used = this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const begun = this.#active?.offset === segmentHeaderBytes ? 1 : 0;
    return used + (this.#ready.length + begun) * segmentBytes;
  }

  /** Appends an event. Returns its number, or null without room: it is then counted and reported by a `journalGap`. */
  append(entry: JournalEntry): number | null {
    if (!this.writable) {
      this.#lost += 1;
      this.#retryLater();
      return null;
    }
    if (this.#lost > 0) this.#appendGap(entry);
    const seq = this.#write(entry);
    if (seq === null) {
      this.#lost += 1;
      this.#options.onChange?.();
    }
    return seq;
  }

  #appendGap(next: JournalEntry): void {
    const { wallMs, clockTrust, monotonicMs } = next;
    const note = 'The journal had no room for this many events.';
    const gap: JournalEntry = {
      kind: 'journalGap',
      wallMs,
      clockTrust,
      monotonicMs,
      count: this.#lost,
      note,
    };
    if (this.#write(gap) !== null) this.#lost = 0;
  }

  #fits(frameBytes: number): boolean {
    return this.#active !== null && this.#active.offset + Math.max(frameBytes, 512) <= segmentBytes;
  }

  #write(entry: JournalEntry): number | null {
    const payload = encodeEntry(entry);
    const frameBytes = payload.length + 24;
    // Tries each spare segment at most once: one on which writing fails is left behind.
    while (this.#fits(frameBytes) || this.#activate()) {
      const active = this.#active;
      assert(active !== null, 'a segment is active');
      const seq = this.#lastSeq + 1;
      const frame = sealFrame(active.header.key, seq, payload);
      try {
        active.file.write(active.offset, frame);
      } catch (error) {
        this.#options.onFault?.(error);
        this.#retire();
        continue;
      }
      if (active.offset === segmentHeaderBytes) this.#noteFirst(active, seq, entry.wallMs);
      active.offset += frame.length;
      this.#lastSeq = seq;
      this.#markUnsynced(active.file, seq);
      return seq;
    }
    return null;
  }

  #noteFirst(active: ActiveSegment, firstSeq: number, firstWallMs: number): void {
    this.#segments.push({
      number: active.header.number,
      name: active.name,
      bytes: segmentBytes,
      journalId: this.journalId,
      firstSeq,
      firstWallMs,
    });
  }

  #markUnsynced(file: JournalFile, seq: number): void {
    const last = this.#unsynced.at(-1);
    if (last?.file === file) last.lastSeq = seq;
    else this.#unsynced.push({ file, lastSeq: seq, retired: false });
    this.#startSync();
  }

  #retire(): void {
    const active = this.#active;
    this.#active = null;
    if (active === null) return;
    const pending = this.#unsynced.findIndex((segment) => segment.file === active.file);
    const waiting = this.#unsynced[pending];
    if (waiting === undefined) active.file.close();
    else this.#unsynced[pending] = { ...waiting, retired: true };
  }

  #activate(): boolean {
    this.#retire();
    const next = this.#ready.shift();
    if (next === undefined) return false;
    this.#active = { ...next, offset: segmentHeaderBytes };
    void this.#prepare();
    return true;
  }

  #startSync(): void {
    if (this.#syncing !== null || this.#unsynced.length === 0) return;
    this.#syncing = this.#syncAll().finally(() => {
      this.#syncing = null;
      if (!this.#syncFailing) this.#startSync();
    });
  }

  /** In the order of the numbers, so that synced events have no gaps. */
  async #syncAll(): Promise<void> {
    for (let first = this.#unsynced[0]; first !== undefined; first = this.#unsynced[0]) {
      const { file, lastSeq } = first;
      try {
        await file.sync();
      } catch (error) {
        this.#syncFailing = true;
        this.#options.onFault?.(error);
        this.#retryLater();
        this.#options.onChange?.();
        return;
      }
      this.#syncFailing = false;
      this.#syncedSeq = Math.max(this.#syncedSeq, lastSeq);
      const now = this.#unsynced[0];
      if (now !== undefined && now.file === file && now.lastSeq === lastSeq) {
        this.#unsynced.shift();
        if (now.retired) file.close();
      }
      this.#options.onChange?.();
    }
  }

  #retryLater(): void {
    if (this.#cancelRetry !== null || this.#closed) return;
    this.#cancelRetry = this.#options.later(retryMs, () => {
      this.#cancelRetry = null;
      this.#startSync();
      void this.#prepare();
    });
  }

  /** Refills the spare segments, one at a time; a failure is retried later. */
  #prepare(): Promise<void> {
    this.#preparing ??= this.#prepareAll().finally(() => {
      this.#preparing = null;
    });
    return this.#preparing;
  }

  async #prepareAll(): Promise<void> {
    const wasWritable = this.writable;
    try {
      while (!this.#closed && this.#ready.length < readySegments) {
        this.#trim(segmentBytes);
        if (this.totalBytes + segmentBytes > this.#options.maxBytes) {
          this.#retryLater();
          break;
        }
        this.#ready.push(await this.#makeReady());
      }
    } catch (error) {
      this.#options.onFault?.(error);
      this.#retryLater();
    }
    if (!wasWritable && this.writable) this.#options.onChange?.();
  }

  /** Creates a file full of zeros, so that later writes need no room, with its name on the medium. */
  async #makeReady(): Promise<ReadySegment> {
    const { disk, key } = this.#options;
    const number = this.#nextNumber;
    const name = segmentName(number);
    const made = makeSegmentHeader(key, { number, journalId: this.journalId, bootId: this.bootId });
    const file = disk.open(name, 'create');
    try {
      await file.writeLater(segmentHeaderBytes, this.#zeros);
      file.write(0, made.bytes);
      await file.sync();
      await disk.syncNames();
    } catch (error) {
      file.close();
      disk.unlink(name);
      throw error;
    }
    this.#nextNumber += 1;
    return { name, header: made.header, file };
  }

  /** Reuses space that an earlier boot prepared: it only needs a new header, and with it a new key. */
  async #readyExisting(name: string): Promise<void> {
    const { disk, key } = this.#options;
    const number = Number.parseInt(name, 10);
    const made = makeSegmentHeader(key, { number, journalId: this.journalId, bootId: this.bootId });
    const file = disk.open(name, 'write');
    try {
      await file.writeLater(0, made.bytes);
      await file.sync();
      this.#ready.push({ name, header: made.header, file });
    } catch (error) {
      file.close();
      this.#options.onFault?.(error);
    }
  }

  /**
   * The hub holds entries up to `seq` that this journal does not have: the disk lost confirmed events. Numbers that
   * the hub knows must not be reused, so the events of this boot are written again behind them.
   */
  continueAfter(seq: number): void {
    if (seq <= this.#lastSeq) return;
    const count = this.#lastSeq - this.#firstOwnSeq + 1;
    const own = this.#reading
      .readFrom(this.#firstOwnSeq, count)
      .filter((event) => event.bootId === this.bootId);
    const shift = seq + 1 - (own[0]?.seq ?? seq + 1);
    this.#lastSeq = seq;
    this.#activate();
    for (const { seq: _seq, bootId: _bootId, followsSeq, ...event } of own)
      this.append(followsSeq === undefined ? event : { ...event, followsSeq: followsSeq + shift });
  }

  /** The hub holds everything up to `seq`. */
  acknowledge(seq: number): void {
    const acked = Math.min(seq, this.#lastSeq);
    if (acked <= this.#ackedSeq) return;
    this.#ackedSeq = acked;
    this.#trim(0);
    if (this.#ready.length < readySegments) void this.#prepare();
  }

  /**
   * Deletes the oldest acknowledged segments: those that have expired, and as many more as `neededBytes` requires.
   * Events that the hub does not hold are never deleted.
   */
  #trim(neededBytes: number): void {
    const { disk, maxBytes, trustedNowMs } = this.#options;
    const nowMs = trustedNowMs();
    for (;;) {
      const [oldest, next] = this.#segments;
      if (oldest === undefined || next === undefined || next.firstSeq - 1 > this.#ackedSeq) return;
      const aged = nowMs !== null && next.firstWallMs < nowMs - keepAckedMs;
      if (!aged && this.totalBytes + neededBytes <= maxBytes) return;
      try {
        disk.unlink(oldest.name);
      } catch (error) {
        this.#options.onFault?.(error);
        return;
      }
      this.#segments.shift();
    }
  }

  /** Reads events from `seq` on that are on the medium. */
  readFrom(seq: number, limit: number): BridgeEvent[] {
    return this.#reading.readFrom(seq, limit, this.#syncedSeq);
  }

  get #reading(): JournalReader {
    this.#reader ??= new JournalReader(this.#options.disk, this.#options.key, this.journalId);
    return this.#reader;
  }

  /** Resolves when everything appended before the call is on the medium, or cannot be brought there. */
  async flush(): Promise<void> {
    while (this.#syncing !== null && !this.#syncFailing) await this.#syncing;
  }

  async close(): Promise<void> {
    await this.flush();
    this.#closed = true;
    this.#cancelRetry?.();
    await this.#preparing;
    this.#active?.file.close();
    this.#active = null;
    for (const ready of this.#ready) ready.file.close();
    this.#ready = [];
  }
}
