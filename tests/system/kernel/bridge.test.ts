import { cp, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BridgeEvent } from '#hub/domains/access/controllers/link-schema.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { readJournalFiles } from '#tests/_support/crash/journal-files.ts';
import { hubEvents } from '#tests/_support/hub-events.ts';
import { until } from '#tests/_support/until.ts';
import { runInUml, umlKernel } from './uml.ts';

let appliance: Appliance;
beforeAll(async () => {
  appliance = await Appliance.start({
    bridgeConfig: path.join(import.meta.dirname, 'bridge.yaml'),
    // On this side the same door hangs on simulated lines.
    env: { MAKRCAVE_BRIDGE_GPIO_PORT: 'fake' },
  });
  await appliance.furnish('123:4567');
}, 60_000);
afterAll(() => appliance.close());

test('the bridge on a real kernel: opens, denies, loses no bit, locks, and its hub hears of all of it once', {
  timeout: 400_000,
}, async () => {
  const { items } = await appliance.ask('GET', '/api/access-control/portals');
  const front = (items as { id: string; key: string; version: number }[]).find(({ key }) => key === 'front');
  await appliance.ask('PATCH', `/api/access-control/portals/${front?.id}`, {
    version: front?.version,
    settings: { accessTimeSeconds: 2 },
  });
  await appliance.untilApplied();
  for (const part of ['bridge', 'simulator', 'hub'] as const) await appliance.stop(part);
  const bridgeDir = path.join(appliance.stateDir, 'bridge');
  const before = await readJournalFiles(appliance.stateDir);

  let inKernel: readonly BridgeEvent[] = [];
  const outcome = await runInUml({
    kernelPath: umlKernel(),
    scenario: ['node', '--test-reporter=tap', 'tests/system/kernel/bridge.guest.ts'],
    timeoutMs: 240_000,
    prepare: (shareDir) => cp(bridgeDir, path.join(shareDir, 'bridge'), { recursive: true }),
    collect: async (shareDir) => {
      const text = await readFile(path.join(shareDir, 'events.json'), 'utf8').catch(() => '[]');
      inKernel = JSON.parse(text) as BridgeEvent[];
      await rm(bridgeDir, { recursive: true });
      await cp(path.join(shareDir, 'bridge'), bridgeDir, { recursive: true });
    },
  });
  expect(outcome, outcome.output).toMatchObject({ exitCode: 0 });
  expect(outcome.output).toMatch(/^# pass 5$/m);
  expect(outcome.output).toMatch(/^# skipped 0$/m);
  const isNew = ({ seq }: BridgeEvent): boolean => seq > before.length;
  expect(inKernel.filter(({ kind }) => kind === 'granted').length).toBeGreaterThanOrEqual(3);
  expect(await readJournalFiles(appliance.stateDir)).toEqual(inKernel);

  for (const part of ['hub', 'simulator', 'bridge'] as const) await appliance.start(part);
  const boot = await until(
    'the boot after',
    async () => (await readJournalFiles(appliance.stateDir))[inKernel.length],
  );
  expect(boot).toMatchObject({ kind: 'boot' });
  await until('the last event at the hub', async () => (await hubEvents(appliance)).length > inKernel.length);
  await appliance.untilApplied();
  const expected = [...inKernel, ...(await readJournalFiles(appliance.stateDir)).slice(inKernel.length)];
  const stored = await until('as many events at the hub', async () => {
    const events = await hubEvents(appliance);
    return events.length >= expected.length && events;
  });
  expect(stored.map(({ kind }) => kind)).toEqual(expected.map(({ kind }) => kind));
  expect(new Set(stored.map(({ id }) => id)).size).toBe(stored.length);
  expect(inKernel.filter(isNew).length).toBeGreaterThan(6);
  expect((await appliance.ask('GET', '/api/access-control/dead-letters')).items).toEqual([]);
});
