import type { BridgeEvent } from '#hub/mqtt/topics.ts';
import type { JournalDisk } from './journal-disk.ts';
import { eventsIn, inspectSegment, readSegmentHeader, segmentNumber } from './journal-segment.ts';

interface KnownSegment {
  readonly name: string;
  readonly firstSeq: number;
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
  #cached: { readonly name: string; readonly events: readonly BridgeEvent[] } | null = null;

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

  #eventsOf(segment: KnownSegment, wanted: number): readonly BridgeEvent[] {
    const cached = this.#cached;
    const newest = cached?.events.at(-1);
    if (cached?.name === segment.name && newest !== undefined && newest.seq >= wanted) return cached.events;
    const file = this.#disk.open(segment.name, 'read');
    try {
      const bytes = file.read(0, file.size());
      const header = readSegmentHeader(this.#key, bytes);
      const events = header === null ? [] : eventsIn(header, bytes);
      this.#cached = { name: segment.name, events };
      return events;
    } finally {
      file.close();
    }
  }

  /**
   * Up to `limit` events from `seq` on, oldest first, none above `upTo`. Numbers in the answer are contiguous; it begins
   * later than `seq` only when what stood there has been deleted.
   */
  readFrom(seq: number, limit: number, upTo = Number.MAX_SAFE_INTEGER): BridgeEvent[] {
    this.#refreshFor(seq);
    const found: BridgeEvent[] = [];
    let next = Math.max(seq, this.#segments[0]?.firstSeq ?? seq);
    let index = Math.max(0, this.#indexFor(next));
    while (found.length < limit && next <= upTo) {
      const segment = this.#segments[index];
      if (segment === undefined) break;
      for (const event of this.#eventsOf(segment, next)) {
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

  /** Lists the directory again when `seq` may lie in a segment that is not known yet. */
  #refreshFor(seq: number): void {
    const last = this.#segments.at(-1);
    const behind = this.#indexFor(seq) < this.#segments.length - 1;
    if (last === undefined || !behind) this.#refresh();
  }
}
