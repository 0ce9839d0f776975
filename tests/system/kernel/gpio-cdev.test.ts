import { expect, test } from 'vitest';
import { runInUml, umlKernel } from './uml.ts';

test("a real kernel's GPIO character device: everything in gpio-cdev.guest.ts holds", {
  timeout: 120_000,
}, async () => {
  const outcome = await runInUml({
    kernelPath: umlKernel(),
    scenario: ['node', '--test-reporter=tap', 'tests/system/kernel/gpio-cdev.guest.ts'],
    timeoutMs: 100_000,
  });
  expect(outcome, outcome.output).toMatchObject({ exitCode: 0 });
  expect(outcome.output).toMatch(/^# pass 1[0-9]$/m);
  expect(outcome.output).toMatch(/^# skipped 0$/m);
});
