import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Appliance } from '#tests/_support/appliance.ts';
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

describe('PINs, in a browser', () => {
  let stage: Stage;
  let appliance: Appliance;
  let page: Page;
  let dialog: Locator;
  let complaints: string[];
  let memberId: string;
  let password: string;

  const section = (title: string): Locator =>
    page.locator('section.card', { has: page.getByRole('heading', { name: title, exact: true }) });
  const showMember = async (): Promise<void> => {
    await page.goto(`/members/${memberId}`);
    await page.getByRole('heading', { name: 'Mia Maker' }).waitFor();
  };
  const openSettings = async (): Promise<void> => {
    await page.goto('/');
    await page.getByRole('button', { name: 'Settings of Front door' }).click();
    await dialog.waitFor();
  };

  beforeAll(async () => {
    stage = await setStage();
    ({ appliance } = stage);
    ({ memberId, password } = await appliance.furnish('123:4567'));
    ({ page, complaints } = await openContext(stage.browser, appliance.url));
    dialog = page.getByRole('dialog');
    await signIn(page, password);
  }, 90_000);
  afterEach(({ task }) => screenshotFailure(page, task));
  afterAll(() => stage.close());

  it('refuses a weak PIN and a duress PIN that is too much like it, at the field, and says why', async () => {
    await showMember();
    await section('PIN').getByText('No PIN: doors that ask for one stay shut.').waitFor();
    await section('PIN').getByRole('button', { name: 'Set a PIN' }).click();
    await dialog.getByLabel('PIN', { exact: true }).fill('1234');
    await dialog.getByRole('button', { name: 'Set the PIN' }).click();
    await dialog.getByText('is a run of digits: mix them').first().waitFor();
    await dialog.getByLabel('PIN', { exact: true }).fill('4711');
    await dialog.getByLabel('With a duress PIN').check();
    await dialog.getByLabel('Duress PIN', { exact: true }).fill('4712');
    await dialog.getByRole('button', { name: 'Set the PIN' }).click();
    await dialog.getByText('one slip of a finger away').first().waitFor();
    expect(await dialog.getByLabel('Duress PIN', { exact: true }).getAttribute('aria-invalid')).toBe('true');
  });

  it('sets it, and shows nothing of it but that it is there', async () => {
    await dialog.getByLabel('Duress PIN', { exact: true }).fill('2093');
    await dialog.getByRole('button', { name: 'Set the PIN' }).click();
    await page.getByText('The PIN is set. It cannot be read again.').waitFor();
    await section('PIN').locator('.mark', { hasText: 'Active' }).waitFor();
    const text = await page.locator('main').innerText();
    expect(text).not.toMatch(/4711|2093|duress/i);
    expect(await section('Cards').getByRole('listitem').count()).toBe(1);
  });

  it('has a door ask for card and PIN at its hours and for another at others', async () => {
    await openSettings();
    await dialog.getByLabel('Asked for').selectOption('cardAndPin');
    await dialog.getByText('Members without a PIN stay out.').waitFor();
    const hours = dialog.getByRole('group', { name: 'Hours in which something else is asked for' });
    await hours.getByRole('button', { name: 'Add hours' }).click();
    await hours.getByLabel('From').fill('03:00');
    await hours.getByLabel('To').fill('03:01');
    await hours.getByLabel('What the door does then').selectOption('cardOrPin');
    await dialog.getByLabel('A card must at least be').selectOption('1');
    await dialog.getByRole('button', { name: 'Store' }).click();
    await page.getByText('The settings of Front door are stored.').waitFor();
    const { items } = await appliance.ask('GET', '/api/access-control/portals');
    const [portal] = items as { settings: Record<string, unknown> }[];
    expect(portal?.settings).toMatchObject({ identification: 'cardAndPin', minAssurance: 1 });
    expect(portal?.settings['identificationWindows']).toHaveLength(5);
    await openSettings();
    expect(await dialog.getByLabel('Asked for').inputValue()).toBe('cardAndPin');
    expect(await hours.getByLabel('What the door does then').inputValue()).toBe('cardOrPin');
    await page.keyboard.press('Escape');
    await appliance.untilApplied();
  });

  it('says what a door would ask, and what with the PIN', async () => {
    await page.goto('/');
    await page.getByRole('button', { name: 'Test a card' }).click();
    await dialog.getByLabel('Card', { exact: true }).fill('123:4567');
    await dialog.getByRole('button', { name: 'Test' }).click();
    await dialog.locator('.mark', { hasText: 'Asks for a PIN' }).waitFor();
    await dialog.getByText('The door asks for a PIN, because').waitFor();
    await dialog.getByLabel('With the right PIN').check();
    await dialog.getByRole('button', { name: 'Test' }).click();
    await dialog.locator('.mark', { hasText: 'Granted' }).waitFor();
    await page.keyboard.press('Escape');
  });

  it('shows a tap with the duress PIN as any other, and the alarm on a page of its own', async () => {
    await appliance.ask('POST', '/api/access-control/simulated-taps', {
      portalKey: 'front',
      card: '123:4567',
      pin: '2093',
    });
    await page
      .locator('li', { hasText: 'Mia Maker' })
      .locator('.mark', { hasText: 'Granted' })
      .first()
      .waitFor();
    expect(await page.locator('main').innerText()).not.toMatch(/duress|alarm of/i);
    await page.goto('/settings/alarms');
    await page.getByRole('heading', { name: 'Mia Maker at Front door' }).waitFor();
  });

  it.each([
    ['phone', phone, false],
    ['desktop', desktop, false],
    ['dark', phone, true],
  ] as const)(
    'has no serious accessibility violation, no small target and no sideways scrolling: %s',
    async (name, viewport, dark) => {
      const opened = await openContext(stage.browser, appliance.url, { viewport, dark });
      const shown = opened.page;
      await signIn(shown, password);
      const judge = async (what: string): Promise<void> => {
        expect(await findViolations(shown)).toEqual([]);
        expect(await findSmallTargets(shown)).toEqual([]);
        expect(await overflowPx(shown)).toBe(0);
        await screenshot(shown, `pin ${what} ${name}`);
      };
      await shown.goto(`/members/${memberId}`);
      await shown.getByText('Set on').waitFor();
      await judge('member');
      await shown.getByRole('button', { name: 'Another PIN' }).click();
      await shown.getByLabel('With a duress PIN').check();
      await judge('dialog');
      await shown.goto('/');
      await shown.getByRole('button', { name: 'Settings of Front door' }).click();
      await shown.getByLabel('A card must at least be').scrollIntoViewIfNeeded();
      await judge('door settings');
      await shown.goto('/settings/alarms');
      await shown.getByRole('heading', { name: 'Mia Maker at Front door' }).waitFor();
      await judge('alarms');
      expect(opened.complaints).toEqual([]);
      await opened.context.close();
    },
  );

  it('notes who looked after an alarm', async () => {
    await page.getByRole('button', { name: 'Somebody has looked after it' }).click();
    await page.locator('.mark', { hasText: 'Looked after' }).waitFor();
    await page.getByText('Olga Owner').first().waitFor();
  });

  it('suspends, reactivates and removes a PIN', async () => {
    await showMember();
    await section('PIN').getByRole('button', { name: 'Suspend' }).click();
    await section('PIN').locator('.mark', { hasText: 'Suspended' }).waitFor();
    await section('PIN').getByRole('button', { name: 'Reactivate' }).click();
    await section('PIN').locator('.mark', { hasText: 'Active' }).waitFor();
    await section('PIN').getByRole('button', { name: 'Remove' }).click();
    await section('PIN').getByRole('button', { name: 'Yes, remove it' }).click();
    await section('PIN').getByText('No PIN: doors that ask for one stay shut.').waitFor();
    expect(complaints).toEqual([]);
  });
});
