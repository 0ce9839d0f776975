import ipaddr from 'ipaddr.js';

/** An address as a socket gives it, without zone and without the IPv6 prefix that a socket of both families writes. */
export const plainAddress = (address: string | undefined): string =>
  (address ?? 'unknown').replace(/^::ffff:(?=\d)/i, '').replace(/%.*$/, '');

/**
 * The peer that counts where a bound is per address: an IPv4 address itself, of IPv6 the /64, since any host has all the
 * addresses of its network. What is no address (`console`) counts as it is.
 */
export function peerOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const network = [...parsed.toByteArray().slice(0, 8), ...Array.from({ length: 8 }, () => 0)];
  return `${new ipaddr.IPv6(network).toString()}/64`;
}
