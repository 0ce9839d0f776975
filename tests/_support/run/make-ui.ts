import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Maker } from './protocol.ts';

const root = path.resolve(import.meta.dirname, '../../..');

/** Makes the types and names that the UI is built with, where the hub has changed. */
async function makeNames(): Promise<void> {
  const child = spawn(process.execPath, [path.join(root, 'scripts/api-types.ts')], { stdio: 'inherit' });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error('the types of the API could not be made');
}

/** The UI built as the product builds it, into a folder of its own. */
export const uiMaker: Maker = {
  perWorker: false,
  async make() {
    await makeNames();
    const { build } = await import('vite');
    const folder = await mkdtemp(path.join(tmpdir(), 'mc-ui-'));
    const directory = path.join(folder, 'dist');
    const filesJson = path.join(folder, 'files.json');
    const built = await build({
      configFile: path.join(root, 'hub/ui/vite.config.ts'),
      logLevel: 'error',
      build: { outDir: directory, emptyOutDir: false },
    });
    if (Array.isArray(built) || !('output' in built)) throw new Error('the build has one output');
    const files = built.output.map((file) =>
      file.type === 'chunk'
        ? {
            type: file.type,
            fileName: file.fileName,
            facadeModuleId: file.facadeModuleId,
            imports: file.imports,
            moduleIds: file.moduleIds,
          }
        : { type: file.type, fileName: file.fileName },
    );
    await writeFile(filesJson, JSON.stringify(files));
    return {
      value: { directory, filesJson },
      close: () => rm(folder, { recursive: true, force: true }),
    };
  },
};
