import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BenchChild } from '../bench-child.ts';

const home = path.join(import.meta.dirname, 'pouchdb');

/** Its packages are many and nothing of the product: they have a lock file of their own, and come when they are measured. */
function install(): void {
  if (existsSync(path.join(home, 'node_modules/.package-lock.json'))) return;
  execFileSync('npm', ['ci', '--no-progress'], { cwd: home, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** PouchDB to express-pouchdb, each a process of its own with its databases on the disk: documents a second. */
export async function pouchPerSecond(documents: number): Promise<number> {
  install();
  const folder = await mkdtemp(path.join(tmpdir(), 'mc-pouch-'));
  const [source, target] = [path.join(folder, 'source'), path.join(folder, 'target')];
  await mkdir(source);
  await mkdir(target);
  const from = new BenchChild('sync/pouchdb/source-process.ts', { folder: source, documents });
  const to = new BenchChild('sync/pouchdb/target-process.ts', { folder: target });
  try {
    const { port } = await to.ask<{ port: number }>('where');
    await from.ask('fill');
    const { ms } = await from.ask<{ ms: number }>(`http://127.0.0.1:${port}/events`);
    return (documents / ms) * 1000;
  } finally {
    await from.stop();
    await to.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
