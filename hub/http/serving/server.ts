import { chmod } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import { type ListenOptions, type Server, type Socket } from 'node:net';
import { Fault } from '#hub/kernel/result.ts';
import { claimSocketPath } from '#hub/platform/files/unix-socket.ts';
import type { Logger } from '#hub/platform/log.ts';
import { tlsServerOptions } from '#hub/platform/tls/server-options.ts';
import type { App } from './app.ts';
import {
  boundSession,
  type ConnectionBounds,
  connectionBounds,
  shareConnections,
  timesOf,
} from './connection-bounds.ts';
import { TrustedProxies } from './trusted-proxies.ts';

/** The certificate that is shown now, and news of the next one. */
export interface Certificates {
  current(): { readonly key: string; readonly cert: string };
  onRenewed(listener: () => void): void;
}

export interface ServerOptions {
  readonly app: App;
  /** Plain HTTP, on loopback only; 0 picks a free port, undefined listens not at all. */
  readonly httpPort?: number;
  /** HTTPS on every interface. */
  readonly https?: { readonly port: number; readonly host?: string; readonly certificates: Certificates };
  /** The Unix socket of the command line. */
  readonly controlSocket?: string;
  /** Others than `connectionBounds`. */
  readonly bounds?: Partial<ConnectionBounds>;
  /** Their connections are not bounded by address. */
  readonly trustedProxies?: TrustedProxies;
  readonly log: Logger;
}

export interface HubServer {
  readonly httpPort: number | undefined;
  readonly httpsPort: number | undefined;
  /** Takes no more connections, lets running requests end, and cuts what is left after `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

interface Listener {
  readonly server: Server;
  /** Ends what is idle; called after the server stopped accepting. */
  readonly endIdle: () => void;
  readonly sockets: Set<Socket>;
}

const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

async function listen(server: Server, options: ListenOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(options, resolve);
  await promise;
  server.off('error', reject);
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function listenFault(what: string, cause: unknown): Fault {
  const code = errorCode(cause);
  if (code === 'EADDRINUSE')
    return new Fault('addressInUse', `${what} is taken by another process: stop it or choose another`, {
      cause,
    });
  if (code === 'EACCES')
    return new Fault('addressForbidden', `${what} may not be opened by this user: choose a port above 1023`, {
      cause,
    });
  return new Fault('notListening', `${what} cannot be opened`, { cause });
}

function trackSockets(server: Server): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}

const boundsOf = (options: ServerOptions): ConnectionBounds => ({ ...connectionBounds, ...options.bounds });

function plainListener(options: ServerOptions, transport: 'http' | 'console'): Listener {
  const bounds = boundsOf(options);
  const server = Object.assign(createHttpServer(options.app.handlerFor(transport)), timesOf(bounds));
  return { server, endIdle: () => server.closeIdleConnections(), sockets: trackSockets(server) };
}

/** Both loopback addresses on one port. A machine without IPv6 has only the first. */
async function listenOnLoopback(
  options: ServerOptions,
  port: number,
): Promise<{ listeners: Listener[]; port: number }> {
  const first = plainListener(options, 'http');
  const bound = await listen(first.server, { host: '127.0.0.1', port }).catch((cause: unknown) => {
    throw listenFault(`127.0.0.1:${port} (http.port)`, cause);
  });
  const second = plainListener(options, 'http');
  try {
    await listen(second.server, { host: '::1', port: bound, ipv6Only: true });
    return { listeners: [first, second], port: bound };
  } catch (cause) {
    if (['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(errorCode(cause) ?? ''))
      return { listeners: [first], port: bound };
    first.server.close();
    throw listenFault(`[::1]:${bound} (http.port)`, cause);
  }
}

function secureListener(
  options: ServerOptions,
  certificates: Certificates,
): Listener & { readonly server: Http2SecureServer } {
  const bounds = boundsOf(options);
  const server = createSecureServer(
    {
      allowHTTP1: true,
      ...tlsServerOptions,
      ...certificates.current(),
      handshakeTimeout: bounds.handshakeMs,
      settings: { maxConcurrentStreams: 100 },
    },
    options.app.handlerFor('https'),
  );
  Object.assign(server, timesOf(bounds));
  server.on('connection', shareConnections(bounds, options.trustedProxies ?? new TrustedProxies([])));
  // A failed handshake (a client that does not trust the certificate) is that client's affair.
  server.on('tlsClientError', () => undefined);
  server.on('sessionError', () => undefined);
  // Whatever it is not told again goes back to Node's defaults.
  certificates.onRenewed(() => server.setSecureContext({ ...tlsServerOptions, ...certificates.current() }));
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    boundSession(session, bounds);
  });
  const sockets = trackSockets(server);
  const endIdle = (): void => {
    for (const session of sessions) session.close();
    // There for the HTTP/1.1 connections, though its type does not say so.
    if ('closeIdleConnections' in server && typeof server.closeIdleConnections === 'function')
      server.closeIdleConnections();
  };
  return { server, endIdle, sockets };
}

async function listenSecurely(options: ServerOptions, https: NonNullable<ServerOptions['https']>) {
  const listener = secureListener(options, https.certificates);
  const hosts = https.host === undefined ? ['::', '0.0.0.0'] : [https.host];
  for (const host of hosts) {
    try {
      return { listener, port: await listen(listener.server, { host, port: https.port }) };
    } catch (cause) {
      if (host !== '::' || errorCode(cause) === 'EADDRINUSE' || errorCode(cause) === 'EACCES')
        throw listenFault(`port ${https.port} (http.httpsPort)`, cause);
    }
  }
  throw listenFault(`port ${https.port} (http.httpsPort)`, undefined);
}

async function listenForConsole(options: ServerOptions, socketPath: string): Promise<Listener> {
  await claimSocketPath(socketPath);
  const listener = plainListener(options, 'console');
  await listen(listener.server, { path: socketPath }).catch((cause: unknown) => {
    throw listenFault(socketPath, cause);
  });
  await chmod(socketPath, 0o600);
  return listener;
}

async function closeListeners(listeners: readonly Listener[], graceMs: number): Promise<void> {
  const closed = listeners.map(({ server, endIdle }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    endIdle();
    return promise;
  });
  // A connection becomes idle when its running request has ended.
  const sweep = setInterval(() => {
    for (const { endIdle } of listeners) endIdle();
  }, 50);
  const cut = setTimeout(() => {
    for (const { sockets } of listeners) for (const socket of sockets) socket.destroy();
  }, graceMs);
  await Promise.all(closed);
  clearTimeout(cut);
  clearInterval(sweep);
}

/** Listens where `options` says, all or nothing. Throws the Faults of `claimSocketPath`, `addressInUse`, `addressForbidden`, `notListening`. */
export async function startServer(options: ServerOptions): Promise<HubServer> {
  const listeners: Listener[] = [];
  let httpPort: number | undefined;
  let httpsPort: number | undefined;
  try {
    if (options.controlSocket !== undefined)
      listeners.push(await listenForConsole(options, options.controlSocket));
    if (options.httpPort !== undefined) {
      const loopback = await listenOnLoopback(options, options.httpPort);
      listeners.push(...loopback.listeners);
      httpPort = loopback.port;
    }
    if (options.https !== undefined) {
      const secure = await listenSecurely(options, options.https);
      listeners.push(secure.listener);
      httpsPort = secure.port;
    }
  } catch (error) {
    await closeListeners(listeners, 0);
    throw error;
  }
  options.log.info({ httpPort, httpsPort, controlSocket: options.controlSocket }, 'listening');
  return { httpPort, httpsPort, close: (graceMs = 5000) => closeListeners(listeners, graceMs) };
}
