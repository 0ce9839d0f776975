import path from 'node:path';
import type { Later } from '#bridge/ports.ts';
import type { SystemClock } from '#hub/platform/clock/system-clock.ts';
import { readAcked, writeAcked } from './acked-file.ts';
import { openJournalDisk } from './disk.ts';
import { Journal } from './journal.ts';

export interface OpenJournalDeps {
  /** The bridge's own state directory. */
  readonly directory: string;
  readonly key: Buffer;
  readonly bootId: string;
  readonly maxBytes: number;
  readonly clock: SystemClock;
  readonly later: Later;
  readonly onChange: () => void;
  readonly onFault: (error: unknown) => void;
}

const ackedFile = (directory: string): string => path.join(directory, 'journal-acked.json');

/** Opens and repairs the journal of a state directory, and sets a clock that is behind its last entry. */
export async function openJournal(deps: OpenJournalDeps): Promise<Journal> {
  const { directory, key, bootId, maxBytes, clock, later, onChange, onFault } = deps;
  const journal = await Journal.open({
    disk: openJournalDisk(path.join(directory, 'journal')),
    key,
    bootId,
    maxBytes,
    trustedNowMs: () => {
      const trust = clock.trust();
      return trust === 'none' || trust === 'restored' ? null : clock.nowMs();
    },
    later,
    ackedSeq: readAcked(ackedFile(directory)),
    onChange,
    onFault,
  });
  const { lastWallMs } = journal.recovery;
  // A time in the journal has certainly passed, whatever the clock says after a boot.
  if (lastWallMs !== null && clock.nowMs() < lastWallMs) clock.adoptHubTime(lastWallMs, 'restored');
  return journal;
}

/** Stores the acknowledged number for the next start. */
export const keepAcked = (directory: string, { journalId, ackedSeq: seq }: Journal): Promise<void> =>
  writeAcked(ackedFile(directory), { journalId, seq });

/** The note of the boot entry: the release, and how the last run ended. */
export function bootNote({ recovery }: Journal, release: string): string {
  const { tornBytes, missingEvents, unreadable } = recovery;
  const facts = [`release ${release}`];
  if (tornBytes > 0) facts.push(`a torn last entry of ${String(tornBytes)} bytes was cut off`);
  if (missingEvents > 0) facts.push(`${String(missingEvents)} entries are damaged`);
  if (unreadable.length > 0) facts.push(`${String(unreadable.length)} journal files cannot be read`);
  return facts.join('; ');
}
