import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Appliance } from '#tests/_support/appliance.ts';
import { openContext, readDownload, type Stage, screenshotFailure, setStage, signIn } from './browser.ts';

describe('the work of staff, in a browser', () => {
  let stage: Stage;
  let appliance: Appliance;
  let page: Page;
  let dialog: Locator;
  let complaints: string[];
  let memberId: string;

  const section = (title: string): Locator =>
    page.locator('section.card', { has: page.getByRole('heading', { name: title, exact: true }) });
  const showMember = async (): Promise<void> => {
    await page.goto(`/members/${memberId}`);
    await page.getByRole('heading', { name: 'Mia Maker' }).waitFor();
  };

  beforeAll(async () => {
    stage = await setStage();
    ({ appliance } = stage);
    const furnished = await appliance.furnish('123:4567');
    ({ memberId } = furnished);
    ({ page, complaints } = await openContext(stage.browser, appliance.url));
    dialog = page.getByRole('dialog');
    await signIn(page, furnished.password);
  }, 90_000);
  afterEach(({ task }) => screenshotFailure(page, task));
  afterAll(() => stage.close());

  it('enrols a second card by a tap at the chosen reader, and shows that it waits for it', async () => {
    await showMember();
    await page.getByRole('button', { name: 'Enrol a card' }).click();
    await dialog.getByRole('button', { name: 'Wait for the card' }).click();
    await dialog.getByText(/The reader waits for another \d\d s/).waitFor();
    await appliance.ask('POST', '/api/access-control/simulated-taps', { portalKey: 'front', card: '9:99' });
    await page.getByText('The card belongs to Mia Maker.').waitFor();
    await section('Cards').locator('.mark', { hasText: 'Active' }).nth(1).waitFor();
  });

  it('says whose card it is when somebody taps one that is enrolled already', async () => {
    await page.getByRole('button', { name: 'Enrol a card' }).click();
    await dialog.getByRole('button', { name: 'Wait for the card' }).click();
    await dialog.getByText('Tap the card now').waitFor();
    await appliance.ask('POST', '/api/access-control/simulated-taps', {
      portalKey: 'front',
      card: '123:4567',
    });
    await dialog.getByText('This card belongs to Mia Maker already').waitFor();
    await dialog.getByRole('button', { name: 'Try again' }).click();
    await dialog.getByRole('button', { name: 'Wait for the card' }).click();
    await dialog.getByText('Tap the card now').waitFor();
    // Whoever closes the dialog leaves no reader waiting: another enrolment there may begin.
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Enrol a card' }).click();
    await dialog.getByRole('button', { name: 'Wait for the card' }).click();
    await dialog.getByText('Tap the card now').waitFor();
    await dialog.getByRole('button', { name: 'Stop waiting' }).click();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
  });

  it('has a door that does not know a card learn it by one more tap', async () => {
    const count = (): Promise<number> => section('Cards').getByRole('listitem').count();
    const before = await count();
    await section('Cards').getByRole('button', { name: 'Not known at a door?' }).first().click();
    await dialog.getByText('tap it once at that door').waitFor();
    await dialog.getByRole('button', { name: 'Wait for the card' }).click();
    await dialog.getByText('Tap the card now').waitFor();
    await appliance.ask('POST', '/api/access-control/simulated-taps', {
      portalKey: 'front',
      card: 'w34:7:7',
    });
    await page.getByText('is known at this kind of reader too.').waitFor();
    const { items } = await appliance.ask('GET', '/api/access-control/credentials?search=w34:7:7');
    expect(items).toMatchObject([{ memberId }]);
    expect(await count()).toBe(before);
  });

  it('replaces a card by one whose number is typed, and says what is wrong with a number', async () => {
    await section('Cards').getByRole('button', { name: 'Replace' }).first().click();
    await dialog.getByRole('radio', { name: 'Type its number' }).check();
    await dialog.getByLabel('Number', { exact: true }).fill('what?');
    await dialog.getByRole('button', { name: 'Enrol the card' }).click();
    await dialog.getByText('This card number cannot be read').waitFor();
    expect(await dialog.getByLabel('Number', { exact: true }).getAttribute('aria-invalid')).toBe('true');
    await dialog.getByLabel('Number', { exact: true }).fill('9:100');
    await dialog.getByRole('button', { name: 'Enrol the card' }).click();
    await page.getByText('The card is replaced; the old one is lost.').waitFor();
    await section('Cards').locator('.mark', { hasText: 'Lost' }).waitFor();
  });

  it('finds a member by name, by a card number and by a tap', async () => {
    await page.goto('/members');
    await page.getByRole('searchbox').fill('mia');
    await page.getByRole('link', { name: 'Mia Maker' }).waitFor();
    await page.getByRole('searchbox').fill('9:100');
    await page.getByRole('list', { name: 'Cards found' }).getByRole('link', { name: 'Mia Maker' }).waitFor();
    await page.getByRole('button', { name: 'Find by tap' }).click();
    await appliance.untilApplied();
    await appliance.ask('POST', '/api/access-control/simulated-taps', { portalKey: 'front', card: '9:100' });
    await page.getByRole('heading', { name: 'Mia Maker' }).waitFor();
  });

  it('suspends with a reason and reactivates', async () => {
    await page.getByRole('button', { name: 'Suspend' }).first().click();
    await dialog.getByRole('button', { name: 'House rules' }).click();
    await dialog.getByRole('button', { name: 'Suspend' }).click();
    await page.getByText('No door opens: the member is suspended.').waitFor();
    await page.getByText('Reason: House rules').waitFor();
    await page.getByRole('button', { name: 'Reactivate' }).first().click();
    await dialog.getByRole('button', { name: 'Reactivate' }).click();
    await page.getByText('No door opens: the member is suspended.').waitFor({ state: 'detached' });
  });

  it('places a hold, releases it, and takes the release back with Undo', async () => {
    const holds = section('Holds');
    await holds.getByRole('button', { name: 'Place a hold' }).click();
    await dialog.getByRole('textbox', { name: 'Reason' }).fill('Bring the key back');
    await dialog.getByRole('button', { name: 'Place the hold' }).click();
    await page.getByText('On hold', { exact: true }).waitFor();
    await holds.getByRole('button', { name: 'Release' }).click();
    await page.getByText('On hold', { exact: true }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Undo' }).last().click();
    await page.getByText('On hold', { exact: true }).waitFor();
    await holds.getByRole('button', { name: 'Release' }).click();
    await page.getByText('On hold', { exact: true }).waitFor({ state: 'detached' });
  });

  it('pauses and resumes a membership', async () => {
    const memberships = section('Memberships');
    await memberships.getByRole('button', { name: /^More/ }).click();
    await memberships.getByRole('button', { name: 'Pause' }).click();
    await dialog.getByRole('button', { name: 'Pause' }).click();
    await memberships.getByText('Paused', { exact: true }).waitFor();
    await memberships.getByRole('button', { name: 'Resume' }).click();
    await dialog.getByRole('button', { name: 'Resume' }).click();
    await memberships.getByText('Active', { exact: true }).waitFor();
  });

  it("keeps somebody else's change: a stale form offers what is there now", async () => {
    await section('Profile').getByRole('button', { name: 'Change' }).click();
    await dialog.getByLabel('Phone').fill('+41 44 123 45 67');
    const { version } = await appliance.ask('GET', `/api/members/${memberId}`);
    await appliance.ask('PATCH', `/api/members/${memberId}`, { version, notes: 'Left-handed' });
    await dialog.getByRole('button', { name: 'Store' }).click();
    await dialog.getByText('Somebody else has changed this in the meantime').waitFor();
    await dialog.getByRole('button', { name: 'Load what is there now' }).click();
    await expect.poll(() => dialog.getByLabel('Notes').inputValue(), { timeout: 10_000 }).toBe('Left-handed');
    await dialog.getByLabel('Phone').fill('+41 44 123 45 67');
    await dialog.getByRole('button', { name: 'Store' }).click();
    await section('Profile').getByText('+41 44 123 45 67').waitFor();
    await section('Profile').getByText('Left-handed').waitFor();
  });

  it('shows in the history of a member what happened, what happens now, and more on request', async () => {
    const history = section('History');
    await history.getByText(/^Details changed: phone/).waitFor();
    await history.getByText('Membership resumed').waitFor();
    await history.getByText('Suspended: House rules').waitFor();
    await appliance.untilApplied();
    const grants = history.getByText('Front door: The door was opened for this card.');
    const before = await grants.count();
    await appliance.tap('9:100');
    await expect.poll(() => grants.count(), { timeout: 10_000 }).toBe(before + 1);
    // Enough for a second page, each of them announced while the page is open.
    for (let placed = 0; placed < 5; placed += 1) {
      const holds = `/api/members/${memberId}/holds`;
      const { id } = await appliance.ask('POST', holds, { reason: `Reminder ${placed}` });
      await appliance.ask('POST', `${holds}/${String(id)}/release`, {});
    }
    await history.getByText('Hold placed: Reminder 4').waitFor();
    await showMember();
    await history.getByText('Hold placed: Reminder 4').waitFor();
    expect(await history.getByRole('listitem').count()).toBe(20);
    expect(await history.getByText(/^Added/).count()).toBe(0);
    await history.getByRole('button', { name: 'Show more' }).click();
    await history.getByText(/^Added/).waitFor();
    expect(await history.getByRole('button', { name: 'Show more' }).count()).toBe(0);
    const shown = await history.getByRole('listitem').count();
    // What is new comes on top, and what was fetched stays.
    await appliance.untilApplied();
    await appliance.tap('200:1');
    await appliance.tap('9:100');
    await expect
      .poll(() => history.getByRole('listitem').count(), { timeout: 10_000 })
      .toBeGreaterThan(shown);
    expect(await history.getByText(/^Added/).count()).toBe(1);
  });

  it('adds a plan with a price and a group', async () => {
    await page.goto('/members/plans');
    await page.getByRole('button', { name: 'New plan' }).click();
    await dialog.getByLabel('Name').fill('Night owl');
    await dialog.getByLabel('Price').fill('12,5');
    await dialog.getByRole('button', { name: 'Add the plan' }).click();
    await section('Plans').getByText('€12.50 a month').waitFor();
    await page.getByRole('button', { name: 'New group' }).click();
    await dialog.getByLabel('Name').fill('Wood team');
    await dialog.getByRole('button', { name: 'Add the group' }).click();
    await section('Groups').getByText('Wood team').waitFor();
  });

  it.each([
    ['/members', 'members', 'id,number,name,', /,Mia Maker,/],
    ['/members/plans', 'plans', 'id,name,description,', /,Night owl,,1250,/],
    ['/', 'access-events', '', /Mia Maker/],
  ])('saves the list of %s as a file with its header and its rows', async (path, fileName, header, row) => {
    await page.goto(path);
    const button = page.getByRole('button', { name: 'Export CSV' });
    const [download] = await Promise.all([page.waitForEvent('download'), button.click()]);
    expect(download.suggestedFilename()).toBe(`${fileName}.csv`);
    const text = await readDownload(download);
    // Spreadsheets tell UTF-8 by the mark at the start.
    expect(text.startsWith(`\uFEFF${header}`)).toBe(true);
    const [columns = '', ...rows] = text.trimEnd().split('\r\n');
    expect(columns).toContain('id,');
    expect(rows.some((line) => row.test(line))).toBe(true);
    await page.getByLabel('Separator in the file').selectOption(';');
    const [other] = await Promise.all([page.waitForEvent('download'), button.click()]);
    expect((await readDownload(other)).split('\r\n')[0]).toBe(columns.replaceAll(',', ';'));
    await page.getByLabel('Separator in the file').selectOption(',');
  });

  it('shows and saves the events of some days', async () => {
    await page.goto('/');
    const events = page
      .getByRole('region', { name: 'What happened' })
      .or(page.locator('section').filter({ has: page.getByLabel('Which events') }))
      .last();
    await events.getByText('Mia Maker').first().waitFor();
    await events.getByLabel('To', { exact: true }).fill('2020-01-31');
    await events.getByText('Nothing fits this filter.').waitFor();
    const button = events.getByRole('button', { name: 'Export CSV' });
    const [download] = await Promise.all([page.waitForEvent('download'), button.click()]);
    expect((await readDownload(download)).trimEnd().split('\r\n')).toHaveLength(1);
    await events.getByLabel('To', { exact: true }).fill('');
    await events.getByLabel('From', { exact: true }).fill('2020-01-31');
    await events.getByText('Mia Maker').first().waitFor();
  });

  it('adds a rule for a group over midnight, removes it, and brings it back with Undo', async () => {
    await page.goto('/doors/rules');
    await page.getByRole('button', { name: 'New rule' }).click();
    await dialog.getByLabel('Name').fill('Wood nights');
    await dialog.getByRole('radio', { name: 'A group' }).check();
    await dialog.getByRole('button', { name: 'Add hours' }).click();
    for (const day of ['Monday', 'Tuesday', 'Wednesday', 'Thursday']) await dialog.getByLabel(day).uncheck();
    await dialog.getByLabel('From', { exact: true }).first().fill('20:00');
    await dialog.getByLabel('To', { exact: true }).fill('02:00');
    await dialog.getByText('the next day').waitFor();
    await dialog.getByRole('button', { name: 'Add the rule' }).click();
    const rules = section('Who may open');
    await rules.getByText('Fri 20:00 to 02:00 the next day').waitFor();
    await rules.getByText('Group Wood team may open every door').waitFor();
    await rules.getByRole('button', { name: 'Remove Wood nights' }).click();
    await rules.getByText('Wood nights').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Undo' }).last().click();
    await rules.getByText('Fri 20:00 to 02:00 the next day').waitFor();
  });

  it('changes the settings of a door and says when it is applied there', async () => {
    await page.goto('/');
    await page.getByRole('button', { name: 'Settings of Front door' }).click();
    await dialog.getByLabel('Seconds to open the door').fill('7');
    await dialog.getByLabel('Name').fill('Main door');
    await dialog.getByLabel('Only observe').check();
    await dialog.getByRole('button', { name: 'Store' }).click();
    await section('Main door').getByText('Only observes').waitFor();
    await section('Main door').getByText('Not applied there yet').waitFor({ state: 'detached' });
    const { items } = await appliance.ask('GET', '/api/access-control/portals');
    expect(items).toMatchObject([
      { name: 'Main door', settings: { accessTimeSeconds: 7, observe: true }, applied: true },
    ]);
  });

  it('works without a mouse: a dialog takes the focus, keeps it, and gives it back', async () => {
    await page.goto('/');
    const button = page.getByRole('button', { name: 'Hold open' });
    await button.focus();
    await page.keyboard.press('Enter');
    await dialog.waitFor();
    for (let step = 0; step < 20; step += 1) {
      await page.keyboard.press('Tab');
      const place: string = await page.evaluate(
        "document.activeElement.closest('dialog') || document.activeElement === document.body ? 'inside' : document.activeElement.outerHTML",
      );
      expect(place).toBe('inside');
    }
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await page.evaluate('document.activeElement.textContent')).toContain('Hold open');
  });

  it('shows somebody with fewer rights only what they may see and do', async () => {
    const password = 'nine lanterns drift over Zug';
    const account = await appliance.ask('POST', '/api/accounts', {
      username: 'sven',
      displayName: 'Sven Service',
      password,
    });
    const roles = await appliance.ask('GET', '/api/access-control/roles');
    const role = (roles.items as { id: string; name: string }[]).find(
      ({ name }) => name === 'service_provider',
    );
    await appliance.ask('POST', `/api/access-control/roles/${String(role?.id)}/assign`, {
      accountId: account.id,
    });
    const opened = await openContext(stage.browser, appliance.url);
    await signIn(opened.page, password, 'sven');
    await opened.page.getByRole('heading', { name: 'Main door' }).waitFor();
    expect(await opened.page.locator('main').getByRole('button').count()).toBe(0);
    expect(await opened.page.getByRole('link', { name: 'Members & cards' }).count()).toBe(0);
    await opened.page.goto(`/members/${memberId}`);
    await opened.page.getByRole('heading', { name: 'Nothing here for you' }).waitFor();
    expect(opened.complaints).toEqual([]);
    await opened.context.close();
  });

  it('did all this without an error in the page and within its security policy', () => {
    expect(complaints).toEqual([]);
  });
});
