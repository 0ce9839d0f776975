import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import type { JournalDisk } from './disk.ts';
import { decodeEntry } from './entry.ts';
import { maxFrameBytes } from './frame.ts';
import {
  framesIn,
  inspectSegment,
  readSegmentHeader,
  type SegmentHeader,
  segmentHeaderBytes,
  segmentNumber,
} from './segment.ts';

interface KnownSegment {
  readonly name: string;
  readonly firstSeq: number;
}

/** Where reading continues: behind the last frame read. */
interface Place {
  readonly name: string;
  readonly header: SegmentHeader;
  readonly offset: number;
  readonly lastSeq: number;
}

/**
 * Bytes of a segment in memory at once, and one frame more, so that no frame that begins in them is cut. A whole
 * segment would leave megabytes of its events behind in the heap of the thread.
 */
const windowBytes = 16_384;

/** Stands for an unreadable event, so that numbers stay contiguous and the loss is visible. */
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
 * Reads a journal from its files, alongside the writer and in any thread. It also sees writes that are not on the
 * medium yet: the caller bounds `upTo` by the writer's `syncedSeq`.
 */
export class JournalReader {
  readonly #disk: JournalDisk;
  readonly #key: Uint8Array;
  readonly #journalId: string;
  readonly #inspected = new Map<string, number | null>();
  #segments: readonly KnownSegment[] = [];
  #place: Place | null = null;

  constructor(disk: JournalDisk, key: Uint8Array, journalId: string) {
    this.#disk = disk;
    this.#key = key;
    this.#journalId = journalId;
  }

  #firstSeqOf(name: string): number | null {
    const known = this.#inspected.get(name);
    if (known !== undefined) return known;
    const finding = inspectSegment(this.#disk, this.#key, name);
    // An empty segment may still get frames; the first frame of a segment never changes.
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

  /** Iterates over the events of a segment from `seq` on, reading as far as needed. */
  *#eventsOf(segment: KnownSegment, seq: number): Generator<BridgeEvent> {
    const { name } = segment;
    const known = this.#place?.name === name && this.#place.lastSeq < seq ? this.#place : null;
    const file = this.#disk.open(name, 'read');
    try {
      const header = known?.header ?? readSegmentHeader(this.#key, file.read(0, segmentHeaderBytes));
      if (header === null) return;
      const bytes = file.size();
      let offset = known?.offset ?? segmentHeaderBytes;
      let lastSeq = known?.lastSeq ?? 0;
      while (offset < bytes) {
        const window = file.read(offset, Math.min(windowBytes + maxFrameBytes + 1, bytes - offset));
        let end = 0;
        for (const frame of framesIn(header, window, 0, lastSeq)) {
          ({ end, seq: lastSeq } = frame);
          if (frame.seq < seq) continue;
          const event = decodeEntry(frame.payload, frame.seq, header.bootId);
          if (event === null) continue;
          this.#place = { name, header, offset: offset + end, lastSeq };
          yield event;
        }
        // Behind the last whole frame, and never back: anything else is damage, or nothing yet.
        offset += Math.max(end, Math.min(windowBytes, window.length));
      }
    } finally {
      file.close();
    }
  }

  /**
   * Reads up to `limit` events from `seq` on, oldest first, none above `upTo`. Their numbers are contiguous; they
   * begin later than `seq` only if those before were deleted.
   */
  readFrom(seq: number, limit: number, upTo = Number.MAX_SAFE_INTEGER): BridgeEvent[] {
    if (this.#segments.length === 0) this.#refresh();
    const found: BridgeEvent[] = [];
    let next = Math.max(seq, this.#segments[0]?.firstSeq ?? seq);
    let index = Math.max(0, this.#indexFor(next));
    let refreshed = false;
    let last: string | null = null;
    while (found.length < limit && next <= upTo) {
      const segment = this.#segments[index];
      if (segment === undefined) {
        // The missing events are in a segment begun since, or nowhere.
        if (refreshed) break;
        refreshed = true;
        this.#refresh();
        index = this.#indexFor(next);
        if (index < 0 || this.#segments.at(-1)?.name === last) break;
        continue;
      }
      last = segment.name;
      for (const event of this.#eventsOf(segment, next)) {
        while (next < event.seq && next <= upTo && found.length < limit) {
          found.push(missingEvent(next, event));
          next += 1;
        }
        if (next > upTo || found.length >= limit) break;
        found.push(event);
        next += 1;
        if (next > upTo || found.length >= limit) break;
      }
      index += 1;
    }
    return found;
  }
}
