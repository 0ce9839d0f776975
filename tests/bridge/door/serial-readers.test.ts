import { describe, expect, it } from 'vitest';
import type { SerialReaderState } from '#bridge/readers/serial-driver.ts';
import { cardNumber, makePolicy } from '../policy/fixtures.ts';
import { eventsOf, isReleased, kindsOf, type Rig, startedRig } from './rig.ts';

const serialReaders = [
  { key: 'bus-reader', wiring: { kind: 'osdp', port: '/dev/ttyAMA0', address: 0 } },
  { key: 'module', wiring: { kind: 'rdm6300', port: '/dev/ttyAMA1' } },
];

describe('readers on serial lines', () => {
  const rigWithReaders = (): Promise<Rig> => startedRig([{ number: 1 }], {}, { moreReaders: serialReaders });
  const state = (readerKey: string, change: Partial<SerialReaderState> = {}): SerialReaderState => ({
    readerKey,
    link: 'online',
    channel: null,
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
  /** What comes of an order. */
  function order(
    rig: Rig,
    command:
      | { kind: 'pairReader'; readerKey: string }
      | { kind: 'cancelPairing' | 'testReader'; readerKey: string }
      | { kind: 'switchOutput'; readerKey: string; output: number; seconds: number },
  ) {
    const commandId = `${command.kind} ${command.readerKey} ${String(rig.replies.length)}`;
    const rest = { commandId, expiresAtMs: 0 };
    rig.thread.command(
      command.kind === 'pairReader' ? { ...command, ...rest, seconds: 60 } : { ...command, ...rest },
      1000,
    );
    const outcome = rig.replies.find((reply) => reply.commandId === commandId)?.outcome;
    return outcome?.kind === 'refused' ? outcome.code : outcome?.kind;
  }

  it('open for a card as any other, and show it with the lamp and the buzzer of their own', async () => {
    const rig = await rigWithReaders();
    rig.serialOrders.length = 0;
    rig.thread.takeSerialRead('bus-reader', cardNumber(2));
    expect(isReleased(rig)).toBe(false);
    expect(rig.serialOrders).toContainEqual({ readerKey: 'bus-reader', led: 'denied' });
    rig.thread.takeSerialRead('bus-reader', cardNumber(1));
    expect(isReleased(rig)).toBe(true);
    expect(rig.serialOrders).toContainEqual({ readerKey: 'bus-reader', led: 'granted' });
    expect(rig.serialOrders).toContainEqual({ readerKey: 'bus-reader', buzzer: 'granted' });
    expect(rig.serialOrders.filter(({ readerKey }) => readerKey !== 'bus-reader')).toEqual([]);
    const events = await eventsOf(rig);
    expect(events.filter(({ readerKey }) => readerKey === 'bus-reader').map(({ kind }) => kind)).toEqual([
      'denied',
      'granted',
    ]);
  });

  it('raise the tamper alarm of their door, once, while any of them is opened', async () => {
    const rig = await rigWithReaders();
    rig.thread.takeSerialStates([state('bus-reader', { tamper: true }), state('module')]);
    rig.thread.takeSerialStates([state('bus-reader', { tamper: true, goodFrames: 5 }), state('module')]);
    // What is offline says nothing of its switch.
    rig.thread.takeSerialStates([state('bus-reader', { link: 'offline', tamper: false }), state('module')]);
    expect(await kindsOf(rig)).toEqual(['tamper']);
    rig.thread.takeSerialStates([state('bus-reader', { tamper: false }), state('module')]);
    expect(await kindsOf(rig)).toEqual(['tamper', 'tamperEnded']);
    const [raised, ended] = await eventsOf(rig);
    expect(raised).toMatchObject({ readerKey: 'bus-reader', portalKey: 'front' });
    expect(ended).toMatchObject({ readerKey: 'bus-reader', portalKey: 'front', followsSeq: raised?.seq });
  });

  it('are told at the start what the door is: before it they may have shown and sounded anything', async () => {
    const rig = await rigWithReaders();
    expect(rig.serialOrders).toContainEqual({ readerKey: 'bus-reader', led: 'idle' });
    expect(rig.serialOrders).toContainEqual({ readerKey: 'bus-reader', buzzer: 'silent' });
  });

  it('show what the door is again when it stops to observe', async () => {
    const rig = await startedRig(
      [{ number: 1 }],
      { settings: { observe: true } },
      { moreReaders: serialReaders },
    );
    // A door that observes leaves them at rest.
    expect(rig.serialOrders.slice(-2)).toEqual([
      { readerKey: 'bus-reader', led: 'idle' },
      { readerKey: 'bus-reader', buzzer: 'silent' },
    ]);
    rig.serialOrders.length = 0;
    rig.thread.swapPolicy(makePolicy([{ number: 1 }], { settings: { observe: false } }), false);
    expect(rig.serialOrders).toContainEqual({ readerKey: 'bus-reader', led: 'idle' });
    expect(rig.serialOrders).toContainEqual({ readerKey: 'bus-reader', buzzer: 'silent' });
  });

  it('that do not take a new key end their pairing and are a finding until they take one', async () => {
    const rig = await rigWithReaders();
    const finding = () =>
      rig.thread.report('boot').findings.find(({ id }) => id === 'reader.keyRefused.bus-reader')?.severity;
    const until = () =>
      rig.thread.report('boot').readers.find(({ key }) => key === 'bus-reader')?.pairingUntilMs;
    rig.thread.takeSerialStates([state('bus-reader', { channel: 'ownKey' })]);
    order(rig, { kind: 'pairReader', readerKey: 'bus-reader' });
    rig.thread.noteKeyRefused('bus-reader');
    expect([finding(), until()]).toEqual(['warning', null]);
    rig.thread.noteReaderPaired('bus-reader');
    expect(finding()).toBeUndefined();
  });

  it('are said to be without their port when its adapter is pulled out, and when it is back', async () => {
    const rig = await rigWithReaders();
    rig.thread.noteSerialPort('/dev/ttyAMA0', null);
    rig.thread.noteSerialPort('/dev/ttyAMA0', '/dev/ttyAMA0 is not there.');
    rig.thread.noteSerialPort('/dev/ttyAMA0', '/dev/ttyAMA0 cannot be opened.');
    rig.thread.noteSerialPort('/dev/ttyAMA0', null);
    const events = await eventsOf(rig);
    expect(events.map(({ kind, note }) => [kind, note])).toEqual([
      ['portClosed', '/dev/ttyAMA0 is not there.'],
      ['portOpened', '/dev/ttyAMA0'],
    ]);
  });

  it('get a key when they are of a kind that has one, and nobody else does', async () => {
    const rig = await rigWithReaders();
    rig.serialOrders.length = 0;
    expect(order(rig, { kind: 'pairReader', readerKey: 'bus-reader' })).toBe('done');
    expect(rig.serialOrders).toEqual([{ readerKey: 'bus-reader', forMs: 60_000 }]);
    expect(order(rig, { kind: 'cancelPairing', readerKey: 'bus-reader' })).toBe('done');
    expect(rig.serialOrders).toContainEqual({ readerKey: 'bus-reader', cancel: true });
    expect(order(rig, { kind: 'pairReader', readerKey: 'module' })).toBe('notPairable');
    expect(order(rig, { kind: 'pairReader', readerKey: 'front-reader' })).toBe('notPairable');
    expect(order(rig, { kind: 'pairReader', readerKey: 'nowhere' })).toBe('unknownReader');
    expect(order(rig, { kind: 'cancelPairing', readerKey: 'nowhere' })).toBe('unknownReader');
  });

  it('are tried by lamp and buzzer, where they have some and can be reached', async () => {
    const rig = await rigWithReaders();
    expect(order(rig, { kind: 'testReader', readerKey: 'bus-reader' })).toBe('readerOffline');
    rig.thread.takeSerialStates([state('bus-reader'), state('module')]);
    rig.serialOrders.length = 0;
    expect(order(rig, { kind: 'testReader', readerKey: 'bus-reader' })).toBe('done');
    expect(rig.serialOrders).toEqual([
      { readerKey: 'bus-reader', led: 'granted' },
      { readerKey: 'bus-reader', buzzer: 'granted' },
    ]);
    expect(order(rig, { kind: 'testReader', readerKey: 'module' })).toBe('noLamp');
    expect(order(rig, { kind: 'testReader', readerKey: 'front-reader' })).toBe('done');
    expect(order(rig, { kind: 'testReader', readerKey: 'nowhere' })).toBe('unknownReader');
    expect(isReleased(rig)).toBe(false);
  });

  it('switch an output of their own for some seconds, where they say that they have it and can be reached', async () => {
    const rig = await rigWithReaders();
    const outputs = [false, true];
    const switchOutput = (readerKey: string, output: number) =>
      order(rig, { kind: 'switchOutput', readerKey, output, seconds: 5 });
    expect(switchOutput('bus-reader', 1)).toBe('readerOffline');
    rig.thread.takeSerialStates([state('bus-reader', { link: 'connecting', outputs }), state('module')]);
    expect(switchOutput('bus-reader', 1)).toBe('readerOffline');
    rig.thread.takeSerialStates([state('bus-reader', { inputs: [true], outputs }), state('module')]);
    rig.serialOrders.length = 0;
    for (const [readerKey, output, outcome] of [
      ['bus-reader', 3, 'noOutput'],
      ['module', 1, 'noOutput'],
      ['front-reader', 1, 'noOutput'],
      ['nowhere', 1, 'unknownReader'],
    ] as const)
      expect(switchOutput(readerKey, output)).toBe(outcome);
    expect(rig.serialOrders).toEqual([]);
    expect(switchOutput('bus-reader', 2)).toBe('done');
    expect(rig.serialOrders).toEqual([{ readerKey: 'bus-reader', output: 2, forMs: 5000 }]);
    expect(isReleased(rig)).toBe(false);
  });
});
