import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyToBurst } from '#bridge/readers/wiegand/keypad.ts';
import { Appliance, isDecision } from '#tests/_support/appliance.ts';
import { cardBits, setDoor, simulatedLevel, untilLevel } from '#tests/_support/doors/doors.ts';
import { until } from '#tests/_support/until.ts';

// The whole product: keys go as bursts over the fake lines, through the bridge's Worker and its PIN Worker.

const strike = { front: 17, back: 18 } as const;
const card = '123:4567';
// Long, so that no time or id in a log looks like one.
const [pin, duressPin, wrongPin] = ['47115382', '20936617', '47115399'];

describe('PINs at the doors', () => {
  let appliance: Appliance;
  let memberId: string;
  let number: number;

  beforeAll(async () => {
    const bridgeConfig = path.join(import.meta.dirname, 'two-doors.yaml');
    appliance = await Appliance.start({ bridgeConfig });
    ({ memberId } = await appliance.furnish(card));
    ({ number } = (await appliance.ask('GET', `/api/members/${memberId}`)) as { number: number });
    await appliance.ask('PUT', `/api/access-control/pins/${memberId}`, { pin, duressPin: duressPin });
    await setDoor(appliance, 'front', { identification: 'cardAndPin', accessTimeSeconds: 1 });
    await setDoor(appliance, 'back', { identification: 'cardOrPin', accessTimeSeconds: 1 });
  }, 90_000);
  afterAll(() => appliance.close());

  /** Taps or types at a door, and what was decided. */
  async function show(portalKey: string, what: Record<string, unknown>): Promise<Record<string, unknown>> {
    const stream = await appliance.listen();
    try {
      await appliance.ask('POST', '/api/access-control/simulated-taps', { portalKey, ...what });
      return (await stream.next(isDecision, 20_000)).data;
    } finally {
      stream.close();
    }
  }
  async function killBridge(): Promise<void> {
    await appliance.stop('bridge', 'SIGKILL');
    await appliance.start('bridge');
    await until('the bridge to say what it is', async () => {
      const { items } = await appliance.ask('GET', '/api/access-control/bridges');
      const [bridge] = items as { connected: boolean; journal: unknown }[];
      return bridge?.connected === true && bridge.journal !== null;
    });
  }
  const lockoutFile = (): string => path.join(appliance.stateDir, 'bridge', 'pin-lockouts.json');

  it('a card and its PIN open; a card alone waits for it and stays outside', async () => {
    expect(await show('front', { card, pin })).toMatchObject({
      kind: 'granted',
      reader: 'front-reader',
    });
    await untilLevel(appliance, strike.front, 0);
    expect(await show('front', { card, pin: wrongPin })).toMatchObject({
      kind: 'denied',
      reason: 'pinWrong',
    });
    expect(await show('front', { card })).toMatchObject({ kind: 'denied', reason: 'pinRequired' });
    expect(simulatedLevel(appliance, strike.front)).toBe(0);
  });

  it('takes keys of 8 bits as those of 4', async () => {
    const stream = await appliance.listen();
    await appliance.panel({ tap: { bits: cardBits(card), d0: 5, d1: 6 } });
    for (const key of `${pin}#`) await appliance.panel({ tap: { bits: keyToBurst(key, 8), d0: 5, d1: 6 } });
    expect((await stream.next(isDecision, 20_000)).data).toMatchObject({ kind: 'granted' });
    stream.close();
  });

  it('a number and PIN open where they are taken, and are worth nothing where the card is needed', async () => {
    expect(await show('back', { number, pin })).toMatchObject({ kind: 'granted' });
    expect(await show('front', { number, pin })).toMatchObject({ reason: 'assuranceTooLow' });
    expect(await show('back', { card })).toMatchObject({ kind: 'granted' });
  });

  it('a duress PIN opens, and raises an alarm that the list of events knows nothing of', async () => {
    // The card of a moment ago, while its grant lasts, is that tap.
    await untilLevel(appliance, strike.front, 0);
    const granted = await show('front', { card, pin: duressPin });
    expect(granted).toMatchObject({ kind: 'granted' });
    const { items } = await appliance.ask('GET', '/api/access-control/alarms');
    expect(items).toMatchObject([{ kind: 'duress', eventId: granted['id'], member: { id: memberId } }]);
    const events = await appliance.ask('GET', '/api/access-control/events?limit=200');
    expect(JSON.stringify(events)).not.toMatch(/duress/i);
  });

  it('wrong PINs lock the reader over a kill -9 of the bridge; cards and the other reader go on', async () => {
    // From a right PIN on: the row begins anew.
    await untilLevel(appliance, strike.back, 0);
    expect(await show('back', { number, pin })).toMatchObject({ kind: 'granted' });
    for (let tries = 0; tries < 3; tries += 1)
      expect(await show('back', { number, pin: wrongPin })).toMatchObject({ reason: 'pinWrong' });
    expect(JSON.parse(readFileSync(lockoutFile(), 'utf8'))).toMatchObject({ 'back-reader': { wrong: 3 } });
    await killBridge();
    for (let tries = 0; tries < 2; tries += 1)
      expect(await show('back', { number, pin: wrongPin })).toMatchObject({ reason: 'pinWrong' });
    await killBridge();
    expect(await show('back', { number, pin })).toMatchObject({ reason: 'tooManyAttempts' });
    expect(await show('back', { card })).toMatchObject({ kind: 'granted' });
    await untilLevel(appliance, strike.front, 0);
    expect(await show('front', { card, pin })).toMatchObject({ kind: 'granted' });
    const { items } = await appliance.ask('GET', '/api/access-control/events?kind=pinLockout');
    expect(items).toMatchObject([{ reader: 'back-reader', note: '1 min' }]);
    await until('the finding', async () => {
      const { findings } = await appliance.ask('GET', '/health/detailed');
      return JSON.stringify(findings).includes('takes none for');
    });
  }, 60_000);

  it('no PIN stands in any log, nor in what the bridge keeps', () => {
    expect(existsSync(lockoutFile())).toBe(true);
    const printed = [...appliance.output.hub, ...appliance.output.bridge].join('\n');
    expect(printed).not.toMatch(new RegExp([pin, duressPin, wrongPin].join('|')));
    expect(readFileSync(lockoutFile(), 'utf8')).not.toContain(memberId);
  });
});
