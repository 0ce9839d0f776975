import { expect, test } from 'vitest';
import { runInUml, umlKernel } from './uml.ts';

test('the GPIO port on a real kernel: everything in gpio-port.guest.ts holds', {
  timeout: 120_000,
}, async () => {
  const outcome = await runInUml({
    kernelPath: umlKernel(),
    scenario: ['node', '--test-reporter=tap', 'tests/system/kernel/gpio-port.guest.ts'],
    timeoutMs: 100_000,
  });
  expect(outcome, outcome.output).toMatchObject({ exitCode: 0 });
  expect(outcome.output).toMatch(/^# pass 2$/m);
  expect(outcome.output).toMatch(/^# skipped 0$/m);
});
