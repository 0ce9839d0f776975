import { writeFile } from 'node:fs/promises';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');

export interface UiBuild {
  readonly directory: string;
  /** What each file of the build was made from. */
  readonly filesJson: string;
}

export const uiBuildIn = (folder: string): UiBuild => ({
  directory: path.join(folder, 'dist'),
  filesJson: path.join(folder, 'files.json'),
});

/** Builds the UI as the product does, into a folder. */
export async function buildUi(folder: string): Promise<UiBuild> {
  // Another environment is another build, and the test runner names one.
  process.env['NODE_ENV'] = 'production';
  const { build } = await import('vite');
  const ui = uiBuildIn(folder);
  const built = await build({
    configFile: path.join(root, 'hub/ui/vite.config.ts'),
    logLevel: 'warn',
    build: { outDir: ui.directory, emptyOutDir: false },
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
  await writeFile(ui.filesJson, JSON.stringify(files));
  return ui;
}
