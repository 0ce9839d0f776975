import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { Domain } from '#hub/domain.ts';
import { domains } from '#hub/domains.ts';

const hub = path.resolve(import.meta.dirname, '../../hub');

const folderOf = ({ name }: Pick<Domain, 'name'>): string => (name === 'sync' ? 'sync/' : `domains/${name}/`);

/** What stands below all domains, and beside them: nothing there names one of them. */
const spine = [
  'kernel/',
  'platform/',
  'store/',
  'http/',
  'mqtt/',
  ...['app', 'parts', 'state', 'live'].map((floor) => `ui/src/${floor}/`),
];
const isSpine = (file: string): boolean =>
  spine.some((folder) => file.startsWith(folder)) || !file.includes('/');

const rightsOfDoors = ['portal.read', 'portal.manage', 'rule.read', 'rule.manage'];
/** Words that a lower domain or the spine needs of a higher one; their reasons are in DECISIONS. */
const known: Readonly<Record<string, readonly string[]>> = {
  'domains/identity/accounts/routes.ts': ['memberUnknown'],
  'domains/identity/accounts/workflow.ts': ['memberUnknown'],
  'domains/identity/problems.ts': ['door.unlock'],
  'domains/places/domain.ts': rightsOfDoors,
  'domains/places/repository.ts': rightsOfDoors,
  'domains/places/routes.ts': rightsOfDoors,
  'http/openapi/responses.ts': ['member.manage'],
  // Refused by the store where rows are written by name; only replication asks it, and tells it on.
  'store/named-rows.ts': ['columnUnknown'],
};

/** Where a word of the domain stands below it: `file: 'word'`. */
function findWords(domain: Domain, index: number, sources: ReadonlyMap<string, string>): string[] {
  const words = [...Object.keys(domain.permissions), ...Object.keys(domain.topics)];
  const codes = Object.keys(domain.problems);
  const tables = Object.keys(domain.tables);
  const quoted = new RegExp(`'(${[...words, ...codes].join('|').replaceAll('.', '\\.')})'`, 'g');
  const asTable = new RegExp(
    `(?:From|Into|Table|Join|insert|write|remove)\\(\\s*'(${tables.join('|')})'`,
    'g',
  );
  const below = domains.slice(0, index).map(folderOf);
  const found: string[] = [];
  for (const [file, text] of sources) {
    if (!isSpine(file) && !below.some((folder) => file.startsWith(folder))) continue;
    for (const pattern of [quoted, asTable])
      for (const [, word = ''] of text.matchAll(pattern))
        if (word !== '' && known[file]?.includes(word) !== true) found.push(`${file}: '${word}'`);
  }
  return found;
}

async function readSources(): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(hub, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && /\.(ts|svelte)$/.test(entry.name))
    .map((entry) => path.relative(hub, path.join(entry.parentPath, entry.name)))
    .filter((file) => !file.startsWith('ui/dist/') && !file.startsWith('ui/src/api/'));
  const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '');
  return new Map(files.map((file) => [file, withoutComments(readFileSync(path.join(hub, file), 'utf8'))]));
}

test('codes, topics, permissions and tables of a domain are named nowhere below it', async () => {
  const sources = await readSources();
  expect(domains.flatMap((domain, index) => findWords(domain, index, sources))).toEqual([]);
});

test('a word in the spine is found, and so is one in a lower domain', () => {
  const planted = new Map([
    ['http/bad.ts', "const topic = 'access.event';"],
    ['domains/members/bad.ts', "reader.selectFrom('portal')"],
    ['domains/timeline/good.ts', "reader.selectFrom('portal')"],
  ]);
  const index = domains.findIndex(({ name }) => name === 'access');
  const [domain] = domains.slice(index);
  expect(domain === undefined ? [] : findWords(domain, index, planted)).toEqual([
    "http/bad.ts: 'access.event'",
    "domains/members/bad.ts: 'portal'",
  ]);
});
