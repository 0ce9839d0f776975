import type { BridgeEvent } from '#hub/mqtt/topics.ts';
import type { JournalDisk } from './journal-disk.ts';
import { decodeEntry } from './journal-frame.ts';
import {
  framesIn,
  inspectSegment,
  readSegmentHeader,
  type SegmentHeader,
  segmentHeaderBytes,
  segmentNumber,
} from './journal-segment.ts';

interface KnownSegment {
  readonly name: string;
  readonly firstSeq: number;
}

interface DecodedSegment {
  readonly name: string;
  readonly header: SegmentHeader;
  readonly events: BridgeEvent[];
  /** Behind the last frame that was read. */
  end: number;
  lastSeq: number;
  complete: boolean;
}

/** Stands for an event that can no longer be read, so that numbers stay contiguous and the loss is visible. */
const missingEvent = (seq: number, near: BridgeEvent): BridgeEvent => ({
  seq,
  bootId: near.bootId,
  kind: 'journalGap',
  wallMs: near.wallMs,
  clockTrust: near.clockTrust,
  monotonicMs: near.monotonicMs,
  count: 1,
  note: 'This entry of the journal is damaged and cannot be read.',
});

/**
 * Reads a journal from its files, beside the writer and in any thread. It sees what the writer has written, also what
 * is not on the medium yet: the caller bounds `upTo` by the writer's `syncedSeq`.
 */
export class JournalReader {
  readonly #disk: JournalDisk;
  readonly #key: Uint8Array;
  readonly #journalId: string;
  readonly #inspected = new Map<string, number | null>();
  #segments: readonly KnownSegment[] = [];
  /** The events of the segment that is being drained. */
  #cached: DecodedSegment | null = null;

  constructor(disk: JournalDisk, key: Uint8Array, journalId: string) {
    this.#disk = disk;
    this.#key = key;
    this.#journalId = journalId;
  }

  #firstSeqOf(name: string): number | null {
    const known = this.#inspected.get(name);
    if (known !== undefined) return known;
    const finding = inspectSegment(this.#disk, this.#key, name);
    // A segment without frames may get some; one with frames never changes its first.
    if (finding.kind !== 'used') return null;
    const firstSeq = finding.summary.journalId === this.#journalId ? finding.summary.firstSeq : null;
    this.#inspected.set(name, firstSeq);
    return firstSeq;
  }

  #refresh(): void {
    const names = this.#disk
      .list()
      .filter((name) => segmentNumber(name) !== null)
      .sort();
    for (const name of this.#inspected.keys()) if (!names.includes(name)) this.#inspected.delete(name);
    this.#segments = names
      .map((name) => ({ name, firstSeq: this.#firstSeqOf(name) }))
      .filter((segment): segment is KnownSegment => segment.firstSeq !== null);
  }

  #indexFor(seq: number): number {
    return this.#segments.findLastIndex((segment) => segment.firstSeq <= seq);
  }

  /** The events of a segment, at least up to `wanted` when they are there: what has been added is read on from where it was. */
  #eventsOf(segment: KnownSegment, wanted: number): readonly BridgeEvent[] {
    let cached = this.#cached?.name === segment.name ? this.#cached : null;
    if (cached !== null && (cached.complete || cached.lastSeq >= wanted)) return cached.events;
    const file = this.#disk.open(segment.name, 'read');
    try {
      const header = cached?.header ?? readSegmentHeader(this.#key, file.read(0, segmentHeaderBytes));
      if (header === null) return [];
      cached ??= {
        name: segment.name,
        header,
        events: [],
        end: segmentHeaderBytes,
        lastSeq: 0,
        complete: false,
      };
      // A segment behind this one says that nothing is added here any more.
      const complete = this.#segments.at(-1)?.name !== segment.name;
      const bytes = file.read(cached.end, Math.max(0, file.size() - cached.end));
      const { end } = cached;
      for (const frame of framesIn(header, bytes, 0, cached.lastSeq)) {
        const event = decodeEntry(frame.payload, frame.seq, header.bootId);
        if (event !== null) cached.events.push(event);
        cached.end = end + frame.end;
        cached.lastSeq = frame.seq;
      }
      cached.complete = complete;
      this.#cached = cached;
      return cached.events;
    } finally {
      file.close();
    }
  }

  /**
   * Up to `limit` events from `seq` on, oldest first, none above `upTo`. Numbers in the answer are contiguous; it begins
   * later than `seq` only when what stood there has been deleted.
   */
  readFrom(seq: number, limit: number, upTo = Number.MAX_SAFE_INTEGER): BridgeEvent[] {
    if (this.#segments.length === 0) this.#refresh();
    const found: BridgeEvent[] = [];
    let next = Math.max(seq, this.#segments[0]?.firstSeq ?? seq);
    let index = Math.max(0, this.#indexFor(next));
    let refreshed = false;
    while (found.length < limit && next <= upTo) {
      const segment = this.#segments[index];
      if (segment === undefined) {
        // What is missing lies in a segment that has been begun since, or nowhere.
        if (refreshed) break;
        refreshed = true;
        this.#refresh();
        index = this.#indexFor(next);
        if (index < 0 || this.#segments.at(-1)?.name === this.#cached?.name) break;
        continue;
      }
      const wanted = Math.min(upTo, next + limit - found.length - 1);
      for (const event of this.#eventsOf(segment, wanted)) {
        if (event.seq < next) continue;
        while (next < event.seq && next <= upTo && found.length < limit) {
          found.push(missingEvent(next, event));
          next += 1;
        }
        if (next > upTo || found.length >= limit) break;
        found.push(event);
        next += 1;
      }
      index += 1;
    }
    return found;
  }
}
