import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import type { Reader } from '#hub/store/store.ts';
import { findAccount } from './accounts/repository.ts';
import { loadPermissions } from './roles/repository.ts';
import { isSessionAlive } from './rules.ts';
import { findSession, type Session } from './sessions/repository.ts';
import { narrowPermissions } from './tokens/rules.ts';
import { findTokenHolder, type TokenHolder } from './tokens/service-account-repository.ts';

/**
 * Loads the principal of a session with its current permissions; null if the session has ended or the account is
 * disabled.
 */
export async function principalOfSession(
  reader: Reader,
  session: Session,
  nowMs: number,
): Promise<Principal | null> {
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
 * What the token may do now: what its own scopes, its service account's and the rights of the owner have in common, and
 * those of whoever made it for another: a dismissed administrator knows its text. Null when any of them has ended.
 */
export async function principalOfToken(
  reader: Reader,
  { token, serviceAccount, ownerStatus }: TokenHolder,
  nowMs: number,
): Promise<Principal | null> {
  if (token.expiresAtMs !== null && nowMs >= token.expiresAtMs) return null;
  if (serviceAccount.status !== 'active' || ownerStatus !== 'active') return null;
  const { maker } = token;
  if (maker !== null && !maker.active) return null;
  const held = await loadPermissions(reader, serviceAccount.ownerId, nowMs);
  const isMadeForAnother = maker !== null && maker.id !== serviceAccount.ownerId;
  const heldByMaker = isMadeForAnother ? [...(await loadPermissions(reader, maker.id, nowMs))] : null;
  return {
    kind: 'service',
    accountId: serviceAccount.id,
    displayName: serviceAccount.name,
    permissions: narrowPermissions(held, heldByMaker, serviceAccount.scopes, token.scopes),
    sessionId: token.id,
  };
}

/** Reloads the principal; null if its session or token has ended. */
export async function recheckPrincipal(
  reader: Reader,
  principal: Principal,
  nowMs: number,
): Promise<Principal | null> {
  if (principal.kind === 'console') return principal;
  if (principal.kind === 'service') {
    const holder = await findTokenHolder(reader, { tokenId: principal.sessionId });
    return holder === null ? null : principalOfToken(reader, holder, nowMs);
  }
  const session = await findSession(reader, principal.sessionId);
  return session === null ? null : principalOfSession(reader, session, nowMs);
}
