import { expect, it } from 'vitest';
import { runCrashes } from '#tests/_support/crash/run.ts';

it('loses, doubles and invents nothing over 50 kills of bridge and hub while people tap', {
  timeout: 240_000,
}, async () => {
  const report = await runCrashes({ kills: 50, seed: 20_26 });
  expect(report.surprises).toEqual([]);
  // Otherwise nothing below would say anything.
  expect(report.kills.bridge).toBeGreaterThan(10);
  expect(report.kills.hub).toBeGreaterThan(10);
  expect(report.releases).toBeGreaterThan(20);
  expect(report.answered).toBeGreaterThan(50);
  expect(report.entriesUnderFire).toBeGreaterThan(20);

  expect(report.discrepancies).toEqual({
    lost: [],
    doubled: [],
    gaps: [],
    changed: [],
    disordered: [],
    deadLetters: [],
  });
  expect(report.releasesWithoutRecord).toEqual([]);
  expect(report.misjudged).toEqual([]);
  expect(report.auditHolds).toBe(true);
  expect(report.exitCodes).toEqual([0, 0]);
});
