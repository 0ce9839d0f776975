import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { Journal } from '#bridge/journal/journal.ts';
import { fullGrant, waitUntil } from '../fixtures.ts';

// A process of its own: appends until it is killed, or (`full`) until the file system has no room, and then goes on.
const [folder = '', keyHex = '', mode] = process.argv.slice(2);
// In the small file system something else takes what room the journal leaves.
if (mode === 'full') writeFileSync(join(folder, 'ballast'), Buffer.alloc(200_000));
const retries: (() => void)[] = [];
const journal = await Journal.open({
  disk: openJournalDisk(folder),
  key: Buffer.from(keyHex, 'hex'),
  bootId: randomUUID(),
  maxBytes: 512 * 1024 * 1024,
  trustedNowMs: () => Date.now(),
  later: (_delayMs, run) => {
    retries.push(run);
    return () => undefined;
  },
});
const append = (note: string): number | null => journal.append(fullGrant({ note }));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

if (mode === 'full') {
  let written = 0;
  while (append(String(written + 1)) !== null) {
    written += 1;
    if (written % 200 === 0) await waitUntil(() => journal.syncedSeq === journal.lastSeq, 'the sync');
  }
  const writable = journal.writable;
  for (let lost = 1; lost < 7; lost += 1) append('lost');
  rmSync(join(folder, 'ballast'));
  await turn();
  while (!journal.writable) {
    for (const retry of retries.splice(0)) retry();
    await turn();
  }
  append('after');
  await waitUntil(() => journal.syncedSeq === journal.lastSeq, 'the sync');
  const events = journal.readFrom(1, 100_000);
  const gap = events.find((event) => event.kind === 'journalGap');
  process.stdout.write(
    `${JSON.stringify({
      writable,
      written,
      contiguous: events.every((event, index) => event.seq === index + 1),
      gapCount: gap?.count,
      afterGap: events.at(-1)?.note,
    })}\n`,
  );
} else {
  for (;;) {
    const seq = append(String(journal.lastSeq + 1));
    // Said only when it has been appended.
    if (seq !== null) writeSync(1, `${String(seq)}\n`);
    await turn();
  }
}
