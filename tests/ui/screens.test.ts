import type { Page } from 'playwright-core';
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
  smallPhone,
} from './browser.ts';

/** A screen: how one gets there from the signed-in page. */
interface Screen {
  readonly name: string;
  open(page: Page): Promise<void>;
}

let memberId = '';

async function openDialog(page: Page, path: string, button: string | RegExp): Promise<void> {
  await page.goto(path);
  await page.getByRole('button', { name: button }).first().click();
  await page.getByRole('dialog').waitFor();
}

const screens: readonly Screen[] = [
  {
    name: 'doors',
    async open(page) {
      await page.goto('/');
      await page
        .locator('li', { hasText: 'Unknown card' })
        .first()
        .getByRole('button', { name: /^Why/ })
        .click();
    },
  },
  { name: 'doors unlock', open: (page) => openDialog(page, '/', 'Unlock') },
  { name: 'doors hold open', open: (page) => openDialog(page, '/', 'Hold open') },
  { name: 'doors settings', open: (page) => openDialog(page, '/', 'Settings of Front door') },
  {
    name: 'doors test a card',
    async open(page) {
      await openDialog(page, '/', 'Test a card');
      await page.getByRole('dialog').getByLabel('Card', { exact: true }).fill('1:1');
      await page.getByRole('dialog').getByRole('button', { name: 'Test' }).click();
      await page.getByText('Denied', { exact: true }).last().waitFor();
    },
  },
  {
    name: 'rules',
    async open(page) {
      await page.goto('/doors/rules');
      await page.getByText('Christmas Day').first().waitFor();
    },
  },
  { name: 'rules new rule', open: (page) => openDialog(page, '/doors/rules', 'New rule') },
  {
    name: 'rules hours',
    open: (page) => openDialog(page, '/doors/rules', 'Change the hours of The whole site'),
  },
  { name: 'rules holiday', open: (page) => openDialog(page, '/doors/rules', 'New day') },
  {
    name: 'members',
    async open(page) {
      await page.goto('/members');
      await page.getByRole('link', { name: 'Mia Maker' }).waitFor();
    },
  },
  {
    name: 'members nobody found',
    async open(page) {
      await page.goto('/members');
      await page.getByRole('searchbox').fill('zzz');
      await page.getByText('Nobody fits this search.').waitFor();
    },
  },
  { name: 'members new', open: (page) => openDialog(page, '/members', 'New member') },
  {
    name: 'plans',
    async open(page) {
      await page.goto('/members/plans');
      await page.getByText('Wood team').waitFor();
    },
  },
  { name: 'plans new plan', open: (page) => openDialog(page, '/members/plans', 'New plan') },
  {
    name: 'member',
    async open(page) {
      await page.goto(`/members/${memberId}`);
      await page.getByRole('button', { name: 'Lost' }).waitFor();
      await page.getByText('Hold placed: Talk to us first').waitFor();
    },
  },
  { name: 'member profile', open: (page) => openDialog(page, `/members/${memberId}`, /^Change$/) },
  { name: 'member enrol', open: (page) => openDialog(page, `/members/${memberId}`, 'Enrol a card') },
  {
    name: 'member enrol waiting',
    async open(page) {
      await openDialog(page, `/members/${memberId}`, 'Enrol a card');
      await page.getByRole('button', { name: 'Wait for the card' }).click();
      await page.getByText('Tap the card now').waitFor();
    },
  },
  {
    name: 'member card at another reader',
    open: (page) => openDialog(page, `/members/${memberId}`, 'Not known at a door?'),
  },
  { name: 'member membership', open: (page) => openDialog(page, `/members/${memberId}`, 'New membership') },
  { name: 'member suspend', open: (page) => openDialog(page, `/members/${memberId}`, 'Suspend') },
  {
    name: 'settings accounts',
    async open(page) {
      await page.goto('/settings/accounts');
      await page.getByRole('button', { name: /Stan Staff/ }).waitFor();
    },
  },
  { name: 'settings new account', open: (page) => openDialog(page, '/settings/accounts', 'New account') },
  {
    name: 'settings account',
    async open(page) {
      await openDialog(page, '/settings/accounts', /Stan Staff/);
      await page.getByLabel('Role', { exact: true }).waitFor();
    },
  },
  {
    name: 'settings tokens',
    async open(page) {
      await page.goto('/settings/tokens');
      await page.getByText('Display in the hall').waitFor();
      await page.getByText('See doors and their states').first().waitFor();
    },
  },
  {
    name: 'settings new service account',
    async open(page) {
      await openDialog(page, '/settings/tokens', 'New service account');
      await page.getByText('See doors and their states').last().waitFor();
    },
  },
  {
    name: 'settings fresh token',
    async open(page) {
      await openDialog(page, '/settings/tokens', 'Renew the token hall');
      await page.getByRole('dialog').getByRole('button', { name: 'Renew' }).click();
      await page.getByText('it is shown this once').waitFor();
    },
  },
  {
    name: 'settings sessions',
    async open(page) {
      await page.goto('/settings/sessions');
      await page.getByText('door-display/1.2').first().waitFor();
    },
  },
  {
    name: 'settings own password',
    open: (page) => openDialog(page, '/settings/sessions', 'Change the password'),
  },
  {
    name: 'settings health',
    async open(page) {
      await page.goto('/settings');
      await page.getByRole('heading', { name: 'State of the hub' }).waitFor();
      await page.getByText('Live pages').waitFor();
    },
  },
  {
    name: 'settings devices',
    async open(page) {
      await page.goto('/settings/devices');
      await page.getByText('Never seen').waitFor();
    },
  },
  {
    name: 'settings device new',
    async open(page) {
      await openDialog(page, '/settings/devices', 'New device');
      await page.getByRole('button', { name: 'Add a right' }).click();
      await page.getByLabel('Topic of right 1').waitFor();
    },
  },
  {
    name: 'settings device token',
    async open(page) {
      await openDialog(page, '/settings/devices', 'New token for Kiln sensor');
      await page.getByRole('button', { name: 'Make a new token' }).click();
      await page.getByText('it is shown this once').waitFor();
    },
  },
  {
    name: 'settings webhooks',
    async open(page) {
      await page.goto('/settings/webhooks');
      await page.getByText('Failing').waitFor();
    },
  },
  {
    name: 'settings webhook new',
    async open(page) {
      await openDialog(page, '/settings/webhooks', 'New webhook');
      await page.getByLabel('Something happened at a door').waitFor();
    },
  },
  {
    name: 'settings webhook secret',
    open: (page) => openDialog(page, '/settings/webhooks', 'New secret for Chat'),
  },
  {
    name: 'settings webhook deliveries',
    async open(page) {
      await openDialog(page, '/settings/webhooks', 'Deliveries of Chat');
      await page.getByText('webhook.ping').first().waitFor();
    },
  },
  {
    name: 'settings webhook remove',
    open: (page) => openDialog(page, '/settings/webhooks', 'Remove Chat'),
  },
];

describe('every screen', () => {
  let stage: Stage;
  let appliance: Appliance;
  let password: string;
  let page: Page | undefined;

  beforeAll(async () => {
    stage = await setStage();
    ({ appliance } = stage);
  }, 90_000);
  afterEach(async ({ task }) => {
    if (page) await screenshotFailure(page, task);
    await page?.context().close();
    page = undefined;
  });
  afterAll(() => stage.close());

  async function furnish(): Promise<void> {
    ({ password, memberId } = await appliance.furnish());
    const { id: groupId } = await appliance.ask('POST', '/api/members/groups', { name: 'Wood team' });
    await appliance.ask('PUT', `/api/members/groups/${String(groupId)}/members/${memberId}`);
    await appliance.ask('POST', '/api/members', {
      name: 'Bartholomäus Wolkensteiner-Hohenberg',
      email: 'bartholomaeus@example.org',
    });
    const suspended = await appliance.ask('POST', '/api/members', { name: 'Sam Sawyer' });
    await appliance.ask('POST', `/api/members/${String(suspended.id)}/suspend`, { reason: 'House rules' });
    const hold = await appliance.ask('POST', `/api/members/${memberId}/holds`, {
      reason: 'Talk to us first',
    });
    await appliance.ask('POST', `/api/members/${memberId}/holds/${String(hold.id)}/release`, {});
    await appliance.ask('PUT', '/api/access-control/opening-hours', {
      areaId: null,
      windows: [1, 2, 3, 4, 5].map((weekday) => ({ weekday, startMinute: 0, endMinute: 1440 })),
    });
    await appliance.ask('POST', '/api/access-control/holidays', {
      date: '2099-12-25',
      name: 'Christmas Day',
    });
    await appliance.ask('POST', '/api/access-control/rules', {
      name: 'Wood team at night',
      subject: { kind: 'group', id: groupId },
      target: { kind: 'site' },
      windows: [{ weekday: 5, startMinute: 1200, endMinute: 120 }],
      outsideOpeningHours: true,
    });
    await appliance.ask('POST', '/api/system/mqtt-devices', {
      username: 'kiln',
      name: 'Kiln sensor',
      rights: [
        { filter: 'tele/kiln/#', action: 'publish' },
        { filter: 'cmnd/kiln/+', action: 'subscribe' },
      ],
    });
    const { webhook } = await appliance.ask('POST', '/api/notifications/webhooks', {
      name: 'Chat of the team',
      url: 'http://127.0.0.1:9/hooks/9c1f27ab4be84a1e/door-events',
      topics: ['access.event', 'member.changed', 'bridge.changed'],
    });
    const { id: webhookId } = webhook as { id: string };
    await appliance.ask('POST', `/api/notifications/webhooks/${webhookId}/ping`, {});
    await furnishAccess();
    await appliance.untilApplied();
    await appliance.tap('123:4567');
    await appliance.tap('200:1');
  }

  async function furnishAccess(): Promise<void> {
    const { items } = await appliance.ask('GET', '/api/access-control/roles');
    const staff = (items as { id: string; name: string }[]).find(({ name }) => name === 'staff');
    const account = await appliance.ask('POST', '/api/accounts', {
      username: 'stan',
      displayName: 'Stan Staff',
      password: 'nine red cranes fold',
    });
    await appliance.ask('POST', `/api/access-control/roles/${staff?.id}/assign`, {
      accountId: account.id,
      expiresAt: '2099-01-01T00:00:00Z',
    });
    const gone = await appliance.ask('POST', '/api/accounts', {
      username: 'gustav.georg',
      displayName: 'Gustav-Georg Wolkensteiner-Hohenberg',
      password: 'nine red cranes fold',
    });
    await appliance.ask('POST', `/api/accounts/${String(gone.id)}/disable`);
    const services = '/api/access-control/service-accounts';
    for (const [name, purpose, scopes, ownerId] of [
      ['Display in the hall', 'Shows who is in and which doors are open', ['portal.read'], account.id],
      ['Night watch', 'Locks down when nobody is in', ['door.lockdown', 'rule.manage'], account.id],
    ] as const) {
      const service = await appliance.ask('POST', services, { name, purpose, scopes, ownerId });
      await appliance.ask('POST', `${services}/${String(service.id)}/tokens`, {
        name: name === 'Night watch' ? 'watch' : 'hall',
        expiresAt: '2099-01-01T00:00:00Z',
      });
    }
    await fetch(`${appliance.url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'door-display/1.2' },
      body: JSON.stringify({ username: 'olga', password }),
    });
  }

  async function judge(shown: Page, { axe }: { axe: boolean }): Promise<void> {
    if (axe) expect(await findViolations(shown)).toEqual([]);
    expect(await findSmallTargets(shown)).toEqual([]);
    expect(await overflowPx(shown)).toBe(0);
  }

  it.each([
    ['phone', phone, false],
    ['desktop', desktop, false],
    ['dark', phone, true],
  ] as const)('is readable before anybody has claimed the hub: %s', async (name, viewport, dark) => {
    const opened = await openContext(stage.browser, appliance.url, { viewport, dark });
    ({ page } = opened);
    await page.goto('/');
    await page.getByRole('heading', { name: 'Welcome' }).waitFor();
    await judge(page, { axe: true });
    await screenshot(page, `claim ${name}`);
    expect(opened.complaints).toEqual([]);
  });

  it.each([
    ['phone', phone, false],
    ['desktop', desktop, false],
    ['dark', smallPhone, true],
  ] as const)(
    'has no serious accessibility violation, no small target and no sideways scrolling: %s',
    async (name, viewport, dark) => {
      if (memberId === '') await furnish();
      const opened = await openContext(stage.browser, appliance.url, { viewport, dark });
      ({ page } = opened);
      await page.goto('/');
      await page.getByRole('button', { name: 'Sign in' }).waitFor();
      // The rules of accessibility see the same on a desktop as on a phone, in one more column.
      const axe = name !== 'desktop';
      await judge(page, { axe });
      await screenshot(page, `sign in ${name}`);
      await signIn(page, password);
      for (const screen of screens) {
        await screen.open(page);
        await judge(page, { axe }).catch((cause: unknown) => {
          throw new Error(`the screen "${screen.name}"`, { cause });
        });
        await screenshot(page, `${screen.name} ${name}`);
        // Leaves no reader waiting and no dialog open.
        await page.keyboard.press('Escape');
        await page.getByRole('dialog').waitFor({ state: 'detached' });
      }
      expect(opened.complaints).toEqual([]);
    },
    120_000,
  );
});
