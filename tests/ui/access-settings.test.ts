import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Appliance } from '#tests/_support/appliance.ts';
import { openContext, type Stage, screenshotFailure, setStage, signIn } from './browser.ts';

describe('who and what may sign in, in a browser', () => {
  let stage: Stage;
  let appliance: Appliance;
  let page: Page;
  let dialog: Locator;
  let complaints: string[];
  let password: string;

  beforeAll(async () => {
    stage = await setStage();
    ({ appliance } = stage);
    ({ password } = await appliance.furnish());
    ({ page, complaints } = await openContext(stage.browser, appliance.url));
    dialog = page.getByRole('dialog');
    await signIn(page, password);
  }, 90_000);
  afterEach(({ task }) => screenshotFailure(page, task));
  afterAll(() => stage.close());

  const say = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${appliance.url}/auth/session`, { headers })).status;
  };
  const logIn = async (
    username: string,
    secret: string,
  ): Promise<{ accessToken?: string; code?: string }> => {
    const response = await fetch(`${appliance.url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'door-display/1.2' },
      body: JSON.stringify({ username, password: secret }),
    });
    return (await response.json()) as { accessToken?: string; code?: string };
  };

  it('adds an account, says at the field what is wrong with it, and goes on to its roles', async () => {
    await page.goto('/settings/accounts');
    await page.getByRole('button', { name: 'New account' }).click();
    await dialog.getByLabel('Name', { exact: true }).fill('Stan Staff');
    await dialog.getByLabel('Username').fill('olga');
    await dialog.getByLabel('First password').fill('short');
    await dialog.getByRole('button', { name: 'Add the account' }).click();
    await dialog.getByText('This password is too easy to guess').waitFor();
    await dialog.getByLabel('First password').fill('nine red cranes fold');
    await dialog.getByRole('button', { name: 'Add the account' }).click();
    await dialog.getByText('another account has this username').first().waitFor();
    await dialog.getByLabel('Username').fill('stan');
    await dialog.getByRole('button', { name: 'Add the account' }).click();
    await dialog.getByText('None: this account can sign in and do nothing.').waitFor();
  });

  it('gives a role until a day, takes it away, and gives it back', async () => {
    await dialog.getByLabel('Role', { exact: true }).selectOption({ label: 'staff' });
    await dialog.getByLabel('Last day').fill('2099-12-31');
    await dialog.getByRole('button', { name: 'Give the role' }).click();
    await dialog.getByText('until 31 Dec 2099').waitFor();
    await dialog.getByRole('button', { name: 'Take away the role staff' }).click();
    await dialog.getByText('None: this account can sign in and do nothing.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('button', { name: /Stan Staff\s*stan; staff/ }).waitFor();
  });

  it('sets a new password and disables: both sign out everywhere', async () => {
    const first = await logIn('stan', 'nine red cranes fold');
    expect(await say(first.accessToken ?? '')).toBe(200);
    await page.getByRole('button', { name: /Stan Staff/ }).click();
    await dialog.getByLabel('Password', { exact: true }).fill('ten blue herons wade');
    await dialog.getByRole('button', { name: 'Set the password' }).click();
    await page.getByText('The new password is set').waitFor();
    expect(await say(first.accessToken ?? '')).toBe(401);
    const second = await logIn('stan', 'ten blue herons wade');
    await dialog.getByRole('button', { name: 'Disable the account' }).click();
    await dialog.getByText('This account is disabled.').waitFor();
    expect(await say(second.accessToken ?? '')).toBe(401);
    expect((await logIn('stan', 'ten blue herons wade')).code).toBe('accountDisabled');
    await dialog.getByRole('button', { name: 'Enable the account' }).click();
    await dialog.getByRole('button', { name: 'Disable the account' }).waitFor();
    await page.keyboard.press('Escape');
  });

  it('makes a service account and a token, shows the token once, and stops it', async () => {
    await page.goto('/settings/tokens');
    await page.getByRole('button', { name: 'New service account' }).click();
    await dialog.getByLabel('Name').fill('Display in the hall');
    await dialog.getByLabel('What it is for').fill('Shows which doors are open');
    await dialog.getByLabel('See doors and their states').check();
    await dialog.getByRole('button', { name: 'Add the service account' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByText('No token yet: nothing can use it.').waitFor();
    await page.getByRole('button', { name: 'New token of Display in the hall' }).click();
    await dialog.getByLabel('Name').fill('hall');
    await dialog.getByRole('button', { name: 'Make the token' }).click();
    const token = await dialog.getByLabel('The token').inputValue();
    expect(token).toMatch(/^mkc_\w{49}$/);
    expect(await say(token)).toBe(200);
    await dialog.getByRole('button', { name: 'I have it' }).click();
    await page.getByText(`...${token.slice(-4)}`).waitFor();
    expect(await page.content()).not.toContain(token);
    await page.reload();
    await page.getByText(/Used \d\d:\d\d from/).waitFor();

    await page.getByRole('button', { name: 'Renew the token hall' }).click();
    await dialog.getByRole('button', { name: 'Renew' }).click();
    const renewed = await dialog.getByLabel('The token').inputValue();
    expect([await say(token), await say(renewed)]).toEqual([401, 200]);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Revoke the token hall' }).click();
    await page.getByRole('button', { name: 'Stop it for good' }).click();
    await page.getByText('No token yet: nothing can use it.').waitFor();
    expect(await say(renewed)).toBe(401);
  });

  it('lists where one is signed in, and signs out elsewhere', async () => {
    const { accessToken } = await logIn('olga', password);
    await page.goto('/settings/sessions');
    const own = page.getByRole('list', { name: 'Your sessions' });
    await own.getByText('door-display/1.2').waitFor();
    await own.getByRole('button', { name: 'Sign out on door-display/1.2' }).click();
    await own.getByText('door-display/1.2').waitFor({ state: 'detached' });
    expect(await say(accessToken ?? '')).toBe(401);
    await page.getByRole('button', { name: 'Sign out everywhere else' }).click();
    await expect.poll(() => own.getByRole('listitem').count(), { timeout: 20_000 }).toBe(1);
  });

  it('changes the own password, at the field where it is wrong, and goes on signed in', async () => {
    await page.getByRole('button', { name: 'Change the password' }).click();
    await dialog.getByLabel('Password until now').fill('not that one');
    await dialog.getByLabel('New password').fill('eleven grey geese land');
    await dialog.getByRole('button', { name: 'Change it' }).click();
    await dialog.getByText('is not the password of this account').first().waitFor();
    await dialog.getByLabel('Password until now').fill(password);
    await dialog.getByRole('button', { name: 'Change it' }).click();
    await page.getByText('The password is changed').waitFor();
    password = 'eleven grey geese land';
    // With the fresh session's token.
    await page.getByRole('button', { name: 'Sign out everywhere else' }).waitFor({ state: 'detached' });
    expect((await logIn('olga', password)).accessToken).toBeDefined();
  });

  it('lets an administrator sign somebody else out', async () => {
    const { accessToken } = await logIn('stan', 'ten blue herons wade');
    await page.reload();
    const everybody = page.getByRole('list', { name: "Everybody's sessions" });
    await everybody.getByRole('button', { name: 'Sign out Stan Staff on door-display/1.2' }).click();
    await everybody.getByText('Stan Staff').waitFor({ state: 'detached' });
    expect(await say(accessToken ?? '')).toBe(401);
    expect(complaints).toEqual([]);
  });
});
