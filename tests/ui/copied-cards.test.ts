import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
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

let stage: Stage;
let page: Page;
let memberId: string;
let password: string;

beforeAll(async () => {
  stage = await setStage({ bridgeConfig: path.join(import.meta.dirname, '../system/two-doors.yaml') });
  ({ memberId, password } = await stage.appliance.furnish('123:4567'));
  ({ page } = await openContext(stage.browser, stage.appliance.url));
  await signIn(page, password);
}, 90_000);
afterEach(({ task }) => screenshotFailure(page, task));
afterAll(() => stage.close());

const tapAt = (portalKey: string) =>
  stage.appliance.ask('POST', '/api/access-control/simulated-taps', { portalKey, card: '123:4567' });
const said = (): ReturnType<Page['getByText']> => page.getByText('Perhaps copied.');

it('a door is told how far it is from the next one', async () => {
  await page.goto('/');
  await page.getByRole('button', { name: 'Settings of Back door' }).click();
  const dialog = page.getByRole('dialog');
  const field = dialog.getByLabel('Seconds from here to the nearest other door');
  expect(await field.inputValue()).toBe('0');
  await field.fill('600');
  await dialog.getByRole('button', { name: 'Store' }).click();
  await page.getByText('The settings of Back door are stored.').waitFor();
});

it('a card that is at two doors sooner stands on the page of its member, live, and among the findings', async () => {
  await page.goto(`/members/${memberId}`);
  await page.getByRole('heading', { name: 'Mia Maker' }).waitFor();
  await tapAt('front');
  await tapAt('back');
  await said().waitFor();
  await page.getByText('the way takes at least 600 seconds').waitFor();
  await page.goto('/settings');
  await page.getByText('the way takes at least 600 s.').waitFor();
});

it.each([
  ['phone', phone, false],
  ['desktop', desktop, false],
  ['dark', phone, true],
] as const)(
  'has no serious accessibility violation, no small target and no sideways scrolling: %s',
  async (name, viewport, dark) => {
    const opened = await openContext(stage.browser, stage.appliance.url, { viewport, dark });
    await signIn(opened.page, password);
    await opened.page.goto(`/members/${memberId}`);
    await opened.page.getByText('Perhaps copied.').waitFor();
    expect(await findViolations(opened.page)).toEqual([]);
    expect(await findSmallTargets(opened.page)).toEqual([]);
    expect(await overflowPx(opened.page)).toBe(0);
    await screenshot(opened.page, `copied card ${name}`);
    expect(opened.complaints).toEqual([]);
    await opened.context.close();
  },
);

it('somebody has looked into it, and it is gone', async () => {
  await page.goto(`/members/${memberId}`);
  await said().waitFor();
  await page.getByRole('button', { name: 'It is settled' }).click();
  await said().waitFor({ state: 'detached' });
  const { findings } = await stage.appliance.ask('GET', '/health/detailed');
  expect((findings as { id: string }[]).filter(({ id }) => id.startsWith('card.'))).toEqual([]);
});
