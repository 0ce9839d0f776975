import { expect, it } from 'vitest';
import { createYieldToRequests } from '#hub/platform/yield-to-requests.ts';

it('leaves three times what a batch took to whoever is served, a second at most, and nothing to nobody', async () => {
  let answered = 7;
  const pauses: number[] = [];
  const yieldToRequests = createYieldToRequests(
    () => answered,
    async (ms) => pauses.push(ms),
  );
  expect(await yieldToRequests(50)).toBe(false);
  answered += 1;
  expect(await yieldToRequests(50)).toBe(true);
  expect(await yieldToRequests(50)).toBe(false);
  answered += 20;
  expect(await yieldToRequests(5000)).toBe(true);
  expect(pauses).toEqual([150, 1000]);
});
