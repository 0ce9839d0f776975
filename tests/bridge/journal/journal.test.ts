import { execFileSync, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { type JournalDisk, openJournalDisk } from '#bridge/journal/disk.ts';
import { Journal, type JournalOptions, keepAckedMs } from '#bridge/journal/journal.ts';
import { segmentBytes, segmentHeaderBytes } from '#bridge/journal/segment.ts';
import { fullGrant, TestTime, waitUntil } from '../fixtures.ts';

const key = randomBytes(32);
const folders: string[] = [];
const open: Journal[] = [];

afterEach(async () => {
  for (const journal of open.splice(0)) await journal.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'));
  folders.push(folder);
  return folder;
}

async function openIn(folder: string, changed: Partial<JournalOptions> = {}): Promise<Journal> {
  const time = new TestTime();
  const journal = await Journal.open({
    disk: openJournalDisk(folder),
    key,
    bootId: randomUUID(),
    maxBytes: 64 * 1024 * 1024,
    trustedNowMs: () => time.nowMs(),
    later: time.later,
    ...changed,
  });
  open.push(journal);
  return journal;
}

async function closed(journal: Journal): Promise<void> {
  open.splice(open.indexOf(journal), 1);
  await journal.close();
}

const synced = (journal: Journal): Promise<void> =>
  waitUntil(() => journal.syncedSeq === journal.lastSeq, 'the sync');

const segmentsIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.seg'))
    .sort()
    .map((name) => join(folder, name));

/** A disk on which nothing more can be made, until it has room again. */
class FullableDisk implements JournalDisk {
  full = false;
  failSyncs = false;
  readonly #disk: JournalDisk;

  constructor(folder: string) {
    this.#disk = openJournalDisk(folder);
  }

  list = (): readonly string[] => this.#disk.list();
  unlink = (name: string): void => this.#disk.unlink(name);
  syncNames = (): Promise<void> => this.#disk.syncNames();
  open = (name: string, how: 'read' | 'write' | 'create') => {
    if (how === 'create' && this.full) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    const file = this.#disk.open(name, how);
    const sync = file.sync.bind(file);
    file.sync = () => (this.failSyncs ? Promise.reject(new Error('EIO')) : sync());
    return file;
  };
}

describe('the journal', () => {
  it('gives back what was appended, over many segments, only once it is on the medium', async () => {
    const journal = await openIn(newFolder());
    for (let seq = 1; seq <= 3000; seq += 1) {
      expect(journal.append(fullGrant({ note: String(seq) }))).toBe(seq);
      if (seq % 500 === 0) await synced(journal);
    }
    expect(journal.append(fullGrant())).toBe(3001);
    expect(journal.readFrom(2999, 10).map((event) => event.seq)).toEqual([2999, 3000]);
    await synced(journal);
    const events = journal.readFrom(1, 5000);
    expect(events.map((event) => event.seq)).toEqual(Array.from({ length: 3001 }, (_, index) => index + 1));
    expect(events[1233]).toEqual({ seq: 1234, bootId: journal.bootId, ...fullGrant({ note: '1234' }) });
  });

  it('goes on with its numbers after a restart and says which boot an event is of', async () => {
    const folder = newFolder();
    const first = await openIn(folder);
    first.append(fullGrant());
    await closed(first);
    const second = await openIn(folder);
    expect(second.journalId).toBe(first.journalId);
    expect(second.append(fullGrant())).toBe(2);
    await synced(second);
    expect(second.readFrom(1, 10).map((event) => event.bootId)).toEqual([first.bootId, second.bootId]);
  });

  it('needs no more room for many restarts than for their events', async () => {
    const folder = newFolder();
    for (let boot = 0; boot < 20; boot += 1) {
      const journal = await openIn(folder);
      journal.append(fullGrant());
      await closed(journal);
    }
    const bytes = segmentsIn(folder).reduce((sum, file) => sum + statSync(file).size, 0);
    expect(bytes).toBeLessThan(4 * segmentBytes);
  });

  it('cuts a torn last entry off, and seals what takes its number under another key', async () => {
    const folder = newFolder();
    const first = await openIn(folder);
    for (let count = 0; count < 5; count += 1) first.append(fullGrant());
    await synced(first);
    const file = segmentsIn(folder)[0]!;
    const before = readFileSync(file);
    const end = before.findLastIndex((byte) => byte !== 0) + 1;
    writeFileSync(
      file,
      Buffer.concat([before.subarray(0, end - 20), Buffer.alloc(before.length - end + 20)]),
    );
    const second = await openIn(folder);
    expect(second.recovery.tornBytes).toBeGreaterThan(0);
    expect(second.lastSeq).toBe(4);
    expect(second.append(fullGrant())).toBe(5);
    await synced(second);
    const wasTorn = before.subarray(end - 100, end - 30);
    for (const segment of segmentsIn(folder)) expect(readFileSync(segment).includes(wasTorn)).toBe(false);
    expect(second.readFrom(1, 10).map((event) => event.seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it('says where an entry in the middle is damaged, and goes on with the rest', async () => {
    const folder = newFolder();
    const first = await openIn(folder);
    for (let count = 0; count < 9; count += 1) first.append(fullGrant({ count }));
    await closed(first);
    const file = segmentsIn(folder)[0]!;
    const bytes = readFileSync(file);
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1 - segmentHeaderBytes;
    const middle = segmentHeaderBytes + Math.floor(used / 2);
    bytes.fill(0xaa, middle, middle + 4);
    writeFileSync(file, bytes);
    const second = await openIn(folder);
    expect(second.recovery.missingEvents).toBe(1);
    const events = second.readFrom(1, 20);
    expect(events.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(events.filter((event) => event.kind === 'journalGap')).toHaveLength(1);
  });

  it('begins a new journal when the old one is gone or cannot be read', async () => {
    const folder = newFolder();
    const first = await openIn(folder);
    first.append(fullGrant());
    await closed(first);
    const second = await openIn(folder, { key: randomBytes(32) });
    expect(second.journalId).not.toBe(first.journalId);
    expect(second.append(fullGrant())).toBe(1);
    // The header is readable without the key, the entries are not: nothing is thrown away of what is in use.
    expect(second.firstSeq).toBe(1);
  });

  it('ignores files that are no segments, cut off or full of noise', async () => {
    const folder = newFolder();
    const first = await openIn(folder);
    first.append(fullGrant());
    await closed(first);
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    writeFileSync(join(folder, '0000000050.seg'), randomBytes(1000));
    writeFileSync(join(folder, '0000000051.seg'), Buffer.alloc(3));
    const second = await openIn(folder);
    expect(second.lastSeq).toBe(1);
    expect(second.recovery.unreadable).toEqual(['0000000050.seg']);
    expect(second.append(fullGrant())).toBe(2);
  });

  it('survives any truncation of its files', async () => {
    const folder = newFolder();
    const first = await openIn(folder);
    for (let count = 0; count < 4; count += 1) first.append(fullGrant());
    await closed(first);
    for (const length of [600, 333, 64, 63, 1, 0]) {
      truncateSync(segmentsIn(folder)[0]!, length);
      const journal = await openIn(folder);
      const { lastSeq } = journal;
      expect(journal.append(fullGrant())).toBe(lastSeq + 1);
      await synced(journal);
      const seqs = journal.readFrom(1, 100).map((event) => event.seq);
      expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 1) + index));
      expect(seqs.at(-1)).toBe(lastSeq + 1);
      await closed(journal);
    }
  });
});

describe('the space of the journal', () => {
  it('deletes what is acknowledged and 35 days old, and nothing else', async () => {
    const folder = newFolder();
    const nowMs = Date.UTC(2026, 5, 1);
    const journal = await openIn(folder, { trustedNowMs: () => nowMs });
    for (let count = 0; count < 3000; count += 1) {
      journal.append(fullGrant({ wallMs: count < 2000 ? nowMs - keepAckedMs - 1000 : nowMs }));
      if (count % 400 === 0) await synced(journal);
    }
    await synced(journal);
    expect(journal.firstSeq).toBe(1);
    journal.acknowledge(1900);
    const afterFirst = journal.firstSeq;
    expect(afterFirst).toBeGreaterThan(1000);
    expect(afterFirst).toBeLessThanOrEqual(1901);
    journal.acknowledge(3000);
    expect(journal.firstSeq).toBeLessThanOrEqual(2001);
    expect(journal.readFrom(journal.firstSeq, 5000).at(-1)?.seq).toBe(3000);
  });

  it('deletes nothing for its age while the time is not known', async () => {
    const journal = await openIn(newFolder(), { trustedNowMs: () => null });
    for (let count = 0; count < 3000; count += 1) {
      journal.append(fullGrant({ wallMs: 0 }));
      if (count % 400 === 0) await synced(journal);
    }
    await synced(journal);
    journal.acknowledge(3000);
    expect(journal.firstSeq).toBe(1);
  });

  it('is not writable at its bound unless something is acknowledged, and then counts and reports what it lost', async () => {
    const time = new TestTime();
    const journal = await openIn(newFolder(), { maxBytes: 4 * segmentBytes, later: time.later });
    let refused = 0;
    for (let count = 0; count < 7500; count += 1) {
      if (journal.append(fullGrant()) === null) refused += 1;
      if (count % 300 === 0) await synced(journal);
    }
    expect(refused).toBeGreaterThan(0);
    expect(journal.writable).toBe(false);
    const last = journal.lastSeq;
    await synced(journal);
    // On a busy machine the next segment may be late before the bound too; that gap is reported by itself.
    let reportedBefore = 0;
    for (let seq = 1; seq <= last; seq += 1) {
      const [event] = journal.readFrom(seq, 1);
      if (event?.kind === 'journalGap') reportedBefore += event.count ?? 0;
    }
    journal.acknowledge(last);
    await waitUntil(() => journal.writable, 'room');
    expect(journal.append(fullGrant())).toBe(last + 2);
    await synced(journal);
    const count = refused - reportedBefore;
    expect(journal.readFrom(last + 1, 1)[0]).toMatchObject({ kind: 'journalGap', count });
  });

  it('goes on in its reserve when the disk is full, and by itself when there is room again', async () => {
    const time = new TestTime();
    const disk = new FullableDisk(newFolder());
    const journal = await openIn(newFolder(), { disk, later: time.later });
    disk.full = true;
    let written = 0;
    while (journal.append(fullGrant()) !== null) {
      written += 1;
      if (written % 300 === 0) await synced(journal);
    }
    expect(written).toBeGreaterThan(1500);
    expect(journal.writable).toBe(false);
    disk.full = false;
    time.advance(5000);
    await waitUntil(() => journal.writable, 'room');
    journal.append(fullGrant());
    await synced(journal);
    expect(journal.readFrom(written + 1, 5)[0]).toMatchObject({ kind: 'journalGap', count: 1 });
  });

  it('is not writable while the medium takes no syncs, and never calls such events safe', async () => {
    const time = new TestTime();
    const disk = new FullableDisk(newFolder());
    const journal = await openIn(newFolder(), { disk, later: time.later });
    disk.failSyncs = true;
    journal.append(fullGrant());
    await waitUntil(() => !journal.writable, 'the failure');
    expect(journal.syncedSeq).toBe(0);
    expect(journal.append(fullGrant())).toBeNull();
    disk.failSyncs = false;
    time.advance(5000);
    await synced(journal);
    expect(journal.writable).toBe(true);
  });

  it('writes what it holds of this boot again behind what only the hub still has', async () => {
    const folder = newFolder();
    const first = await openIn(folder);
    first.append(fullGrant());
    await closed(first);
    const journal = await openIn(folder);
    journal.append(fullGrant({ kind: 'boot' }));
    journal.append(fullGrant({ kind: 'granted' }));
    journal.append(fullGrant({ kind: 'entered', followsSeq: 3 }));
    journal.continueAfter(500);
    await synced(journal);
    const again = journal.readFrom(501, 10);
    expect(again.map((event) => [event.seq, event.kind])).toEqual([
      [501, 'boot'],
      [502, 'granted'],
      [503, 'entered'],
    ]);
    expect(again[2]?.followsSeq).toBe(502);
  });

  it('writes no card, name or id in the clear', async () => {
    const folder = newFolder();
    const journal = await openIn(folder);
    journal.append(fullGrant({ note: 'canary' }));
    await synced(journal);
    const bytes = Buffer.concat(segmentsIn(folder).map((file) => readFileSync(file)));
    expect(bytes.includes('canary')).toBe(false);
    expect(bytes.includes('front')).toBe(false);
    expect(bytes.includes(Buffer.from('00112233445566778899aabbccddeeff', 'hex'))).toBe(false);
  });
});

const writerPath = join(import.meta.dirname, 'journal-writer.ts');

describe('a process that writes the journal', () => {
  it('has written everything that it had appended when it is killed', { timeout: 30_000 }, async () => {
    const folder = newFolder();
    const keyHex = key.toString('hex');
    let reported = 0;
    for (let round = 0; round < 8; round += 1) {
      const child = spawn(process.execPath, [writerPath, folder, keyHex], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const killAt = reported + 40 + round * 173;
      for await (const line of createInterface({ input: child.stdout })) {
        reported = Math.max(reported, Number(line));
        if (reported >= killAt) child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');
      const journal = await openIn(folder);
      expect(journal.lastSeq).toBeGreaterThanOrEqual(reported);
      expect(journal.readFrom(1, 100_000).map((event) => event.note ?? '')).toEqual(
        Array.from({ length: journal.lastSeq }, (_, index) => String(index + 1)),
      );
      await closed(journal);
    }
  });

  it('keeps what fits on a full file system, and what is there can be read', { timeout: 30_000 }, () => {
    const folder = newFolder();
    const script = 'mount -t tmpfs -o size=1m none "$0" && exec "$1" "$2" "$0" "$3" full';
    const output = execFileSync(
      'unshare',
      [
        '--user',
        '--map-root-user',
        '--mount',
        'sh',
        '-c',
        script,
        folder,
        process.execPath,
        writerPath,
        key.toString('hex'),
      ],
      { encoding: 'utf8' },
    );
    const said = JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
    // Three segments fit beside each other; then nothing is written half.
    expect(said).toMatchObject({ writable: false, contiguous: true, gapCount: 7, afterGap: 'after' });
    expect(said['written']).toBeGreaterThan(3000);
  });
});
