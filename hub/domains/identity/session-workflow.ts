import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import {
  type Account,
  deleteSessions,
  deleteStaleSessions,
  findAccount,
  findAccountByUsername,
  findPassword,
  findSession,
  insertSession,
  listSessions,
  type Session,
  savePassword,
} from './account-repository.ts';
import { type AttemptKey, beginAttempt, settleAttempt, type TooManyAttempts } from './attempt-workflow.ts';
import type { IdentityDeps } from './deps.ts';
import type { HasherBusy } from './password.ts';
import { findSite } from './repository.ts';
import { loadPermissions } from './role-repository.ts';
import {
  isSessionAlive,
  maxSessionsPerAccount,
  normaliseUsername,
  sessionIdleMs,
  sessionLifeMs,
} from './rules.ts';
import type { Permission } from './schema.ts';
import { createSessionToken, csrfTokenOf, hashSessionToken } from './session-token.ts';
import { recordAudit } from './workflow.ts';

/** A session and, this once, the token that opens it. */
export interface OpenedSession {
  readonly session: Session;
  readonly token: string;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
  readonly remoteAddress: string;
  /** The session of whoever signs in again, which ends with it. */
  readonly replacesSessionId: string | null;
}

export type SignInRefusal =
  | (Refusal<'credentialsWrong'> & { readonly title: string; readonly nextStep: string })
  | (Refusal<'accountDisabled'> & { readonly nextStep: string })
  | TooManyAttempts
  | HasherBusy;

type Deps = Pick<IdentityDeps, 'store' | 'passwords' | 'newId'>;

const wrong: SignInRefusal = {
  code: 'credentialsWrong',
  title: 'Username or password is wrong',
  nextStep: 'Check both; an administrator can set a new password.',
};
const disabled: SignInRefusal = {
  code: 'accountDisabled',
  nextStep: 'Ask an administrator to enable the account.',
};

/**
 * Opens a session for a username and password. The try is counted before the password is looked at; an unknown
 * username takes as long as a wrong password and gets the same answer.
 */
export async function signIn(deps: Deps, given: Credentials): Promise<Result<OpenedSession, SignInRefusal>> {
  const username = normaliseUsername(given.username);
  const keys = signInKeys(username, given.remoteAddress);
  const begun = await deps.store.transact('signIn.begin', (tx) =>
    beginAttempt(tx, [keys.signIn, keys.address]),
  );
  if (!begun.ok) return begun;
  const account = await findAccountByUsername(deps.store.read, username);
  const phc = account === null ? null : await findPassword(deps.store.read, account.id);
  const verified = await deps.passwords.verify(phc, given.password);
  if (!verified.ok) {
    await takeBack(deps, keys);
    return verified;
  }
  if (account === null || phc === null || !verified.value.matches) {
    await deps.store.transact('signIn.refused', (tx) =>
      recordRefusedSignIn(tx, account, given.remoteAddress),
    );
    return refuse(wrong);
  }
  const rehashed = verified.value.stale ? await deps.passwords.hash(given.password) : null;
  return deps.store.transact('signIn', async (tx) => {
    const now = await findAccount(tx, account.id);
    // Somebody may have changed either while the password was looked at.
    if (now === null || (await findPassword(tx, account.id)) !== phc) return refuse(wrong);
    if (now.status !== 'active') return refuse(disabled);
    await settleAttempt(tx, keys.signIn, 'reset');
    await settleAttempt(tx, keys.address, 'takeBack');
    if (rehashed?.ok) await savePassword(tx, account.id, rehashed.value);
    if (given.replacesSessionId !== null) await deleteSessions(tx, [given.replacesSessionId]);
    const opened = await openSession(tx, deps, account.id, given.remoteAddress);
    await recordAudit(tx, {
      actor: { kind: 'account', id: account.id, name: now.displayName },
      action: 'session.open',
      target: { table: 'account', id: account.id },
      payload: { remoteAddress: given.remoteAddress },
    });
    return ok(opened);
  });
}

/** What a wrong password counts under: this account from this address, and this address over all accounts. */
export function signInKeys(
  username: string,
  remoteAddress: string,
): { readonly signIn: AttemptKey; readonly address: AttemptKey } {
  return {
    signIn: { kind: 'signIn', of: [username, remoteAddress] },
    address: { kind: 'address', of: [remoteAddress] },
  };
}

/** A try that was never looked at. */
export async function takeBack(
  deps: Pick<Deps, 'store'>,
  keys: ReturnType<typeof signInKeys>,
): Promise<void> {
  await deps.store.transact('signIn.takeBack', async (tx) => {
    await settleAttempt(tx, keys.signIn, 'takeBack');
    await settleAttempt(tx, keys.address, 'takeBack');
  });
}

/** Of a username that nobody has, nothing is kept: it may be a password in the wrong field. */
export async function recordRefusedSignIn(
  tx: Transaction,
  account: Account | null,
  remoteAddress: string,
): Promise<void> {
  await recordAudit(tx, {
    actor: { kind: 'system' },
    action: 'session.refuse',
    target: account === null ? null : { table: 'account', id: account.id },
    payload: { remoteAddress },
  });
}

/** Adds a session; the account's longest unused ones beyond the bound end. */
export async function openSession(
  tx: Transaction,
  deps: Pick<Deps, 'newId'>,
  accountId: string,
  remoteAddress: string,
): Promise<OpenedSession> {
  await deleteStaleSessions(tx, { lastUsedAtMs: tx.nowMs - sessionIdleMs, expiresAtMs: tx.nowMs });
  const others = await listSessions(tx, accountId);
  await deleteSessions(
    tx,
    others.slice(maxSessionsPerAccount - 1).map((session) => session.id),
  );
  const token = createSessionToken();
  const session = {
    id: deps.newId(),
    accountId,
    tokenHash: hashSessionToken(token),
    createdAtMs: tx.nowMs,
    lastUsedAtMs: tx.nowMs,
    expiresAtMs: tx.nowMs + sessionLifeMs,
    remoteAddress,
  };
  await insertSession(tx, session);
  return { session, token };
}

/** Signing out. */
export async function closeSession(
  deps: Pick<IdentityDeps, 'store' | 'onSessionsEnded'>,
  session: { readonly id: string; readonly accountId: string; readonly displayName: string },
): Promise<void> {
  await deps.store.transact('signOut', async (tx) => {
    await deleteSessions(tx, [session.id]);
    tx.afterCommit(deps.onSessionsEnded);
    await recordAudit(tx, {
      actor: { kind: 'account', id: session.accountId, name: session.displayName },
      action: 'session.close',
      target: { table: 'account', id: session.accountId },
      payload: {},
    });
  });
}

/** Ends one of the account's own sessions elsewhere: a lost phone, a shared computer. */
export async function revokeSession(
  deps: Pick<IdentityDeps, 'store' | 'onSessionsEnded'>,
  own: { readonly accountId: string; readonly displayName: string },
  sessionId: string,
): Promise<Result<null, Refusal<'sessionMissing'>>> {
  return deps.store.transact('session.revoke', async (tx) => {
    const session = await findSession(tx, sessionId);
    // Somebody else's session is as good as none: its existence is not told.
    if (session?.accountId !== own.accountId) return refuse({ code: 'sessionMissing' });
    await deleteSessions(tx, [sessionId]);
    tx.afterCommit(deps.onSessionsEnded);
    await recordAudit(tx, {
      actor: { kind: 'account', id: own.accountId, name: own.displayName },
      action: 'session.revoke',
      target: { table: 'account', id: own.accountId },
      payload: {},
    });
    return ok(null);
  });
}

export async function listOwnSessions(
  deps: Pick<IdentityDeps, 'store' | 'clock'>,
  accountId: string,
): Promise<readonly Session[]> {
  const sessions = await listSessions(deps.store.read, accountId);
  const nowMs = deps.clock.nowMs();
  return sessions.filter((session) => isSessionAlive(session, nowMs));
}

/** What the page needs to know of whoever is signed in. */
export interface SessionView {
  readonly account: Account;
  readonly permissions: readonly Permission[];
  readonly csrfToken: string;
  readonly siteName: string | null;
  readonly expiresAtMs: number;
}

/** Null when the session has ended meanwhile. */
export async function viewSession(
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
    permissions: [...(await loadPermissions(reader, account.id, nowMs))],
    csrfToken: csrfTokenOf(session.tokenHash),
    siteName: site?.name ?? null,
    expiresAtMs: session.expiresAtMs,
  };
}
