import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import chromium from '@sparticuz/chromium';
import axe from 'axe-core';
import { type Browser, type BrowserContext, type Page, chromium as playwright } from 'playwright-core';
import { build, type Rolldown } from 'vite';
import { Appliance } from '#tests/_support/appliance.ts';

const root = path.resolve(import.meta.dirname, '../..');
const screenshotDir = path.join(import.meta.dirname, 'screenshots');

export interface BuiltUi {
  readonly directory: string;
  readonly files: Rolldown.RolldownOutput['output'];
  remove(): Promise<void>;
}

/** Builds the UI as the product does, into a folder of its own. */
export async function buildUi(): Promise<BuiltUi> {
  const directory = await mkdtemp(path.join(tmpdir(), 'mc-ui-'));
  // The test runner names another environment, and a build in it is another build.
  process.env.NODE_ENV = 'production';
  const built = await build({
    configFile: path.join(root, 'hub/ui/vite.config.ts'),
    logLevel: 'error',
    build: { outDir: directory, emptyOutDir: false },
  });
  if (Array.isArray(built) || !('output' in built)) throw new Error('the build has one output');
  return {
    directory,
    files: built.output,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** A chromium that says nothing to the outside, as root too. */
export async function launchBrowser(): Promise<Browser> {
  return playwright.launch({
    executablePath: await chromium.executablePath(),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-dev-shm-usage',
    ],
  });
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

/** What a browser test stands on: this build of the UI, the whole appliance that serves it, and a browser. */
export interface Stage {
  readonly ui: BuiltUi;
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
    const ui = await buildUi();
    closers.push(() => ui.remove());
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
    const browser = await launchBrowser();
    closers.push(() => browser.close());
    return { ui, appliance, browser, close };
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

/** What the page showed when a test failed, for whoever looks for the cause. */
export async function screenshotFailure(
  page: Page,
  task: { name: string; result?: { state?: string } },
): Promise<void> {
  if (task.result?.state === 'fail') await screenshot(page, `failed ${task.name.slice(0, 60)}`);
}
