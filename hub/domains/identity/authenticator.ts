import {
  type AuthenticationRefusal,
  type Authenticator,
  type Caller,
  csrfHeaderName,
} from '#hub/http/endpoint/auth.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { IdentityDeps } from './deps.ts';
import { createTouch, type Touch } from './last-use.ts';
import { principalOfSession, recheckPrincipal } from './principal.ts';
import { findSessionByToken } from './sessions/repository.ts';
import { csrfTokenOf, hashSessionToken, isSessionToken, readSessionCookies } from './sessions/token.ts';
import { createBearerAuthentication } from './tokens/bearer-authenticator.ts';

type Deps = Pick<IdentityDeps, 'store' | 'clock' | 'log' | 'tokens'>;

/** Requests that need no page token, because they return it. The origin is checked all the same. */
const tokenless = new Set(['POST /auth/session', 'POST /api/system/claim']);

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Who is asking: a browser by its cookie, or a program by `Authorization: Bearer`. A request with both is refused:
 * which of them counted would be a guess.
 */
export function createAuthenticator(deps: Deps): Authenticator {
  const touch = createTouch(deps);
  const authenticateBearer = createBearerAuthentication(deps, touch);
  return {
    async authenticate(caller) {
      const cookies = readSessionCookies(caller.headers.cookie);
      const { authorization } = caller.headers;
      if (authorization === undefined) return authenticateBrowser(deps, touch, caller, cookies);
      if (cookies.length > 0) return refuse({ code: 'credentialsAmbiguous' });
      return authenticateBearer(caller, authorization);
    },
    recheck: (principal) => recheckPrincipal(deps.store.read, principal, deps.clock.nowMs()),
  };
}

/** Browser sessions by cookie. A write counts only when the hub's own page sent it. */
async function authenticateBrowser(
  deps: Deps,
  touch: Touch,
  caller: Caller,
  cookies: readonly string[],
): Promise<Result<Principal | null, Refusal<AuthenticationRefusal>>> {
  const isWrite = !safeMethods.has(caller.method);
  if (isWrite && !isFromOwnPage(caller, cookies.length > 0)) return refuse({ code: 'csrfFailed' });
  const [token] = cookies;
  if (token === undefined) return ok(null);
  // Two of them: one was smuggled in. None counts.
  if (cookies.length > 1 || !isSessionToken(token)) return refuse({ code: 'credentialsInvalid' });
  const tokenHash = hashSessionToken(token);
  const session = await findSessionByToken(deps.store.read, tokenHash);
  const nowMs = deps.clock.nowMs();
  const principal = session === null ? null : await principalOfSession(deps.store.read, session, nowMs);
  if (session === null || principal === null) return refuse({ code: 'sessionExpired' });
  if (isWrite && !tokenless.has(`${caller.method} ${caller.path.replace(/\/$/, '')}`)) {
    // Compared as hashes would be: the token is itself a digest of 256 random bits.
    if (caller.headers[csrfHeaderName] !== csrfTokenOf(tokenHash)) return refuse({ code: 'csrfFailed' });
  }
  touch({ ...session, kind: 'session' }, nowMs, caller.remoteAddress);
  return ok(principal);
}

/**
 * Browsers say where a request comes from by `Sec-Fetch-Site`, older ones only by `Origin`. A request that says
 * neither is no browser's; with a cookie it is refused all the same.
 */
function isFromOwnPage(caller: Caller, hasCookie: boolean): boolean {
  const site = caller.headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const { origin } = caller.headers;
  if (origin === undefined) return !hasCookie;
  return origin === `${caller.transport}://${caller.headers.host ?? ''}`;
}
