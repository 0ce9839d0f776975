import { spawnSync } from 'node:child_process';
import { defineConfig } from 'vitest/config';

// What needs something that the test command builds or installs; where it cannot, it says so at its end.
const isMissing = (command: string): boolean => spawnSync(command, ['-h']).error !== undefined;
const leftOut = [
  ...(process.env.MAKRCAVE_UML_KERNEL === undefined ? ['tests/system/*-kernel.test.ts'] : []),
  ...(isMissing('mosquitto_pub') ? ['tests/mqtt/mosquitto.test.ts'] : []),
  ...(isMissing('socat')
    ? ['tests/**/*serial*.test.ts', 'tests/bridge/readers/osdp/peripheral-process.test.ts']
    : []),
];

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: leftOut,
    pool: 'forks',
    // Tests wait for events; this only ends one that waits in vain, later than what it polls for says so itself.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The machines that run this have two cores.
    maxWorkers: 2,
    passWithNoTests: false,
  },
});
