import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Transaction } from '#hub/store/store.ts';
import { findAccount } from '../accounts/repository.ts';
import type { IdentityDeps } from '../deps.ts';
import { isSessionAlive, sessionEndMs } from '../rules.ts';
import {
  deleteSessions,
  findSession,
  findSessionByToken,
  type Session,
  saveRefresh,
} from '../sessions/repository.ts';
import { type SignInRefusal, signIn } from '../sessions/workflow.ts';
import { recordAudit } from '../workflow.ts';
import { hashRefreshFamily, hashRefreshSecret, printRefreshToken, readRefreshToken } from './opaque-token.ts';
import { accessTokenLifeMs, decideRefresh } from './rules.ts';

/** The access and refresh token of a program. Returned only here. */
export interface TokenPair {
  readonly accessToken: string;
  readonly accessExpiresInMs: number;
  readonly refreshToken: string;
  readonly refreshExpiresInMs: number;
}

export type RefreshRefusal = Refusal<'refreshTokenInvalid' | 'refreshTokenExpired' | 'refreshTokenReused'>;

type Deps = Pick<IdentityDeps, 'store' | 'passwords' | 'newId' | 'deviceKey' | 'tokens' | 'onSessionsEnded'>;

/** Signs a program in: the same tries, locks and audit as a browser's sign-in. */
export async function logIn(
  deps: Deps,
  given: {
    readonly username: string;
    readonly password: string;
    readonly remoteAddress: string;
    readonly device: string;
  },
): Promise<Result<TokenPair, SignInRefusal>> {
  const opened = await signIn(deps, { ...given, kind: 'api', replacesSessionId: null });
  if (!opened.ok) return opened;
  const { session, token } = opened.value;
  return ok(await issue(deps, session, token, session.createdAtMs));
}

async function issue(
  deps: Pick<Deps, 'tokens'>,
  session: Session,
  refreshToken: string,
  nowMs: number,
): Promise<TokenPair> {
  return {
    accessToken: await deps.tokens.sign({ accountId: session.accountId, sessionId: session.id }, nowMs),
    accessExpiresInMs: accessTokenLifeMs,
    refreshToken,
    refreshExpiresInMs: sessionEndMs(session) - nowMs,
  };
}

/** Wrapped, so that a refusal commits: a family that was revoked must stay so. */
interface Refreshed {
  readonly result: Result<{ readonly session: Session; readonly nowMs: number }, RefreshRefusal>;
}

/**
 * Trades a refresh token for the next one and a fresh access token. A token that was traded before revokes the whole
 * family, and with it the access tokens; within `refreshGraceMs` the latest trade is answered again.
 */
export async function refresh(
  deps: Deps,
  refreshToken: string,
  remoteAddress: string,
): Promise<Result<TokenPair, RefreshRefusal>> {
  const presented = readRefreshToken(refreshToken);
  if (presented === null) return refuse({ code: 'refreshTokenInvalid' });
  const next = deps.tokens.refreshSecretAfter(presented.secret);
  const { result } = await deps.store.transact<Refreshed>('session.refresh', async (tx) => {
    const session = await findSessionByToken(tx, hashRefreshFamily(presented.family));
    if (session === null || session.refresh === null)
      return { result: refuse({ code: 'refreshTokenInvalid' }) };
    const account = await findAccount(tx, session.accountId);
    if (account?.status !== 'active' || !isSessionAlive(session, tx.nowMs))
      return { result: refuse({ code: 'refreshTokenExpired' }) };
    const presentedHash = hashRefreshSecret(presented.secret);
    const decided = decideRefresh(presentedHash, session.refresh, tx.nowMs);
    if (decided === 'reused') {
      await endReused(tx, deps, session, remoteAddress);
      return { result: refuse({ code: 'refreshTokenReused' }) };
    }
    if (decided === 'next')
      await saveRefresh(tx, session.id, { currentHash: hashRefreshSecret(next), hashBefore: presentedHash });
    return { result: ok({ session: { ...session, lastUsedAtMs: tx.nowMs }, nowMs: tx.nowMs }) };
  });
  if (!result.ok) return result;
  const { session, nowMs } = result.value;
  return ok(await issue(deps, session, printRefreshToken({ family: presented.family, secret: next }), nowMs));
}

async function endReused(
  tx: Transaction,
  deps: Pick<Deps, 'onSessionsEnded'>,
  session: Session,
  remoteAddress: string,
): Promise<void> {
  await deleteSessions(tx, [session.id]);
  tx.afterCommit(deps.onSessionsEnded);
  await recordAudit(tx, {
    actor: { kind: 'system' },
    action: 'session.refuseReuse',
    target: { table: 'account', id: session.accountId },
    payload: { sessionId: session.id, remoteAddress },
  });
}

type SignInRequired = Refusal<'signInRequired'> & { readonly nextStep: string };
const signInRequired: SignInRequired = {
  code: 'signInRequired',
  nextStep: 'Send the access token, or the refresh token in the body.',
};

/**
 * Ends the session of the request, and the one that the refresh token belongs to (any token of the family: whoever
 * holds one may give it up). A token that nothing belongs to is not told from one that was ended.
 * @returns whether a browser's session was among them
 */
export async function logOut(
  deps: Pick<Deps, 'store' | 'onSessionsEnded'>,
  principal: Principal | null,
  refreshToken: string | undefined,
): Promise<Result<{ readonly endedBrowser: boolean }, SignInRequired>> {
  const presented = refreshToken === undefined ? null : readRefreshToken(refreshToken);
  if (refreshToken === undefined && principal?.kind !== 'account') return refuse(signInRequired);
  return deps.store.transact('session.logOut', async (tx) => {
    const own = principal?.kind === 'account' ? await findSession(tx, principal.sessionId) : null;
    const family =
      presented === null ? null : await findSessionByToken(tx, hashRefreshFamily(presented.family));
    const ended = new Map([own, family].flatMap((session) => (session ? [[session.id, session]] : [])));
    if (ended.size > 0) tx.afterCommit(deps.onSessionsEnded);
    await deleteSessions(tx, [...ended.keys()]);
    for (const session of ended.values()) {
      const account = await findAccount(tx, session.accountId);
      await recordAudit(tx, {
        actor: { kind: 'account', id: session.accountId, name: account?.displayName ?? '' },
        action: 'session.close',
        target: { table: 'account', id: session.accountId },
        payload: {},
      });
    }
    return ok({ endedBrowser: own?.kind === 'browser' });
  });
}
