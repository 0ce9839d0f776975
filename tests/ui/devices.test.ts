import { connect as connectTls } from 'node:tls';
import { MqttClient } from 'mqtt';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  desktop,
  openContext,
  type Stage,
  screenshot,
  screenshotFailure,
  setStage,
  signIn,
} from './browser.ts';

describe('devices in the browser', () => {
  let stage: Stage;
  let page: Page;
  let complaints: readonly string[];
  const clients: MqttClient[] = [];

  beforeAll(async () => {
    stage = await setStage();
    const { password } = await stage.appliance.furnish();
    const opened = await openContext(stage.browser, stage.appliance.url, { viewport: desktop });
    ({ page, complaints } = opened);
    await signIn(page, password);
  }, 90_000);
  afterEach(async ({ task }) => {
    await screenshotFailure(page, task);
  });
  afterAll(async () => {
    for (const client of clients) client.end(true);
    await stage.close();
  });

  /** Resolves when the hub let it in, rejects when not. */
  async function connect(token: string): Promise<MqttClient> {
    const ca = await (await fetch(`${stage.appliance.url}/ca.crt`)).text();
    const client = new MqttClient(
      () => connectTls({ host: '127.0.0.1', port: stage.appliance.mqttPort, servername: 'localhost', ca }),
      { clientId: 'one', username: 'kiln', password: token, reconnectPeriod: 0 },
    );
    clients.push(client);
    client.on('error', () => undefined);
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('error', reject);
    });
    return client;
  }

  it('are added with their token shown once, connect with it, and are shown with what was refused', async () => {
    await page.goto('/settings/devices');
    await page.getByText('No device yet').waitFor();
    await page.getByRole('button', { name: 'New device' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name', { exact: true }).fill('Kiln sensor');
    await dialog.getByLabel('User name').fill('kiln');
    await dialog.getByLabel('Rights for').selectOption('Tasmota');
    await dialog.getByLabel('Topic', { exact: true }).fill('plug');
    await dialog.getByRole('button', { name: 'Add these rights' }).click();
    expect(await dialog.getByLabel('Topic of right 3').inputValue()).toBe('cmnd/plug/#');
    expect(await dialog.getByLabel('Stay connected after').isChecked()).toBe(true);
    await screenshot(page, 'device preset desktop');
    await dialog.getByLabel('Stay connected after').uncheck();
    for (let right = 6; right > 1; right -= 1)
      await dialog.getByRole('button', { name: `Remove right ${right}` }).click();
    await dialog.getByLabel('Topic of right 1').fill('mc/#');
    await dialog.getByRole('button', { name: 'Add the device' }).click();
    await dialog.getByText('A topic right cannot be given').waitFor();
    await dialog.getByLabel('Topic of right 1').fill('tele/kiln/#');
    await dialog.getByRole('button', { name: 'Add the device' }).click();
    const token = await dialog.getByRole('textbox', { name: 'The token' }).inputValue();
    expect(token).toMatch(/^[\w-]{43}$/);
    await screenshot(page, 'device token shown desktop');
    await dialog.getByRole('button', { name: 'Done' }).click();
    await page.getByText('Never seen').waitFor();
    expect(await page.content()).not.toContain(token);

    const client = await connect(token);
    await page.reload();
    await page.getByText('Connected', { exact: true }).waitFor();
    client.publish('tele/laser/x', '1');
    await new Promise<void>((resolve) => client.once('close', () => resolve()));
    await page.reload();
    await page.getByText('tele/laser/x and has no right to').waitFor();
    await screenshot(page, 'device refused desktop');

    await page.getByRole('button', { name: 'New token for Kiln sensor' }).click();
    await dialog.getByRole('button', { name: 'Make a new token' }).click();
    const renewed = await dialog.getByRole('textbox', { name: 'The token' }).inputValue();
    expect(renewed).not.toBe(token);
    await dialog.getByRole('button', { name: 'Done' }).click();
    await expect(connect(token)).rejects.toThrow();
    await connect(renewed);

    await page.getByRole('button', { name: 'Remove Kiln sensor' }).click();
    await dialog.getByRole('button', { name: 'Remove it for good' }).click();
    await page.getByText('No device yet').waitFor();
    await expect(connect(renewed)).rejects.toThrow();
    // The refused right was answered with 422, which the browser's console mentions.
    expect(complaints.filter((complaint) => !complaint.includes('422'))).toEqual([]);
  }, 60_000);
});
