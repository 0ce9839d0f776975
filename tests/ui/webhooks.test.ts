import type { Page } from 'playwright-core';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answering, receive } from '#tests/webhooks/support.ts';
import {
  desktop,
  openContext,
  type Stage,
  screenshot,
  screenshotFailure,
  setStage,
  signIn,
} from './browser.ts';

describe('webhooks in the browser', () => {
  let stage: Stage;
  let page: Page;
  let password: string;
  let complaints: readonly string[];

  beforeAll(async () => {
    stage = await setStage();
    ({ password } = await stage.appliance.furnish());
    const opened = await openContext(stage.browser, stage.appliance.url, { viewport: desktop });
    ({ page, complaints } = opened);
    await signIn(page, password);
  }, 90_000);
  afterEach(async ({ task }) => {
    await screenshotFailure(page, task);
  });
  afterAll(() => stage.close());

  it('are added with their secret shown once, tried out, and show live what became of a delivery', async () => {
    const receiver = await receive(answering(500, {}, 'the table is missing'));
    await page.goto('/settings/webhooks');
    await page.getByText('No webhook yet').waitFor();
    await page.getByRole('button', { name: 'New webhook' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Chat');
    await dialog.getByLabel('Address').fill('http://192.168.77.5/hook');
    await dialog.getByLabel('A member was added or changed').check();
    await dialog.getByRole('button', { name: 'Add the webhook' }).click();
    await dialog.getByText('webhooks.allowPrivateNetworks').first().waitFor();
    await screenshot(page, 'webhook refused desktop');
    await dialog.getByLabel('Address').fill(receiver.url);
    await dialog.getByRole('button', { name: 'Add the webhook' }).click();
    const secret = await dialog.getByRole('textbox', { name: 'The secret' }).inputValue();
    expect(secret).toMatch(/^whsec_/);
    await screenshot(page, 'webhook secret shown desktop');
    await dialog.getByRole('button', { name: 'Done' }).click();
    await page.getByText('Active', { exact: true }).waitFor();
    expect(await page.content()).not.toContain(secret);

    await page.getByRole('button', { name: 'Send a test to Chat' }).click();
    await dialog.getByText('The target did not accept it (HTTP 500).').waitFor();
    await dialog.getByText('the table is missing').waitFor();
    const [got] = receiver.got;
    new Webhook(secret).verify(got!.body, got!.headers as Record<string, string>);
    receiver.answer = answering(200);
    await stage.appliance.ask('POST', '/api/members', { name: 'Nora New' });
    await dialog.getByText('Delivered', { exact: true }).last().waitFor();
    await dialog.getByText('member.changed').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText(/^Last delivered/).waitFor();
    expect(complaints.filter((text) => !text.includes('422'))).toEqual([]);
  });

  it('are told nothing once they are switched off, and are removed for good', async () => {
    await page.getByRole('button', { name: 'Change Chat' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Active').uncheck();
    await dialog.getByRole('button', { name: 'Store' }).click();
    await page.getByText('Switched off', { exact: true }).waitFor();
    expect(await page.getByRole('button', { name: 'Send a test to Chat' }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Remove Chat' }).click();
    await dialog.getByRole('button', { name: 'Remove it for good' }).click();
    await page.getByText('No webhook yet').waitFor();
  });
});
