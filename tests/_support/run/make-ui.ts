import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildUi, uiBuildIn } from './build-ui.ts';
import type { Maker } from './protocol.ts';

/** The UI as the test command has just built it (MAKRCAVE_TEST_UI), else built now: never an older one. */
export const uiMaker: Maker = {
  perWorker: false,
  async make() {
    const given = process.env['MAKRCAVE_TEST_UI'];
    if (given !== undefined) return { value: uiBuildIn(given), close: async () => undefined };
    const folder = await mkdtemp(path.join(tmpdir(), 'mc-ui-'));
    return { value: await buildUi(folder), close: () => rm(folder, { recursive: true, force: true }) };
  },
};
