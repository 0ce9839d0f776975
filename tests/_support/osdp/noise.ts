import { seededRandom } from '#tests/_support/seeded-random.ts';

type OnWire = (bytes: Uint8Array, nth: number, atMs: number) => readonly Uint8Array[];

/** Flips, drops or inserts a byte: so large a share of them all. */
export function noisyLine(seed: number, share: number): OnWire {
  const random = seededRandom(seed);
  const byte = (): number => Math.floor(random() * 256);
  return (bytes) => {
    const arrived: number[] = [];
    for (const sent of bytes) {
      if (random() >= share) {
        arrived.push(sent);
        continue;
      }
      const kind = Math.floor(random() * 3);
      if (kind === 0) arrived.push(sent ^ (1 << Math.floor(random() * 8)));
      else if (kind === 1) arrived.push(sent, byte());
    }
    return arrived.length === 0 ? [] : [Uint8Array.from(arrived)];
  };
}

/** Spoils a byte of the first command after each interval. */
export function spoiledEvery(seed: number, intervalMs: number): OnWire {
  const random = seededRandom(seed);
  let nextMs = intervalMs;
  return (bytes, _, atMs) => {
    if (atMs < nextMs) return [bytes];
    nextMs = atMs + intervalMs;
    // Behind the mark.
    const at = 1 + Math.floor(random() * (bytes.length - 1));
    return [bytes.map((each, index) => (index === at ? each ^ (1 << Math.floor(random() * 8)) : each))];
  };
}
