import { describe, expect, test } from 'vitest';
import { runInUml, umlKernel } from './uml.ts';

const kernel = umlKernel();
const reason = 'unavailable' in kernel ? ` (left out: ${kernel.unavailable})` : '';

describe.skipIf('unavailable' in kernel)(`a real kernel's GPIO character device${reason}`, () => {
  const kernelPath = 'path' in kernel ? kernel.path : '';

  test('everything in gpio-cdev.guest.ts holds', { timeout: 120_000 }, async () => {
    const outcome = await runInUml({
      kernelPath,
      scenario: ['node', '--test-reporter=tap', 'tests/system/gpio-cdev.guest.ts'],
      timeoutMs: 100_000,
    });
    expect(outcome, outcome.output).toMatchObject({ exitCode: 0 });
    expect(outcome.output).toMatch(/^# pass 1[0-9]$/m);
    expect(outcome.output).toMatch(/^# skipped 0$/m);
  });
});
