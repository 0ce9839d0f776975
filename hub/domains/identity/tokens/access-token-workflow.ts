import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIsoOrNull } from '#hub/kernel/time.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import type { Transaction } from '#hub/store/store.ts';
import { type FieldRefusal, fieldRefusal } from '#hub/store/written.ts';
import { type BeyondOwnPermissions, checkHolds } from '../accounts/workflow.ts';
import type { IdentityDeps } from '../deps.ts';
import { permissionsBeyond } from '../rules.ts';
import { actorOf, recordAudit } from '../workflow.ts';
import { createAccessToken, hashAccessToken } from './opaque-token.ts';
import { maxTokensPerServiceAccount } from './rules.ts';
import {
  type AccessToken,
  deleteToken,
  findServiceAccount,
  insertToken,
  listTokens,
  type ServiceAccount,
} from './service-account-repository.ts';
import {
  checkIsPerson,
  checkMayManage,
  type PersonNeeded,
  type ServiceAccountNotFound,
} from './service-account-workflow.ts';

/** A token and, this once, its text. */
export interface FreshToken {
  readonly token: AccessToken;
  readonly text: string;
}

type TokenNotFound = Refusal<'accessTokenNotFound'>;
type TooMany = Refusal<'tooManyAccessTokens'> & { readonly max: number; readonly nextStep: string };
type NameTaken = FieldRefusal<'accessTokenNameTaken'>;
type EndsInThePast = FieldRefusal<'endsInThePast'>;
/** A token's scopes narrow those of its service account. */
type ScopesTooWide = FieldRefusal<'scopesTooWide'> & { readonly permissions: readonly string[] };

export type TokenCreateRefusal =
  | ServiceAccountNotFound
  | PersonNeeded
  | BeyondOwnPermissions
  | TooMany
  | NameTaken
  | EndsInThePast
  | ScopesTooWide;
export type TokenRotateRefusal =
  | ServiceAccountNotFound
  | TokenNotFound
  | PersonNeeded
  | BeyondOwnPermissions
  | EndsInThePast;

type Deps = Pick<IdentityDeps, 'store' | 'newId' | 'permissions' | 'onSessionsEnded'>;

const nameTaken: NameTaken = fieldRefusal(
  'accessTokenNameTaken',
  'name',
  'another token of this service account has this name',
);
const endsInThePast: EndsInThePast = fieldRefusal('endsInThePast', 'expiresAt', 'is over already');

const tooWide = (permissions: readonly string[]): ScopesTooWide => ({
  code: 'scopesTooWide',
  permissions,
  errors: [{ pointer: '/body/scopes', message: 'are more than the service account has' }],
});

function freshToken(
  tx: Transaction,
  deps: Pick<Deps, 'newId'>,
  asker: Principal,
  draft: Pick<AccessToken, 'serviceAccountId' | 'name' | 'scopes' | 'expiresAtMs'>,
): FreshToken {
  const text = createAccessToken();
  const tokenHash = hashAccessToken(text);
  assert(tokenHash !== null, 'a token that was just made is well formed');
  const token: AccessToken = {
    id: deps.newId(),
    serviceAccountId: draft.serviceAccountId,
    name: draft.name,
    tokenHash,
    ending: text.slice(-4),
    scopes: draft.scopes,
    createdAtMs: tx.nowMs,
    expiresAtMs: draft.expiresAtMs,
    lastUsedAtMs: null,
    lastUsedAddress: null,
    maker:
      asker.kind === 'account' ? { id: asker.accountId, displayName: asker.displayName, active: true } : null,
  };
  return { token, text };
}

/** Issues a token for a service account. Its text is returned only here. */
export async function createToken(
  deps: Deps,
  asker: Principal,
  serviceAccountId: string,
  draft: {
    readonly name: string;
    readonly scopes: readonly PermissionName[] | null;
    readonly expiresAtMs: number | null;
  },
): Promise<Result<FreshToken, TokenCreateRefusal>> {
  const isPerson = checkIsPerson(asker);
  if (!isPerson.ok) return isPerson;
  return deps.store.transact('accessToken.create', async (tx) => {
    const account = await findServiceAccount(tx, serviceAccountId);
    if (account === null) return refuse({ code: 'serviceAccountNotFound' });
    const { name, scopes, expiresAtMs } = draft;
    const mayGrant = checkHolds(deps, asker, scopes ?? account.scopes);
    if (!mayGrant.ok) return mayGrant;
    const beyond = permissionsBeyond(scopes ?? [], new Set(account.scopes));
    if (beyond.length > 0) return refuse(tooWide(beyond));
    if (expiresAtMs !== null && expiresAtMs <= tx.nowMs) return refuse(endsInThePast);
    const others = await listTokens(tx, [serviceAccountId]);
    if (others.some((other) => other.name.toLowerCase() === name.toLowerCase())) return refuse(nameTaken);
    if (others.length >= maxTokensPerServiceAccount)
      return refuse({
        code: 'tooManyAccessTokens',
        max: maxTokensPerServiceAccount,
        nextStep: 'Revoke a token that nothing uses any more.',
      });
    const { token, text } = freshToken(tx, deps, asker, { serviceAccountId, name, scopes, expiresAtMs });
    await insertToken(tx, token);
    await recordToken(tx, asker, 'accessToken.create', token);
    return ok({ token, text });
  });
}

async function recordToken(
  tx: Transaction,
  asker: Principal,
  action: string,
  token: AccessToken,
): Promise<void> {
  await recordAudit(tx, {
    actor: actorOf(asker),
    action,
    target: { table: 'service_account', id: token.serviceAccountId },
    payload: {
      tokenId: token.id,
      name: token.name,
      scopes: token.scopes === null ? null : [...token.scopes],
      expiresAt: toIsoOrNull(token.expiresAtMs),
    },
  });
}

async function findOwned(
  tx: Transaction,
  serviceAccountId: string,
  tokenId: string,
): Promise<
  Result<
    { readonly account: ServiceAccount; readonly token: AccessToken },
    ServiceAccountNotFound | TokenNotFound
  >
> {
  const account = await findServiceAccount(tx, serviceAccountId);
  if (account === null) return refuse({ code: 'serviceAccountNotFound' });
  const token = (await listTokens(tx, [serviceAccountId])).find((candidate) => candidate.id === tokenId);
  return token === undefined ? refuse({ code: 'accessTokenNotFound' }) : ok({ account, token });
}

/**
 * Puts a fresh token with the same name and scopes in the place of the one before, which stops at once; `expiresAtMs`
 * undefined keeps the end. Where both must work for a while, make a second token and revoke the first.
 */
export async function rotateToken(
  deps: Deps,
  asker: Principal,
  serviceAccountId: string,
  tokenId: string,
  asked: { readonly expiresAtMs: number | null | undefined },
): Promise<Result<FreshToken, TokenRotateRefusal>> {
  const isPerson = checkIsPerson(asker);
  if (!isPerson.ok) return isPerson;
  return deps.store.transact('accessToken.rotate', async (tx) => {
    const found = await findOwned(tx, serviceAccountId, tokenId);
    if (!found.ok) return found;
    const { account, token } = found.value;
    const mayGrant = checkHolds(deps, asker, token.scopes ?? account.scopes);
    if (!mayGrant.ok) return mayGrant;
    const expiresAtMs = asked.expiresAtMs === undefined ? token.expiresAtMs : asked.expiresAtMs;
    if (expiresAtMs !== null && expiresAtMs <= tx.nowMs) return refuse(endsInThePast);
    // A row of its own: whoever came in by the one before is known by its id, and goes with it.
    const fresh = freshToken(tx, deps, asker, { ...token, expiresAtMs });
    await deleteToken(tx, token.id);
    await insertToken(tx, fresh.token);
    tx.afterCommit(deps.onSessionsEnded);
    await recordToken(tx, asker, 'accessToken.rotate', fresh.token);
    return ok(fresh);
  });
}

/** Ends a token at once. */
export async function revokeToken(
  deps: Deps,
  asker: Principal,
  serviceAccountId: string,
  tokenId: string,
): Promise<Result<null, ServiceAccountNotFound | TokenNotFound | BeyondOwnPermissions>> {
  return deps.store.transact('accessToken.revoke', async (tx) => {
    const found = await findOwned(tx, serviceAccountId, tokenId);
    if (!found.ok) return found;
    const mayManage = checkMayManage(deps, asker, found.value.account);
    if (!mayManage.ok) return mayManage;
    await deleteToken(tx, tokenId);
    tx.afterCommit(deps.onSessionsEnded);
    await recordToken(tx, asker, 'accessToken.revoke', found.value.token);
    return ok(null);
  });
}
