import { peerOf } from '#hub/kernel/peer-address.ts';
import { type Holder, SharedPlaces } from '#hub/platform/shared-places.ts';
import { type CallerState, isLocal } from './rate-limit.ts';

/** Requests under way, from all callers elsewhere and from one address: more than two whole connections of HTTP/2. */
const requests = { total: 1000, share: 250 };
/** Of them those whose body is being read, which is held in memory until it is whole. */
const bodies = { total: 128, share: 48 };
/** The share of a network of IPv6, in which every host has all the addresses, is so many times that of an address. */
const peerFactor = 2;

/** The caller's address and network as holders of places; nobody, for callers on the box itself. */
export function addressHolders(
  state: Pick<CallerState, 'remoteAddress' | 'transport'>,
  share: number,
): readonly Holder[] {
  if (isLocal(state)) return [];
  const { remoteAddress } = state;
  return [
    { name: `address ${remoteAddress}`, share },
    { name: `peer ${peerOf(remoteAddress)}`, share: share * peerFactor },
  ];
}

/** Bounds what callers elsewhere have under way at once, all of them and each address; those on the box are not bound. */
export class CallerShares {
  readonly #requests = new SharedPlaces(requests.total);
  readonly #bodies = new SharedPlaces(bodies.total);

  /** Returns the function that ends it; null when there are too many. */
  beginRequest(state: CallerState): (() => void) | null {
    return isLocal(state) ? () => undefined : this.#requests.take(addressHolders(state, requests.share));
  }

  /** As `beginRequest`. */
  beginBody(state: CallerState): (() => void) | null {
    return isLocal(state) ? () => undefined : this.#bodies.take(addressHolders(state, bodies.share));
  }
}
