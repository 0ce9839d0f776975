import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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
} from './browser.ts';

describe('the health page', () => {
  let stage: Stage;
  let page: Page;
  let password: string;

  beforeAll(async () => {
    stage = await setStage();
    ({ password } = await stage.appliance.furnish());
  }, 90_000);
  afterEach(({ task }) => screenshotFailure(page, task));
  afterAll(() => stage.close());

  it('shows a finding with its fix as soon as there is one, and takes it away when it is over', async () => {
    ({ page } = await openContext(stage.browser, stage.appliance.url, { viewport: desktop }));
    await signIn(page, password);
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('heading', { name: 'State of the hub' }).waitFor();
    const finding = page.getByRole('region', { name: /"Barn" has not connected yet/ });
    expect(await finding.count()).toBe(0);
    const { bridgeId } = await stage.appliance.ask('POST', '/api/access-control/bridges', { name: 'Barn' });
    await finding.waitFor();
    await finding.getByText('Start it and give it its token').waitFor();
    await finding.getByText(/^Since \d\d:\d\d bridge\.neverConnected/).waitFor();
    await page.getByText('has the latest rules, simulated').waitFor();
    expect(bridgeId).toBeTypeOf('string');
    await screenshot(page, 'settings health finding desktop');
  });

  it('reads well on a phone, in the dark, with findings', async () => {
    const opened = await openContext(stage.browser, stage.appliance.url, { viewport: phone, dark: true });
    ({ page } = opened);
    await signIn(page, password);
    await page.goto('/settings');
    await page.getByRole('region', { name: /"Barn" has not connected yet/ }).waitFor();
    expect(await findViolations(page)).toEqual([]);
    expect(await findSmallTargets(page)).toEqual([]);
    expect(await overflowPx(page)).toBe(0);
    await screenshot(page, 'settings health finding dark');
    expect(opened.complaints).toEqual([]);
  });
});
