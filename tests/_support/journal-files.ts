import path from 'node:path';
import { openJournalDisk } from '#bridge/journal-disk.ts';
import { JournalReader } from '#bridge/journal-reader.ts';
import { inspectSegment } from '#bridge/journal-segment.ts';
import type { BridgeEvent } from '#hub/mqtt/topics.ts';
import { readKey } from '#hub/platform/keys.ts';

/** What the bridge of this state directory has written down, read beside it and without changing a byte. */
export async function readJournalFiles(stateDir: string): Promise<readonly BridgeEvent[]> {
  const key = await readKey(path.join(stateDir, 'bridge/bridge.key'));
  const disk = openJournalDisk(path.join(stateDir, 'bridge/journal'));
  for (const name of [...disk.list()].sort()) {
    const finding = inspectSegment(disk, key, name);
    if (finding.kind === 'used')
      return new JournalReader(disk, key, finding.summary.journalId).readFrom(1, 100_000);
  }
  return [];
}
