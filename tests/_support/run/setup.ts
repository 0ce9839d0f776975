import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Unix socket of the process that keeps what the files of a run share. */
    sharedSocket: string;
  }
}

/**
 * Starts the process that keeps what the files of a run share. It makes each thing when a file first asks for it, and
 * ends with all of it when this process does, however that ends.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mc-run-'));
  const socket = path.join(folder, 'shared.sock');
  const keeper = spawn(process.execPath, [path.join(import.meta.dirname, 'keeper-process.ts'), socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // Ctrl-C at a terminal is for the tests; the keeper ends after them.
    detached: true,
  });
  const closed = once(keeper, 'close');
  await Promise.race([once(keeper.stdout, 'data'), closed]);
  if (keeper.exitCode !== null) throw new Error(`${keeper.spawnargs.join(' ')} ended (${keeper.exitCode})`);
  project.provide('sharedSocket', socket);
  return async () => {
    keeper.stdin.end();
    await closed;
    await rm(folder, { recursive: true, force: true });
  };
}
