import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import axe from 'axe-core';
import {
  type Browser,
  type BrowserContext,
  type Download,
  type Page,
  chromium as playwright,
} from 'playwright-core';
import { Appliance } from '#tests/_support/appliance.ts';
import { askShared } from '#tests/_support/run/shared.ts';

const screenshotDir = path.join(import.meta.dirname, 'screenshots');

/** A file of the build; `code` and `source` as the browser gets them. */
type BuiltFile =
  | {
      readonly type: 'chunk';
      readonly fileName: string;
      readonly code: string;
      readonly facadeModuleId: string | null;
      readonly imports: readonly string[];
      readonly moduleIds: readonly string[];
    }
  | { readonly type: 'asset'; readonly fileName: string; readonly source: string };

/** The files of this run's build of the UI. */
export async function readBuiltFiles(): Promise<readonly BuiltFile[]> {
  const { directory, filesJson } = await askShared('ui');
  const files = JSON.parse(await readFile(filesJson, 'utf8')) as BuiltFile[];
  return await Promise.all(
    files.map(async (file) => {
      const text = await readFile(path.join(directory, file.fileName), 'utf8');
      return file.type === 'chunk' ? { ...file, code: text } : { ...file, source: text };
    }),
  );
}

/** Connects to this worker's chromium; to close it closes the windows that were opened on the connection. */
export async function connectBrowser(): Promise<Browser> {
  const { wsEndpoint } = await askShared('browser');
  return await playwright.connect(wsEndpoint);
}

export const phone = { width: 390, height: 844 };
export const smallPhone = { width: 360, height: 740 };
export const desktop = { width: 1280, height: 800 };

/** A browser window of its own: cookies, storage, and everything that the page complained about. */
export async function openContext(
  browser: Browser,
  url: string,
  options: { viewport?: { width: number; height: number }; dark?: boolean } = {},
): Promise<{ context: BrowserContext; page: Page; complaints: string[] }> {
  const context = await browser.newContext({
    baseURL: url,
    viewport: options.viewport ?? desktop,
    colorScheme: options.dark === true ? 'dark' : 'light',
    locale: 'en-GB',
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(10_000);
  // Not through the page: its security policy takes no script of ours, and is to stay in force.
  await context.addInitScript({ content: axe.source });
  const page = await context.newPage();
  return { context, page, complaints: listenForComplaints(page) };
}

/** Errors that nobody caught and everything that the security policy refused. */
function listenForComplaints(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`pageerror: ${error.message}`));
  page.on('console', (message) => {
    // A refusal of the hub is logged by the browser too; that is what the pages show.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(`console: ${message.text()}`);
  });
  return complaints;
}

interface Violation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly string[];
}

/** Serious and critical violations of accessibility rules on the page as it is now. */
export async function findViolations(page: Page): Promise<Violation[]> {
  const found: Violation[] = await page.evaluate(`(async () => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map((node) => node.html + ' ' + node.failureSummary) }));
  })()`);
  return found;
}

/** Buttons, links and fields that a thumb would miss: smaller than 44 CSS pixels in height or, for buttons, in width. */
export async function findSmallTargets(page: Page): Promise<string[]> {
  const found: string[] = await page.evaluate(`(() => {
    const scope = document.querySelector('dialog[open]') ?? document;
    const small = [];
    for (const element of scope.querySelectorAll('button, a[href], select, input, textarea')) {
      const target = element.matches('input[type=checkbox], input[type=radio]') ? element.closest('label') : element;
      const box = (target ?? element).getBoundingClientRect();
      if (box.width === 0 || element.closest('.skip') || element.matches('.skip')) continue;
      if (box.height < 43.5 || box.width < 43.5) small.push(element.outerHTML.slice(0, 120) + ' ' + box.width + 'x' + box.height);
    }
    return small;
  })()`);
  return found;
}

/** How far the page is wider than its window: on a phone nobody scrolls sideways. */
export async function overflowPx(page: Page): Promise<number> {
  const px: number = await page.evaluate(
    'Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)',
  );
  return px;
}

export async function screenshot(page: Page, name: string): Promise<void> {
  await mkdir(screenshotDir, { recursive: true });
  const isDialogOpen = (await page.locator('dialog[open]').count()) > 0;
  await page.screenshot({ path: path.join(screenshotDir, `${name}.png`), fullPage: !isDialogOpen });
}

/** What a browser test stands on: the whole appliance, which serves this run's build of the UI, and a browser. */
export interface Stage {
  readonly appliance: Appliance;
  readonly browser: Browser;
  close(): Promise<void>;
}

/**
 * Sets the stage; what was started before something failed is ended again.
 * @param options.bridge false: a test acts the bridge itself
 * @param options.bridgeConfig other doors than the default's
 */
export async function setStage(options: { bridge?: boolean; bridgeConfig?: string } = {}): Promise<Stage> {
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closeOne of closers.toReversed()) await closeOne();
  };
  try {
    const ui = await askShared('ui');
    const appliance = await Appliance.create({
      ...(options.bridgeConfig === undefined ? {} : { bridgeConfig: options.bridgeConfig }),
      env: { MAKRCAVE_UI_DIR: ui.directory, MAKRCAVE_WEBHOOKS_ALLOW_PRIVATE_NETWORKS: '127.0.0.0/8' },
    });
    closers.push(() => appliance.close());
    await appliance.start('hub');
    if (options.bridge !== false) {
      await appliance.start('simulator');
      await appliance.start('bridge');
      await appliance.untilApplied();
    }
    const browser = await connectBrowser();
    closers.push(() => browser.close());
    return { appliance, browser, close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

/** Signs the owner in whom `Appliance.furnish` made. */
export async function signIn(page: Page, password: string, username = 'olga'): Promise<void> {
  await page.goto('/');
  await page.getByLabel('User name').fill(username);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Doors', exact: true }).waitFor();
}

/** The text of a saved file, with the mark at its start if it has one. */
export async function readDownload(download: Download): Promise<string> {
  return (await buffer(await download.createReadStream())).toString('utf8');
}

/** What the page showed when a test failed, for whoever looks for the cause. */
export async function screenshotFailure(
  page: Page,
  task: { name: string; result?: { state?: string } },
): Promise<void> {
  if (task.result?.state === 'fail') await screenshot(page, `failed ${task.name.slice(0, 60)}`);
}
