import { randomBytes, randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { Journal } from '#bridge/journal/journal.ts';
import { fullGrant, TestTime, waitUntil } from '../fixtures.ts';
import { PowerCutDisk, type Survival, seededRandom } from './power-cut-disk.ts';

const key = randomBytes(32);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Moment {
  readonly syncedSeq: number;
  /** Everything up to here had been appended 100 ms before. */
  readonly oldSeq: number;
}

const openOn = (disk: PowerCutDisk, time: TestTime): Promise<Journal> =>
  Journal.open({
    disk,
    key,
    bootId: randomUUID(),
    maxBytes: 64 * 1024 * 1024,
    trustedNowMs: () => time.nowMs(),
    later: time.later,
  });

/** Some 240 large events at uneven times, over the end of a segment; what had to be safe at each point of the trace. */
async function record(): Promise<{ disk: PowerCutDisk; moments: Moment[]; notes: Map<number, string> }> {
  const random = seededRandom(42);
  const time = new TestTime();
  const disk = new PowerCutDisk(
    () => new Promise((resolve) => time.later(2 + Math.floor(random() * 45), resolve)),
  );
  const started = { done: false };
  const opening = openOn(disk, time).finally(() => {
    started.done = true;
  });
  while (!started.done) {
    time.advance(1);
    await turn();
  }
  const open = await opening;
  const moments: Moment[] = [];
  const appended: { seq: number; atMs: number }[] = [];
  const notes = new Map<number, string>();
  const remember = (): void => {
    const oldSeq = appended.findLast((event) => event.atMs <= time.monotonicMs() - 100)?.seq ?? 0;
    while (moments.length < disk.trace.length) moments.push({ syncedSeq: open.syncedSeq, oldSeq });
  };
  remember();
  for (let index = 0; index < 240; index += 1) {
    const note = `${String(index)} ${'€'.repeat(290)}`;
    const seq = open.append(fullGrant({ note }));
    expect(seq).toBe(index + 1);
    notes.set(index + 1, note);
    appended.push({ seq: index + 1, atMs: time.monotonicMs() });
    remember();
    for (let pause = Math.floor(random() * 12); pause > 0; pause -= 1) {
      time.advance(1);
      await turn();
      remember();
    }
  }
  moments.push({ syncedSeq: open.syncedSeq, oldSeq: moments.at(-1)?.oldSeq ?? 0 });
  return { disk, moments, notes };
}

const survivals: Readonly<Record<string, Survival>> = {
  'nothing that was not synced': () => 'lost',
  'all of it': () => 'whole',
  'some of it, torn': (random) => (['lost', 'whole', 'torn'] as const)[Math.floor(random() * 3)] ?? 'lost',
};

it('loses nothing to a power cut at any point that was synced or older than 100 ms', {
  timeout: 120_000,
}, async () => {
  const { disk, moments, notes } = await record();
  expect(moments.length).toBe(disk.trace.length + 1);
  expect(Math.max(...moments.map((moment) => moment.syncedSeq))).toBeGreaterThan(200);
  const random = seededRandom(7);
  for (let end = 1; end <= disk.trace.length; end += 1) {
    const moment = moments[end - 1]!;
    for (const [name, survives] of Object.entries(survivals)) {
      // Every point is cut with chance; the two extremes differ little from one point to the next.
      if (name !== 'some of it, torn' && end % 5 > 0) continue;
      const where = `cut after ${String(end)} operations, ${name} survived`;
      const journal = await openOn(disk.cutAfter(end, survives, random), new TestTime());
      const events = journal.readFrom(1, 1000);
      const safeSeq = Math.max(moment.syncedSeq, moment.oldSeq);
      const firstSeq = events[0]?.seq ?? 1;
      if (safeSeq > 0) expect(firstSeq, where).toBe(1);
      expect(
        events.map((event) => event.seq),
        where,
      ).toEqual(events.map((_, index) => firstSeq + index));
      expect(journal.lastSeq, where).toBeGreaterThanOrEqual(safeSeq);
      for (const event of events)
        if (event.seq <= safeSeq || event.kind !== 'journalGap')
          expect(event.note, where).toBe(notes.get(event.seq));
      // It goes on behind what it found.
      expect(journal.append(fullGrant()), where).toBe((events.at(-1)?.seq ?? 0) + 1);
    }
  }
});

it('keeps its place through power cuts one after the other', async () => {
  const random = seededRandom(3);
  let disk = new PowerCutDisk();
  let safe = 0;
  for (let boot = 0; boot < 40; boot += 1) {
    const journal = await openOn(disk, new TestTime());
    expect(journal.lastSeq).toBeGreaterThanOrEqual(safe);
    for (let count = 0; count < 5; count += 1) journal.append(fullGrant({ note: `boot ${String(boot)}` }));
    if (boot % 2 === 0) await waitUntil(() => journal.syncedSeq === journal.lastSeq, 'the sync');
    safe = journal.syncedSeq;
    disk = disk.cutAfter(disk.trace.length, survivals['some of it, torn']!, random);
  }
  const events = (await openOn(disk, new TestTime())).readFrom(1, 1000);
  expect(events.at(-1)?.seq).toBeGreaterThanOrEqual(safe);
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
});
