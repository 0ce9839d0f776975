import { describe, expect, it } from 'vitest';
import type { DoorCommand } from '#bridge/ports.ts';
import { bridgeStateSchema } from '#hub/domains/access/controllers/link-schema.ts';
import { waitUntil } from '../fixtures.ts';
import { cardNumber, makePolicy, testIdOf } from '../policy/fixtures.ts';
import { contact, eventsOf, isReleased, kindsOf, led, newRig, rex, startedRig, strike } from './rig.ts';

describe('a tap', () => {
  it('of a known card is decided, written down, and only then opens the door', async () => {
    const rig = await startedRig();
    const seqAtWrite: number[] = [];
    rig.gpio.onWrite = (offset, level) => {
      if (offset === strike && level === 1) seqAtWrite.push(rig.journal.lastSeq);
    };
    rig.gpio.tap(cardNumber(1));
    expect(seqAtWrite).toEqual([1]);
    expect((await eventsOf(rig))[0]).toMatchObject({
      seq: 1,
      kind: 'granted',
      portalKey: 'front',
      readerKey: 'front-reader',
      credentialId: testIdOf(1),
      memberId: testIdOf(1),
      ruleId: '01990000-0000-7000-8000-00000000000a',
      policyEpoch: 1,
      policyRevision: 1,
      mode: 'controlled',
    });
    rig.time.advance(5000);
    expect(isReleased(rig)).toBe(false);
    expect(await kindsOf(rig)).toEqual(['granted', 'notEntered']);
  });

  it('leads to an entry that names the grant', async () => {
    const rig = await startedRig();
    rig.gpio.tap(cardNumber(1));
    rig.gpio.set(contact, 1);
    rig.gpio.set(contact, 0);
    expect((await eventsOf(rig))[1]).toMatchObject({ kind: 'entered', followsSeq: 1 });
    expect(isReleased(rig)).toBe(false);
  });

  it('of a card that nobody knows stays outside, and can be enrolled for two minutes', async () => {
    const rig = await startedRig();
    rig.gpio.tap(cardNumber(9));
    expect(isReleased(rig)).toBe(false);
    expect((await eventsOf(rig))[0]).toMatchObject({ kind: 'denied', reason: 'unknownCredential' });
    const reveal = (commandId: string): void =>
      rig.thread.command({ kind: 'reveal', commandId, seq: 1, expiresAtMs: 0 }, 1000);
    reveal('a');
    rig.time.advance(119_000);
    reveal('b');
    rig.time.advance(2000);
    reveal('c');
    expect(rig.replies.map((reply) => reply.outcome)).toEqual([
      { kind: 'read', read: cardNumber(9) },
      { kind: 'read', read: cardNumber(9) },
      { kind: 'refused', code: 'forgotten' },
    ]);
  });

  it('of a card on hold says why', async () => {
    const rig = await startedRig([{ number: 1, onHold: true }]);
    rig.gpio.tap(cardNumber(1));
    expect((await eventsOf(rig))[0]).toMatchObject({ kind: 'denied', reason: 'hold', memberId: testIdOf(1) });
    expect(isReleased(rig)).toBe(false);
  });

  it('that is read again and again while the card stays there is one tap', async () => {
    const rig = await startedRig();
    for (let count = 0; count < 5; count += 1) {
      rig.gpio.tap(cardNumber(1));
      rig.time.advance(600);
    }
    expect(await kindsOf(rig)).toEqual(['granted']);
    rig.time.advance(3000);
    rig.gpio.tap(cardNumber(1));
    expect((await kindsOf(rig)).filter((kind) => kind === 'granted')).toHaveLength(2);
  });

  it('gives those who need longer longer', async () => {
    const rig = await startedRig([{ number: 1, extendedAccess: true }]);
    rig.gpio.tap(cardNumber(1));
    rig.time.advance(14_000);
    expect(isReleased(rig)).toBe(true);
    rig.time.advance(1000);
    expect(isReleased(rig)).toBe(false);
  });
});

describe('a tap under a policy', () => {
  it('opens nothing without a policy, or at a door that the policy does not know', async () => {
    const rig = await newRig();
    rig.thread.start();
    rig.gpio.tap(cardNumber(1));
    rig.thread.swapPolicy(makePolicy([{ number: 1 }], { portalKeys: ['back'] }), true);
    rig.gpio.tap(cardNumber(1));
    expect(isReleased(rig)).toBe(false);
    const events = await eventsOf(rig);
    expect(events.map((event) => [event.kind, event.reason])).toEqual([
      ['denied', 'staleSnapshot'],
      ['policyApplied', undefined],
      ['denied', 'staleSnapshot'],
    ]);
    expect(events[0]?.digest).toBeUndefined();
  });

  it('follows a revocation from the moment on in which the policy is swapped', async () => {
    const rig = await startedRig();
    rig.thread.swapPolicy(makePolicy([{ number: 1, status: 'lost' }], {}), true);
    rig.gpio.tap(cardNumber(1));
    expect(isReleased(rig)).toBe(false);
  });

  it('is refused when the policy is older than the door permits', async () => {
    const rig = await startedRig([{ number: 1 }], { settings: { maxPolicyAgeMinutes: 60 } });
    rig.time.advance(61 * 60_000);
    rig.gpio.tap(cardNumber(1));
    expect((await eventsOf(rig)).at(-1)).toMatchObject({ kind: 'denied', reason: 'staleSnapshot' });
    rig.age.confirm();
    rig.gpio.tap(cardNumber(1));
    expect(isReleased(rig)).toBe(true);
  });

  it('is answered for a clock that nothing vouches for as the door says', async () => {
    const rig = await startedRig([{ number: 1 }], { settings: { onUntrustedClock: 'deny' } });
    rig.time.trustNow = 'none';
    rig.gpio.tap(cardNumber(1));
    expect((await eventsOf(rig)).at(-1)).toMatchObject({ reason: 'clockUntrusted' });
    rig.thread.swapPolicy(
      makePolicy([{ number: 1 }], { settings: { onUntrustedClock: 'ignoreWindows' } }),
      false,
    );
    rig.gpio.tap(cardNumber(1));
    expect(isReleased(rig)).toBe(true);
  });

  it('is answered by the lamp', async () => {
    const rig = await startedRig();
    rig.gpio.tap(cardNumber(1));
    expect(rig.gpio.read(led)).toBe(1);
    rig.time.advance(6000);
    expect(rig.gpio.read(led)).toBe(0);
    rig.gpio.tap(cardNumber(9));
    const blinks = (): number =>
      rig.gpio.writes.filter(({ offset, level }) => offset === led && level === 1).length;
    const before = blinks();
    rig.time.advance(2000);
    expect(blinks() - before).toBe(4);
    expect(rig.gpio.read(led)).toBe(0);
  });
});

describe('a door', () => {
  it('that only observes decides and writes down, and moves nothing', async () => {
    const rig = await startedRig([{ number: 1 }], { settings: { observe: true } });
    rig.gpio.tap(cardNumber(1));
    rig.gpio.set(rex, 1);
    expect(rig.gpio.writes.filter(({ level }) => level === 1)).toEqual([]);
    const events = await eventsOf(rig);
    expect(events[0]).toMatchObject({ kind: 'granted', observed: true });
    rig.thread.command(
      { kind: 'unlock', commandId: 'u', portalKey: 'front', seconds: 5, expiresAtMs: 0 },
      1000,
    );
    expect(rig.replies[0]?.outcome).toEqual({ kind: 'refused', code: 'observing' });
  });

  it('lets out by the exit button without a policy, in a lockdown, and with a journal that is full', async () => {
    const rig = await newRig({ maxBytes: 2 * 262_144 });
    rig.thread.start();
    rig.gpio.set(rex, 1);
    expect(isReleased(rig)).toBe(true);
    rig.gpio.set(rex, 0);
    rig.time.advance(10_000);
    rig.thread.swapPolicy(makePolicy([], { override: { kind: 'lockdown', sinceMs: 0, reason: '' } }), false);
    while (rig.journal.append({ kind: 'readFault', wallMs: 0, clockTrust: 'ntp', monotonicMs: 0 }) !== null)
      if (rig.journal.lastSeq % 500 === 0)
        await waitUntil(() => rig.journal.syncedSeq === rig.journal.lastSeq, 'the sync');
    expect(isReleased(rig)).toBe(false);
    rig.gpio.set(rex, 1);
    expect(isReleased(rig)).toBe(true);
  });

  it.each([
    ['deny', false],
    ['grantAndCount', true],
  ] as const)('with a journal that is full follows "%s"', async (onJournalFault, opens) => {
    const rig = await startedRig(
      [{ number: 1 }],
      { settings: { onJournalFault } },
      { maxBytes: 2 * 262_144 },
    );
    while (rig.journal.append({ kind: 'readFault', wallMs: 0, clockTrust: 'ntp', monotonicMs: 0 }) !== null)
      if (rig.journal.lastSeq % 500 === 0)
        await waitUntil(() => rig.journal.syncedSeq === rig.journal.lastSeq, 'the sync');
    const lost = rig.journal.lostEvents;
    rig.gpio.tap(cardNumber(1));
    expect(isReleased(rig)).toBe(opens);
    expect(rig.journal.lostEvents).toBe(lost + 1);
  });

  it('holds a magnet from the start, and lets it go for a grant', async () => {
    const rig = await startedRig([{ number: 1 }], {}, { failMode: 'safe' });
    expect(rig.gpio.read(strike)).toBe(1);
    rig.gpio.tap(cardNumber(1));
    expect(rig.gpio.read(strike)).toBe(0);
    rig.time.advance(5000);
    expect(rig.gpio.read(strike)).toBe(1);
  });

  it('reads its contact at the start, and energises nothing', async () => {
    const rig = await newRig();
    rig.gpio.set(contact, 1);
    rig.thread.swapPolicy(makePolicy([{ number: 1 }]), false);
    rig.thread.start();
    const [door] = rig.thread.report(rig.journal.bootId).portals;
    expect(door).toMatchObject({ state: 'open', contactOpen: true, strikeReleased: false });
    expect(rig.gpio.writes.filter(({ offset, level }) => offset === strike && level === 1)).toEqual([]);
  });

  it('reads its inputs again when the kernel lost edges', async () => {
    const rig = await startedRig();
    rig.gpio.set(contact, 1, true);
    rig.gpio.lose(1);
    expect(await kindsOf(rig)).toEqual(['forcedOpen']);
  });
});

describe('a door over time', () => {
  it('follows its schedule by the minute, and not without a trusted clock', async () => {
    const schedule = [
      { mode: 'unlocked' as const, window: { weekday: 1, startMinute: 12 * 60 + 5, endMinute: 13 * 60 } },
    ];
    // 2026-11-23 is a Monday; the clock shows 12:00.
    const rig = await startedRig([], { settings: { schedule, firstPersonIn: false } });
    rig.time.advance(4 * 60_000);
    expect(isReleased(rig)).toBe(false);
    rig.time.advance(61_000);
    expect(isReleased(rig)).toBe(true);
    rig.time.trustNow = 'restored';
    rig.time.advance(60_000);
    expect(isReleased(rig)).toBe(false);
    expect(await kindsOf(rig)).toContain('clockChanged');
    rig.time.trustNow = 'ntp';
    rig.time.advance(60_000);
    expect(isReleased(rig)).toBe(true);
    rig.time.advance(55 * 60_000);
    expect(isReleased(rig)).toBe(false);
  });

  it('is held open until the hour that staff gave, and follows a lockdown at once', async () => {
    const rig = await newRig();
    const untilMs = rig.time.nowMs() + 90_000;
    rig.thread.swapPolicy(
      makePolicy([], { override: { kind: 'holdOpen', sinceMs: 0, untilMs, reason: 'delivery' } }),
      false,
    );
    rig.thread.start();
    expect(isReleased(rig)).toBe(true);
    rig.time.advance(90_001);
    expect(isReleased(rig)).toBe(false);
    rig.gpio.set(26, 1);
    expect(isReleased(rig)).toBe(true);
    rig.gpio.set(26, 0);
    rig.thread.swapPolicy(
      makePolicy([{ number: 1 }], { override: { kind: 'lockdown', sinceMs: 0, reason: '' } }),
      true,
    );
    rig.gpio.tap(cardNumber(1));
    expect((await eventsOf(rig)).at(-1)).toMatchObject({
      kind: 'denied',
      reason: 'portalLocked',
      mode: 'lockdown',
    });
  });

  it('reports a state that fits the wire, with levels as they are read', async () => {
    const rig = await startedRig();
    rig.gpio.tap(cardNumber(1));
    const state = rig.thread.report(rig.journal.bootId);
    expect(bridgeStateSchema.parse(state)).toEqual(state);
    expect(state.portals[0]).toMatchObject({ key: 'front', state: 'granted', strikeReleased: true });
    expect(state.readers[0]).toMatchObject({ key: 'front-reader', goodFrames: 1, faultyFrames: 0 });
  });

  it('says that an output cannot be driven, and goes on', async () => {
    const rig = await startedRig();
    rig.gpio.failing = true;
    rig.gpio.tap(cardNumber(1));
    expect(rig.thread.report(rig.journal.bootId).findings.map((finding) => finding.id)).toContain(
      'output.front',
    );
    expect(await kindsOf(rig)).toEqual(['granted']);
  });

  it('counts a noisy reader instead of filling its journal', async () => {
    const rig = await startedRig();
    const torn = { reading: 'raw' as const, bits: 13, hex: '1fff' };
    for (let count = 0; count < 50; count += 1) rig.gpio.tap(torn);
    expect(await kindsOf(rig)).toEqual(['readFault']);
    rig.time.advance(60_000);
    expect((await eventsOf(rig)).at(-1)).toMatchObject({ kind: 'readFault', count: 49 });
    expect(rig.thread.report(rig.journal.bootId).readers[0]?.faultyFrames).toBe(50);
  });

  it('is locked and leaves no timer behind when the bridge stops', async () => {
    const rig = await startedRig();
    rig.gpio.tap(cardNumber(1));
    rig.gpio.tap(cardNumber(9));
    rig.thread.stop();
    expect(isReleased(rig)).toBe(false);
    rig.time.advance(200_000);
    expect(rig.time.waitingTimers).toBe(0);
  });
});

describe('a command of the hub', () => {
  const unlock = (commandId: string, seconds = 5): DoorCommand => ({
    kind: 'unlock',
    commandId,
    portalKey: 'front',
    seconds,
    expiresAtMs: 0,
  });

  it('unlocks for its time, once, however often it comes, also after a restart', async () => {
    const rig = await startedRig();
    rig.thread.command(unlock('u1', 8), 1000);
    rig.thread.command(unlock('u1', 8), 1000);
    expect(rig.replies.map((reply) => reply.outcome.kind)).toEqual(['done', 'done']);
    rig.time.advance(7999);
    expect(isReleased(rig)).toBe(true);
    rig.time.advance(1);
    expect(isReleased(rig)).toBe(false);
    expect((await eventsOf(rig)).filter((event) => event.kind === 'remoteGranted')).toMatchObject([
      { commandId: 'u1', portalKey: 'front' },
    ]);
    await rig.close();
    const again = await startedRig(undefined, {}, { folder: rig.folder });
    again.thread.command(unlock('u1', 8), 1000);
    expect(isReleased(again)).toBe(false);
    expect(again.replies[0]?.outcome.kind).toBe('done');
  });

  it('that comes late, for no door of this bridge or in a lockdown is refused', async () => {
    const rig = await startedRig();
    rig.thread.command(unlock('late'), 0);
    rig.thread.command({ ...unlock('where'), portalKey: 'cellar' } as DoorCommand, 1000);
    rig.thread.swapPolicy(makePolicy([], { override: { kind: 'lockdown', sinceMs: 0, reason: '' } }), false);
    rig.thread.command(unlock('locked'), 1000);
    expect(rig.replies.map((reply) => reply.outcome)).toEqual([
      { kind: 'refused', code: 'expired' },
      { kind: 'refused', code: 'unknownPortal' },
      { kind: 'refused', code: 'lockedDown' },
    ]);
    expect(isReleased(rig)).toBe(false);
  });

  it('has the next card at a reader enrolled, and the door stays shut', async () => {
    const rig = await startedRig();
    rig.thread.command({ kind: 'enrol', commandId: 'e', readerKey: 'front-reader', expiresAtMs: 0 }, 30_000);
    rig.gpio.tap(cardNumber(1));
    expect(isReleased(rig)).toBe(false);
    expect(rig.replies.map((reply) => reply.outcome)).toEqual([
      { kind: 'waiting' },
      { kind: 'read', read: cardNumber(1) },
    ]);
    expect(await kindsOf(rig)).toEqual([]);
    rig.gpio.tap(cardNumber(1));
    expect(isReleased(rig)).toBe(true);
  });

  it('takes a frame that may have lost a bit only when it comes twice alike', async () => {
    const rig = await startedRig();
    const torn = (hex: string) => ({ reading: 'raw', bits: 33, hex }) as const;
    rig.thread.command({ kind: 'enrol', commandId: 'e', readerKey: 'front-reader', expiresAtMs: 0 }, 30_000);
    for (const hex of ['012345678', '112345678', '112345678']) rig.gpio.tap(torn(hex));
    expect(rig.replies.map((reply) => reply.outcome)).toEqual([
      { kind: 'waiting' },
      { kind: 'waiting' },
      { kind: 'waiting' },
      { kind: 'read', read: torn('112345678') },
    ]);
  });

  it('for enrolment ends by itself, by being cancelled, or by the next one', async () => {
    const rig = await startedRig();
    const enrol = (commandId: string): void =>
      rig.thread.command({ kind: 'enrol', commandId, readerKey: 'front-reader', expiresAtMs: 0 }, 30_000);
    enrol('a');
    rig.time.advance(30_000);
    enrol('b');
    enrol('c');
    rig.thread.command(
      { kind: 'cancelEnrol', commandId: 'd', readerKey: 'front-reader', expiresAtMs: 0 },
      1000,
    );
    const ended = rig.replies.filter((reply) => reply.outcome.kind !== 'waiting');
    expect(
      ended.map((reply) => [reply.commandId, 'code' in reply.outcome ? reply.outcome.code : 'done']),
    ).toEqual([
      ['a', 'expired'],
      ['b', 'forgotten'],
      ['c', 'forgotten'],
      ['d', 'done'],
    ]);
    rig.gpio.tap(cardNumber(1));
    expect(isReleased(rig)).toBe(true);
  });

  it('taps at a simulated reader only', async () => {
    const tap: DoorCommand = {
      kind: 'tap',
      commandId: 't',
      readerKey: 'front-reader',
      read: cardNumber(1),
      expiresAtMs: 0,
    };
    const simulated = await startedRig();
    simulated.thread.command(tap, 1000);
    await waitUntil(() => simulated.replies.length > 0, 'the answer');
    expect(simulated.taps).toEqual([cardNumber(1)]);
    expect(simulated.replies[0]?.outcome).toEqual({ kind: 'done' });
    const real = await startedRig([], {}, { simulated: false });
    real.thread.command(tap, 1000);
    expect(real.replies[0]?.outcome).toEqual({ kind: 'refused', code: 'notSimulated' });
  });
});
