import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import type { Permitted } from '#hub/kernel/permission-catalog.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { type FieldRefusal, fieldRefusal, type Stale } from '#hub/store/written.ts';
import { findAccount } from '../accounts/repository.ts';
import { type BeyondOwnPermissions, checkHolds } from '../accounts/workflow.ts';
import type { IdentityDeps } from '../deps.ts';
import { loadPermissions } from '../roles/repository.ts';
import { actorOf, recordAudit } from '../workflow.ts';
import { maxServiceAccounts, narrowPermissions } from './rules.ts';
import type { ServiceAccountStatus } from './schema.ts';
import {
  type AccessToken,
  countServiceAccounts,
  deleteTokensOf,
  findOwners,
  findServiceAccount,
  findServiceAccountNamed,
  listServiceAccounts,
  listTokens,
  rowToServiceAccount,
  type ServiceAccount,
  type ServiceAccountPage,
  serviceAccountColumns,
} from './service-account-repository.ts';

/** A service account with its tokens and what it may do now. */
export interface ServiceAccountView {
  readonly account: ServiceAccount;
  readonly owner: { readonly displayName: string; readonly active: boolean };
  readonly effectiveScopes: readonly string[];
  readonly tokens: readonly AccessToken[];
}

export type ServiceAccountNotFound = Refusal<'serviceAccountNotFound'>;
/** Whoever holds a leaked token must not be able to make others of it. */
export type PersonNeeded = Refusal<'personNeeded'>;
type TooMany = Refusal<'tooManyServiceAccounts'> & { readonly max: number; readonly nextStep: string };
type NameTaken = FieldRefusal<'serviceAccountNameTaken'>;
type OwnerUnknown = FieldRefusal<'ownerUnknown'>;

export type ServiceAccountCreateRefusal =
  | PersonNeeded
  | TooMany
  | NameTaken
  | OwnerUnknown
  | BeyondOwnPermissions;
export type ServiceAccountPatchRefusal =
  | ServiceAccountNotFound
  | PersonNeeded
  | NameTaken
  | OwnerUnknown
  | BeyondOwnPermissions
  | Stale<ServiceAccountView>;

type Deps = Pick<IdentityDeps, 'store' | 'newId' | 'permissions' | 'onSessionsEnded'>;

const nameTaken: NameTaken = fieldRefusal(
  'serviceAccountNameTaken',
  'name',
  'another service account has this name',
);
const ownerUnknown: OwnerUnknown = fieldRefusal('ownerUnknown', 'ownerId', 'is no account that can sign in');

/** Refuses a request that came in by a service account's token. */
export function checkIsPerson(asker: Principal): Result<null, PersonNeeded> {
  return asker.kind === 'service' ? refuse({ code: 'personNeeded' }) : ok(null);
}

/**
 * Checks that the asker may manage the service account: its owner always may, anybody else must hold all its permissions.
 */
export function checkMayManage(
  deps: Pick<IdentityDeps, 'permissions'>,
  asker: Principal,
  account: ServiceAccount,
): Result<null, BeyondOwnPermissions> {
  const isOwner = asker.kind === 'account' && asker.accountId === account.ownerId;
  return isOwner ? ok(null) : checkHolds(deps, asker, account.scopes);
}

async function view(
  reader: Reader,
  accounts: readonly ServiceAccount[],
  nowMs: number,
): Promise<readonly ServiceAccountView[]> {
  const ids = accounts.map((account) => account.id);
  const ownerIds = [...new Set(accounts.map((account) => account.ownerId))];
  const owners = await findOwners(reader, ownerIds);
  const tokensByAccount = Map.groupBy(await listTokens(reader, ids), (token) => token.serviceAccountId);
  const rightsByOwner = new Map<string, Permitted>();
  for (const ownerId of ownerIds) rightsByOwner.set(ownerId, await loadPermissions(reader, ownerId, nowMs));
  return accounts.map((account) => {
    const owner = owners.get(account.ownerId) ?? { displayName: '', active: false };
    const works = owner.active && account.status === 'active';
    const held = works ? rightsByOwner.get(account.ownerId) : undefined;
    return {
      account,
      owner,
      effectiveScopes: [...narrowPermissions(held ?? new Set(), account.scopes)],
      tokens: tokensByAccount.get(account.id) ?? [],
    };
  });
}

async function loadServiceAccountView(
  reader: Reader,
  account: ServiceAccount,
  nowMs: number,
): Promise<ServiceAccountView> {
  const [one] = await view(reader, [account], nowMs);
  assert(one !== undefined, 'one account has one view');
  return one;
}

/** In the order of creation. */
export async function loadServiceAccounts(
  reader: Reader,
  page: ServiceAccountPage,
  nowMs: number,
): Promise<readonly ServiceAccountView[]> {
  return view(reader, await listServiceAccounts(reader, page), nowMs);
}

export async function loadServiceAccount(
  reader: Reader,
  id: string,
  nowMs: number,
): Promise<Result<ServiceAccountView, ServiceAccountNotFound>> {
  const account = await findServiceAccount(reader, id);
  if (account === null) return refuse({ code: 'serviceAccountNotFound' });
  return ok(await loadServiceAccountView(reader, account, nowMs));
}

/** Adds a service account without a token. It may never do more than its owner may do at the moment of each request. */
export async function createServiceAccount(
  deps: Deps,
  asker: Principal,
  draft: {
    readonly name: string;
    readonly purpose: string;
    readonly scopes: readonly PermissionName[];
    readonly ownerId?: string | undefined;
  },
): Promise<Result<ServiceAccountView, ServiceAccountCreateRefusal>> {
  const isPerson = checkIsPerson(asker);
  if (!isPerson.ok) return isPerson;
  const mayGrant = checkHolds(deps, asker, draft.scopes);
  if (!mayGrant.ok) return mayGrant;
  return deps.store.transact('serviceAccount.create', async (tx) => {
    const { name, purpose, scopes } = draft;
    const ownerId = draft.ownerId ?? asker.accountId;
    if ((await findAccount(tx, ownerId))?.status !== 'active') return refuse(ownerUnknown);
    if ((await findServiceAccountNamed(tx, name)) !== null) return refuse(nameTaken);
    if ((await countServiceAccounts(tx)) >= maxServiceAccounts)
      return refuse({
        code: 'tooManyServiceAccounts',
        max: maxServiceAccounts,
        nextStep: 'Delete a service account that nothing uses any more.',
      });
    const id = deps.newId();
    const columns = serviceAccountColumns({ name, purpose, ownerId, scopes });
    await tx.insert('service_account', { id, ...columns, status: 'active' });
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'serviceAccount.create',
      target: { table: 'service_account', id },
      payload: { name, purpose, ownerId, scopes: [...scopes] },
    });
    const account = await findServiceAccount(tx, id);
    assert(account !== null, 'the service account was just made');
    return ok(await loadServiceAccountView(tx, account, tx.nowMs));
  });
}

interface PatchAsked {
  readonly version: number;
  readonly name?: string | undefined;
  readonly purpose?: string | undefined;
  readonly scopes?: readonly PermissionName[] | undefined;
  readonly ownerId?: string | undefined;
}

/**
 * Checks that the asker may make this change; adding a scope or changing the owner requires holding the permissions it
 * gives.
 */
async function checkPatch(
  deps: Deps,
  tx: Transaction,
  asker: Principal,
  account: ServiceAccount,
  asked: PatchAsked,
): Promise<Result<null, BeyondOwnPermissions | OwnerUnknown>> {
  const mayManage = checkMayManage(deps, asker, account);
  if (!mayManage.ok) return mayManage;
  const scopes = asked.scopes ?? account.scopes;
  const isHandedOver = asked.ownerId !== undefined && asked.ownerId !== account.ownerId;
  const added = scopes.filter((scope) => isHandedOver || !account.scopes.includes(scope));
  const mayGrant = checkHolds(deps, asker, added);
  if (!mayGrant.ok) return mayGrant;
  if (asked.ownerId !== undefined && (await findAccount(tx, asked.ownerId))?.status !== 'active')
    return refuse(ownerUnknown);
  return ok(null);
}

export async function changeServiceAccount(
  deps: Deps,
  asker: Principal,
  id: string,
  asked: PatchAsked,
): Promise<Result<ServiceAccountView, ServiceAccountPatchRefusal>> {
  const isPerson = checkIsPerson(asker);
  if (!isPerson.ok) return isPerson;
  return deps.store.transact('serviceAccount.update', async (tx) => {
    const account = await findServiceAccount(tx, id);
    if (account === null) return refuse({ code: 'serviceAccountNotFound' });
    const allowed = await checkPatch(deps, tx, asker, account, asked);
    if (!allowed.ok) return allowed;
    if (account.version !== asked.version)
      return refuse({ code: 'staleVersion', current: await loadServiceAccountView(tx, account, tx.nowMs) });
    const wanted = {
      name: asked.name ?? account.name,
      purpose: asked.purpose ?? account.purpose,
      scopes: asked.scopes ?? account.scopes,
      ownerId: asked.ownerId ?? account.ownerId,
    };
    const namesake = await findServiceAccountNamed(tx, wanted.name);
    if (namesake !== null && namesake.id !== id) return refuse(nameTaken);
    const written = await tx.write('service_account', id, serviceAccountColumns(wanted));
    assert(written.ok, 'the service account was just read');
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'serviceAccount.update',
      target: { table: 'service_account', id },
      payload: { ...wanted, scopes: [...wanted.scopes] },
    });
    return ok(await loadServiceAccountView(tx, rowToServiceAccount(written.value), tx.nowMs));
  });
}

/** Disables (its tokens stop at once) or enables a service account. */
export async function setServiceAccountStatus(
  deps: Deps,
  asker: Principal,
  id: string,
  status: ServiceAccountStatus,
): Promise<Result<ServiceAccountView, ServiceAccountNotFound | BeyondOwnPermissions | PersonNeeded>> {
  const isPerson = status === 'active' ? checkIsPerson(asker) : ok(null);
  if (!isPerson.ok) return isPerson;
  return deps.store.transact('serviceAccount.status', async (tx) => {
    const account = await findServiceAccount(tx, id);
    if (account === null) return refuse({ code: 'serviceAccountNotFound' });
    const mayManage = checkMayManage(deps, asker, account);
    if (!mayManage.ok) return mayManage;
    if (account.status === status) return ok(await loadServiceAccountView(tx, account, tx.nowMs));
    const written = await tx.write('service_account', id, { status });
    assert(written.ok, 'the service account was just read');
    if (status === 'disabled') tx.afterCommit(deps.onSessionsEnded);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: status === 'disabled' ? 'serviceAccount.disable' : 'serviceAccount.enable',
      target: { table: 'service_account', id },
      payload: {},
    });
    return ok(await loadServiceAccountView(tx, rowToServiceAccount(written.value), tx.nowMs));
  });
}

/** Removes a service account and all its tokens. What it did stays in the audit log. */
export async function deleteServiceAccount(
  deps: Deps,
  asker: Principal,
  id: string,
): Promise<Result<null, ServiceAccountNotFound | BeyondOwnPermissions>> {
  return deps.store.transact('serviceAccount.delete', async (tx) => {
    const account = await findServiceAccount(tx, id);
    if (account === null) return refuse({ code: 'serviceAccountNotFound' });
    const mayManage = checkMayManage(deps, asker, account);
    if (!mayManage.ok) return mayManage;
    await deleteTokensOf(tx, id);
    await tx.remove('service_account', id);
    tx.afterCommit(deps.onSessionsEnded);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'serviceAccount.delete',
      target: { table: 'service_account', id },
      payload: { name: account.name },
    });
    return ok(null);
  });
}
