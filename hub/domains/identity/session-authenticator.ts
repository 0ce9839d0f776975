import type { Authenticator, Caller } from '#hub/http/auth.ts';
import type { Principal } from '#hub/http/endpoint.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import type { Reader } from '#hub/store/store.ts';
import {
  findAccount,
  findSession,
  findSessionByToken,
  type Session,
  touchSession,
} from './account-repository.ts';
import type { IdentityDeps } from './deps.ts';
import { loadPermissions } from './role-repository.ts';
import { isSessionAlive, sessionTouchMs } from './rules.ts';
import {
  csrfHeaderName,
  csrfTokenOf,
  hashSessionToken,
  isSessionToken,
  readSessionCookies,
} from './session-token.ts';

type Deps = Pick<IdentityDeps, 'store' | 'clock' | 'log'>;

/** Where a page cannot know its token yet: it gets one by these. The origin must still be its own. */
const tokenless = new Set(['POST /auth/session', 'POST /api/system/claim']);

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Browser sessions by cookie. A write counts only when the hub's own page sent it. */
export function createSessionAuthenticator(deps: Deps): Authenticator {
  const touch = createToucher(deps);
  return {
    async authenticate(caller) {
      const isWrite = !safeMethods.has(caller.method);
      const cookies = readSessionCookies(caller.headers.cookie);
      if (isWrite && !isFromOwnPage(caller, cookies.length > 0)) return refuse({ code: 'csrfFailed' });
      const [token] = cookies;
      if (token === undefined) return ok(null);
      // Two of them: one was smuggled in. None counts.
      if (cookies.length > 1 || !isSessionToken(token)) return refuse({ code: 'credentialsInvalid' });
      const tokenHash = hashSessionToken(token);
      const session = await findSessionByToken(deps.store.read, tokenHash);
      const nowMs = deps.clock.nowMs();
      const principal = session === null ? null : await principalOf(deps.store.read, session, nowMs);
      if (session === null || principal === null) return refuse({ code: 'sessionExpired' });
      if (isWrite && !tokenless.has(`${caller.method} ${caller.path.replace(/\/$/, '')}`)) {
        // Compared as hashes would be: the token is itself a digest of 256 random bits.
        if (caller.headers[csrfHeaderName] !== csrfTokenOf(tokenHash)) return refuse({ code: 'csrfFailed' });
      }
      touch(session, nowMs);
      return ok(principal);
    },
    async recheck(principal) {
      if (principal.kind !== 'account') return principal;
      const session = await findSession(deps.store.read, principal.sessionId);
      return session === null ? null : principalOf(deps.store.read, session, deps.clock.nowMs());
    },
  };
}

/** What the session's account may do now; null when either has ended. */
async function principalOf(reader: Reader, session: Session, nowMs: number): Promise<Principal | null> {
  if (!isSessionAlive(session, nowMs)) return null;
  const account = await findAccount(reader, session.accountId);
  if (account?.status !== 'active') return null;
  return {
    kind: 'account',
    accountId: account.id,
    displayName: account.displayName,
    permissions: await loadPermissions(reader, account.id, nowMs),
    sessionId: session.id,
  };
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

/** Records the last use at most once a minute, behind the answer: on a full disk people still see the page. */
function createToucher(deps: Deps): (session: Session, nowMs: number) => void {
  const underWay = new Set<string>();
  return (session, nowMs) => {
    // A clock that was set back counts too, or the session would look used for as long as it went back.
    if (Math.abs(nowMs - session.lastUsedAtMs) < sessionTouchMs || underWay.has(session.id)) return;
    underWay.add(session.id);
    deps.store
      .transact('session.touch', (tx) => touchSession(tx, session.id, nowMs))
      .catch((error: unknown) => deps.log.warn({ err: error }, 'the last use of a session was not recorded'))
      .finally(() => underWay.delete(session.id));
  };
}
