import { randomFillSync } from 'node:crypto';

const pool = Buffer.alloc(4096);
let used = pool.length;

/**
 * Random bytes for ids and salts, of many that are asked for together: to ask the kernel takes longer than most of what
 * they are for. Theirs alone, until the pool is filled anew: to be read at once. Secrets are drawn for themselves.
 * @param count 1 to 64
 */
export function takeRandomBytes(count: number): Buffer {
  if (used + count > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += count;
  return pool.subarray(used - count, used);
}
