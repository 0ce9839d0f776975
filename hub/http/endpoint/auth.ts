import type { IncomingHttpHeaders } from 'node:http';
import type { PermissionCatalog } from '#hub/kernel/permission-catalog.ts';
import type { Refusal, Result } from '#hub/kernel/result.ts';
import type { Method, Principal } from './endpoint.ts';

/** `__Host-`: only this very host can have set it, over a secure connection, for all paths. */
export const sessionCookieName = '__Host-makrcave';
/** Proves that somebody has signed in with this browser before. Opens nothing. */
export const deviceCookieName = '__Host-makrcave-device';
/** Proves that the hub's own page sent a write. */
export const csrfHeaderName = 'x-csrf-token';

/**
 * Transport of a request. `console` is the Unix socket that only the box's owner may open; `http` is plain text and
 * exists on loopback only.
 */
export type Transport = 'console' | 'http' | 'https';

/** Facts of a request before authentication. */
export interface Caller {
  readonly method: Method | 'HEAD' | 'OPTIONS';
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** IP address without zone or brackets; `console` on the Unix socket. */
  readonly remoteAddress: string;
  readonly transport: Transport;
}

/**
 * Reason why credentials were rejected.
 * - `sessionExpired`: the session was there and has ended: sign in again. An open endpoint goes on without a principal.
 * - `accessTokenExpired`: its time is over, or it was revoked; a session's is renewed by /auth/refresh.
 * - `credentialsInvalid`: cookie, token or header of a shape or value that was never given out. An open endpoint goes on
 *   without it.
 * - `credentialsAmbiguous`: a cookie and a token in one request. Refused at open endpoints too.
 * - `csrfFailed`: a write that another site may have caused. Refused at open endpoints too.
 */
export type AuthenticationRefusal =
  | 'sessionExpired'
  | 'accessTokenExpired'
  | 'credentialsInvalid'
  | 'credentialsAmbiguous'
  | 'csrfFailed';

/** Authenticates callers; identity implements it. `console` requests never reach it. */
export interface Authenticator {
  /** Returns null for a request without credentials. Counts as activity of the session. */
  authenticate(caller: Caller): Promise<Result<Principal | null, Refusal<AuthenticationRefusal>>>;
  /** Returns the principal with its session's current permissions, null when it has ended. Does not count as activity. */
  recheck(principal: Principal): Promise<Principal | null>;
}

/** Principal of the command line on the box itself: every permission. */
export const consolePrincipalOf = (permissions: PermissionCatalog): Principal => ({
  kind: 'console',
  accountId: 'console',
  displayName: 'console',
  permissions: new Set(permissions.names),
  sessionId: 'console',
});
