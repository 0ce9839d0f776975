import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

/** Copies Swagger UI's files from its package to the documentation page, without bundling them. */
const swaggerUi = (): Plugin => ({
  name: 'swagger-ui-files',
  apply: 'build',
  async generateBundle() {
    const folder = path.dirname(fileURLToPath(import.meta.resolve('swagger-ui-dist/package.json')));
    for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
      const file = path.join(folder, name);
      // Drop the source map reference: the map is not shipped, so it would only cause a failing request.
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
    // The content security policy allows no inline scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      // Build timings are noise to whoever starts the hub.
      checks: { bundlerTimings: false },
      input: [
        path.join(import.meta.dirname, 'index.html'),
        path.join(import.meta.dirname, 'docs/index.html'),
      ],
    },
  },
});
