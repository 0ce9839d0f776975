import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { saveLink } from '#hub/sync/repository.ts';
import type { SyncStatus } from '#hub/sync/schema.ts';
import { sentenceOf, valueInWords, waitingInWords } from '#hub/ui/src/pages/sync/sync-words.ts';
import { writeWhileStopped } from '#tests/_support/crash/stopped-hub.ts';
import { addConflict, addDeadLetter, centreHub, linkOf, otherHub, ownHub } from '#tests/sync/hub/support.ts';
import {
  desktop,
  findSmallTargets,
  findViolations,
  openContext,
  overflowPx,
  phone,
  readDownload,
  type Stage,
  screenshot,
  screenshotFailure,
  setStage,
  signIn,
  smallPhone,
} from './browser.ts';

const nowMs = Date.parse('2026-11-22T12:00:00Z');
const agoIso = (seconds: number): string => new Date(nowMs - seconds * 1000).toISOString();
const status: SyncStatus = {
  link: {
    siteId: '33333333-3333-4333-8333-333333333333',
    siteName: 'Werkraum Nord',
    hubId: ownHub,
    hubName: 'Front door',
    centre: 'db.example.org:5432',
    linkedAt: agoIso(90_000),
    epoch: 1,
    stage: 'live',
  },
  state: 'upToDate',
  problem: null,
  lastSuccessAt: agoIso(12),
  nextTryAt: null,
  outbox: { waiting: 0, oldestAt: null, sentPerMinute: 0 },
  inbox: { waiting: 0, receivedPerMinute: 0 },
  conflicts: 0,
  deadLetters: 0,
  clockAheadMs: 0,
};
const at = (stage: 'seed' | 'backfill' | 'bootstrap' | 'live') => ({ link: { ...status.link!, stage } });
const outbox = (waiting: number) => ({ waiting, oldestAt: agoIso(7200), sentPerMinute: 0 });

describe('the words of replication', () => {
  it.each<[Partial<SyncStatus>, RegExp]>([
    [{}, /^Up to date, last heard 12 seconds ago\.$/],
    [{ state: 'notLinked', link: null }, /^This hub belongs to no centre\.$/],
    [{ state: 'working', ...at('seed') }, /^Announcing everything/],
    [{ state: 'working', ...at('backfill') }, /^Sending events from before/],
    [{ state: 'working', ...at('bootstrap') }, /^Taking in everything/],
    [{ state: 'working' }, /^Connecting to the centre\.$/],
    [{ state: 'working', outbox: outbox(1) }, /^Sending 1 change\.$/],
    [
      { state: 'working', outbox: outbox(1204), inbox: { waiting: 7, receivedPerMinute: 0 } },
      /^Sending 1,204 changes, taking in 7 changes\.$/,
    ],
    [
      { state: 'offline', lastSuccessAt: agoIso(7200), outbox: outbox(1204), nextTryAt: agoIso(-40) },
      /^Offline since .+: 1,204 changes wait, next try in 40 seconds\.$/,
    ],
    [{ state: 'offline', lastSuccessAt: null }, /^Not reached yet: nothing waits to be sent\.$/],
    [{ state: 'offline', outbox: outbox(1), nextTryAt: agoIso(1) }, /^Offline since .+: 1 change waits\.$/],
    [
      { state: 'stopped', problem: { code: 'revoked', evidence: 'It is shut out.', fix: '' } },
      /^Stopped: It is shut out\.$/,
    ],
  ])('of %o are %s', (more, sentence) => {
    expect(sentenceOf({ ...status, ...more }, nowMs)).toMatch(sentence);
  });

  it('say how much waits for how long, and what a value is', () => {
    expect(waitingInWords(outbox(1204), nowMs)).toBe('1,204 changes, the oldest for 2 hours');
    expect(waitingInWords(outbox(0), nowMs)).toBe('nothing');
    expect(valueInWords('name', null)).toBe('empty');
    expect(valueInWords('price_minor', 2500)).toBe('2500');
    expect(valueInWords('until_ms', 0)).toMatch(/1 Jan|31 Dec|Jan 1/);
  });
});

describe('the Sync page', () => {
  let stage: Stage;
  let page: Page;
  let password: string;
  let memberId: string;
  let complaints: readonly string[];

  beforeAll(async () => {
    stage = await setStage({ bridge: false });
    ({ password, memberId } = await stage.appliance.furnish());
    await stage.appliance.ask('PATCH', `/api/members/${memberId}`, {
      version: 1,
      phone: '+41 79 555 01 23',
    });
    ({ page, complaints } = await openContext(stage.browser, stage.appliance.url, { viewport: desktop }));
    await signIn(page, password);
  }, 90_000);
  afterEach(async ({ task }) => {
    await screenshotFailure(page, task);
  });
  afterAll(() => stage.close());

  async function judge(name: string): Promise<void> {
    expect(await findViolations(page)).toEqual([]);
    expect(await findSmallTargets(page)).toEqual([]);
    expect(await overflowPx(page)).toBe(0);
    await screenshot(page, name);
  }

  it('says what a link does, and what is wrong with what was typed', async () => {
    await page.goto('/settings/sync');
    await page.getByText('This hub works on its own.').waitFor();
    await judge('settings sync not linked desktop');
    await page.setViewportSize(phone);
    await judge('settings sync not linked phone');
    await page.setViewportSize(desktop);
    await page.getByLabel('Address').fill('https://hub:hunter2@db.example.org/makrcave');
    await page.getByLabel('One-time code').fill('ABCD-EFGH');
    await page.getByRole('button', { name: 'Link this hub' }).click();
    await page.getByText('it must look like postgres://USER:PASSWORD@HOST').first().waitFor();
    expect(await page.getByLabel('Address').getAttribute('aria-invalid')).toBe('true');
    await judge('settings sync address wrong desktop');
    await page.getByLabel('Address').fill('postgres://hub:hunter2@127.0.0.1:1/makrcave');
    await page.getByText('The database has a certificate of its own').click();
    await page.getByLabel('Or take it from a file').setInputFiles({
      name: 'ca.pem',
      mimeType: 'application/x-pem-file',
      buffer: Buffer.from('-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'),
    });
    await expect
      .poll(() => page.getByLabel('Certificate of its authority (PEM)').inputValue())
      .toContain('MIIB');
    await page.getByLabel('Certificate of its authority (PEM)').fill('');
    await page.getByRole('button', { name: 'Link this hub' }).click();
    await page.getByText('The central database cannot be reached').waitFor();
    await judge('settings sync unreachable desktop');
    expect(stage.appliance.output.hub.join('\n')).not.toContain('hunter2');
    expect(complaints).toEqual([]);
  });

  it('shows why it stopped, what waits, and what a person has to decide', async () => {
    await writeWhileStopped(stage.appliance, async (tx) => {
      await saveLink(tx, linkOf({ linked_at_ms: tx.nowMs - 3_600_000 }));
      const row = { table: 'member', rowId: memberId };
      await addConflict(tx, {
        ...row,
        column: 'notes',
        kept: 'Likes to come on Thursdays, and brings her own wood. Ask her before the laser is moved: she has the key.',
        lost: null,
        keptBy: otherHub,
        atMs: tx.nowMs - 86_400_000,
      });
      await addConflict(tx, {
        ...row,
        column: 'phone',
        kept: '+41 79 555 01 23',
        lost: '+41 79 555 09 99',
        keptBy: ownHub,
        lostBy: centreHub,
      });
      await addConflict(tx, { ...row, column: 'email', kept: 'mia@example.org', lost: 'mia@example.com' });
      await addDeadLetter(tx, {
        ...row,
        problem: '22021: the row holds a character that Postgres does not take (NUL)',
      });
      await addDeadLetter(tx, {
        table: 'plan',
        rowId: '01890000-0000-7000-8000-000000000009',
        direction: 'down',
        problem: 'the write breaks the unique rule plan.name_key',
        body: '{"name":"Standard","name_key":"standard","price_minor":2500,"currency":"EUR"}',
      });
    });
    await page.goto('/settings/sync');
    await page.getByText('Stopped: Another machine goes on as this hub').waitFor();
    await page.getByText(/^\d+ changes, the oldest for \d+ /).waitFor();
    await page.getByRole('heading', { name: 'Member Mia Maker: phone' }).waitFor();
    await judge('settings sync linked desktop');
    await page.getByRole('button', { name: 'Go on here' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Only one machine can be this hub').waitFor();
    await judge('settings sync go on desktop');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Unlink', exact: true }).click();
    await dialog.getByText('changes have not been sent yet').waitFor();
    await judge('settings sync unlink desktop');
    await page.keyboard.press('Escape');
    await page.goto('/settings');
    await page.getByRole('region', { name: /^Replication has stopped/ }).waitFor();
    await page.getByRole('region', { name: /^2 changes could not be taken/ }).waitFor();
  });

  it.each([
    ['phone', phone, false],
    ['dark', smallPhone, true],
    ['dark desktop', desktop, true],
  ] as const)('reads well: %s', async (name, viewport, dark) => {
    const own = page;
    const opened = await openContext(stage.browser, stage.appliance.url, { viewport, dark });
    ({ page } = opened);
    try {
      await signIn(page, password);
      await page.goto('/settings/sync');
      await page.getByRole('heading', { name: 'Member Mia Maker: phone' }).waitFor();
      await page.getByRole('heading', { name: 'Plan', exact: true }).waitFor();
      await judge(`settings sync linked ${name}`);
      expect(opened.complaints).toEqual([]);
    } finally {
      await opened.context.close();
      page = own;
    }
  });

  it('settles conflicts both ways, and shows it live', async () => {
    await page.goto('/settings/sync');
    const conflicts = page.getByRole('list', { name: 'Conflicts' });
    await conflicts.getByRole('listitem').nth(2).waitFor();
    await page.getByRole('button', { name: /^Choose this: \+41 79 555 09 99/ }).click();
    await page.getByRole('heading', { name: 'Member Mia Maker: phone' }).waitFor({ state: 'detached' });
    const member = () => stage.appliance.ask('GET', `/api/members/${memberId}`);
    expect((await member()).phone).toBe('+41 79 555 09 99');
    await page.getByRole('button', { name: /^Keep this: Likes to come/ }).click();
    await page.getByRole('heading', { name: 'Member Mia Maker: notes' }).waitFor({ state: 'detached' });
    expect((await member()).notes).toBeNull();
    // What was written since is not overwritten.
    await page.getByRole('button', { name: /^Choose this: mia@example\.com/ }).click();
    await page.getByText('Somebody has written another value since').waitFor();
    await page.getByRole('button', { name: 'Dismiss', exact: true }).last().click();
    const { items } = await stage.appliance.ask('GET', '/api/sync/conflicts');
    const [{ id }] = items as [{ id: string }];
    await stage.appliance.ask('POST', `/api/sync/conflicts/${id}/settle`, { choose: 'kept' });
    await page.getByText('None: nobody wrote the same thing').waitFor();
  });

  it('exports what could not be taken, tries it again and dismisses it', async () => {
    await page.goto('/settings/sync');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Export CSV' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('sync-dead-letters.csv');
    const text = await readDownload(download);
    expect(text).toContain('the write breaks the unique rule plan.name_key');
    expect(text.trim().split('\n')).toHaveLength(3);
    const before = await stage.appliance.ask('GET', '/api/sync');
    await page.getByRole('button', { name: 'Retry Member Mia Maker' }).click();
    await page.getByText('Mia Maker is tried again').waitFor();
    const after = await stage.appliance.ask('GET', '/api/sync');
    expect(waitingOf(after)).toBeGreaterThan(waitingOf(before));
    await page.getByRole('button', { name: 'Dismiss Plan' }).click();
    await page.getByText('Nothing: each side took everything').waitFor();
    expect(after.deadLetters).toBe(1);
  });

  it('is unlinked after a confirmation', async () => {
    await page.getByRole('button', { name: 'Unlink', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Unlink this hub' }).click();
    await page.getByText('This hub works on its own.').waitFor();
    expect((await stage.appliance.ask('GET', '/api/sync')).state).toBe('notLinked');
  });
});

const waitingOf = (answer: Record<string, unknown>): number =>
  (answer as { outbox: { waiting: number } }).outbox.waiting;
