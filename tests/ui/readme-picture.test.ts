import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Appliance, isDecision } from '#tests/_support/appliance.ts';
import { openContext, type Stage, screenshot, screenshotFailure, setStage, signIn } from './browser.ts';
import { toIndexedPng } from './indexed-png.ts';

const root = path.resolve(import.meta.dirname, '../..');
const picture = path.join(root, 'docs/images/doors.png');
/** What the picture shows, as text: a picture of an older page is found by it, whatever fonts a machine has. */
const caption = path.join(root, 'docs/images/doors.txt');
const maxBytes = 60 * 1024;
const isRenewal = process.env['MAKRCAVE_RENEW_PICTURES'] === '1';
const renew = 'MAKRCAVE_RENEW_PICTURES=1 ./scripts/test tests/ui/readme-picture.test.ts';

/** Contact lines of `config/demo-bridge.yaml`. */
const contacts = { front: 3, workshop: 13 } as const;
type DoorKey = 'front' | 'workshop' | 'laser' | 'metal' | 'storage' | 'office';

describe('the picture of the Doors page in the README', () => {
  let stage: Stage;
  let appliance: Appliance;
  let page: Page;

  beforeAll(async () => {
    stage = await setStage({ bridgeConfig: path.join(root, 'config/demo-bridge.yaml') });
    ({ appliance } = stage);
    ({ page } = await openContext(stage.browser, appliance.url, { viewport: { width: 1140, height: 990 } }));
  }, 90_000);
  afterEach(({ task }) => screenshotFailure(page, task));
  afterAll(() => stage.close());

  async function tap(portalKey: DoorKey, card: string): Promise<void> {
    const stream = await appliance.listen();
    try {
      await appliance.ask('POST', '/api/access-control/simulated-taps', { portalKey, card });
      await stream.next(isDecision, 10_000);
    } finally {
      stream.close();
    }
  }

  /** Opens a door after a tap and waits until the hub has heard that somebody came in. */
  async function open(door: keyof typeof contacts): Promise<void> {
    const stream = await appliance.listen();
    try {
      await appliance.panel({ line: { offset: contacts[door], level: 1 } });
      await stream.next(({ topic, data }) => topic === 'access.event' && data.kind === 'entered', 10_000);
    } finally {
      stream.close();
    }
  }

  /** Claims the hub for a space with three members and what they may open. */
  async function furnish(): Promise<string> {
    const password = 'seven rivers hum below Olten';
    const { code } = await appliance.ask('POST', '/api/system/claim-code', {});
    await appliance.ask('POST', '/api/system/claim', {
      code,
      siteName: 'Werkhof',
      timeZone: 'Europe/Berlin',
      displayName: 'Olga Owner',
      username: 'olga',
      password,
      starterRules: false,
    });
    const plan = await appliance.ask('POST', '/api/members/plans', {
      name: 'Full',
      priceMinor: 4900,
      currency: 'EUR',
      interval: 'month',
    });
    const area = await appliance.ask('POST', '/api/access-control/areas', {
      name: 'Workshops',
      parentId: null,
    });
    const { items } = await appliance.ask('GET', '/api/access-control/portals');
    for (const portal of items as { id: string; key: string; version: number }[]) {
      if (portal.key === 'front' || portal.key === 'office') continue;
      await appliance.ask('PATCH', `/api/access-control/portals/${portal.id}`, {
        version: portal.version,
        areaId: area['id'],
        // However long the test takes, no alarm is in the picture.
        settings: { heldOpenSeconds: 3600, preAlarmSeconds: 0 },
      });
    }
    await appliance.ask('POST', '/api/access-control/rules', {
      name: 'Members, any time',
      subject: { kind: 'plan', id: plan['id'] },
      target: { kind: 'site' },
      windows: [],
      outsideOpeningHours: true,
    });
    for (const [name, card] of [
      ['Mia Maker', '123:4567'],
      ['Noah Turner', '123:4568'],
      ['Ella Brook', '123:4569'],
    ] as const) {
      const member = await appliance.ask('POST', '/api/members', { name });
      await appliance.ask('POST', `/api/members/${String(member['id'])}/memberships`, { planId: plan['id'] });
      await appliance.ask('POST', '/api/access-control/credentials', { memberId: member['id'], card });
      if (name === 'Ella Brook')
        await appliance.ask('POST', `/api/members/${String(member['id'])}/holds`, {
          reason: 'Talk to us first',
        });
    }
    await appliance.untilApplied();
    return password;
  }

  /** An evening: two come in, one is kept out, a card is unknown, and one door is locked down. */
  async function playEvening(): Promise<void> {
    await tap('front', '123:4567');
    await open('front');
    await appliance.panel({ line: { offset: contacts.front, level: 0 } });
    await tap('metal', '123:4569');
    await tap('laser', '200:17');
    const { items } = await appliance.ask('GET', '/api/access-control/portals');
    const storage = (items as { id: string; key: string }[]).find(({ key }) => key === 'storage');
    await appliance.ask('POST', `/api/access-control/portals/${String(storage?.id)}/lockdown`, {
      reason: 'Shelf came down',
    });
    await appliance.untilApplied();
    await tap('workshop', '123:4568');
    await open('workshop');
  }

  /** Puts fixed times in the place of those that change with each run; returns the words of the page then. */
  async function fixTimes(): Promise<string> {
    const words: string = await page.evaluate(`(() => {
      const times = [...document.querySelectorAll('main time')];
      for (const [index, time] of times.entries())
        time.textContent = '18:4' + Math.max(0, 2 - Math.floor(index / 3)) + ':' + (59 - 11 * (index % 3));
      const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const text = texts.currentNode;
        if (text.parentElement.closest('time') === null)
          text.data = text.data.replaceAll(/(\\d+ \\p{L}+, )?\\d\\d:\\d\\d/gu, '18:42');
      }
      return document.body.innerText;
    })()`);
    return `${words
      .replaceAll(/[\t ]+/g, ' ')
      .replaceAll(/\n{2,}/g, '\n')
      .trim()}\n`;
  }

  it('shows the page as it is', async () => {
    const password = await furnish();
    await playEvening();
    await signIn(page, password);
    const door = (name: string): Locator =>
      page.locator('section.card', { has: page.getByRole('heading', { name }) });
    await door('Front door').getByText('Locked', { exact: true }).waitFor();
    await door('Storage').getByText('Locked down', { exact: true }).waitFor();
    await door('Workshop').getByText('Open', { exact: true }).waitFor();
    await page.locator('li', { hasText: 'Unknown card' }).first().waitFor();
    await page.getByText('Not applied there yet').waitFor({ state: 'detached' });
    const words = await fixTimes();
    await screenshot(page, 'readme doors');
    if (isRenewal) {
      await mkdir(path.dirname(picture), { recursive: true });
      await writeFile(picture, toIndexedPng(await page.screenshot()));
      await writeFile(caption, words);
    }
    expect(await readFile(caption, 'utf8'), `the page has changed; renew its picture: ${renew}`).toBe(words);
    const committed = await readFile(picture);
    expect(committed.length).toBeLessThan(maxBytes);
  });
});
