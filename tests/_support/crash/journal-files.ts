import path from 'node:path';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { JournalReader } from '#bridge/journal/reader.ts';
import { inspectSegment } from '#bridge/journal/segment.ts';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import { readKey } from '#hub/platform/files/keys.ts';

const isGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** What the bridge of this state directory has written down, read beside it and without changing a byte. */
export async function readJournalFiles(stateDir: string): Promise<readonly BridgeEvent[]> {
  const key = await readKey(path.join(stateDir, 'bridge/bridge.key'));
  const disk = openJournalDisk(path.join(stateDir, 'bridge/journal'));
  const read = (): readonly BridgeEvent[] => {
    for (const name of [...disk.list()].sort()) {
      const finding = inspectSegment(disk, key, name);
      if (finding.kind === 'used')
        return new JournalReader(disk, key, finding.summary.journalId).readFrom(1, 100_000);
    }
    return [];
  };
  for (let attempt = 0; ; attempt += 1)
    try {
      return read();
    } catch (error) {
      // The bridge takes files away that it could not fill.
      if (!isGone(error) || attempt === 20) throw error;
    }
}
