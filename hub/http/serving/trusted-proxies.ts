import ipaddr from 'ipaddr.js';
import { plainAddress } from '#hub/kernel/peer-address.ts';

/** A chain longer than this is nobody's set-up. */
const maxHops = 16;
const maxHeaderLength = 2000;

/** `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]:4711`; null for anything else. */
function readHop(text: string): string | null {
  const [, bracketed, withPort] =
    /^(?:\[([^\]]+)\](?::\d{1,5})?|(\d+\.\d+\.\d+\.\d+):\d{1,5})$/.exec(text) ?? [];
  const address = plainAddress(bracketed ?? withPort ?? text);
  const isWhole = ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address);
  return isWhole ? address : null;
}

/** The reverse proxies whose word is taken for who asks. */
export class TrustedProxies {
  readonly #networks: readonly (readonly [ipaddr.IPv4 | ipaddr.IPv6, number])[];

  /** Addresses (`127.0.0.1`) and networks (`10.0.0.0/24`), as the configuration checked them. */
  constructor(listed: readonly string[]) {
    this.#networks = listed.map((text) => {
      if (text.includes('/')) return ipaddr.parseCIDR(text);
      const address = ipaddr.process(text);
      return [address, address.kind() === 'ipv4' ? 32 : 128] as const;
    });
  }

  has(address: string): boolean {
    if (this.#networks.length === 0 || !ipaddr.isValid(address)) return false;
    const asked = ipaddr.process(address);
    return this.#networks.some(
      ([network, bits]) => network.kind() === asked.kind() && asked.match(network, bits),
    );
  }

  /**
   * The client that a trusted proxy names in `X-Forwarded-For`: the last address there that is no trusted proxy itself.
   * What stands before it was written by that client and counts for nothing. Null when the peer is no trusted proxy or
   * names nobody; then the peer is who asks.
   */
  clientOf(peer: string, forwardedFor: string | readonly string[] | undefined): string | null {
    if (forwardedFor === undefined || !this.has(peer)) return null;
    const header = typeof forwardedFor === 'string' ? forwardedFor : forwardedFor.join(',');
    const hops = header.slice(-maxHeaderLength).split(',').slice(-maxHops);
    let client: string | null = null;
    for (const hop of hops.reverse()) {
      const address = readHop(hop.trim());
      if (address === null) break;
      client = address;
      if (!this.has(address)) break;
    }
    return client;
  }
}
