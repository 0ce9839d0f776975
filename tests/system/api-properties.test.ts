import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  findSignedOut,
  type PropertyScene,
  preparePropertyScene,
  runProperties,
} from '#tests/_support/api/properties.ts';
import { Appliance } from '#tests/_support/appliance.ts';

/** Another seed sends other requests; `MAKRCAVE_PROPERTIES_SEED` sends the ones of a run that failed. */
const seed = Number(process.env['MAKRCAVE_PROPERTIES_SEED'] ?? Date.now() % 1_000_000_000);

let appliance: Appliance;
let scene: PropertyScene;
beforeAll(async () => {
  appliance = await Appliance.start({ env: { MAKRCAVE_HTTP_LOCAL_RATE_FACTOR: '100000' } });
  scene = await preparePropertyScene(appliance);
}, 60_000);
afterAll(() => appliance?.close());

describe('requests that the document describes, right and wrong ones', { timeout: 120_000 }, () => {
  it(`are answered as it says, and tell nobody what they may not know (seed ${seed})`, async () => {
    const run = await runProperties(scene, { seed, count: 400, atOnce: 1 });
    expect(run.problems.slice(0, 10).join('\n\n'), `seed ${seed}`).toBe('');
    expect(run.requests).toBeGreaterThanOrEqual(400);
    expect(run.operations).toBeGreaterThan(100);
    const done = Object.entries(run.byStatus).filter(([status]) => status.startsWith('2'));
    expect(done.reduce((sum, [, times]) => sum + times, 0)).toBeGreaterThan(run.requests / 20);
  });

  it('leave everybody signed in who did not sign out', async () => {
    expect(await findSignedOut(scene)).toEqual([]);
  });
});
