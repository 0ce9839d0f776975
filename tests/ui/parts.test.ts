import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Latest } from '#hub/ui/src/live/latest.ts';
import { minorToText, textToMinor } from '#hub/ui/src/pages/members/plans/price.ts';
import { describeWindows, rowsToWindows, windowsToRows } from '#hub/ui/src/parts/hours/windows.ts';
import { connectBrowser, findViolations, openContext, readBuiltFiles } from './browser.ts';

const windowArbitrary = fc.record({
  weekday: fc.integer({ min: 1, max: 7 }),
  startMinute: fc.integer({ min: 0, max: 1439 }),
  endMinute: fc.integer({ min: 1, max: 1440 }),
});

describe('the editor of weekly hours', () => {
  it('gives back the hours that it was given', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(windowArbitrary, { selector: (window) => JSON.stringify(window) }),
        (windows) => {
          const back = rowsToWindows(windowsToRows(windows)).map(({ mode: _mode, ...window }) => window);
          const sorted = (list: readonly unknown[]): string[] =>
            list.map((entry) => JSON.stringify(entry)).sort();
          expect(sorted(back)).toEqual(sorted(windows));
        },
      ),
    );
  });

  it('says days with the same hours in one line, and which end on the next day', () => {
    const weekday = (day: number) => ({ weekday: day, startMinute: 540, endMinute: 1080 });
    expect(describeWindows([1, 2, 3, 4, 5].map(weekday))).toEqual(['Mon to Fri 09:00 to 18:00']);
    expect(describeWindows([1, 2, 6].map(weekday))).toEqual(['Mon, Tue, Sat 09:00 to 18:00']);
    expect(describeWindows([{ weekday: 5, startMinute: 1200, endMinute: 120 }])).toEqual([
      'Fri 20:00 to 02:00 the next day',
    ]);
    expect(
      describeWindows(
        [1, 2, 3, 4, 5, 6, 7].map((day) => ({ weekday: day, startMinute: 0, endMinute: 1440 })),
      ),
    ).toEqual(['Every day all day']);
  });
});

describe('prices', () => {
  it('come back as they were from what people read', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1_000_000_000 }),
        fc.constantFrom('EUR', 'JPY', 'KWD'),
        (minor, currency) => {
          expect(textToMinor(minorToText(minor, currency), currency)).toBe(minor);
        },
      ),
    );
  });

  it('take a comma, and nothing that is no price', () => {
    expect(textToMinor('12,5', 'EUR')).toBe(1250);
    expect(textToMinor('12', 'JPY')).toBe(12);
    for (const text of ['', 'free', '-1', '1.234', '1.2.3', '1e3'])
      expect(textToMinor(text, 'EUR')).toBeNull();
  });
});

describe('the built UI', () => {
  let files: Awaited<ReturnType<typeof readBuiltFiles>>;
  beforeAll(async () => {
    files = await readBuiltFiles();
  });

  /** Bytes of JavaScript, compressed, that the browser needs before a page of this source can be shown. */
  function gzippedBytes(source: string): number {
    const chunks = new Map(
      files.flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file] as const] : [])),
    );
    const start = [...chunks.values()].find((chunk) => chunk.facadeModuleId?.endsWith(source));
    if (start === undefined) throw new Error(`no chunk begins with ${source}`);
    const needed = new Set<string>();
    const need = (fileName: string): void => {
      if (needed.has(fileName)) return;
      needed.add(fileName);
      for (const imported of chunks.get(fileName)?.imports ?? []) need(imported);
    };
    need(start.fileName);
    return [...needed].reduce((sum, fileName) => sum + gzipSync(chunks.get(fileName)?.code ?? '').length, 0);
  }

  it('needs at most 40 KB of script for the first load, and 90 KB for any page', () => {
    expect(gzippedBytes('ui/index.html')).toBeLessThanOrEqual(40 * 1024);
    for (const page of [
      'DoorsPage',
      'RulesPage',
      'MembersPage',
      'MemberPage',
      'PlansPage',
      'HealthPage',
      'AccountsPage',
      'TokensPage',
      'SessionsPage',
      'WebhooksPage',
    ])
      expect({ page, bytes: gzippedBytes(`${page}.svelte`) }).toSatisfy(
        ({ bytes }: { bytes: number }) => bytes > 5 * 1024 && bytes <= 90 * 1024,
      );
  });

  it('holds no inline script or style, and nothing of the hub but words of its API', () => {
    const index = files.find(({ fileName }) => fileName === 'index.html');
    const html = index?.type === 'asset' ? index.source : '';
    expect(html).toContain('<script type="module" crossorigin src="/assets/');
    expect(html).not.toMatch(/<style|style=|<script(?![^>]*src=)|https?:\/\//);
    const modules = files.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
    expect(modules.length).toBeGreaterThan(50);
    expect(modules.filter((id) => /\/hub\/(?!ui\/)|\/zod\//.test(id))).toEqual([]);
  });
});

describe('the check for accessibility', () => {
  it('finds a button without a name and text that is too pale', async () => {
    const browser = await connectBrowser();
    const { page } = await openContext(browser, 'http://localhost');
    await page.setContent(
      '<html lang="en"><title>x</title><main><button></button><p style="color:#bbb;background:#fff">pale</p></main></html>',
    );
    const found = (await findViolations(page)).map(({ id }) => id);
    await browser.close();
    expect(found).toEqual(expect.arrayContaining(['button-name', 'color-contrast']));
  });
});

describe('loads that overtake each other', () => {
  it('leave the newest answer, and let everybody wait for it', async () => {
    const latest = new Latest();
    const shown: string[] = [];
    const slow = Promise.withResolvers<string>();
    const fast = Promise.withResolvers<string>();
    const first = latest.load(
      () => slow.promise,
      (value) => shown.push(value),
    );
    const second = latest.load(
      () => fast.promise,
      (value) => shown.push(value),
    );
    slow.resolve('old');
    let isFirstDone = false;
    void first.then(() => {
      isFirstDone = true;
    });
    await slow.promise;
    expect(isFirstDone).toBe(false);
    fast.resolve('new');
    await Promise.all([first, second]);
    expect(shown).toEqual(['new']);
  });
});
