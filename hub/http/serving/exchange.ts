import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Context } from 'koa';
import { plainAddress } from '#hub/kernel/peer-address.ts';
import { type Caller, deviceCookieName, type Transport } from '../endpoint/auth.ts';
import type { CallContext, Method } from '../endpoint/endpoint.ts';
import type { AnyRequest } from '../endpoint/raw-endpoint.ts';
import type { RouteCount } from './request-meter.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

/** One request and what the hub learns of it while answering. */
export interface Exchange {
  readonly requestId: string;
  /** Without zone, brackets or the IPv4-in-IPv6 prefix; behind a trusted proxy its client; `console` on the Unix socket. */
  readonly remoteAddress: string;
  /** `https` for what a trusted proxy passes on: its clients are elsewhere, whatever way the proxy takes to the hub. */
  readonly transport: Transport;
  readonly startedMs: number;
  /** Admitted account, for the request log. */
  accountId: string | undefined;
  /** Counters of its route, once that is known. */
  count: RouteCount;
}

const maxCookieLength = 200;
const acceptedRequestId = /^[A-Za-z0-9][A-Za-z0-9_-]{7,63}$/;

/** The caller's request id when it is harmless in logs and headers, else one of our own. */
const chooseRequestId = (sent: string | readonly string[] | undefined): string =>
  typeof sent === 'string' && acceptedRequestId.test(sent) ? sent : randomUUID();

export function openExchange(
  request: AnyRequest,
  transport: Transport,
  startedMs: number,
  count: RouteCount,
  proxies: TrustedProxies,
): Exchange {
  const peer = plainAddress(request.socket.remoteAddress);
  const client = transport === 'console' ? null : proxies.clientOf(peer, request.headers['x-forwarded-for']);
  return {
    requestId: chooseRequestId(request.headers['x-request-id']),
    remoteAddress: transport === 'console' ? 'console' : (client ?? peer),
    transport: client === null ? transport : 'https',
    startedMs,
    accountId: undefined,
    count,
  };
}

const methods: Readonly<Record<string, Method | 'HEAD' | 'OPTIONS'>> = {
  GET: 'GET',
  HEAD: 'HEAD',
  OPTIONS: 'OPTIONS',
  POST: 'POST',
  PUT: 'PUT',
  PATCH: 'PATCH',
  DELETE: 'DELETE',
};

/** HTTP/2 names the host in `:authority`; callers find it as `host` either way. */
function headersOf(ctx: Context): IncomingHttpHeaders {
  const { headers } = ctx.req;
  const authority = headers[':authority'];
  return typeof authority === 'string' && headers.host === undefined
    ? { ...headers, host: authority }
    : headers;
}

/** The first value that the Cookie header has under the name. */
function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined || !header.includes(name)) return undefined;
  const pair = header.split(';').find((candidate) => candidate.trim().startsWith(`${name}=`));
  return pair?.trim().slice(name.length + 1, name.length + 1 + maxCookieLength);
}

/** Builds the context of a handler: facts of the request beside its content. */
export const contextOf = (ctx: Context, { requestId, remoteAddress }: Exchange): CallContext => ({
  requestId,
  remoteAddress,
  userAgent: (ctx.req.headers['user-agent'] ?? '').slice(0, 500),
  deviceToken: readCookie(ctx.req.headers.cookie, deviceCookieName),
});

export function callerOf(ctx: Context, exchange: Exchange): Caller {
  return {
    method: methods[ctx.method] ?? 'GET',
    path: ctx.path,
    headers: headersOf(ctx),
    remoteAddress: exchange.remoteAddress,
    transport: exchange.transport,
  };
}
