import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { peerOf } from '#hub/kernel/peer-address.ts';
import { SharedPlaces } from '#hub/platform/shared-places.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

/** What one client may take of a listener: a time for each phase of a connection, and a share of the places. */
export interface ConnectionBounds {
  /** From the first byte of TCP to the end of the TLS handshake. */
  readonly handshakeMs: number;
  /** From the handshake to the first whole header of a request; in HTTP/1.1 of each request. */
  readonly headersMs: number;
  /** Until a request is there with its whole body. */
  readonly requestMs: number;
  /** A connection of HTTP/1.1 between two requests. */
  readonly keepAliveMs: number;
  /** A connection of HTTP/2 without a request, whatever else is said on it. */
  readonly idleMs: number;
  /** An answer of which nothing is taken. Longer than any answer takes to begin. */
  readonly stalledMs: number;
  /** How often the times of HTTP/1.1 are looked at. */
  readonly checkMs: number;
  readonly connections: number;
  /** From one address, and from one network of IPv6, where every host has all the addresses. */
  readonly connectionsPerAddress: number;
  readonly connectionsPerPeer: number;
}
export const connectionBounds: ConnectionBounds = {
  handshakeMs: 10_000,
  headersMs: 15_000,
  requestMs: 30_000,
  keepAliveMs: 65_000,
  idleMs: 60_000,
  stalledMs: 120_000,
  checkMs: 5000,
  connections: 512,
  connectionsPerAddress: 64,
  connectionsPerPeer: 192,
};

/** An HTTP/2 connection that was told to go has so long to do so. */
const goodbyeMs = 5000;

/** The bounds in the words of node:http. */
export const timesOf = (bounds: ConnectionBounds) =>
  ({
    headersTimeout: bounds.headersMs,
    requestTimeout: bounds.requestMs,
    keepAliveTimeout: bounds.keepAliveMs,
    timeout: bounds.stalledMs,
    connectionsCheckingInterval: bounds.checkMs,
    maxConnections: bounds.connections,
  }) as const;

/**
 * Returns a listener for `connection` that cuts those of an address that has its share already. Trusted proxies have no
 * share, as they bring everybody; the clients behind them have theirs of requests.
 */
export function shareConnections(
  bounds: ConnectionBounds,
  proxies: Pick<TrustedProxies, 'has'>,
): (socket: Socket) => void {
  const places = new SharedPlaces(bounds.connections);
  return (socket) => {
    const address = socket.remoteAddress ?? '';
    if (proxies.has(address)) return;
    const giveBack = places.take([
      { name: `address ${address}`, share: bounds.connectionsPerAddress },
      { name: `peer ${peerOf(address)}`, share: bounds.connectionsPerPeer },
    ]);
    if (giveBack === null) socket.destroy();
    else socket.once('close', giveBack);
  };
}

/**
 * Bounds an HTTP/2 connection, which node:http2 leaves open as long as anything at all is sent: a time without requests,
 * a time for each request's body, and one for each answer of which nothing is taken.
 */
export function boundSession(session: ServerHttp2Session, bounds: ConnectionBounds): void {
  let open = 0;
  let idle: NodeJS.Timeout;
  const waitIdle = (ms: number): void => {
    idle = setTimeout(() => {
      session.close();
      const cut = setTimeout(() => session.destroy(), goodbyeMs);
      session.once('close', () => clearTimeout(cut));
    }, ms);
  };
  waitIdle(bounds.headersMs);
  session.once('close', () => clearTimeout(idle));
  session.on('stream', (stream: ServerHttp2Stream) => {
    open += 1;
    clearTimeout(idle);
    boundStream(stream, bounds);
    stream.once('close', () => {
      open -= 1;
      if (open === 0 && !session.closed && !session.destroyed) waitIdle(bounds.idleMs);
    });
  });
}

function boundStream(stream: ServerHttp2Stream, { requestMs, stalledMs }: ConnectionBounds): void {
  stream.setTimeout(stalledMs, () => stream.close(constants.NGHTTP2_CANCEL));
  if (stream.endAfterHeaders) return;
  const late = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), requestMs);
  const clear = (): void => clearTimeout(late);
  stream.once('end', clear);
  stream.once('close', clear);
}
