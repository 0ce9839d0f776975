import { glob } from 'node:fs/promises';
import path from 'node:path';

const folder = path.resolve(import.meta.dirname, '../tests/bench');
const suffix = '.bench.ts';
const files = new Map<string, string>();
for await (const file of glob(`**/*${suffix}`, { cwd: folder }))
  files.set(path.basename(file, suffix), path.join(folder, file));
const names = [...files.keys()].sort();
const [name] = process.argv.slice(2);
const file = files.get(name ?? '');
if (file === undefined) {
  process.stderr.write(`Usage: npm run bench -- NAME\n\nNAME is one of: ${names.join(', ')}\n`);
  process.exit(name === '--help' || name === '-h' ? 0 : 64);
}
await import(file);
