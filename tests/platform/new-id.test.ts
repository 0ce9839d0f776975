import { validate, version } from 'uuid';
import { expect, it } from 'vitest';
import { createIds } from '#hub/platform/new-id.ts';
import { takeRandomBytes } from '#hub/platform/random-pool.ts';

it('makes ids that sort as they were made, whatever the clock does', () => {
  const times = [1_000, 1_000, 1_001, 500, 500, 1_001, 2_000];
  let made = 0;
  const newId = createIds(() => times[made++ % times.length] ?? 0);
  const ids = Array.from({ length: 10_000 }, newId);
  expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  expect(Number.parseInt(ids[0]!.slice(0, 13).replace('-', ''), 16)).toBe(1_000);
});

it('makes other ids in another place of the same moment', () => {
  const [one, other] = [createIds(() => 7), createIds(() => 7)];
  const ids = Array.from({ length: 2_000 }, () => [one(), other()]).flat();
  expect(new Set(ids).size).toBe(4_000);
});

it('takes random bytes once only', () => {
  const taken = Array.from({ length: 5_000 }, (_, index) => takeRandomBytes(8 + (index % 9)).toString('hex'));
  expect(new Set(taken).size).toBe(5_000);
});
