import { describe, expect, it, onTestFinished } from 'vitest';
import { useCentre } from '../hubs.ts';
import { RealModel } from './real-model.ts';

/** Steps for each seed; more of them, and more seeds, in long runs. */
const steps = Number(process.env['MAKRCAVE_SYNC_STEPS'] ?? 120);
const seeds = Array.from(
  { length: Number(process.env['MAKRCAVE_SYNC_SEEDS'] ?? 2) },
  (_value, index) => index + 1,
);
const firstSeed = Number(process.env['MAKRCAVE_SYNC_FIRST_SEED'] ?? 0);

describe.each([15, 18] as const)('hubs and a centre on PostgreSQL %i', (version) => {
  const centre = useCentre(version);

  it.each(seeds)(
    'are equal at rest, whatever was written, lost, crashed and put back (seed %i)',
    async (index) => {
      const seed = firstSeed + index * 100 + version;
      const before = await centre().countRows();
      const model = await RealModel.open(centre(), seed, 2 + (index % 2));
      onTestFinished(() => model.close());
      try {
        for (let step = 0; step < steps; step += 1) await model.step();
        await model.repair();
        expect(await model.finish()).toEqual([]);
        // Of the sites of the seeds before, nothing is more or less.
        expect(await centre().countRows(model.site)).toEqual(before);
      } catch (error) {
        throw new Error(`seed ${seed}, after: ${model.log.slice(-60).join(', ')}`, { cause: error });
      }
    },
    60_000 + steps * 500,
  );
});
