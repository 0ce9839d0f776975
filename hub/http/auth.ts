import type { IncomingHttpHeaders } from 'node:http';
import { permissions } from '#hub/domains/identity/schema.ts';
import type { Refusal, Result } from '#hub/kernel/result.ts';
import type { Method, Principal } from './endpoint.ts';

/**
 * Where a request came in. `console` is the Unix socket that only the box's owner may open; `http` is plain text and
 * exists on loopback only.
 */
export type Transport = 'console' | 'http' | 'https';

/** What is known of a request before anybody has said who sent it. */
export interface Caller {
  readonly method: Method | 'HEAD' | 'OPTIONS';
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** IP address without zone or brackets; `console` on the Unix socket. */
  readonly remoteAddress: string;
  readonly transport: Transport;
}

/** Why credentials that were sent do not count, with the status that each is answered with. */
export const authenticationStatus = {
  /** The session was there and has ended: sign in again. An open endpoint goes on without a principal. */
  sessionExpired: 401,
  /** An access token whose time is over or that was revoked; a session's is renewed by /auth/refresh. */
  accessTokenExpired: 401,
  /** Cookie, token or header of a shape or value that was never given out. An open endpoint goes on without it. */
  credentialsInvalid: 401,
  /** A cookie and a token in one request. Refused at open endpoints too. */
  credentialsAmbiguous: 400,
  /** A write that another site may have caused. Refused at open endpoints too. */
  csrfFailed: 403,
} as const;
export type AuthenticationRefusal = keyof typeof authenticationStatus;

/** Who is asking; identity implements it. `console` requests never reach it. */
export interface Authenticator {
  /** null: nobody has said who they are. Counts as activity of the session. */
  authenticate(caller: Caller): Promise<Result<Principal | null, Refusal<AuthenticationRefusal>>>;
  /** The principal as its session is now (permissions may have changed), null when it has ended. No activity. */
  recheck(principal: Principal): Promise<Principal | null>;
}

/** The command line on the box itself: every permission. */
export const consolePrincipal: Principal = {
  kind: 'console',
  accountId: 'console',
  displayName: 'console',
  permissions: new Set(permissions),
  sessionId: 'console',
};
