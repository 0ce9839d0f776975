import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ActedBridge } from '#tests/_support/doors/acted-bridge.ts';
import { osdpState, wiegandState } from '#tests/_support/doors/reader-states.ts';
import { until } from '#tests/_support/until.ts';
import {
  desktop,
  findSmallTargets,
  findViolations,
  openContext,
  overflowPx,
  phone,
  type Stage,
  screenshot,
  screenshotFailure,
  setStage,
  signIn,
  smallPhone,
} from './browser.ts';

const fresh = osdpState('outside', {
  link: 'connecting',
  channel: 'none',
  problem: 'It has no key of its own yet. Pair it: put it into install mode, then press "Pair".',
  identity: null,
  goodFrames: 12,
});
const readers = [
  fresh,
  wiegandState('inside', {
    lastReadMs: Date.now() - 60_000,
    lastBits: 26,
    goodFrames: 318,
    faultyFrames: 4,
    parityFaults: 3,
    lostBits: 7,
  }),
  osdpState('gate', {
    tamper: true,
    powerFault: true,
    inputs: [true, false, false],
    outputs: [false, false],
    quirks: ['It sends keys as formatted text.'],
    faultyFrames: 3,
    parityFaults: 2,
    timeouts: 9,
  }),
  wiegandState('bench', {
    kind: 'pn532',
    link: 'offline',
    problem: 'It does not answer. Check its supply, TX and RX, and that both switches are set to HSU.',
    timeouts: 311,
  }),
];

describe('the readers in the browser', () => {
  let stage: Stage;
  let bridge: ActedBridge;
  let password: string;
  let page: Page;
  let complaints: readonly string[];

  beforeAll(async () => {
    stage = await setStage({ bridge: false });
    ({ password } = await stage.appliance.furnish());
    bridge = await ActedBridge.connect(stage.appliance, [
      { key: 'front', name: 'Front door', readers: ['outside', 'inside'] },
      { key: 'yard', name: 'Yard', readers: ['gate', 'bench'] },
    ]);
    const opened = await openContext(stage.browser, stage.appliance.url, { viewport: desktop });
    ({ page, complaints } = opened);
    await signIn(page, password);
  }, 90_000);
  beforeEach(async () => {
    bridge.commands.length = 0;
    bridge.answer = () => ({ kind: 'done' });
    bridge.readers = readers;
    bridge.sayState();
    await page.goto('/settings/readers');
    await card('outside').getByText('Connecting').waitFor();
  });
  afterEach(({ task }) => screenshotFailure(page, task));
  afterAll(async () => {
    await bridge.close();
    await stage.close();
  });

  const card = (key: string, on = page): Locator =>
    on.locator('section.card', { has: on.getByRole('heading', { name: key, exact: true }) });
  const untilOrdered = (kind: string) =>
    until(`the order ${kind}`, () => bridge.commands.find((command) => command.kind === kind));

  it('stand by their door with state, channel, counters and what to do, and are live', async () => {
    const front = page.getByRole('region', { name: 'Front door' });
    await front.getByText('It has no key of its own yet.').waitFor();
    await card('inside').getByText('318 good, 4 faulty (3 wrong parity)').waitFor();
    await card('inside')
      .getByText(/\d\d:\d\d:\d\d, 26 bits/)
      .waitFor();
    await card('gate').getByText('Housing open', { exact: true }).waitFor();
    await card('gate').getByText('Supply not sound', { exact: true }).waitFor();
    await card('bench').getByText('both switches are set to HSU').waitFor();
    await card('bench').getByText('cannot be paired').waitFor();
    expect(await page.getByRole('button', { name: 'Pair bench' }).isDisabled()).toBe(true);
    bridge.change('bench', { link: 'online', problem: null });
    await card('bench').getByText('Online').waitFor();
    bridge.change('gate', { tamper: false, goodFrames: 50_000 });
    await card('gate').getByText('50,000 good').waitFor();
    await card('gate').getByText('Housing open', { exact: true }).waitFor({ state: 'detached' });
  });

  it('one is paired: the steps in words, then live until it has its key', async () => {
    const dialog = page.getByRole('dialog');
    bridge.answer = (command) => {
      if (command.kind === 'pairReader')
        bridge.readers = readers.map((reader) =>
          reader.key === 'outside'
            ? { ...reader, pairingUntilMs: Date.now() + command.seconds * 1000 }
            : reader,
        );
      return { kind: 'done' };
    };
    await page.getByRole('button', { name: 'Pair outside' }).click();
    await dialog.getByText('Reset the reader to its install key').waitFor();
    await dialog.getByLabel('2 min').check();
    await dialog.getByRole('button', { name: 'Start pairing' }).click();
    await dialog.getByText('Waiting for the reader').waitFor();
    await dialog.getByText(/^(2:00|1:5\d) left$/).waitFor();
    expect(await untilOrdered('pairReader')).toMatchObject({ readerKey: 'outside', seconds: 120 });
    await screenshot(page, 'reader pairing desktop');
    bridge.change('outside', { link: 'online', channel: 'ownKey', pairingUntilMs: null, problem: null });
    await dialog.getByText('Paired', { exact: true }).waitFor();
    await dialog.getByRole('button', { name: 'Done' }).click();
    await card('outside').getByText('Own key').waitFor();
  });

  it('a pairing is stopped from its card, and one that ends without a key says so', async () => {
    bridge.change('outside', { pairingUntilMs: Date.now() + 300_000 });
    await card('outside').getByText('Pairing until').waitFor();
    await page.getByRole('button', { name: 'Pair outside', exact: true }).click();
    await page.getByRole('dialog').getByText('Waiting for the reader').waitFor();
    bridge.answer = () => {
      bridge.readers = readers;
      return { kind: 'done' };
    };
    await page.getByRole('dialog').getByRole('button', { name: 'Stop pairing' }).click();
    await page.getByRole('dialog').getByText('No key was given').waitFor();
    await untilOrdered('cancelPairing');
    await page.keyboard.press('Escape');
    bridge.change('outside', { pairingUntilMs: Date.now() + 300_000 });
    await page.getByRole('button', { name: 'Stop pairing outside' }).click();
    await page.getByText('outside gets no new key any more').waitFor();
  });

  it('a reader that has a key and refuses a new one is not called paired', async () => {
    const dialog = page.getByRole('dialog');
    bridge.answer = () => ({ kind: 'done' });
    await page.getByRole('button', { name: 'Pair gate', exact: true }).click();
    await dialog.getByRole('button', { name: 'Start pairing' }).click();
    await dialog.getByText('Waiting for the reader').waitFor();
    bridge.change('gate', { pairingEnded: { atMs: Date.now(), outcome: 'refused' } });
    await dialog.getByText('gate did not take the new key').waitFor();
    await dialog.getByRole('button', { name: 'Start again' }).waitFor();
    await page.keyboard.press('Escape');
  });

  it('lamp, buzzer and lock are tried; a refusal says what to do', async () => {
    await page.getByRole('button', { name: 'Test lamp and buzzer of inside' }).click();
    await page.getByText('inside shows its lamp').waitFor();
    expect(await untilOrdered('testReader')).toMatchObject({ readerKey: 'inside' });
    await page.getByRole('button', { name: 'Click the lock for 1 s: Yard' }).click();
    await page.getByText('Yard is unlocked for 1 s.').waitFor();
    expect(await untilOrdered('unlock')).toMatchObject({ portalKey: 'yard', seconds: 1 });
    bridge.answer = () => ({ kind: 'refused', code: 'readerOffline' });
    await page.getByRole('button', { name: 'Test lamp and buzzer of bench' }).click();
    await page.getByText('The reader cannot be reached').waitFor();
  });

  it('inputs and outputs are shown live where a reader has some, and an output is switched', async () => {
    const fact = (key: string, title: string) => card(key).locator('dl > div', { hasText: title });
    await fact('gate', 'Inputs').getByText('1 on, 2 off').waitFor();
    expect(await fact('inside', 'Inputs').count()).toBe(0);
    expect(await card('inside').getByRole('button', { name: 'Switch output' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Switch output 2 of gate on for 3 s' }).click();
    await page.getByText('Output 2 of gate is switched on for 3 s').waitFor();
    expect(await untilOrdered('switchOutput')).toMatchObject({ readerKey: 'gate', output: 2, seconds: 3 });
    bridge.change('gate', { outputs: [false, true] });
    await fact('gate', 'Outputs').getByText('1 on, 1 off').waitFor();
    bridge.answer = () => ({ kind: 'refused', code: 'noOutput' });
    await page.getByRole('button', { name: 'Switch output 1 of gate on for 3 s' }).click();
    await page.getByText('gate has 2 outputs only').waitFor();
  });

  it('what a reader does otherwise than its standard is told where it does', async () => {
    await card('gate').getByText('Peculiarities (1)').click();
    await card('gate').getByText('It sends keys as formatted text.').waitFor();
    expect(await card('inside').getByText('Peculiarities').count()).toBe(0);
    bridge.change('gate', { quirks: [] });
    await card('gate').getByText('Peculiarities').waitFor({ state: 'detached' });
    bridge.change('gate', { quirks: ['It sends keys as formatted text.'] });
  });

  it('the wiring of a kind is shown by keyboard, and readers speak up among the events', async () => {
    const link = card('outside').getByRole('link', { name: 'Wiring' });
    await link.focus();
    await page.keyboard.press('Enter');
    await page.getByText('120 ohm between A and B').waitFor();
    expect(await page.evaluate('document.activeElement?.tagName')).toBe('SUMMARY');
    bridge.sayEvent('readerPaired', 'front', 'outside');
    bridge.sayEvent('readerOffline', 'yard', 'bench');
    bridge.sayEvent('tamper', 'front', 'outside');
    bridge.sayEvent('tamperEnded', 'front', 'outside');
    await page.goto('/');
    await page.getByText('Reader paired', { exact: true }).waitFor();
    await page.getByText('bench: A reader cannot be reached').waitFor();
    await page.getByText('outside: A housing was opened').waitFor();
    await page.getByText('outside: The housing is shut again').waitFor();
  });

  it.each([
    ['phone', phone, false],
    ['desktop', desktop, false],
    ['dark', smallPhone, true],
  ] as const)(
    'are readable and accessible: %s',
    async (name, viewport, dark) => {
      const { page: other, context } = await openContext(stage.browser, stage.appliance.url, {
        viewport,
        dark,
      });
      await signIn(other, password);
      await other.goto('/settings/readers');
      await card('outside', other).getByText('Connecting').waitFor();
      await other.getByText('OSDP (RS-485)').last().click();
      await other.getByText('120 ohm between A and B').waitFor();
      await other.evaluate('scrollTo(0, 0)');
      const judge = async (shown: string): Promise<void> => {
        await screenshot(other, `${shown} ${name}`);
        expect(await findViolations(other)).toEqual([]);
        expect(await findSmallTargets(other)).toEqual([]);
        expect(await overflowPx(other)).toBe(0);
      };
      await judge('readers');
      await other.getByRole('button', { name: 'Pair outside' }).click();
      await other.getByRole('dialog').waitFor();
      await judge('reader pair');
      await other.keyboard.press('Escape');
      await context.close();
    },
    60_000,
  );

  it('without a connection to the controller nothing is pretended', async () => {
    await bridge.close();
    await card('outside').getByText('Controller not connected').waitFor();
    expect(await page.getByRole('button', { name: 'Click the lock for 1 s: Yard' }).isDisabled()).toBe(true);
    await screenshot(page, 'readers away desktop');
    expect(complaints).toEqual([]);
  });
});
