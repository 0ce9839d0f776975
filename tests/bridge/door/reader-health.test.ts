import { describe, expect, it } from 'vitest';
import type { DoorEntry } from '#bridge/door/door.ts';
import { ReaderHealth } from '#bridge/door/reader-health.ts';
import type { SerialReaderState } from '#bridge/readers/serial-driver.ts';
import { TestTime } from '../fixtures.ts';

const state = (change: Partial<SerialReaderState> = {}): SerialReaderState => ({
  readerKey: 'front',
  link: 'online',
  channel: 'ownKey',
  tamper: null,
  powerFault: null,
  inputs: [],
  outputs: [],
  identity: null,
  goodFrames: 0,
  faultyFrames: 0,
  timeouts: 0,
  problem: null,
  quirks: [],
  ...change,
});
const away = state({ link: 'offline', problem: 'Check its power.' });

function openBook() {
  const time = new TestTime();
  const entries: DoorEntry[] = [];
  const book = new ReaderHealth(
    [
      { key: 'front', wiring: { kind: 'osdp' } },
      { key: 'wires', wiring: { kind: 'wiegand' } },
    ],
    {
      clock: time,
      later: time.later,
      append: (entry) => entries.push(entry),
      onChange: () => undefined,
    },
  );
  const kinds = (): string[] => entries.map(({ kind }) => kind);
  return { time, book, entries, kinds };
}

describe('a reader on a serial line', () => {
  it('is a finding within ten seconds when nothing is ever heard of it, and one on GPIO lines never is', () => {
    const { time, book, kinds } = openBook();
    time.advance(7900);
    expect(book.findings()).toEqual([]);
    time.advance(2000);
    expect(book.findings()).toMatchObject([{ id: 'reader.offline.front', severity: 'error' }]);
    expect(kinds()).toEqual(['readerOffline']);
    expect(book.report().map(({ link }) => link)).toEqual(['connecting', 'online']);
  });

  it('is said to be away once, with its reason and the fix, and once to be back', () => {
    const { time, book, entries, kinds } = openBook();
    book.noteStates([state()]);
    time.advance(60_000);
    expect(kinds()).toEqual([]);
    for (let second = 0; second < 10; second += 1) {
      book.noteStates([away]);
      time.advance(1000);
    }
    expect(entries).toEqual([{ kind: 'readerOffline', readerKey: 'front', note: 'Check its power.' }]);
    expect(book.findings()).toMatchObject([{ fix: 'Check its power.' }]);
    book.noteStates([state()]);
    time.advance(60_000);
    expect(kinds()).toEqual(['readerOffline', 'readerOnline']);
    expect(book.findings()).toEqual([]);
  });

  it('that is back within a second and a half was never away', () => {
    const { time, book, kinds } = openBook();
    book.noteStates([state()]);
    book.noteStates([away]);
    time.advance(1400);
    book.noteStates([state()]);
    time.advance(60_000);
    expect(kinds()).toEqual([]);
  });

  it('that goes and comes all the time is written down four times in ten minutes, and then summed up', () => {
    const { time, book, entries } = openBook();
    for (let flap = 0; flap < 61; flap += 1) {
      book.noteStates([away]);
      time.advance(5000);
      book.noteStates([state()]);
      time.advance(5000);
    }
    time.advance(2000);
    expect(entries.slice(0, 4).map(({ kind }) => kind)).toEqual([
      'readerOffline',
      'readerOnline',
      'readerOffline',
      'readerOnline',
    ]);
    expect(entries.slice(4)).toEqual([
      {
        kind: 'readerOnline',
        readerKey: 'front',
        note: expect.stringMatching(/^went and came all the time: 1\d\d more changes within ten minutes$/),
      },
    ]);
    time.advance(20 * 60_000);
    book.noteStates([away]);
    time.advance(2000);
    expect(entries.at(-1)).toEqual({ kind: 'readerOffline', readerKey: 'front', note: 'Check its power.' });
    expect(book.findings()).toHaveLength(1);
  });

  it('says when its supply is not sound and when it is again', () => {
    const { book, kinds, entries } = openBook();
    book.noteStates([state({ powerFault: false })]);
    book.noteStates([state({ powerFault: true })]);
    book.noteStates([state({ powerFault: true, goodFrames: 5 })]);
    expect(entries).toEqual([{ kind: 'powerFault', readerKey: 'front' }]);
    // Without a session nothing is known of it.
    book.noteStates([state({ powerFault: null })]);
    book.noteStates([state({ powerFault: false })]);
    expect(kinds()).toEqual(['powerFault', 'powerRestored']);
  });

  it('may be paired until the time is over, it has its key, or somebody ends it', () => {
    const { time, book, kinds } = openBook();
    const until = (): number | null | undefined => book.report()[0]?.pairingUntilMs;
    book.noteStates([state()]);
    book.notePairing('front', 60_000);
    expect(until()).toBe(Math.round(time.nowMs()) + 60_000);
    time.advance(60_000);
    expect(until()).toBeNull();
    book.notePairing('front', 60_000);
    book.notePaired('front');
    expect([until(), kinds()]).toEqual([null, ['readerPaired']]);
    book.notePairing('front', 60_000);
    book.endPairing('front', 'over');
    expect(until()).toBeNull();
    const ended = (): unknown => book.report()[0]?.pairingEnded?.outcome;
    expect(ended()).toBe('over');
    book.notePairing('front', 60_000);
    book.noteKeyRefused('front');
    expect([until(), ended()]).toEqual([null, 'refused']);
    book.notePairing('front', 60_000);
    book.notePaired('front');
    expect(ended()).toBe('paired');
  });

  it('counts wrong check sums and wrong parity apart from what else went wrong', () => {
    const { book } = openBook();
    for (const kind of ['parity', 'checksum', 'noise'] as const)
      book.noteFault({ readerKey: 'wires', kind, bits: 26 });
    expect(book.report()[1]).toMatchObject({ faultyFrames: 3, parityFaults: 2, lostBits: 0 });
  });
});
