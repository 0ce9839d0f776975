import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [svelte()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // The page's security policy allows no inline scripts or styles from anywhere.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
