import { describe, expect, it } from 'vitest';
import { TrustedProxies } from '#hub/http/serving/trusted-proxies.ts';
import { platformConfigSchema } from '#hub/platform/config/hub-config.ts';
import { ask, serve } from './support.ts';

describe('the client behind a trusted proxy', () => {
  const proxies = new TrustedProxies(['127.0.0.1', '10.0.0.0/24', 'fd00::/64']);
  it.each([
    ['the one that the proxy names', '127.0.0.1', '192.0.2.7', '192.0.2.7'],
    ['not what the client itself wrote before', '127.0.0.1', '198.51.100.1, 192.0.2.7', '192.0.2.7'],
    ['past other trusted proxies', 'fd00::5', '198.51.100.1, 192.0.2.7, 10.0.0.9', '192.0.2.7'],
    ['with a port', '127.0.0.1', '192.0.2.7:51234', '192.0.2.7'],
    ['IPv6', '::ffff:127.0.0.1', '2001:db8::7', '2001:db8::7'],
    ['IPv6 with a port', '127.0.0.1', '[2001:db8::7]:51234', '2001:db8::7'],
    ['IPv4 in IPv6', '127.0.0.1', '::ffff:192.0.2.7', '192.0.2.7'],
    ['the last proxy that can be read', '127.0.0.1', '192.0.2.7, unknown, 10.0.0.9', '10.0.0.9'],
    ['none, where no address stands', '127.0.0.1', 'unknown', null],
    ['none, where it is a number that some take for an address', '127.0.0.1', '3221225991', null],
    ['none, of a peer that is not trusted', '192.0.2.1', '192.0.2.7', null],
    ['none, without the header', '127.0.0.1', undefined, null],
  ])('%s', (_, peer, header, client) => {
    expect(proxies.clientOf(peer, header)).toBe(client);
  });

  it('is nobody by default', () => {
    expect(new TrustedProxies([]).clientOf('127.0.0.1', '192.0.2.7')).toBeNull();
  });
});

describe('requests through a proxy', () => {
  const limited = async (origin: string, from: string) => {
    const { port } = new URL(origin);
    // A proxy passes the name on under which people open the hub.
    const headers = { 'x-forwarded-for': from, host: 'hub.example.org' };
    return (await ask({ port, path: '/api/limited', headers })).status;
  };

  it('are limited for each client, as callers from elsewhere', async () => {
    const { origin, lines } = await serve({ trustedProxies: new TrustedProxies(['127.0.0.1']) });
    const from = (address: string) => limited(origin, address);
    expect([await from('192.0.2.7'), await from('192.0.2.7'), await from('192.0.2.7')]).toEqual([
      200, 200, 429,
    ]);
    // Whatever a client writes there itself.
    expect(await from('198.51.100.9, 192.0.2.7')).toBe(429);
    expect(await from('192.0.2.8')).toBe(200);
    expect(lines.map((line) => line['remoteAddress'])).toContain('192.0.2.8');
  });

  it('that is not listed are the proxy’s own', async () => {
    const { origin } = await serve();
    // On the box itself only names of the box are answered.
    expect(await limited(origin, '192.0.2.7')).toBe(421);
    const { port } = new URL(origin);
    const statuses = new Set<number>();
    for (let client = 1; client <= 45; client += 1) {
      const headers = { 'x-forwarded-for': `192.0.2.${client}` };
      statuses.add((await ask({ port, path: '/api/limited', headers })).status);
    }
    expect([...statuses]).toEqual([200, 429]);
  });
});

describe('http.trustedProxies', () => {
  const check = (...trustedProxies: string[]) =>
    platformConfigSchema
      .safeParse({ http: { trustedProxies } })
      .error?.issues.map(({ message }) => message) ?? [];

  it('takes addresses and networks, and is empty by default', () => {
    expect(platformConfigSchema.parse({}).http.trustedProxies).toEqual([]);
    expect(check('127.0.0.1', '::1', '10.0.0.0/24', 'fd00::/64')).toEqual([]);
  });
  it.each(['proxy.local', '127.1', '1', '10.0.0.0/33', '10/8'])('refuses %s', (text) => {
    expect(check(text)).toEqual(['is no address or network (127.0.0.1, 10.0.0.0/24, fd00::/64)']);
  });
  it.each(['0.0.0.0/0', '::/0'])('refuses everybody, %s', (text) => {
    expect(check(text)).toEqual(['is too wide a network: name the proxy itself']);
  });
});
