import { readdir } from 'node:fs/promises';
import path from 'node:path';

const folder = path.resolve(import.meta.dirname, '../tests/bench');
const names = (await readdir(folder))
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length))
  .sort();
const [name] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  process.stderr.write(`Usage: npm run bench -- NAME\n\nNAME is one of: ${names.join(', ')}\n`);
  process.exit(name === '--help' || name === '-h' ? 0 : 64);
}
await import(path.join(folder, `${name}.bench.ts`));
