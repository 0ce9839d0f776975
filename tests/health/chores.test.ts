import { expect, it, onTestFinished } from 'vitest';
import { Fault } from '#hub/kernel/result.ts';
import { runChores } from '#hub/platform/chores.ts';
import { createLog } from '#hub/platform/log.ts';

const log = createLog({ level: 'silent' });

it('a regular task that fails is found until it goes well again, counted, and told of', async () => {
  let isBroken = true;
  const told: string[] = [];
  const running = runChores(
    [
      {
        name: 'work',
        everyMs: 5,
        run: async () => {
          if (isBroken) throw new Fault('diskFull', 'no room for Mia Maker');
        },
      },
      { name: 'later', everyMs: 5, firstAfterMs: 3_600_000, run: async () => undefined },
    ],
    {
      log,
      clock: { nowMs: Date.now, monotonicMs: () => performance.now(), trust: () => 'ntp' },
      timeZone: async () => null,
      onFault: (_cause, chore) => told.push(chore),
    },
  );
  onTestFinished(() => running.stop());
  const findings = async () => (await running.part.findings?.()) ?? [];
  const brief = async () => (await findings()).map(({ id, severity }) => `${severity} ${id}`);
  await expect.poll(brief, { timeout: 10_000 }).toEqual(['error chores.failed:work']);
  const [finding] = await findings();
  expect(finding?.evidence).toContain('(diskFull)');
  expect(finding?.evidence).not.toContain('Mia');
  expect(told).toContain('work');
  isBroken = false;
  await expect.poll(brief, { timeout: 10_000 }).toEqual([]);
  const runs = running.part.metrics?.find(({ name }) => name === 'chore_runs_total')?.read();
  expect(runs).not.toContainEqual(expect.objectContaining({ labels: { chore: 'later' }, value: 1 }));
});
