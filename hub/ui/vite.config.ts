import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

/** Swagger UI's own files beside our page of the documentation: copied from its package, never bundled. */
const swaggerUi = (): Plugin => ({
  name: 'swagger-ui-files',
  apply: 'build',
  async generateBundle() {
    const folder = path.dirname(fileURLToPath(import.meta.resolve('swagger-ui-dist/package.json')));
    for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
      const file = path.join(folder, name);
      // Nobody debugs it here: the line that points at its source map would only be a request that fails.
      const source = (await readFile(file, 'utf8')).replace(/\n?(\/\/#|\/\*#) sourceMappingURL=.*\s*$/, '');
      this.emitFile({ type: 'asset', fileName: `docs/${name}`, source });
    }
  },
});

export default defineConfig({
  root: import.meta.dirname,
  plugins: [svelte(), swaggerUi()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // The page's security policy allows no inline scripts or styles from anywhere.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      // How long a build took is nothing that the person who starts the hub has to read.
      checks: { bundlerTimings: false },
      input: [
        path.join(import.meta.dirname, 'index.html'),
        path.join(import.meta.dirname, 'docs/index.html'),
      ],
    },
  },
});
