import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { type CursorInvalid, openPage, type PageQuery } from '#hub/http/endpoint/page-cursor.ts';
import type { Permitted } from '#hub/kernel/permission-catalog.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Reader } from '#hub/store/store.ts';
import { type Account, findAccount } from '../accounts/repository.ts';
import { type BeyondOwnPermissions, checkHolds } from '../accounts/workflow.ts';
import type { IdentityDeps } from '../deps.ts';
import { findSite } from '../repository.ts';
import { loadPermissions } from '../roles/repository.ts';
import { isSessionAlive, sessionEndMs } from '../rules.ts';
import { actorOf, recordAudit } from '../workflow.ts';
import {
  deleteSessions,
  deleteSessionsOf,
  findSession,
  listAllSessions,
  listSessions,
  type Session,
  type SessionFilter,
  type SessionOfAccount,
} from './repository.ts';
import { csrfTokenOf } from './token.ts';

type EndDeps = Pick<IdentityDeps, 'store' | 'permissions' | 'onSessionsEnded'>;

/** Where the account is signed in, the last used first. */
export async function listOwnSessions(
  deps: Pick<IdentityDeps, 'store' | 'clock'>,
  accountId: string,
): Promise<readonly Session[]> {
  const sessions = await listSessions(deps.store.read, accountId);
  const nowMs = deps.clock.nowMs();
  return sessions.filter((session) => isSessionAlive(session, nowMs));
}

/** A page of everybody's sessions, the newest first; those that time has ended are left out of it. */
export async function pageSessions(
  deps: Pick<IdentityDeps, 'store' | 'clock'>,
  query: PageQuery & SessionFilter,
): Promise<
  Result<{ readonly items: readonly SessionOfAccount[]; readonly nextCursor: string | null }, CursorInvalid>
> {
  const asked = openPage(query, 1);
  if (!asked.ok) return asked;
  const found = await listAllSessions(deps.store.read, query, asked.value);
  const page = asked.value.cut(found, (session) => [session.id]);
  const nowMs = deps.clock.nowMs();
  return ok({
    items: page.rows.filter((session) => isSessionAlive(session, nowMs)),
    nextCursor: page.nextCursor,
  });
}

/** Ends one of the own sessions: a lost phone, a shared computer. */
export async function revokeOwnSession(
  deps: EndDeps,
  asker: Principal,
  sessionId: string,
): Promise<Result<null, Refusal<'sessionNotFound'>>> {
  return deps.store.transact('session.revokeOwn', async (tx) => {
    const session = await findSession(tx, sessionId);
    // Somebody else's session is as good as none: its existence is not told.
    if (session?.accountId !== asker.accountId) return refuse({ code: 'sessionNotFound' });
    await deleteSessions(tx, [sessionId]);
    tx.afterCommit(deps.onSessionsEnded);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'session.revoke',
      target: { table: 'account', id: session.accountId },
      payload: { sessionId },
    });
    return ok(null);
  });
}

/** Ends every other session of the asker's account; returns how many. */
export async function revokeOtherSessions(deps: EndDeps, asker: Principal): Promise<number> {
  return deps.store.transact('session.revokeOthers', async (tx) => {
    const ended = await deleteSessionsOf(tx, asker.accountId, asker.sessionId);
    if (ended === 0) return 0;
    tx.afterCommit(deps.onSessionsEnded);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'session.revokeOthers',
      target: { table: 'account', id: asker.accountId },
      payload: { ended },
    });
    return ended;
  });
}

/** Ends anybody's session; the asker must hold all that its account may do. */
export async function revokeSession(
  deps: EndDeps,
  asker: Principal,
  sessionId: string,
): Promise<Result<null, Refusal<'sessionNotFound'> | BeyondOwnPermissions>> {
  return deps.store.transact('session.revoke', async (tx) => {
    const session = await findSession(tx, sessionId);
    if (session === null) return refuse({ code: 'sessionNotFound' });
    const mayRule = checkHolds(deps, asker, await loadPermissions(tx, session.accountId, tx.nowMs));
    if (!mayRule.ok) return mayRule;
    await deleteSessions(tx, [sessionId]);
    tx.afterCommit(deps.onSessionsEnded);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'session.revoke',
      target: { table: 'account', id: session.accountId },
      payload: { sessionId },
    });
    return ok(null);
  });
}

/** The signed-in account, as the page needs it. */
export interface SessionView {
  readonly account: Account;
  readonly permissions: Permitted;
  /** Null for a session without a cookie: nothing to forge. */
  readonly csrfToken: string | null;
  readonly siteName: string | null;
  readonly endsAtMs: number;
}

/** Null when the session has ended meanwhile. */
export async function loadSessionView(
  reader: Reader,
  sessionId: string,
  nowMs: number,
): Promise<SessionView | null> {
  const session = await findSession(reader, sessionId);
  const account = session === null ? null : await findAccount(reader, session.accountId);
  if (session === null || account === null) return null;
  const site = await findSite(reader);
  return {
    account,
    permissions: await loadPermissions(reader, account.id, nowMs),
    csrfToken: session.kind === 'browser' ? csrfTokenOf(session.tokenHash) : null,
    siteName: site?.name ?? null,
    endsAtMs: session.kind === 'browser' ? session.expiresAtMs : sessionEndMs(session),
  };
}
