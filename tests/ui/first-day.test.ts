import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Appliance } from '#tests/_support/appliance.ts';
import { openContext, type Stage, screenshotFailure, setStage } from './browser.ts';

const card = '77:4321';
const contactLine = 27;

describe('the first day with a hub, in a browser', () => {
  let stage: Stage;
  let appliance: Appliance;
  let page: Page;
  let complaints: string[];
  let door: Locator;
  let events: Locator;

  beforeAll(async () => {
    stage = await setStage();
    ({ appliance } = stage);
    const opened = await openContext(stage.browser, appliance.url);
    ({ page, complaints } = opened);
    door = page.locator('section.card', { has: page.getByRole('heading', { name: 'Front door' }) });
    events = page.locator('section.card', { has: page.getByRole('heading', { name: 'What happened' }) });
  }, 90_000);
  afterEach(({ task }) => screenshotFailure(page, task));
  afterAll(() => stage.close());

  /** Taps through the page's own "Tap" button, as somebody does who tries the hub out. */
  async function tapOnPage(): Promise<void> {
    await door.getByRole('button', { name: 'Tap a card at Front door' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Card').fill(card);
    await dialog.getByRole('button', { name: 'Tap', exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
  }
  const newestEvent = (word: string): Locator => events.locator('li', { hasText: word }).first();

  it('claims the hub with the code from the console and says which field is wrong', async () => {
    const { code } = await appliance.ask('POST', '/api/system/claim-code', {});
    await page.goto('/');
    await page.getByRole('heading', { name: 'Welcome' }).waitFor();
    await page.getByLabel('Claim code').fill(String(code));
    await page.getByLabel('Name of the space').fill('Werkhof');
    await page.getByLabel('Your name').fill('Olga Owner');
    await page.getByLabel('User name').fill('olga');
    await page.getByLabel('Password').fill('short');
    await page.getByRole('button', { name: 'Take this hub' }).click();
    await page.locator('[name=password][aria-invalid=true]').waitFor();

    await page.getByLabel('Password').fill('seven rivers hum below Olten');
    await page.getByRole('button', { name: 'Take this hub' }).click();
    await page.getByRole('heading', { name: 'Doors', exact: true }).waitFor();
    await expect(page.locator('strong.site').textContent()).resolves.toBe('Werkhof');
  });

  it('shows the front door that its controller announced, locked', async () => {
    await door.getByText('Locked', { exact: true }).waitFor();
    await expect(door.textContent()).resolves.toMatch(
      /A card opens it; the door is shut\..*as of \d\d:\d\d/s,
    );
  });

  it('shows a tap of an unknown card at once, with every check and the next step', async () => {
    await tapOnPage();
    const event = newestEvent('Unknown card');
    await event.waitFor();
    await event.getByRole('button', { name: /^Why/ }).click();
    await event.getByText('This card is not known here.').first().waitFor();
    await event.getByText('Enrol it on the Members page').waitFor();
    expect(await event.getByRole('button', { name: 'Enrol' }).count()).toBe(1);
  });

  it('adds a member with a plan and gives them the card that was tapped just now', async () => {
    await page.getByRole('link', { name: 'Members & cards' }).click();
    await page.getByText('Unknown card tapped at Front door').waitFor();
    await page.getByRole('button', { name: 'New member' }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Mia Maker');
    await dialog.locator('select[name=planId] option', { hasText: 'Member' }).waitFor({ state: 'attached' });
    await dialog.getByRole('button', { name: 'Add the member' }).click();
    await page.getByRole('heading', { name: 'Mia Maker' }).waitFor();
    await page.getByText('Active', { exact: true }).first().waitFor();

    await page.getByRole('button', { name: 'Enrol for Mia Maker' }).click();
    await page.getByText('The card now belongs to Mia Maker.').waitFor();
    await page.getByRole('button', { name: 'Lost' }).waitFor();
    await appliance.untilApplied();
  });

  it('opens the door for the card, and the page shows it moving', async () => {
    await page.getByRole('link', { name: 'Doors' }).first().click();
    await door.getByText('Locked', { exact: true }).waitFor();
    await tapOnPage();
    await door.getByText('Released', { exact: true }).waitFor();
    const event = newestEvent('Granted');
    await event.getByRole('link', { name: 'Mia Maker' }).waitFor();

    await appliance.panel({ line: { offset: contactLine, level: 1 } });
    await door.getByText('the door is open').waitFor();
    await newestEvent('Entered').waitFor();
    await appliance.panel({ line: { offset: contactLine, level: 0 } });
    await door.getByText('the door is shut').waitFor();
    await door.getByText('Locked', { exact: true }).waitFor();
  });

  it('unlocks from here for some seconds, with a reason', async () => {
    await door.getByRole('button', { name: 'Unlock' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('radio', { name: '30 s' }).check();
    await dialog.getByRole('button', { name: 'Delivery' }).click();
    await dialog.getByRole('button', { name: 'Unlock now' }).click();
    await page.getByText('Front door is unlocked for 30 s.').waitFor();
    await door.getByText('Released', { exact: true }).waitFor();
    await newestEvent('Unlocked from here').waitFor();
    const audit = await appliance.ask('GET', '/api/access-control/portals');
    expect(JSON.stringify(audit)).toContain('"strikeReleased":true');
  });

  it('locks the door down at once, keeps the card out, and ends it', async () => {
    await door.getByRole('button', { name: 'Lock down' }).click();
    await page.getByText('Front door is locked down.').waitFor();
    await door.getByText('Locked down', { exact: true }).waitFor();
    await appliance.untilApplied();
    await tapOnPage();
    const event = newestEvent('Denied');
    await event.getByRole('link', { name: 'Mia Maker' }).waitFor();
    await event.getByRole('button', { name: /^Why/ }).click();
    await event.getByText('This door is locked for everybody now.').first().waitFor();

    await door.getByRole('button', { name: 'End lockdown' }).click();
    await door.getByText('Locked', { exact: true }).waitFor();
    await door.getByRole('button', { name: 'Unlock' }).waitFor();
  });

  it('takes a lockdown of every door back with Undo', async () => {
    await page.getByRole('button', { name: 'Lock down all' }).click();
    await door.getByText('Locked down', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Undo' }).last().click();
    await door.getByText('Locked', { exact: true }).waitFor();
    await appliance.untilApplied();
  });

  it('holds the door open until a time and ends that', async () => {
    await door.getByRole('button', { name: 'Hold open' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Open day' }).click();
    await dialog.getByRole('button', { name: 'Hold open' }).click();
    await door.getByText(/Held open until .*\d\d:\d\d: Open day/).waitFor();
    await door.getByText('Unlocked', { exact: true }).waitFor();
    await door.getByRole('button', { name: 'End hold open' }).click();
    await door.getByText('Locked', { exact: true }).waitFor();
  });

  it('tells what a door would say to the card, with every check', async () => {
    await page.getByRole('button', { name: 'Test a card' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Card', { exact: true }).fill(card);
    await dialog.getByRole('button', { name: 'Test' }).click();
    await dialog.getByText('Granted', { exact: true }).waitFor();
    await dialog.getByText('The membership is valid.').waitFor();
    await dialog.getByLabel('Card', { exact: true }).fill('nonsense!');
    await dialog.getByRole('button', { name: 'Test' }).click();
    await dialog.getByText('This card number cannot be read').waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });

  it('marks a lost card in two clicks, and the door then keeps it out', async () => {
    await newestEvent('Granted').getByRole('link', { name: 'Mia Maker' }).click();
    await page.getByRole('button', { name: 'Lost' }).click();
    await page.getByRole('button', { name: 'Yes, it is lost' }).click();
    await page
      .locator('section.card', { hasText: 'Found again' })
      .getByText('Lost', { exact: true })
      .waitFor();
    await appliance.untilApplied();

    await page.getByRole('link', { name: 'Doors' }).first().click();
    await door.getByText('Locked', { exact: true }).waitFor();
    await newestEvent('Denied').waitFor();
    const deniedBefore = await events.locator('li', { hasText: 'Denied' }).count();
    await tapOnPage();
    await events.locator('li', { hasText: 'Denied' }).nth(deniedBefore).waitFor();
    const event = newestEvent('Denied');
    await event.getByRole('button', { name: /^Why/ }).click();
    await event.getByText('This card is not active').first().waitFor();
  });

  it('did all this without an error in the page and within its security policy', () => {
    expect(complaints).toEqual([]);
  });
});
