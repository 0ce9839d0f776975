import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './tests/_support/run/sequencer.ts';

// What needs something that the test command builds or installs; where it cannot, it says so at its end.
const isMissing = (command: string): boolean => spawnSync(command, ['-h']).error !== undefined;
const mbedTls = ['-fsyntax-only', path.join(import.meta.dirname, 'tests/mqtt/mbedtls-client.c')];
const leftOut = [
  ...(process.env.MAKRCAVE_UML_KERNEL === undefined ? ['tests/system/kernel/*.test.ts'] : []),
  ...(isMissing('mosquitto_pub') ? ['tests/mqtt/mosquitto.test.ts'] : []),
  ...(spawnSync('cc', mbedTls).status === 0 ? [] : ['tests/mqtt/small-tls.test.ts']),
  ...(isMissing('socat')
    ? ['tests/**/*serial*.test.ts', 'tests/bridge/readers/osdp/peripheral-process.test.ts']
    : []),
];

// Most tests open a store, whose threads load its modules anew: half of that time is their compilation.
process.env['NODE_COMPILE_CACHE'] ??= path.join(tmpdir(), 'makrcave-compile-cache');

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: leftOut,
    globalSetup: ['tests/_support/run/setup.ts'],
    pool: 'forks',
    // Tests wait for events; this only ends one that waits in vain, later than what it polls for says so itself.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The machines that run this have two cores.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // What V8 counts is of the files as they are, in the workers as in the processes that tests start.
    ...(process.env['NODE_V8_COVERAGE'] === undefined
      ? {}
      : { experimental: { viteModuleRunner: false }, setupFiles: ['tests/_support/run/take-coverage.ts'] }),
    passWithNoTests: false,
  },
});
