import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { framesIn, readSegmentHeader } from '#bridge/journal/segment.ts';
import { readKey } from '#hub/platform/files/keys.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { readJournalFiles } from '#tests/_support/crash/journal-files.ts';
import { cardBits, untilLevel } from '#tests/_support/doors/doors.ts';
import { hubEvents } from '#tests/_support/hub-events.ts';
import { until } from '#tests/_support/until.ts';

const front = { d0: 5, d1: 6 };

describe('a bridge whose journal was damaged', () => {
  let appliance: Appliance;
  beforeAll(async () => {
    appliance = await Appliance.start();
    await appliance.furnish();
  }, 60_000);
  afterAll(() => appliance.close());

  const journal = () => readJournalFiles(appliance.stateDir);
  const tap = async (card: string): Promise<void> => {
    const before = (await journal()).length;
    await appliance.panel({ tap: { bits: cardBits(card), ...front } });
    await until(`the tap of ${card}`, async () => (await journal()).length > before);
  };

  it('cuts the torn end off, shows the hole in the middle, serves its door, and delivers the rest once', {
    timeout: 60_000,
  }, async () => {
    await until('the first events at the hub', async () => {
      const [first] = (await appliance.ask('GET', '/api/access-control/bridges')).items as {
        journal: { ackedSeq: number } | null;
      }[];
      return (
        (first?.journal?.ackedSeq ?? 0) > 0 && (await hubEvents(appliance)).length >= (await journal()).length
      );
    });
    await appliance.stop('hub');
    for (const card of ['1:1', '1:2', '1:3', '1:4', '1:5', '1:6']) await tap(card);
    await appliance.stop('bridge', 'SIGKILL');
    const before = await journal();

    // One byte of the third tap, and the last twenty of the sixth.
    const folder = path.join(appliance.stateDir, 'bridge/journal');
    const segment = path.join(folder, [...openJournalDisk(folder).list()].sort()[0] ?? '');
    const bytes = readFileSync(segment);
    const header = readSegmentHeader(
      await readKey(path.join(appliance.stateDir, 'bridge/bridge.key')),
      bytes,
    );
    if (header === null) throw new Error('the first segment is not in use');
    const frames = [...framesIn(header, bytes)];
    const third = frames.at(-4);
    const last = frames.at(-1);
    if (third === undefined || last === undefined) throw new Error('the taps are in another segment');
    expect(frames.length).toBe(before.length);
    bytes[third.end - 30] = (bytes[third.end - 30] ?? 0) ^ 0xff;
    bytes.fill(0, last.end - 20, last.end);
    writeFileSync(segment, bytes);

    await appliance.start('bridge');
    const boot = await until('the boot in the journal', async () =>
      (await journal()).find(({ kind, seq }) => kind === 'boot' && seq === last.seq),
    );
    expect(boot.note).toMatch(/a torn last entry of \d+ bytes was cut off; 1 entries are damaged/);
    await appliance.panel({ tap: { bits: cardBits('123:4567'), ...front } });
    await untilLevel(appliance, 17, 1);

    await appliance.start('hub');
    const stored = await until('the grant at the hub', async () => {
      const events = await hubEvents(appliance);
      return events.some(({ kind }) => kind === 'granted') && events;
    });
    const hole = before.findIndex(({ seq }) => seq === third.seq);
    const kinds = before.slice(0, -1).map(({ kind }, index) => (index === hole ? 'journalGap' : kind));
    expect(stored.slice(0, kinds.length).map(({ kind }) => kind)).toEqual(kinds);
    expect(stored[hole]).toMatchObject({ count: 1, note: expect.stringContaining('damaged') });
    expect(
      stored
        .slice(kinds.length)
        .map(({ kind }) => kind)
        .slice(0, 2),
    ).toEqual(['boot', 'granted']);
    expect((await appliance.ask('GET', '/api/access-control/dead-letters')).items).toEqual([]);
  });
});
