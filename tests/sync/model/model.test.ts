import { describe, expect, it } from 'vitest';
import { type Mutant, playModel } from './model.ts';

const stepsOfOne = 150;
/** More of them for a longer run. */
const seeds = Number(process.env['MAKRCAVE_SYNC_SEEDS'] ?? 200);

describe('the model of replication', () => {
  it('comes to rest equal, with nothing lost and nothing twice, whatever happens', () => {
    for (let seed = 1; seed <= seeds; seed += 1) playModel(seed, stepsOfOne, null);
  });

  it.each<[Mutant, RegExp]>([
    ['noEchoForALoser', /is equal to the centre/],
    ['ownRowsSkipped', /is equal to the centre/],
    ['noOverlay', /reads what it wrote/],
    ['noEpochs', /is at the centre|is equal to the centre/],
    ['noDedupe', /was applied \d+ times/],
    ['cursorBeforeRows', /is equal to the centre|reads what it wrote/],
  ])('is caught with %s', (mutant, words) => {
    const play = (): void => {
      for (let seed = 1; seed <= seeds; seed += 1) playModel(seed, stepsOfOne, mutant);
    };
    expect(play).toThrow(words);
  });
});
