import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const pages = ['*.md', 'docs/**/*.md', 'hub/*.md', 'firmware-bridge/**/*.md'];

/** Without code, in which brackets are no links and `#` no headings. */
const proseOf = (markdown: string): string =>
  markdown
    .replaceAll(/^( *)```.*?^\1```$/gms, '')
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]#]/g, ''));

/** Anchors of the headings, as GitHub makes them. */
function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of proseOf(markdown).matchAll(/^#+ +(.+)$/gm)) {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-');
    const isTaken = (candidate: string): boolean => anchors.has(candidate);
    let unique = slug;
    for (let count = 1; isTaken(unique); count += 1) unique = `${slug}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}

async function readAll(patterns: readonly string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const file of glob(patterns, { cwd: root, exclude: ['**/node_modules/**', 'hub/ui/dist/**'] }))
    found.set(file, await readFile(path.join(root, file), 'utf8'));
  return found;
}

describe('documentation', () => {
  let texts: ReadonlyMap<string, string>;
  beforeAll(async () => {
    texts = await readAll(pages);
  });

  it('links only to files and headings that exist', () => {
    const broken: string[] = [];
    let count = 0;
    for (const [file, text] of texts)
      for (const [, target = ''] of proseOf(text).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        count += 1;
        const [relative = '', anchor] = target.split('#');
        const linked = relative === '' ? file : path.join(path.dirname(file), relative);
        const isThere = existsSync(path.join(root, linked));
        const hasAnchor = anchor === undefined || anchorsOf(texts.get(linked) ?? '').has(anchor);
        if (!isThere || !hasAnchor) broken.push(`${file}: ${target}`);
      }
    expect(broken).toEqual([]);
    expect(count).toBeGreaterThan(40);
  });

  it('links to every page of docs from the README', () => {
    const readme = texts.get('README.md') ?? '';
    const unlinked = [...texts.keys()].filter(
      (file) => file.startsWith('docs/') && !readme.includes(`](${file})`),
    );
    expect(unlinked).toEqual([]);
  });

  it('names in the guide only what stands on a screen', async () => {
    const sources = await readAll(['hub/ui/src/**/*.{svelte,ts}', 'hub/domains/**/*.ts']);
    const screens = [...sources.values()].join('\n').replaceAll(/\s+/g, ' ');
    const guide = texts.get('docs/guide.md') ?? '';
    const named = [...guide.matchAll(/\*\*(.+?)\*\*/gs)].map(([, words = '']) =>
      words.replaceAll(/\s+/g, ' '),
    );
    expect(named.filter((words) => !screens.includes(words))).toEqual([]);
    expect(named.length).toBeGreaterThan(100);
  });

  it('names in the command line page every command', async () => {
    const main = await readFile(path.join(root, 'hub/cli/main.ts'), 'utf8');
    const commands = [...main.matchAll(/^import \{ \w+ \} from '\.\/([a-z-]+)\.ts'/gm)].map(
      ([, name = '']) => name,
    );
    const page = texts.get('docs/command-line.md') ?? '';
    expect(commands.filter((name) => !page.includes(`| \`${name}`))).toEqual([]);
  });
});
