import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';
import { askShared } from '#tests/_support/run/shared.ts';
import { connectBrowser, findViolations, openContext, screenshot } from './browser.ts';

let appliance: Appliance;
let browser: Browser;
let password: string;

beforeAll(async () => {
  const { directory } = await askShared('ui');
  appliance = await Appliance.create({ env: { MAKRCAVE_UI_DIR: directory } });
  await appliance.start('hub');
  ({ password } = await appliance.furnish());
  browser = await connectBrowser();
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await appliance?.close();
});

/** The page of the documentation, with every request that left this machine's own hub. */
async function openDocs(options: { dark?: boolean; address?: string } = {}) {
  const opened = await openContext(browser, appliance.url, options);
  opened.context.setDefaultTimeout(30_000);
  const elsewhere: string[] = [];
  opened.page.on('request', (request) => {
    if (!request.url().startsWith(appliance.url) && !request.url().startsWith('data:'))
      elsewhere.push(request.url());
  });
  await opened.page.goto(options.address ?? '/docs');
  await opened.page.locator('.opblock-tag-section').first().waitFor();
  return { ...opened, elsewhere };
}

describe('the documentation in a browser', { timeout: 90_000 }, () => {
  it('shows every part of the interface, with and without the slash, under the strict policy, from nowhere else', async () => {
    const pages: string[] = [];
    for (const address of ['/docs', '/docs/']) {
      const answer = await fetch(appliance.url + address);
      expect(answer.headers.get('content-security-policy')).toContain("script-src 'self';style-src 'self';");
      pages.push(await answer.text());
    }
    expect(pages[1]).toBe(pages[0]);
    expect(pages[0]).toContain('API of the MakrCave hub');
    const { context, page, complaints, elsewhere } = await openDocs({ address: '/docs/' });
    const tags = await page.locator('.opblock-tag').evaluateAll((found) => found.map((tag) => tag.id));
    expect(tags).toContain('operations-tag-members');
    expect(tags.length).toBeGreaterThan(12);
    await page.getByText('Nobody is signed in.').waitFor();
    expect(complaints).toEqual([]);
    expect(elsewhere).toEqual([]);
    await context.close();
  });

  it('tries a read and a write in the name of whoever signs in', async () => {
    const { context, page, complaints } = await openDocs();
    await page.getByLabel('User name').fill('olga');
    await page.getByLabel('Password').fill('wrong horse');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Username or password is wrong').waitFor();
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Signed in as Olga Owner').waitFor();

    await page.locator('#operations-tag-members').click();
    const read = page.locator('#operations-members-getMembers');
    await read.locator('.opblock-summary-control').click();
    await read.getByRole('button', { name: 'Try it out' }).click();
    await read.getByRole('button', { name: 'Execute' }).click();
    await read.locator('.live-responses-table .response-col_status', { hasText: '200' }).waitFor();
    await read.locator('.live-responses-table').getByText('Mia Maker').first().waitFor();
    await read.locator('.live-responses-table').scrollIntoViewIfNeeded();
    await screenshot(page, 'docs-try-it');
    await read.locator('.opblock-summary-control').click();

    const write = page.locator('#operations-members-postMembers');
    await write.locator('.opblock-summary-control').click();
    await write.getByRole('button', { name: 'Try it out' }).click();
    await write.locator('.body-param__text').fill('{ "name": "Tried Out" }');
    await write.getByRole('button', { name: 'Execute' }).click();
    await write.locator('.live-responses-table .response-col_status', { hasText: '201' }).waitFor();
    const { items } = await appliance.ask('GET', '/api/members?q=tried');
    expect(items).toMatchObject([{ name: 'Tried Out' }]);

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Nobody is signed in.').waitFor();
    await write.getByRole('button', { name: 'Execute' }).click();
    await write.locator('.live-responses-table .response-col_status', { hasText: '401' }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('sends a token of a program instead of the session, once it is given under Authorize', async () => {
    const { context, page, complaints } = await openDocs();
    await page.getByRole('button', { name: 'Authorize' }).click();
    const bearer = page.locator('.auth-container', { hasText: 'bearer' });
    await bearer.locator('input').fill('made-up-token');
    await bearer.getByRole('button', { name: 'Apply credentials' }).click();
    await page.getByRole('button', { name: 'Close' }).last().click();
    await page.locator('#operations-tag-members').click();
    const read = page.locator('#operations-members-getMembers');
    await read.locator('.opblock-summary-control').click();
    await read.getByRole('button', { name: 'Try it out' }).click();
    const sent = page.waitForRequest((request) => request.url().includes('/api/members?'));
    await read.getByRole('button', { name: 'Execute' }).click();
    const headers = await (await sent).allHeaders();
    expect(headers.authorization).toBe('Bearer made-up-token');
    expect(headers.cookie).toBeUndefined();
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('follows a dark device, and has no serious accessibility violation of ours', async () => {
    const { context, page } = await openDocs({ dark: true });
    expect(await page.locator('html.dark-mode').count()).toBe(1);
    await screenshot(page, 'docs-dark');
    const violations = await findViolations(page);
    expect(violations.filter(({ nodes }) => nodes.some((node) => node.includes('class="bar"')))).toEqual([]);
    await context.close();
  });

  it('says in the API’s own way that the page is not built, where it is not', async () => {
    const bare = await Appliance.create({ env: { MAKRCAVE_UI_DIR: '/nonexistent' } });
    await bare.start('hub');
    for (const address of ['/docs', '/docs/', '/']) {
      const answer = await fetch(bare.url + address);
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({
        code: 'pageNotBuilt',
        nextStep: expect.stringContaining('./scripts/start'),
      });
    }
    expect((await fetch(`${bare.url}/openapi.json`)).status).toBe(200);
    await bare.close();
  });
});
