import { expect, it } from 'vitest';
import { createGiveWay } from '#hub/platform/give-way.ts';

it('leaves three times what a batch took to whoever is served, a second at most, and nothing to nobody', async () => {
  let answered = 7;
  const pauses: number[] = [];
  const giveWay = createGiveWay(
    () => answered,
    async (ms) => pauses.push(ms),
  );
  expect(await giveWay(50)).toBe(false);
  answered += 1;
  expect(await giveWay(50)).toBe(true);
  expect(await giveWay(50)).toBe(false);
  answered += 20;
  expect(await giveWay(5000)).toBe(true);
  expect(pauses).toEqual([150, 1000]);
});
