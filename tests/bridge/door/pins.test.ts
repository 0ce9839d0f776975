import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type BridgeConfig, bridgeConfigSchema } from '#bridge/config.ts';
import { lineRequests } from '#bridge/door/line-requests.ts';
import { DoorThread } from '#bridge/door/thread.ts';
import { openJournalDisk } from '#bridge/journal/disk.ts';
import { Journal } from '#bridge/journal/journal.ts';
import { type PinChecks, startPinChecks } from '#bridge/pin/checks.ts';
import { LockoutFile } from '#bridge/pin/lockout-file.ts';
import { PolicyAge } from '#bridge/policy/policy.ts';
import type { Later } from '#bridge/ports.ts';
import { type BridgeEvent, bridgeStateSchema } from '#hub/domains/access/controllers/link-schema.ts';
import type { PortalSettings } from '#hub/domains/access/schema.ts';
import { TestTime, waitUntil } from '../fixtures.ts';
import { cardNumber, makePolicy, type TestCard, testIdOf, testPinIdOf } from '../policy/fixtures.ts';
import { MemoryGpio } from './memory-gpio.ts';

const later: Later = (delayMs, run) => {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
};
const strike = 17;
const led = 22;
const ada: TestCard = { number: 1, pin: '4711', duressPin: '2093' };
const bob: TestCard = { number: 2 };

const configOf = (readers: readonly object[]): BridgeConfig =>
  bridgeConfigSchema.parse({
    portals: [{ key: 'front', name: 'Front door', readers, strike: { line: strike, failMode: 'secure' } }],
  });
const keypadReader = { key: 'outside', wiring: { kind: 'wiegand', d0: 5, d1: 6 }, led: { line: led } };

/** The door thread with its real journal, its real file and the real Worker; lines and time are the test's. */
async function openDoor(
  settings: Partial<PortalSettings>,
  how: {
    readonly cards?: readonly TestCard[];
    readonly folder?: string;
    readonly readers?: readonly object[];
    readonly checks?: (real: PinChecks) => PinChecks;
    readonly time?: TestTime;
  } = {},
) {
  const folder = how.folder ?? mkdtempSync(path.join(tmpdir(), 'pins-'));
  const time = how.time ?? new TestTime();
  const config = configOf(how.readers ?? [keypadReader]);
  const gpio = new MemoryGpio(lineRequests(config));
  const journal = await Journal.open({
    disk: openJournalDisk(path.join(folder, `journal-${randomUUID()}`)),
    key: randomBytes(32),
    bootId: randomUUID(),
    maxBytes: 8 * 1024 * 1024,
    trustedNowMs: () => time.nowMs(),
    later: time.later,
  });
  const faults: unknown[] = [];
  const real = startPinChecks(later, (error) => faults.push(error));
  const policyAge = new PolicyAge(time, null);
  policyAge.confirm();
  const signals: unknown[] = [];
  const thread = new DoorThread({
    config,
    clock: time,
    later: time.later,
    journal,
    gpio,
    policyAge,
    reply: () => undefined,
    onChange: () => undefined,
    onFault: (_where, error) => faults.push(error),
    tap: null,
    recentCommandIds: [],
    serial: {
      signal: (_readerKey, signal) => signals.push(signal),
      pair: () => undefined,
      cancelPairing: () => undefined,
      switchOutput: () => undefined,
    },
    pinChecks: how.checks?.(real) ?? real,
    lockouts: await LockoutFile.open(folder, (fault) => faults.push(fault)),
  });
  const cards = how.cards ?? [ada, bob];
  const apply = (next: readonly TestCard[], changed: Partial<PortalSettings> = settings): void =>
    thread.swapPolicy(makePolicy(next, { settings: changed }), false);
  apply(cards);
  thread.start();
  const close = async (): Promise<void> => {
    thread.stop();
    await real.stop();
    await journal.close();
  };
  onTestFinished(async () => {
    await close();
    rmSync(folder, { recursive: true, force: true });
  });
  const events = async (): Promise<BridgeEvent[]> => {
    await waitUntil(() => journal.syncedSeq === journal.lastSeq, 'the sync');
    return journal.readFrom(1, 10_000);
  };
  return {
    time,
    gpio,
    thread,
    folder,
    faults,
    signals,
    apply,
    close,
    events,
    tap: (number: number) => thread.takeSerialRead('outside', cardNumber(number)),
    type: (keys: string) => thread.takeKeys('outside', keys),
    /** Types, and waits until the door has said something more. */
    async enter(keys: string): Promise<void> {
      const before = journal.lastSeq;
      thread.takeKeys('outside', keys);
      await waitUntil(() => journal.lastSeq > before, 'the outcome of a PIN');
    },
    /** Kind and reason of everything that was written down. */
    said: async () => (await events()).map(({ kind, reason }) => reason ?? kind),
    isOpen: () => gpio.read(strike) === 1,
    findings: () => bridgeStateSchema.parse(thread.report(randomUUID())).findings.map(({ id }) => id),
  };
}

describe('a door with card and PIN', () => {
  const settings = { identification: 'cardAndPin' } as const;

  test('asks, checks, writes down, and only then opens; the event is of the card', async () => {
    const door = await openDoor(settings);
    door.tap(1);
    expect([await door.said(), door.isOpen()]).toEqual([[], false]);
    await door.enter('4711#');
    expect(door.isOpen()).toBe(true);
    const [granted] = await door.events();
    expect(granted).toMatchObject({ kind: 'granted', credentialId: testIdOf(1), readerKey: 'outside' });
    expect(granted?.checks?.slice(-4)).toEqual(
      ['assuranceSufficient', 'attemptsLeft', 'pinGiven', 'pinRight'].map((check) => ({
        check,
        passed: true,
      })),
    );
    expect(JSON.stringify(await door.events())).not.toContain('4711');
  });
  test('says no to a wrong PIN, to one that is not entered in time, and to nobody for nothing', async () => {
    const door = await openDoor(settings);
    door.tap(1);
    await door.enter('4712#');
    door.tap(1);
    door.time.advance(10_000);
    door.tap(2);
    expect(await door.said()).toEqual(['pinWrong', 'pinRequired', 'assuranceTooLow']);
    expect(door.isOpen()).toBe(false);
  });
  test('takes a card that is held to the reader as one, while it waits and while it checks', async () => {
    const door = await openDoor(settings);
    door.tap(1);
    door.tap(1);
    const outcome = door.enter('4711#');
    door.tap(1);
    await outcome;
    door.tap(1);
    expect(await door.said()).toEqual(['granted']);
  });
  test('decides by what is so when the PIN is proved', async () => {
    const door = await openDoor(settings);
    door.tap(1);
    door.apply([{ ...ada, onHold: true }]);
    await door.enter('4711#');
    expect(await door.said()).toEqual(['hold']);
  });
  test('a PIN that was replaced while it was checked neither opens nor counts', async () => {
    let release: () => void = () => undefined;
    const door = await openDoor(settings, {
      checks: (real) => ({
        ...real,
        check: async (job) => {
          const verdict = await real.check(job);
          await new Promise<void>((resolve) => {
            release = resolve;
          });
          return verdict;
        },
      }),
    });
    door.tap(1);
    door.type('4711#');
    const before = release;
    await waitUntil(() => release !== before, 'the verdict');
    door.apply([{ ...ada, pinStatus: 'suspended' }]);
    release();
    await waitUntil(() => door.thread.report(randomUUID()).journal.lastSeq === 1, 'the outcome');
    expect(await door.said()).toEqual(['pinRequired']);
  });
  test('shows at the reader that it asks: a slow lamp, for as long as it waits for the first key', async () => {
    const door = await openDoor(settings);
    door.tap(1);
    const litAfter = (ms: number): number => {
      door.time.advance(ms);
      return door.gpio.read(led);
    };
    expect([litAfter(0), litAfter(299), litAfter(1), litAfter(199), litAfter(1)]).toEqual([1, 1, 0, 0, 1]);
  });
});

describe('a door with number and PIN', () => {
  test('opens by it; the event is of the PIN, and an unknown number looks like a wrong PIN', async () => {
    const door = await openDoor({ identification: 'pin' });
    await door.enter('1*4711#');
    door.time.advance(6000);
    await door.enter('1*4712#');
    await door.enter('2*4711#');
    await door.enter('77*4711#');
    const events = await door.events();
    expect(
      events.filter(({ kind }) => kind !== 'notEntered').map(({ kind, reason }) => reason ?? kind),
    ).toEqual(['granted', 'pinWrong', 'pinWrong', 'pinWrong']);
    expect(events[0]).toMatchObject({ credentialId: testPinIdOf(1), memberId: testIdOf(1) });
  });
  test('is nothing where only cards count: no PIN is looked at, and none counts', async () => {
    let checks = 0;
    const door = await openDoor(
      {},
      { checks: (real) => ({ ...real, check: (job) => (checks++, real.check(job)) }) },
    );
    for (let tries = 0; tries < 6; tries += 1) await door.enter('1*4712#');
    expect([await door.said(), checks, door.findings()]).toEqual([Array(6).fill('assuranceTooLow'), 0, []]);
  });
});

describe('duress', () => {
  const granted = async (pin: string, by: 'card' | 'number') => {
    let checks = 0;
    const door = await openDoor(
      { identification: by === 'card' ? 'cardAndPin' : 'pin' },
      {
        readers: [{ key: 'outside', wiring: { kind: 'osdp', port: '/dev/ttyAMA0', address: 0 } }],
        checks: (real) => ({ ...real, check: (job) => (checks++, real.check(job)) }),
      },
    );
    if (by === 'card') door.tap(1);
    await door.enter(by === 'card' ? `${pin}#` : `1*${pin}#`);
    const opened = door.isOpen();
    door.time.advance(30_000);
    const { wallMs: _, journal, ...report } = door.thread.report('00000000-0000-4000-8000-000000000000');
    return {
      opened,
      checks,
      signals: door.signals,
      events: await door.events(),
      lastSeq: journal.lastSeq,
      report,
    };
  };
  test.each(['card', 'number'] as const)(
    'opens as the PIN does, by %s: one mark in the journal is all that differs',
    async (by) => {
      const [right, duress] = [await granted('4711', by), await granted('2093', by)];
      const [first, ...more] = duress.events;
      expect(first?.duress).toBe(true);
      const without = (events: readonly BridgeEvent[]) =>
        events.map(({ bootId: _b, duress: _d, ...event }) => event);
      expect({ ...duress, events: without(duress.events) }).toEqual({
        ...right,
        events: without(right.events),
      });
      expect(right.events.concat(more).some((event) => event.duress !== undefined)).toBe(false);
      expect([right.opened, right.checks]).toEqual([true, 1]);
    },
  );
  test('raises the alarm also where the door stays shut', async () => {
    const door = await openDoor({ identification: 'cardAndPin' });
    door.tap(1);
    door.apply([{ ...ada, onHold: true }]);
    await door.enter('2093#');
    expect(await door.events()).toMatchObject([{ kind: 'denied', reason: 'hold', duress: true }]);
  });
});

describe('too many wrong PINs', () => {
  const settings = { identification: 'cardOrPin' } as const;
  const guess = async (door: Awaited<ReturnType<typeof openDoor>>, times: number): Promise<void> => {
    for (let tries = 0; tries < times; tries += 1) await door.enter('1*4712#');
  };
  test('the reader takes none for a minute, says so, and cards go on', async () => {
    const door = await openDoor(settings);
    await guess(door, 5);
    await waitUntil(() => door.findings().includes('pin.locked.outside'), 'the finding');
    await door.enter('1*4711#');
    expect(await door.said()).toEqual([...Array(5).fill('pinWrong'), 'pinLockout', 'tooManyAttempts']);
    door.tap(2);
    expect(door.isOpen()).toBe(true);
    door.time.advance(60_000);
    expect(door.findings()).toEqual([]);
    await door.enter('1*4711#');
    expect((await door.said()).at(-1)).toBe('granted');
  });
  test('it holds for whoever comes, and a card that has to give a PIN is told at once', async () => {
    const door = await openDoor({ identification: 'pin' });
    await guess(door, 5);
    door.tap(1);
    expect((await door.said()).at(-1)).toBe('tooManyAttempts');
  });
  test('a right PIN in between begins anew', async () => {
    const door = await openDoor(settings);
    await guess(door, 4);
    await door.enter('1*4711#');
    await guess(door, 4);
    expect(door.findings()).toEqual([]);
  });
  test('a wrong one is on the disk before anybody is told, and a restart goes on counting', async () => {
    const first = await openDoor(settings);
    await guess(first, 4);
    const stored = JSON.parse(readFileSync(path.join(first.folder, 'pin-lockouts.json'), 'utf8'));
    expect(stored).toMatchObject({ outside: { wrong: 4 } });
    // No stop: killed.
    const second = await openDoor(settings, { folder: first.folder, time: first.time });
    await guess(second, 1);
    await waitUntil(() => second.findings().includes('pin.locked.outside'), 'the finding');
    const third = await openDoor(settings, { folder: first.folder });
    expect(third.findings()).toEqual(['pin.locked.outside']);
    third.time.advance(60_000);
    expect(third.findings()).toEqual([]);
  });
});

describe('checks that wait', () => {
  test('one reader has one at a time, and what cannot be looked at opens nothing and counts for nothing', async () => {
    const door = await openDoor(
      { identification: 'pin' },
      { checks: (real) => ({ ...real, check: () => Promise.resolve(null) }) },
    );
    for (let tries = 0; tries < 6; tries += 1) await door.enter('1*4711#');
    expect([await door.said(), door.findings()]).toEqual([Array(6).fill('pinRequired'), []]);
  });
  test('they are made in the order in which they came; beyond the bound they are refused at once', async () => {
    const checks = startPinChecks(later, () => undefined);
    onTestFinished(() => checks.stop());
    const secret = { salt: randomBytes(16), hash: randomBytes(20), duressHash: randomBytes(20) };
    const done: number[] = [];
    const all = Array.from({ length: 40 }, async (_, index) => {
      const verdict = await checks.check({ pin: '4711', secret });
      done.push(index);
      return verdict;
    });
    const verdicts = await Promise.all(all);
    expect(verdicts.filter((verdict) => verdict === 'wrong')).toHaveLength(33);
    expect(verdicts.slice(33)).toEqual(Array(7).fill(null));
    const checked = done.filter((index) => index < 33);
    expect(checked).toEqual([...checked].sort((left, right) => left - right));
  });
  test('the Worker ends a minute after the last PIN, and another begins with the next', async () => {
    const time = new TestTime();
    const checks = startPinChecks(time.later, () => undefined);
    onTestFinished(() => checks.stop());
    const secret = { salt: randomBytes(16), hash: randomBytes(20), duressHash: randomBytes(20) };
    expect(await checks.check({ pin: '4711', secret })).toBe('wrong');
    expect(time.waitingTimers).toBe(1);
    time.advance(60_000);
    expect(time.waitingTimers).toBe(0);
    expect(await checks.check({ pin: '4711', secret })).toBe('wrong');
    expect(time.waitingTimers).toBe(1);
  });
  test('the end of the bridge answers what waits', async () => {
    const checks = startPinChecks(later, () => undefined);
    const secret = { salt: randomBytes(16), hash: randomBytes(20), duressHash: randomBytes(20) };
    const both = [checks.check({ pin: '4711', secret }), checks.check({ pin: '4711', secret })];
    await checks.stop();
    expect(await Promise.all(both)).toEqual([null, null]);
  });
});

describe('what a reader cannot do is a finding', () => {
  const reader = (keypad: string) => ({ key: 'outside', wiring: { kind: 'wiegand', d0: 5, d1: 6, keypad } });
  test.each([
    ['bursts', { identification: 'pin' }, []],
    ['buffered26', { identification: 'cardAndPin' }, []],
    ['buffered26', { identification: 'cardOrPin' }, ['pin.keypad.outside']],
    ['none', { identification: 'card' }, []],
    ['none', { identification: 'cardOrPin' }, []],
    ['none', { minAssurance: 1 }, ['pin.keypad.outside']],
    [
      'none',
      {
        identificationWindows: [
          { window: { weekday: 1, startMinute: 0, endMinute: 0 }, identification: 'cardAndPin' },
        ],
      },
      ['pin.keypad.outside'],
    ],
  ] as const)('keypad %s, settings %o', async (keypad, settings, findings) => {
    const door = await openDoor(settings as Partial<PortalSettings>, { readers: [reader(keypad)] });
    expect(door.findings()).toEqual(findings);
  });
});
