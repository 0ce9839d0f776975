import type { AuthenticationRefusal, Caller } from '#hub/http/endpoint/auth.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { IdentityDeps } from '../deps.ts';
import type { Touch } from '../last-use.ts';
import { principalOfSession, principalOfToken } from '../principal.ts';
import { findSession } from '../sessions/repository.ts';
import { hashAccessToken, isAccessTokenLike } from './opaque-token.ts';
import { findTokenHolder } from './service-account-repository.ts';

type Deps = Pick<IdentityDeps, 'store' | 'clock' | 'tokens'>;
type Authenticated = Promise<Result<Principal, Refusal<AuthenticationRefusal>>>;

/**
 * `Authorization: Bearer` with an access token: a service account's (`mkc_...`) or the JWT of a session. No page can
 * make another site's browser send it, so neither origin nor token of the page is asked for.
 */
export function createBearerAuthentication(
  deps: Deps,
  touch: Touch,
): (caller: Caller, authorization: string) => Authenticated {
  return async (caller, authorization) => {
    const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(authorization) ?? [];
    if (token === undefined) return refuse({ code: 'credentialsInvalid' });
    return isAccessTokenLike(token)
      ? byToken(deps, touch, caller, token)
      : bySession(deps, touch, caller, token);
  };
}

async function byToken(deps: Deps, touch: Touch, caller: Caller, text: string): Authenticated {
  const { read } = deps.store;
  const tokenHash = hashAccessToken(text);
  const holder = tokenHash === null ? null : await findTokenHolder(read, { tokenHash });
  if (holder === null) return refuse({ code: 'credentialsInvalid' });
  const nowMs = deps.clock.nowMs();
  const principal = await principalOfToken(read, holder, nowMs);
  if (principal === null) return refuse({ code: 'accessTokenExpired' });
  touch({ ...holder.token, kind: 'token' }, nowMs, caller.remoteAddress);
  return ok(principal);
}

async function bySession(deps: Deps, touch: Touch, caller: Caller, jwt: string): Authenticated {
  const nowMs = deps.clock.nowMs();
  const claims = await deps.tokens.verify(jwt, nowMs);
  if (claims === 'invalid') return refuse({ code: 'credentialsInvalid' });
  if (claims === 'expired') return refuse({ code: 'accessTokenExpired' });
  const { read } = deps.store;
  const session = await findSession(read, claims.sessionId);
  const isTheirs = session?.kind === 'api' && session.accountId === claims.accountId;
  const principal = isTheirs ? await principalOfSession(read, session, nowMs) : null;
  if (session === null || principal === null) return refuse({ code: 'sessionExpired' });
  touch({ ...session, kind: 'session' }, nowMs, caller.remoteAddress);
  return ok(principal);
}
