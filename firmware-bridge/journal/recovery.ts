import type { JournalDisk } from './disk.ts';
import { decodeEntry } from './entry.ts';
import {
  framesIn,
  inspectSegment,
  readSegmentHeader,
  type SegmentFinding,
  type SegmentSummary,
  segmentBytes,
  segmentHeaderBytes,
  segmentNumber,
} from './segment.ts';

export interface JournalRecovery {
  /** Null if there is no journal yet, or none that can be read. */
  readonly journalId: string | null;
  readonly segments: readonly SegmentSummary[];
  readonly lastSeq: number;
  /** The latest time in the journal: the clock had reached it. Null in an empty journal. */
  readonly lastWallMs: number | null;
  readonly nextNumber: number;
  /** Empty files that can be reused. */
  readonly reusable: readonly string[];
  /** Bytes of a torn last entry, cut off. */
  readonly tornBytes: number;
  /** Numbers missing in the last segment. */
  readonly missingEvents: number;
  /** Files that our key cannot read. They stay in place. */
  readonly unreadable: readonly string[];
  /** Commands carried out shortly before, which must not be carried out again. */
  readonly recentCommandIds: readonly string[];
}

interface Tail {
  readonly lastSeq: number;
  readonly lastWallMs: number;
  readonly usedBytes: number;
  readonly tornBytes: number;
  readonly missingEvents: number;
  readonly commandIds: readonly string[];
}

function readTail(disk: JournalDisk, key: Uint8Array, summary: SegmentSummary): Tail {
  const file = disk.open(summary.name, 'read');
  try {
    const bytes = file.read(0, file.size());
    const header = readSegmentHeader(key, bytes);
    let lastSeq = summary.firstSeq;
    let lastWallMs = summary.firstWallMs;
    let usedBytes = segmentHeaderBytes;
    let count = 0;
    const commandIds: string[] = [];
    for (const frame of header === null ? [] : framesIn(header, bytes)) {
      const event = decodeEntry(frame.payload, frame.seq, header?.bootId ?? '');
      lastSeq = frame.seq;
      lastWallMs = Math.max(lastWallMs, event?.wallMs ?? lastWallMs);
      usedBytes = frame.end;
      count += 1;
      if (event?.commandId !== undefined) commandIds.push(event.commandId);
    }
    let end = bytes.length;
    while (end > usedBytes && bytes[end - 1] === 0) end -= 1;
    const missingEvents = lastSeq - summary.firstSeq + 1 - count;
    return { lastSeq, lastWallMs, usedBytes, tornBytes: end - usedBytes, missingEvents, commandIds };
  } finally {
    file.close();
  }
}

/** Cuts a segment behind its last whole frame. */
function cutTail(disk: JournalDisk, summary: SegmentSummary, usedBytes: number): SegmentSummary {
  if (summary.bytes <= usedBytes) return summary;
  const file = disk.open(summary.name, 'write');
  try {
    file.truncate(usedBytes);
  } finally {
    file.close();
  }
  return { ...summary, bytes: usedBytes };
}

/** Writes of a killed process may be in memory only: entries found here must not vanish in a later power cut. */
async function syncLast(disk: JournalDisk, segments: readonly SegmentSummary[]): Promise<void> {
  for (const segment of segments.slice(-4)) {
    const file = disk.open(segment.name, 'write');
    try {
      await file.sync();
    } finally {
      file.close();
    }
  }
  await disk.syncNames();
}

function inspectAll(disk: JournalDisk, key: Uint8Array): SegmentFinding[] {
  return disk
    .list()
    .filter((name) => segmentNumber(name) !== null)
    .sort()
    .map((name) => inspectSegment(disk, key, name));
}

/** A file under construction when the power failed: shorter than a segment, or nothing behind its header. */
function isUnfinished(disk: JournalDisk, finding: { name: string; bytes: number }): boolean {
  if (finding.bytes > segmentBytes) return false;
  const file = disk.open(finding.name, 'read');
  try {
    return file.read(segmentHeaderBytes, finding.bytes).every((byte) => byte === 0);
  } finally {
    file.close();
  }
}

/**
 * Any key reads a header. If the entries behind it do not open, the key may be wrong: only next to entries of the
 * same journal that do open is it certain that nothing is lost.
 */
function keepForeign(
  disk: JournalDisk,
  findings: readonly SegmentFinding[],
  journalIds: ReadonlySet<string>,
): SegmentFinding[] {
  return findings.map((finding) =>
    finding.kind === 'unused' && !journalIds.has(finding.journalId) && !isUnfinished(disk, finding)
      ? { ...finding, kind: 'unreadable' }
      : finding,
  );
}

/**
 * Finds the end of the journal. Only the last segment written is read whole, of the others the head. The last journal
 * id wins: segments of an older journal stay in place for whoever reads them.
 */
export async function recoverJournal(disk: JournalDisk, key: Uint8Array): Promise<JournalRecovery> {
  const inspected = inspectAll(disk, key);
  const used = inspected.flatMap((finding) => (finding.kind === 'used' ? [finding.summary] : []));
  const findings = keepForeign(disk, inspected, new Set(used.map(({ journalId }) => journalId)));
  const last = used.at(-1);
  const unfinished = findings
    .filter((finding) => finding.kind === 'unreadable')
    .filter((finding) => isUnfinished(disk, finding))
    .map((finding) => finding.name);
  for (const name of unfinished) disk.unlink(name);
  const rest = findings.filter((finding) => finding.kind !== 'used');
  const nextNumber = findings.reduce(
    (highest, finding) =>
      Math.max(highest, finding.kind === 'used' ? finding.summary.number : finding.number),
    0,
  );
  const common = {
    nextNumber: nextNumber + 1,
    unreadable: rest
      .filter((finding) => finding.kind === 'unreadable' && !unfinished.includes(finding.name))
      .map((finding) => finding.name),
    // A shorter file would have to grow during writes, which a full disk does not allow.
    reusable: rest
      .filter(
        (finding) =>
          finding.kind === 'unused' &&
          finding.bytes === segmentBytes &&
          (last === undefined || finding.number > last.number),
      )
      .map((finding) => finding.name),
  };
  for (const finding of rest)
    if (finding.kind === 'unused' && !common.reusable.includes(finding.name)) disk.unlink(finding.name);
  if (last === undefined)
    return {
      ...common,
      journalId: null,
      segments: [],
      lastSeq: 0,
      lastWallMs: null,
      tornBytes: 0,
      missingEvents: 0,
      recentCommandIds: [],
    };
  const tail = readTail(disk, key, last);
  const segments = used.filter((segment) => segment.journalId === last.journalId);
  segments[segments.length - 1] = cutTail(disk, last, tail.usedBytes);
  await syncLast(disk, segments);
  return {
    ...common,
    journalId: last.journalId,
    segments,
    lastSeq: tail.lastSeq,
    lastWallMs: tail.lastWallMs,
    tornBytes: tail.tornBytes,
    missingEvents: tail.missingEvents,
    recentCommandIds: tail.commandIds,
  };
}
