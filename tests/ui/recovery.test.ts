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

describe('the recovery sheet in the browser', () => {
  let stage: Stage;
  let password: string;
  let page: Page;
  let complaints: readonly string[];

  const open = async (options: Parameters<typeof openContext>[2]): Promise<void> => {
    await page?.context().close();
    ({ page, complaints } = await openContext(stage.browser, stage.appliance.url, options));
    await signIn(page, password);
    await page.goto('/settings/recovery');
    await page.getByRole('button', { name: 'Make a new sheet' }).waitFor();
  };
  const looksRight = async (name: string): Promise<void> => {
    await screenshot(page, name);
    expect([await findViolations(page), await findSmallTargets(page), await overflowPx(page)]).toEqual([
      [],
      [],
      0,
    ]);
  };
  const shownCode = () => page.getByLabel('Recovery code', { exact: true }).innerText();

  beforeAll(async () => {
    stage = await setStage({ bridge: false });
    ({ password } = await stage.appliance.furnish());
  }, 90_000);
  afterEach(async ({ task }) => {
    await screenshotFailure(page, task);
  });
  afterAll(() => stage.close());

  it('is made, printed alone on the paper, copied, checked, and replaced after a warning', async () => {
    await open({ viewport: desktop });
    await page.getByText('No sheet has been made.').waitFor();
    expect(await page.getByRole('button', { name: 'Check a sheet' }).count()).toBe(0);
    await looksRight('recovery none desktop');
    await page.getByRole('button', { name: 'Make a new sheet' }).click();
    await page.getByRole('heading', { name: 'Recovery sheet of Test space' }).waitFor();
    const first = await shownCode();
    expect(first).toMatch(/^([0-9A-Z]{4}-){7}[0-9A-Z]{4}$/);
    await looksRight('recovery sheet desktop');

    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy the code' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(first);

    await page.emulateMedia({ media: 'print' });
    await page.getByText('What it is for').waitFor();
    for (const hidden of [
      page.getByRole('navigation'),
      page.getByRole('heading', { name: 'Settings' }),
      page.getByText('Documentation of the API'),
      page.getByRole('button', { name: 'Print' }),
    ])
      expect(await hidden.filter({ visible: true }).count()).toBe(0);
    await screenshot(page, 'recovery sheet print');
    await page.emulateMedia({ media: null });
    let printed = 0;
    await page.exposeFunction('tellPrinted', () => void (printed += 1));
    await page.evaluate("window.addEventListener('beforeprint', () => window.tellPrinted())");
    await page.getByRole('button', { name: 'Print' }).click();
    await expect.poll(() => printed).toBe(1);

    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByText('There is one').waitFor();
    expect(await page.content()).not.toContain(first.slice(0, 9));
    await page.getByRole('button', { name: 'Check a sheet' }).click();
    await page.getByLabel('Recovery code').fill(first.toLowerCase().replaceAll('-', ' '));
    await page.getByRole('button', { name: 'Check', exact: true }).click();
    await page.getByText('It is good').waitFor();
    await looksRight('recovery checked desktop');
    await page.getByLabel('Recovery code').fill(first.slice(0, -1));
    await page.getByRole('button', { name: 'Check', exact: true }).click();
    await page.getByText('Group 8 of the recovery code is mistyped').waitFor();
    await looksRight('recovery mistyped desktop');
    await page.getByRole('button', { name: 'Cancel' }).click();

    await page.getByRole('button', { name: 'Make a new sheet' }).click();
    await page.getByRole('dialog').getByText('unlocks nothing from then on').waitFor();
    await looksRight('recovery replace desktop');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Make a new sheet' }).click();
    await page.getByRole('button', { name: 'Make it, the old one is void' }).click();
    await page.getByRole('heading', { name: 'Recovery sheet of Test space' }).waitFor();
    expect(await shownCode()).not.toBe(first);
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('button', { name: 'Check a sheet' }).click();
    await page.getByLabel('Recovery code').fill(first);
    await page.getByRole('button', { name: 'Check', exact: true }).click();
    await page.getByText('This is not the code of the newest recovery sheet').waitFor();
    expect(complaints.filter((complaint) => !complaint.includes('422'))).toEqual([]);
  }, 60_000);

  it.each([
    ['phone', { viewport: phone }],
    ['phone dark', { viewport: phone, dark: true }],
    ['desktop dark', { viewport: desktop, dark: true }],
  ])(
    'fits a %s',
    async (name, options) => {
      await open(options);
      await looksRight(`recovery ${name}`);
      await page.getByRole('button', { name: 'Check a sheet' }).click();
      await page.getByLabel('Recovery code').fill('0000-0000');
      await page.getByRole('button', { name: 'Check', exact: true }).click();
      await page.getByText('it has 8 characters and must have 32').waitFor();
      await looksRight(`recovery check ${name}`);
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.getByRole('button', { name: 'Make a new sheet' }).click();
      await page.getByRole('dialog').waitFor();
      await looksRight(`recovery replace ${name}`);
      await page.getByRole('button', { name: 'Make it, the old one is void' }).click();
      await page.getByRole('heading', { name: 'Recovery sheet of Test space' }).waitFor();
      await looksRight(`recovery sheet ${name}`);
      await page.emulateMedia({ media: 'print' });
      await screenshot(page, `recovery sheet print ${name}`);
      const colour = await page.evaluate(
        "getComputedStyle(document.querySelector('.recovery-sheet h2')).color",
      );
      expect(colour).toBe('rgb(0, 0, 0)');
    },
    60_000,
  );

  it('is nothing for whoever has not the right', async () => {
    const { items } = await stage.appliance.ask('GET', '/api/access-control/roles');
    const admin = (items as { id: string; name: string }[]).find(({ name }) => name === 'makerspace_admin');
    const adminPassword = 'nine red cranes fold';
    const account = await stage.appliance.ask('POST', '/api/accounts', {
      username: 'adam',
      displayName: 'Adam Admin',
      password: adminPassword,
    });
    await stage.appliance.ask('POST', `/api/access-control/roles/${admin?.id}/assign`, {
      accountId: account.id,
    });
    await page.context().close();
    ({ page, complaints } = await openContext(stage.browser, stage.appliance.url));
    await signIn(page, adminPassword, 'adam');
    await page.goto('/settings');
    await page.getByRole('link', { name: 'Accounts' }).waitFor();
    expect(await page.getByRole('link', { name: 'Recovery sheet' }).count()).toBe(0);
    await page.goto('/settings/recovery');
    await page.getByText('Nothing here for you').waitFor();
  }, 60_000);
});
