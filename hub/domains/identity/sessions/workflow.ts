import { peerOf } from '#hub/kernel/peer-address.ts';
import { Fault, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Transaction } from '#hub/store/store.ts';
import type { HasherBusy, HasherClaim } from '../accounts/password.ts';
import { findAccount, findAccountByUsername, findPassword, savePassword } from '../accounts/repository.ts';
import type { IdentityDeps } from '../deps.ts';
import {
  maxSessionsPerAccount,
  normaliseUsername,
  type SessionKind,
  sessionIdleMs,
  sessionLifeMs,
} from '../rules.ts';
import {
  createSecret,
  hashRefreshFamily,
  hashRefreshSecret,
  printRefreshToken,
} from '../tokens/opaque-token.ts';
import { recordAudit } from '../workflow.ts';
import {
  type Attempt,
  type AttemptKey,
  beginAttempt,
  settleAttempt,
  type TooManyAttempts,
} from './attempt-workflow.ts';
import { createDeviceToken, readDeviceToken } from './known-device.ts';
import { recordRefusedSignIn } from './refused-sign-ins.ts';
import {
  deleteSessions,
  deleteStaleSessions,
  findSession,
  insertSession,
  listSessions,
  type Session,
} from './repository.ts';
import { createSessionToken, hashSessionToken } from './token.ts';

/** A session and, this once, the token that opens it: of the cookie, or the first refresh token. */
export interface OpenedSession {
  readonly session: Session;
  readonly token: string;
  /** For the browser to keep: the next wrong passwords of strangers do not lock this one out. */
  readonly deviceToken?: string;
}

/** Where and as what somebody signs in. */
export interface SignInPlace {
  readonly kind: SessionKind;
  readonly remoteAddress: string;
  /** As `describeDevice` says it. */
  readonly device: string;
  /** The browser's proof that it is a known device. */
  readonly deviceToken?: string | undefined;
}

export interface Credentials extends SignInPlace {
  readonly username: string;
  readonly password: string;
  /** The browser session of whoever signs in again there, which ends with it. */
  readonly replacesSessionId: string | null;
}

export type SignInRefusal =
  | (Refusal<'credentialsWrong'> & { readonly title: string; readonly nextStep: string })
  | (Refusal<'accountDisabled'> & { readonly nextStep: string })
  | TooManyAttempts
  | HasherBusy;

type Deps = Pick<IdentityDeps, 'store' | 'passwords' | 'newId' | 'deviceKey'>;

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
  const { keys, claim } = placeOfTry(deps, { ...given, username, deviceToken: given.deviceToken });
  const begun = await deps.store.transact('signIn.begin', (tx) => beginAttempt(tx, keys));
  if (!begun.ok) return begun;
  const account = await findAccountByUsername(deps.store.read, username);
  const phc = account === null ? null : await findPassword(deps.store.read, account.id);
  const verified = await deps.passwords.verify(phc, given.password, claim);
  if (!verified.ok) {
    await uncountTry(deps, begun.value);
    return verified;
  }
  if (account === null || phc === null || !verified.value.matches) {
    await deps.store.transact('signIn.refused', (tx) =>
      recordRefusedSignIn(tx, account, given.remoteAddress),
    );
    return refuse(wrong);
  }
  const rehashed = verified.value.stale ? await deps.passwords.hash(given.password) : null;
  const opening = deps.store.transact('signIn', async (tx) => {
    const now = await findAccount(tx, account.id);
    // Somebody may have changed either while the password was looked at.
    if (now === null || (await findPassword(tx, account.id)) !== phc) return refuse(wrong);
    if (now.status !== 'active') return refuse(disabled);
    await settleAttempt(tx, begun.value, clearedByPassword);
    if (rehashed?.ok) await savePassword(tx, account.id, rehashed.value);
    await endReplaced(tx, given);
    const opened = await openSession(tx, deps, account.id, given);
    await recordAudit(tx, {
      actor: { kind: 'account', id: account.id, name: now.displayName },
      action: 'session.open',
      target: { table: 'account', id: account.id },
      payload: { remoteAddress: given.remoteAddress, kind: given.kind },
    });
    if (given.kind !== 'browser') return ok(opened);
    return ok({ ...opened, deviceToken: createDeviceToken(deps.deviceKey, username) });
  });
  return await uncountWhenBusy(deps, begun.value, opening);
}

/** A program that signs a browser in with its own token keeps its own session. */
async function endReplaced(tx: Transaction, given: Credentials): Promise<void> {
  if (given.replacesSessionId === null) return;
  const replaced = await findSession(tx, given.replacesSessionId);
  if (replaced?.kind === given.kind) await deleteSessions(tx, [replaced.id]);
}

/** Who tries, as far as counting goes. */
export interface Trier {
  /** Normalised. */
  readonly username: string;
  readonly remoteAddress: string;
  /** Its proof that it is a device of this account. */
  readonly deviceToken: string | undefined;
}

/** How a try is counted, and what it may take of the hasher. */
export interface TryPlace {
  readonly keys: readonly AttemptKey[];
  readonly claim: HasherClaim;
}

/**
 * Where a wrong password counts: on a device that the account is known on there alone, so that nobody else can lock
 * it; else for this account from this peer, for the peer over all accounts, and for the account over all peers.
 */
export function placeOfTry(deps: Pick<IdentityDeps, 'deviceKey'>, trier: Trier): TryPlace {
  const { username, remoteAddress, deviceToken } = trier;
  const peer = peerOf(remoteAddress);
  const device = readDeviceToken(deps.deviceKey, deviceToken, username);
  if (device !== null)
    return {
      keys: [{ kind: 'device', of: [username, device.id] }],
      claim: { peer: `device ${device.id}`, isKnown: true },
    };
  return {
    keys: [
      { kind: 'signIn', of: [username, peer] },
      { kind: 'address', of: [peer] },
      { kind: 'account', of: [username] },
    ],
    claim: { peer, isKnown: false },
  };
}

/** Kinds whose counters a right password clears: what it shows is right for this account here. */
export const clearedByPassword = ['signIn', 'device'] as const;

/** Pause before a try is uncounted that could not be at once, and how often that is done. */
const uncountPauseMs = 2000;
const uncountTimes = 60;

const isStoreBusy = (error: unknown): boolean => error instanceof Fault && error.code === 'storeBusy';

/** Uncounts a try whose password was never checked; later, where the store is busy. */
export async function uncountTry(
  deps: Pick<Deps, 'store'>,
  attempt: Attempt,
  timesLeft = uncountTimes,
): Promise<void> {
  try {
    await deps.store.transact('signIn.takeBack', (tx) => settleAttempt(tx, attempt));
  } catch (error) {
    if (!isStoreBusy(error)) throw error;
    if (timesLeft > 0) uncountLater(deps, attempt, timesLeft - 1);
  }
}

/** Nobody waits for it, and whatever else breaks it breaks every write. */
function uncountLater(deps: Pick<Deps, 'store'>, attempt: Attempt, timesLeft = uncountTimes): void {
  const uncount = (): void => void uncountTry(deps, attempt, timesLeft).catch(() => undefined);
  setTimeout(uncount, uncountPauseMs).unref();
}

/** Settles as `acting`, which follows a right password; uncounts the try where the store was too busy for it. */
export async function uncountWhenBusy<T>(
  deps: Pick<Deps, 'store'>,
  attempt: Attempt,
  acting: Promise<T>,
): Promise<T> {
  try {
    return await acting;
  } catch (error) {
    if (isStoreBusy(error)) uncountLater(deps, attempt);
    throw error;
  }
}

/** Adds a session; the account's longest unused ones of the kind beyond the bound end. */
export async function openSession(
  tx: Transaction,
  deps: Pick<IdentityDeps, 'newId'>,
  accountId: string,
  place: SignInPlace,
): Promise<OpenedSession> {
  await deleteStaleSessions(tx, {
    browser: tx.nowMs - sessionIdleMs.browser,
    api: tx.nowMs - sessionIdleMs.api,
  });
  const others = (await listSessions(tx, accountId)).filter((other) => other.kind === place.kind);
  await deleteSessions(
    tx,
    others.slice(maxSessionsPerAccount - 1).map((session) => session.id),
  );
  const { token, ...hashes } = place.kind === 'browser' ? createCookie() : createFamily();
  const session = {
    id: deps.newId(),
    accountId,
    ...hashes,
    kind: place.kind,
    createdAtMs: tx.nowMs,
    lastUsedAtMs: tx.nowMs,
    expiresAtMs: tx.nowMs + sessionLifeMs,
    remoteAddress: place.remoteAddress,
    device: place.device,
  };
  await insertSession(tx, session);
  return { session, token };
}

type FreshToken = Pick<Session, 'tokenHash' | 'refresh'> & { readonly token: string };

function createCookie(): FreshToken {
  const token = createSessionToken();
  return { token, tokenHash: hashSessionToken(token), refresh: null };
}

function createFamily(): FreshToken {
  const family = createSecret();
  const secret = createSecret();
  return {
    token: printRefreshToken({ family, secret }),
    tokenHash: hashRefreshFamily(family),
    refresh: { currentHash: hashRefreshSecret(secret), hashBefore: null, refreshedAtMs: null },
  };
}

/** Signs out. Returns whether it was a browser's session, whose cookie must be cleared. */
export async function closeSession(
  deps: Pick<IdentityDeps, 'store' | 'onSessionsEnded'>,
  session: { readonly id: string; readonly accountId: string; readonly displayName: string },
): Promise<{ readonly endedBrowser: boolean }> {
  return deps.store.transact('signOut', async (tx) => {
    const ended = await findSession(tx, session.id);
    await deleteSessions(tx, [session.id]);
    tx.afterCommit(deps.onSessionsEnded);
    await recordAudit(tx, {
      actor: { kind: 'account', id: session.accountId, name: session.displayName },
      action: 'session.close',
      target: { table: 'account', id: session.accountId },
      payload: {},
    });
    return { endedBrowser: ended?.kind === 'browser' };
  });
}
