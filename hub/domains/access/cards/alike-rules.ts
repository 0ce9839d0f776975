import type { CardRead } from '../schema.ts';

/** A card that has a reading. */
export interface OwnerClaim {
  readonly credentialId: string;
  readonly read: CardRead;
  /** A reader delivered it; false: computed from a wider reading. */
  readonly seen: boolean;
  readonly isRetired: boolean;
}

/** A reading, and the cards that it may be of. */
export interface OwnedReading {
  readonly read: CardRead;
  /** Those first of which a reader delivered it. */
  readonly ownerIds: readonly string[];
}

/** Names a reading. */
export const readingName = ({ reading, bits, hex }: CardRead): string => `${reading}:${bits}:${hex}`;

const inOrder = (one: OwnerClaim, other: OwnerClaim): number =>
  Number(other.seen) - Number(one.seen) || (one.credentialId < other.credentialId ? -1 : 1);

/**
 * Each reading with its owners. A retired card was handed in: it owns a reading only while no other card has it, the newest
 * of several. A lost one is out there and counts.
 */
export function ownersByReading(claims: readonly OwnerClaim[]): readonly OwnedReading[] {
  const byReading = Map.groupBy(claims, ({ read }) => readingName(read));
  return [...byReading.values()].flatMap((claimants) => {
    const [any] = claimants;
    if (any === undefined) return [];
    const inUse = claimants.filter(({ isRetired }) => !isRetired);
    const owners = (inUse.length > 0 ? inUse : claimants.toSorted(inOrder).slice(-1)).toSorted(inOrder);
    return [{ read: any.read, ownerIds: owners.map(({ credentialId }) => credentialId) }];
  });
}

const serialReaders: Partial<Record<CardRead['reading'], string>> = {
  em40: 'a 125 kHz reader',
  uid4: 'an NFC reader',
  uid7: 'an NFC reader',
};

/** Which reader gives this reading, for people. */
export const readerWords = ({ reading, bits }: CardRead): string =>
  serialReaders[reading] ?? `a ${bits}-bit reader`;
