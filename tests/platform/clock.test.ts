import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ClockTrust, clockTrusts } from '#hub/kernel/time.ts';
import {
  adoptTime,
  type ClockMark,
  continueTime,
  type KernelFacts,
  startTime,
  timeAt,
} from '#hub/platform/clock/clock-trust.ts';
import { createFactsReader, createSystemClock } from '#hub/platform/clock/system-clock.ts';

const noon = Date.UTC(2026, 10, 22, 12);
const day = 86_400_000;
const facts = (changes: Partial<KernelFacts> = {}): KernelFacts => ({
  wallMs: noon,
  monotonicMs: 10_000,
  bootId: 'boot-2',
  synchronized: false,
  rtcMs: null,
  ...changes,
});
const mark = (changes: Partial<ClockMark> = {}): ClockMark => ({
  wallMs: noon - 1000,
  monotonicMs: 5_000_000,
  bootId: 'boot-1',
  trust: 'ntp',
  ...changes,
});

describe('the time at the start', () => {
  it.each<[string, Partial<KernelFacts>, ClockMark | undefined, boolean, ClockTrust, number]>([
    ['NTP keeps it', { synchronized: true }, undefined, false, 'ntp', noon],
    [
      'NTP keeps it, and the mark was wrong',
      { synchronized: true },
      mark({ wallMs: noon + day }),
      false,
      'ntp',
      noon,
    ],
    ['a battery-backed clock set it', { rtcMs: noon }, mark(), false, 'rtc', noon],
    ['the battery was empty', { rtcMs: 0, wallMs: 0 }, mark(), false, 'restored', noon - 1000],
    ['nothing set it since boot', {}, mark(), false, 'restored', noon],
    ['it was set back two weeks', { wallMs: noon - 14 * day }, mark(), false, 'restored', noon - 1000],
    [
      'it was set back two weeks on a trusted machine',
      { wallMs: noon - 14 * day },
      mark(),
      true,
      'restored',
      noon - 1000,
    ],
    ['nothing is known at all', { wallMs: 0 }, undefined, false, 'none', 0],
    ['the owner vouches for it', {}, undefined, true, 'ntp', noon],
    [
      'the battery was empty, and the system lifted its clock to the last shutdown',
      { rtcMs: 40_000, wallMs: noon },
      mark(),
      false,
      'restored',
      noon,
    ],
    ['the same at the very first start', { rtcMs: 40_000 }, undefined, false, 'none', noon],
    [
      'the battery-backed clock is days behind the mark',
      { rtcMs: noon - 2 * day, wallMs: noon - 2 * day },
      mark(),
      false,
      'restored',
      noon - 1000,
    ],
    [
      'seconds behind the mark are drift',
      { rtcMs: noon - 11_000, wallMs: noon - 11_000 },
      mark(),
      false,
      'rtc',
      noon - 1000,
    ],
  ])('when %s', (_, changes, known, trustSystem, trust, nowMs) => {
    const state = startTime(facts(changes), known, trustSystem);
    expect([state.trust, state.anchorMs]).toEqual([trust, nowMs]);
  });

  it('goes on within one boot with the trust that was earned in it', () => {
    const same = mark({ bootId: 'boot-2', monotonicMs: 4000, wallMs: noon - 6000 });
    expect(startTime(facts(), same, false)).toMatchObject({ trust: 'ntp', anchorMs: noon });
    const fromHub = startTime(facts({ wallMs: 0 }), { ...same, trust: 'hub' }, false);
    expect(fromHub).toMatchObject({ trust: 'hub', anchorMs: noon });
    const ofRtc = startTime(facts({ rtcMs: 0 }), { ...same, trust: 'rtc' }, false);
    expect(ofRtc).toMatchObject({ trust: 'rtc', anchorMs: noon });
  });

  it('does not believe a battery-backed clock into which the system wrote its own time since the boot', () => {
    const booted = startTime(facts({ rtcMs: 40_000 }), mark(), false);
    const written = facts({ rtcMs: noon + 5000, wallMs: noon + 5000, monotonicMs: 15_000 });
    expect(continueTime(booted, written, false).trust).toBe('restored');
    const same = mark({ bootId: 'boot-2', monotonicMs: 4000, wallMs: noon - 6000, trust: 'restored' });
    expect(startTime(facts({ rtcMs: noon }), same, false).trust).toBe('restored');
  });
});

describe('the running time', () => {
  const start = startTime(facts({ synchronized: true }), undefined, false);

  it('stays trusted when NTP goes away, and does not follow a hand that sets the clock', () => {
    const later = continueTime(start, facts({ monotonicMs: 20_000, wallMs: noon + 10_200 }), false);
    expect(later).toMatchObject({ trust: 'ntp', anchorMs: noon + 10_200 });
    const set = continueTime(later, facts({ monotonicMs: 30_000, wallMs: noon - 14 * day }), false);
    expect(set).toMatchObject({ trust: 'ntp', anchorMs: noon + 20_200 });
  });

  it('becomes trusted when NTP sets it, back or forth', () => {
    const restored = startTime(facts({ wallMs: 0 }), mark(), false);
    expect(restored.trust).toBe('restored');
    const set = continueTime(
      restored,
      facts({ synchronized: true, wallMs: noon - day, monotonicMs: 11_000 }),
      false,
    );
    expect(set).toMatchObject({ trust: 'ntp', anchorMs: noon - day });
  });

  it('never goes back and never gains trust without a source, whatever the system clock does', () => {
    const step = fc.record({ wallMs: fc.integer({ min: 0, max: 2 * noon }), elapsedMs: fc.nat(100_000) });
    fc.assert(
      fc.property(fc.option(fc.integer({ min: 0, max: noon })), fc.array(step), (markMs, steps) => {
        const known = markMs === null ? undefined : mark({ wallMs: markMs });
        let now = facts();
        let state = startTime(now, known, false);
        expect(state.anchorMs).toBeGreaterThanOrEqual(markMs ?? 0);
        for (const { wallMs, elapsedMs } of steps) {
          now = { ...now, wallMs, monotonicMs: now.monotonicMs + elapsedMs };
          const before = timeAt(state, now.monotonicMs);
          state = continueTime(state, now, false);
          expect(state.anchorMs).toBeGreaterThanOrEqual(before);
          expect(state.trust).toBe(known === undefined ? 'none' : 'restored');
        }
      }),
    );
  });
});

describe('the time of the hub', () => {
  const at = { monotonicMs: 10_000, bootId: 'boot-2' };
  const none = startTime(facts({ wallMs: 0 }), undefined, false);

  it('is taken over when the hub knows it, and kept', () => {
    const adopted = adoptTime(none, at, { wallMs: noon, trust: 'ntp' });
    expect(adopted).toMatchObject({ trust: 'hub', anchorMs: noon });
    const later = continueTime(adopted, facts({ wallMs: 9000, monotonicMs: 19_000 }), false);
    expect(later).toMatchObject({ trust: 'hub', anchorMs: noon + 9000 });
  });

  it('is not taken over a clock that NTP keeps', () => {
    const own = startTime(facts({ synchronized: true }), undefined, false);
    expect(adoptTime(own, at, { wallMs: 0, trust: 'ntp' })).toEqual(own);
  });

  it('moves our time only forward, and gives no trust, when the hub does not know it either', () => {
    const restored = startTime(facts(), mark(), false);
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(...clockTrusts), (wallMs, trust) => {
        const adopted = adoptTime(restored, at, { wallMs, trust });
        if (trust === 'none' || trust === 'restored') {
          expect(adopted.trust).toBe('restored');
          expect(adopted.anchorMs).toBe(Math.max(noon, wallMs));
        } else expect(adopted).toMatchObject({ trust: 'hub', anchorMs: wallMs });
      }),
    );
  });
});

describe('the system clock', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mc-clock-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('keeps its mark over a restart and a clock that was set back two weeks', async () => {
    const markFile = path.join(folder, 'clock');
    let now = facts({ synchronized: true, bootId: 'boot-1' });
    const open = () =>
      createSystemClock({
        markFile,
        trustSystem: false,
        readFacts: () => now,
        monotonicMs: () => now.monotonicMs,
      });
    const first = open();
    now = { ...now, monotonicMs: now.monotonicMs + 5000, wallMs: now.wallMs + 5000 };
    expect([first.trust(), first.nowMs()]).toEqual(['ntp', noon + 5000]);
    await first.saveMark();
    first.close();
    now = facts({ wallMs: noon - 14 * day, bootId: 'boot-2', monotonicMs: 2000 });
    const second = open();
    expect([second.trust(), second.nowMs()]).toEqual(['restored', noon + 5000]);
    now = { ...now, monotonicMs: 3000, wallMs: noon + day, synchronized: true };
    second.refresh();
    expect([second.trust(), second.nowMs()]).toEqual(['ntp', noon + day]);
    second.adoptHubTime(0, 'ntp');
    expect(second.trust()).toBe('ntp');
    second.close();
    expect(JSON.parse(await readFile(markFile, 'utf8'))).toMatchObject({ wallMs: noon + 5000 });
  });

  it.each([
    ['without its battery', '37', 'restored'],
    ['with a sound battery', String(noon / 1000), 'rtc'],
    ['that cannot be read', 'no time', 'restored'],
  ])('asks the battery-backed clock itself: one %s', async (_, sinceEpoch, trust) => {
    await writeFile(path.join(folder, 'hctosys'), '1\n');
    await writeFile(path.join(folder, 'since_epoch'), `${sinceEpoch}\n`);
    const { rtcMs } = createFactsReader(folder)();
    const markFile = path.join(folder, 'clock');
    await writeFile(markFile, JSON.stringify(mark()));
    const readFacts = () => facts({ rtcMs });
    const clock = createSystemClock({ markFile, trustSystem: false, readFacts });
    expect(clock.trust()).toBe(trust);
    clock.close();
  });

  it('starts over a damaged mark, and reports it', async () => {
    const markFile = path.join(folder, 'clock');
    await writeFile(markFile, '{"wallMs":');
    const clock = createSystemClock({ markFile, trustSystem: false, readFacts: () => facts() });
    expect([clock.markFault?.code, clock.trust()]).toEqual(['clockMarkTorn', 'none']);
    await clock.saveMark();
    clock.close();
    const next = createSystemClock({ markFile, trustSystem: false, readFacts: () => facts({ wallMs: 0 }) });
    expect(next.markFault).toBeUndefined();
    next.close();
  });

  it('reads this machine: the time, its boot, and that monotonic time goes on', () => {
    const read = createFactsReader();
    const first = read();
    const second = read();
    expect(Math.abs(first.wallMs - Date.now())).toBeLessThan(5000);
    expect(first.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(second.monotonicMs).toBeGreaterThan(first.monotonicMs);
    expect(typeof first.synchronized).toBe('boolean');
  });
});
