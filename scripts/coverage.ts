import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { bin, root, run } from './checks.ts';

interface Share {
  readonly total: number;
  readonly covered: number;
}

/** Lines and branches of each file, by its path. */
export type CoverageSummary = Readonly<
  Record<string, { readonly lines: Share; readonly branches: Share } | undefined>
>;

/** Folders below this depth count with the one above: `hub/domains/access`. */
const depth = 3;

const folderOf = (file: string): string => path.dirname(file).split(path.sep).slice(0, depth).join('/');

const percent = (shares: readonly Share[]): string => {
  const total = shares.reduce((sum, share) => sum + share.total, 0);
  const covered = shares.reduce((sum, share) => sum + share.covered, 0);
  return total === 0 ? '-' : ((100 * covered) / total).toFixed(1);
};

/** Makes a table with a line for each folder and one for all: percent of lines and of branches, files. */
export function coverageTable(summary: CoverageSummary, from: string): string {
  const folders = new Map<string, NonNullable<CoverageSummary[string]>[]>();
  for (const [file, figures] of Object.entries(summary)) {
    if (file === 'total' || figures === undefined) continue;
    const folder = folderOf(path.relative(from, file));
    folders.set(folder, [...(folders.get(folder) ?? []), figures]);
  }
  const lineOf = (name: string, files: readonly NonNullable<CoverageSummary[string]>[]): string[] => [
    name,
    percent(files.map(({ lines }) => lines)),
    percent(files.map(({ branches }) => branches)),
    String(files.length),
  ];
  const rows = [
    ['covered, %', 'lines', 'branches', 'files'],
    ...[...folders]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, files]) => lineOf(name, files)),
    lineOf('all', [...folders.values()].flat()),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return `${rows.map((row) => row.map(pad).join('  ')).join('\n')}\n`;
}

/** Sums up what V8 wrote about every process of the tests into `folder`; gives the table. */
export async function reportCoverage(folder: string): Promise<string> {
  const reports = path.join(folder, 'report');
  const places = ['hub', 'firmware-bridge'];
  const code = await run([
    bin('node'),
    bin('c8'),
    'report',
    '--all',
    '--merge-async',
    `--temp-directory=${folder}`,
    `--reports-dir=${reports}`,
    '--reporter=json-summary',
    '--extension=.ts',
    ...places.flatMap((place) => [`--src=${place}`, `--include=${place}/**`]),
    // Browsers count for themselves.
    '--exclude=hub/ui/**',
    '--exclude=**/*.d.ts',
  ]);
  if (code !== 0) return `The coverage could not be summed up (c8 ended with ${code}).\n`;
  return coverageTable(JSON.parse(await readFile(path.join(reports, 'coverage-summary.json'), 'utf8')), root);
}
