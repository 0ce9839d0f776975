import { describe, expect, it } from 'vitest';
import { peerOf } from '#hub/kernel/peer-address.ts';
import { SharedPlaces } from '#hub/platform/shared-places.ts';

describe('the peer that counts', () => {
  it.each([
    ['192.168.1.20', '192.168.1.20'],
    ['::ffff:192.168.1.20', '192.168.1.20'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::1', '::/64'],
    ['console', 'console'],
  ])('of %s is %s', (address, peer) => {
    expect(peerOf(address)).toBe(peer);
  });
});

describe('shared places', () => {
  const ada = { name: 'account ada', share: 2 };
  const house = { name: 'address 10.0.0.1', share: 3 };

  it('are a share for each holder, and a total for all', () => {
    const places = new SharedPlaces(4);
    const first = places.take([ada, house]);
    expect(places.take([ada])).not.toBeNull();
    expect(places.take([ada])).toBeNull();
    expect(places.take([house])).not.toBeNull();
    expect(places.take([house])).not.toBeNull();
    expect([places.isFull, places.take([])]).toEqual([true, null]);
    first?.();
    expect([places.taken, places.isFull]).toEqual([3, false]);
  });

  it('are given back once, however often that is said', () => {
    const places = new SharedPlaces(4);
    const giveBack = places.take([ada]);
    places.take([ada]);
    giveBack?.();
    giveBack?.();
    expect(places.taken).toBe(1);
    expect(places.take([ada])).not.toBeNull();
    expect(places.take([ada])).toBeNull();
  });
});
