import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildUi, uiBuildIn } from './build-ui.ts';
import type { Maker } from './protocol.ts';

const root = path.resolve(import.meta.dirname, '../../..');

/** Makes the types and names that the UI is built with, where the hub has changed. */
async function makeNames(): Promise<void> {
  const child = spawn(process.execPath, [path.join(root, 'scripts/api-types.ts')], { stdio: 'inherit' });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error('the types of the API could not be made');
}

/** The UI as the test command has just built it (MAKRCAVE_TEST_UI), else built now: never an older one. */
export const uiMaker: Maker = {
  perWorker: false,
  async make() {
    const given = process.env['MAKRCAVE_TEST_UI'];
    if (given !== undefined) return { value: uiBuildIn(given), close: async () => undefined };
    await makeNames();
    const folder = await mkdtemp(path.join(tmpdir(), 'mc-ui-'));
    return { value: await buildUi(folder), close: () => rm(folder, { recursive: true, force: true }) };
  },
};
