import ipaddr from 'ipaddr.js';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';

export type Networks = readonly (readonly [ipaddr.IPv4 | ipaddr.IPv6, number])[];

/** Throws for a text that is no CIDR. */
export const parseNetworks = (texts: readonly string[]): Networks =>
  texts.map((text) => ipaddr.parseCIDR(text));

/** Written out: short forms such as `10.1` mean different things to different systems. */
const isAddress = (text: string): boolean =>
  ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text);

const globalUnicast6 = ipaddr.IPv6.parse('2000::');
const nat64 = ipaddr.IPv6.parse('64:ff9b::');

/** The IPv4 address that an IPv6 form of it stands for, else the address itself. */
function unwrap(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  // The network's own translator hands packets on to the IPv4 address at the end (RFC 6052, 2.1).
  return address.match(nat64, 96) ? new ipaddr.IPv4(address.toByteArray().slice(12)) : address;
}

const isWithin = (address: ipaddr.IPv4 | ipaddr.IPv6, networks: Networks): boolean =>
  networks.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));

/**
 * Whether the hub may send to this address: one of the public internet, or of a network that the configuration allows.
 * Everything special (loopback, private, link-local, carrier-grade NAT, multicast, reserved, tunnels that hide an IPv4
 * address) is not, nor is a network that the hub itself is in: with IPv6 a house has public addresses.
 */
export function isAllowedAddress(
  text: string,
  { allowed, own }: { readonly allowed: Networks; readonly own: Networks },
): boolean {
  if (!isAddress(text)) return false;
  const address = unwrap(ipaddr.parse(text));
  if (isWithin(address, allowed)) return true;
  if (address.range() !== 'unicast' || isWithin(address, own)) return false;
  return address instanceof ipaddr.IPv4 || address.match(globalUnicast6, 3);
}

export interface Target {
  readonly secure: boolean;
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** With the query. */
  readonly path: string;
  /** The host is an address: no name is resolved. */
  readonly isAddress: boolean;
}

export interface TargetUnfit extends Refusal<'targetRefused'> {
  /** What is wrong with the address. */
  readonly message: string;
}

/** Splits a webhook's address into its parts. Refuses one that is not http(s), or has a user name or a fragment. */
export function readTarget(url: string): Result<Target, TargetUnfit> {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.hostname === '')
    return refuse({ code: 'targetRefused', message: 'must be an http or https address' });
  if (parsed.username !== '' || parsed.password !== '')
    return refuse({
      code: 'targetRefused',
      message: 'must not hold a user name or password: receivers verify the signature instead',
    });
  if (parsed.hash !== '') return refuse({ code: 'targetRefused', message: 'must not hold a # part' });
  const secure = parsed.protocol === 'https:';
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  return ok({
    secure,
    host,
    port: parsed.port === '' ? (secure ? 443 : 80) : Number(parsed.port),
    path: parsed.pathname + parsed.search,
    isAddress: isAddress(host),
  });
}
