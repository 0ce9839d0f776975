import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';

/** Writes down every module that a process and its Workers load. */
async function startNotingModules(
  env: Record<string, string>,
): Promise<{ modules: string; parts: unknown[] }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mc-mod-'));
  const list = path.join(folder, 'modules');
  const hook = path.join(folder, 'hook.mjs');
  await writeFile(
    hook,
    `import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(list)}, url + '\\n'); return next(url, context); } });`,
  );
  const appliance = await Appliance.create({ env: { NODE_OPTIONS: `--import=${hook}`, ...env } });
  try {
    await appliance.start('hub');
    const report = await appliance.ask('GET', '/health/detailed');
    return { modules: await readFile(list, 'utf8'), parts: report.parts as unknown[] };
  } finally {
    await appliance.close();
    await rm(folder, { recursive: true });
  }
}

it('loads nothing that reports errors, and nothing of Prometheus and node-cron, while nobody asks for it', async () => {
  const { modules, parts } = await startNotingModules({});
  expect(modules).toContain('hub/compose.ts');
  expect(modules).not.toMatch(/sentry/i);
  expect(modules).not.toContain('prom-client');
  // Alarms are set ten minutes after the start.
  expect(modules).toContain('hub/platform/daily-schedule.ts');
  expect(modules).not.toContain('node-cron');
  expect(parts).not.toContainEqual(expect.objectContaining({ name: 'errorReports' }));
}, 30_000);

it('loads what reports errors once there is a place to report to', async () => {
  const { modules, parts } = await startNotingModules({
    MAKRCAVE_ERROR_REPORTING_DSN: 'http://abc@127.0.0.1:9/1',
  });
  expect(modules).toContain('@sentry/core');
  expect(parts).toContainEqual(expect.objectContaining({ name: 'errorReports' }));
}, 30_000);
