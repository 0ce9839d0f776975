import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // They need the kernel that the test command builds; where it cannot, it says so at its end.
    exclude: process.env.MAKRCAVE_UML_KERNEL === undefined ? ['tests/system/*-kernel.test.ts'] : [],
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // The machines that run this have two cores.
    maxWorkers: 2,
    passWithNoTests: false,
  },
});
