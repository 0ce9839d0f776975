import { seededRandom } from '#tests/_support/seeded-random.ts';

/** Chance that can be repeated, and bytes from it. */
export class Chance {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** 0 <= x < `below`, whole. */
  int(below: number): number {
    return Math.floor(this.#random() * below);
  }

  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new Error('nothing to pick from');
    return from[this.int(from.length)] as T;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.int(256));
  }

  /** The bytes in pieces of any size. */
  pieces(bytes: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + this.int(this.int(4) === 0 ? 40 : 200);
      pieces.push(bytes.subarray(at, at + size));
      at += size;
    }
    return pieces;
  }
}

type Change = (bytes: number[], chance: Chance) => void;

const changes: readonly Change[] = [
  (bytes, chance) => {
    const at = chance.int(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.int(8));
  },
  (bytes, chance) => {
    bytes[chance.int(bytes.length)] = chance.int(256);
  },
  (bytes, chance) => void bytes.splice(chance.int(bytes.length), 1 + chance.int(3)),
  (bytes, chance) => void bytes.splice(chance.int(bytes.length + 1), 0, ...chance.bytes(1 + chance.int(4))),
  (bytes, chance) => {
    const from = chance.int(bytes.length);
    const piece = bytes.slice(from, from + 1 + chance.int(20));
    bytes.splice(chance.int(bytes.length + 1), 0, ...piece);
  },
  (bytes, chance) => {
    bytes.length = chance.int(bytes.length + 1);
  },
  // What parsers look at: starts, ends, lengths, padding.
  (bytes, chance) => {
    bytes[chance.int(bytes.length)] = chance.pick([0x00, 0x02, 0x03, 0x0d, 0x53, 0x7f, 0x80, 0xff]);
  },
];

/** The bytes with one to four changes. */
export function mutated(bytes: Uint8Array, chance: Chance): Uint8Array {
  const result = [...bytes];
  for (let count = 1 + chance.int(4); count > 0 && result.length > 0; count -= 1)
    chance.pick(changes)(result, chance);
  return Uint8Array.from(result);
}

/**
 * One stream to try: of what was really sent, one to four in a row, whole or changed; or bytes of no meaning. `isWhole`:
 * nothing was changed.
 */
export function streamOf(
  traffic: readonly Uint8Array[],
  chance: Chance,
): { readonly bytes: Uint8Array; readonly isWhole: boolean } {
  const kind = chance.int(8);
  if (kind === 0) return { bytes: chance.bytes(chance.int(120)), isWhole: false };
  const joined = Buffer.concat(Array.from({ length: 1 + chance.int(4) }, () => chance.pick(traffic)));
  const isWhole = kind === 1;
  return { bytes: isWhole ? Uint8Array.from(joined) : mutated(joined, chance), isWhole };
}

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
