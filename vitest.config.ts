import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // The machines that run this have two cores.
    maxWorkers: 2,
    passWithNoTests: false,
  },
});
