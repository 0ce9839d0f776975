import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { JournalReader } from '#bridge/journal/reader.ts';
import { inspectSegment, segmentNumber } from '#bridge/journal/segment.ts';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import { type AccessEventRow, findDeadLetters, findEvents } from '#hub/domains/access/events/repository.ts';
import { readKey } from '#hub/platform/files/keys.ts';
import { createLog } from '#hub/platform/log.ts';
import { StoreFigures } from '#hub/store/health/store-figures.ts';
import { DirectReader } from '#hub/store/reading/direct-reader.ts';
import type { Reader } from '#hub/store/store.ts';
import type { StrikeMove, Tap } from '../doors/scene.ts';
import { until } from '../until.ts';

/** Every entry of a bridge's journal, by the bridge's own reader; nothing is changed. */
export async function readJournal(
  stateDir: string,
): Promise<{ readonly journalIds: readonly string[]; readonly events: readonly BridgeEvent[] }> {
  const key = await readKey(path.join(stateDir, 'bridge/bridge.key'));
  const disk = openJournalDisk(path.join(stateDir, 'bridge/journal'));
  const findings = disk
    .list()
    .filter((name) => segmentNumber(name) !== null)
    .sort()
    .map((name) => inspectSegment(disk, key, name));
  const journalIds = [
    ...new Set(findings.flatMap((finding) => (finding.kind === 'used' ? [finding.summary.journalId] : []))),
  ];
  const last = journalIds.at(-1);
  const events = last === undefined ? [] : new JournalReader(disk, key, last).readFrom(1, 10_000_000);
  return { journalIds, events };
}

/** Reads beside the running hub, or after its end. */
export async function withStore<T>(stateDir: string, read: (reader: Reader) => Promise<T>): Promise<T> {
  const reader = new DirectReader(
    {
      path: path.join(stateDir, 'hub/hub.sqlite'),
      key: await readKey(path.join(stateDir, 'hub/keys/store.key')),
    },
    createLog({ level: 'silent' }),
    new StoreFigures(),
  );
  try {
    return await read(reader);
  } finally {
    reader.close();
  }
}

/** In the order in which the hub took them in. */
export const storedEvents = async (reader: Reader): Promise<readonly AccessEventRow[]> =>
  (await findEvents(reader, {}, { limit: 10_000_000 })).reverse();

/** The highest sequence number of a bridge's journal that the hub holds. */
const heldSeq = (stateDir: string): Promise<number> =>
  withStore(stateDir, async (reader) => {
    const cursors = await reader.selectFrom('bridge_cursor').select('acked_seq').execute();
    return Math.max(0, ...cursors.map((cursor) => cursor.acked_seq));
  });

/** Waits until the hub has taken in so many entries more. */
export async function untilTakenIn(stateDir: string, entries: number): Promise<void> {
  const before = await heldSeq(stateDir);
  await until(
    `${entries} entries more in the hub`,
    async () => (await heldSeq(stateDir)) >= before + entries,
    drainLimitMs,
  );
}

/** The longest pause of the bridge before it connects again, the time to serve, and the journal's transfer. */
const drainLimitMs = 60_000;

/** Waits until the hub's store holds the whole journal and every strike is locked again. */
export async function untilDrained(stateDir: string, moves: readonly StrikeMove[]): Promise<void> {
  const deadlineMs = performance.now() + drainLimitMs;
  for (;;) {
    const { events } = await readJournal(stateDir);
    if (areLocked(moves) && (await heldSeq(stateDir)) >= (events.at(-1)?.seq ?? 0)) return;
    // What does not arrive is counted as lost below.
    if (performance.now() > deadlineMs) return;
    await delay(100);
  }
}

function areLocked(moves: readonly StrikeMove[]): boolean {
  const released = new Map(moves.map((move) => [move.door, move.released]));
  return ![...released.values()].includes(true);
}

/** The journal's entry, put together again from the hub's row. */
export function entryOfRow(row: AccessEventRow): BridgeEvent {
  const { details, seq, kind, atMs: wallMs, clockTrust } = row;
  const { readerKey, credentialId, memberId, digest, reason } = row;
  const optional = Object.entries({ readerKey, credentialId, memberId, digest, reason }).filter(
    ([, value]) => value !== null,
  );
  const stated = Object.entries(details).filter(([, value]) => value !== undefined);
  return { seq, kind, wallMs, clockTrust, ...Object.fromEntries([...stated, ...optional]) } as BridgeEvent;
}

export interface Discrepancies {
  /** Entries of the journal that the hub's store does not have. */
  readonly lost: readonly string[];
  /** Entries that it has more than once, or that the journal does not have. */
  readonly doubled: readonly string[];
  /** Numbers that the journal misses, entries that it could not read, journals beside the one. */
  readonly gaps: readonly string[];
  readonly changed: readonly string[];
  /** Rows of the hub that came before a row with a smaller number. */
  readonly disordered: readonly string[];
  readonly deadLetters: readonly string[];
}

const nameOf = (event: { readonly seq: number; readonly kind: string }): string =>
  `${event.kind} ${String(event.seq)}`;

/** Lays the bridge's journal beside the hub's store. */
export async function compareJournalAndStore(stateDir: string): Promise<{
  readonly journal: readonly BridgeEvent[];
  readonly rows: readonly AccessEventRow[];
  readonly discrepancies: Discrepancies;
}> {
  const { journalIds, events: journal } = await readJournal(stateDir);
  const { rows, letters } = await withStore(stateDir, async (reader) => ({
    rows: await storedEvents(reader),
    letters: await findDeadLetters(reader, { limit: 1000 }),
  }));
  const rowBySeq = new Map<number, AccessEventRow>();
  const doubled: string[] = [];
  const disordered: string[] = [];
  const entryBySeq = new Map(journal.map((event) => [event.seq, event]));
  let before = 0;
  for (const row of rows) {
    const isOwn = row.journalId === journalIds.at(-1) && entryBySeq.has(row.seq);
    if (!isOwn || rowBySeq.has(row.seq)) doubled.push(nameOf(row));
    else rowBySeq.set(row.seq, row);
    if (row.seq < before) disordered.push(nameOf(row));
    before = row.seq;
  }
  const gaps = journal
    .filter((event, index) => event.seq !== index + 1 || event.kind === 'journalGap')
    .map(nameOf);
  if (journalIds.length !== 1) gaps.push(`${String(journalIds.length)} journals`);
  return {
    journal,
    rows,
    discrepancies: {
      lost: journal.filter((event) => !rowBySeq.has(event.seq)).map(nameOf),
      doubled,
      gaps,
      changed: journal
        .filter((event) => {
          const row = rowBySeq.get(event.seq);
          return row !== undefined && !isDeepStrictEqual(entryOfRow(row), event);
        })
        .map(nameOf),
      disordered,
      deadLetters: letters.map((letter) => `${letter.problem} (${String(letter.seq)})`),
    },
  };
}

/** Entries that let a strike be released. */
const isRelease = (event: BridgeEvent): boolean =>
  event.kind === 'granted' || event.kind === 'remoteGranted' || event.kind === 'egress';

/** Times in the journal are rounded to whole ms. */
const roundingMs = 1;

/**
 * Releases that no entry of the journal accounts for. The door's thread writes the entry down and drives the strike
 * without anything in between: the entry is the last one before the release, and is used up by it.
 */
export function releasesWithoutRecord(
  moves: readonly StrikeMove[],
  journal: readonly BridgeEvent[],
): StrikeMove[] {
  const used = new Set<number>();
  let last = -1;
  return moves.filter((move) => {
    if (!move.released) return false;
    const isBefore = (event: BridgeEvent | undefined): boolean =>
      event !== undefined && event.monotonicMs < move.atMs - roundingMs;
    while (isBefore(journal[last + 1])) last += 1;
    // The last one that is certainly before the release, and those of the same moment.
    const candidates: BridgeEvent[] = [];
    for (const event of journal.slice(Math.max(0, last), last + 100)) {
      if (event.monotonicMs > move.atMs + roundingMs) break;
      candidates.push(event);
    }
    const entry = candidates.find(
      (event) => isRelease(event) && event.portalKey === move.door.key && !used.has(event.seq),
    );
    if (entry !== undefined) used.add(entry.seq);
    return entry === undefined;
  });
}

/** One bridge process, in CLOCK_MONOTONIC ms. */
export interface Life {
  readonly bornMs: number;
  /** When it was known to serve its doors; null: it was killed before. */
  servesMs: number | null;
  /** Null: it ended in order after everything else. */
  killedMs: number | null;
}

/** A tap so shortly before a kill may go unanswered on a busy machine. */
const lastWordMs = 1000;

const isSeen = (tap: Tap): tap is Tap & { readonly atMs: number } => tap.atMs !== null;

/** Whether the decisions, in order, are those on the taps from `start` on. */
const answersFrom = (
  start: number,
  taps: readonly (Tap & { readonly atMs: number })[],
  decisions: readonly BridgeEvent[],
): boolean =>
  decisions.every((decision, index) => {
    const tap = taps[start + index];
    return (
      tap !== undefined &&
      (decision.credentialId ?? null) === tap.credentialId &&
      (decision.kind === 'granted') === (tap.credentialId !== null) &&
      decision.monotonicMs >= tap.atMs - roundingMs
    );
  });

/**
 * Compares what people did at the doors of living bridges with what these decided: every tap from the moment at which
 * a bridge served until shortly before its end has its own decision, the right one, in the order of the taps.
 */
export function judgeTaps(
  taps: readonly Tap[],
  journal: readonly BridgeEvent[],
  lives: readonly Life[],
): { readonly answered: number; readonly misjudged: readonly string[] } {
  let answered = 0;
  const misjudged: string[] = [];
  const decisions = journal.filter(({ kind }) => kind === 'granted' || kind === 'denied');
  for (const [index, life] of lives.entries()) {
    const endMs = lives[index + 1]?.bornMs ?? Number.POSITIVE_INFINITY;
    const isIn = (atMs: number): boolean => atMs >= life.bornMs && atMs < endMs;
    const ownTaps = Map.groupBy(
      taps.filter(isSeen).filter((tap) => isIn(tap.atMs)),
      (tap) => tap.door,
    );
    const own = Map.groupBy(
      decisions.filter((event) => isIn(event.monotonicMs)),
      (event) => event.portalKey,
    );
    for (const [door, seen] of ownTaps) {
      const made = own.get(door.key) ?? [];
      answered += made.length;
      const firstSure = seen.findIndex((tap) => tap.atMs > (life.servesMs ?? Number.POSITIVE_INFINITY));
      const lastSure = seen.findLastIndex(
        (tap) => tap.atMs < (life.killedMs ?? Number.POSITIVE_INFINITY) - lastWordMs,
      );
      const isSure = firstSure >= 0 && lastSure >= firstSure;
      const latest = isSure ? firstSure : seen.length - made.length;
      const earliest = isSure ? Math.max(0, lastSure + 1 - made.length) : 0;
      let start = earliest;
      while (start <= latest && !answersFrom(start, seen, made)) start += 1;
      if (start > latest)
        misjudged.push(
          `${door.key}, life ${String(index)}: ${String(seen.length)} taps (${String(firstSure)} to ${String(lastSure)} sure), ${String(made.length)} decisions`,
        );
    }
  }
  return { answered, misjudged };
}
