import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Appliance } from '#tests/_support/appliance.ts';
import { openContext, type Stage, screenshot, screenshotFailure, setStage, signIn } from './browser.ts';

describe('live pages', () => {
  let stage: Stage;
  let appliance: Appliance;
  let context: BrowserContext;
  let first: Page;
  let second: Page;
  const streams: string[] = [];

  beforeAll(async () => {
    stage = await setStage();
    ({ appliance } = stage);
    const { password } = await appliance.furnish('123:4567');
    const opened = await openContext(stage.browser, appliance.url);
    ({ context, page: first } = opened);
    context.on('request', (request) => {
      if (request.url().endsWith('/api/events')) streams.push(request.url());
    });
    await signIn(first, password);
    await first.getByText('Locked', { exact: true }).waitFor();
  }, 90_000);
  afterEach(({ task }) => screenshotFailure(second, task));
  afterAll(() => stage.close());

  const rows = (page: Page) => page.locator('li', { hasText: 'Mia Maker' });

  it('share one connection between the tabs of a browser', async () => {
    second = await context.newPage();
    await second.goto('/');
    await second.getByText('Locked', { exact: true }).waitFor();
    await appliance.ask('POST', '/api/access-control/simulated-taps', {
      portalKey: 'front',
      card: '123:4567',
    });
    await rows(first).first().waitFor();
    await rows(second).first().waitFor();
    expect(streams).toHaveLength(1);
  });

  it('go on in another tab when the one with the connection is closed', async () => {
    await first.close();
    await expect.poll(() => streams.length, { timeout: 10_000 }).toBe(2);
    await appliance.ask('POST', '/api/access-control/simulated-taps', {
      portalKey: 'front',
      card: '200:1',
    });
    await second.getByText('Unknown card').waitFor();
  });

  it('say calmly that the hub is away, and catch up when it is back', async () => {
    await appliance.stop('hub');
    await second.getByText(/No connection to the hub; shown as of \d\d:\d\d/).waitFor();
    await screenshot(second, 'doors offline desktop');
    await appliance.start('hub');
    await second.getByText(/No connection to the hub/).waitFor({ state: 'detached', timeout: 15_000 });
    await appliance.untilApplied();
    await second.getByText('Locked', { exact: true }).waitFor();
  });

  it('say calmly that a door controller is away, and offer nothing that would not reach it', async () => {
    await appliance.stop('bridge');
    await second.getByText('Not connected', { exact: true }).waitFor();
    await second.getByText('This box is not connected').waitFor();
    expect(await second.getByRole('button', { name: 'Unlock' }).isDisabled()).toBe(true);
    await screenshot(second, 'doors not connected desktop');
    await appliance.start('bridge');
    await second.getByText('Locked', { exact: true }).waitFor();
    await second.getByText('This box is not connected').waitFor({ state: 'detached' });
  });

  it('go to the sign-in in every tab when the session ends', async () => {
    const third = await context.newPage();
    await third.goto('/members');
    await third.getByRole('link', { name: 'Mia Maker' }).waitFor();
    await third.getByRole('button', { name: /^Sign out/ }).click();
    await third.getByRole('button', { name: 'Sign in' }).waitFor();
    await second.getByRole('button', { name: 'Sign in' }).waitFor();
  });
});
