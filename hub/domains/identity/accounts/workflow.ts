import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { type FieldRefusal, fieldRefusal, type Stale } from '#hub/store/written.ts';
import type { IdentityDeps } from '../deps.ts';
import { findSite } from '../repository.ts';
import { type AssignedRole, listAssignedRoles, listOwners, loadPermissions } from '../roles/repository.ts';
import { normaliseUsername, ownerRemainsWithout, permissionsBeyond } from '../rules.ts';
import type { AccountStatus } from '../schema.ts';
import { deleteSessionsOf } from '../sessions/repository.ts';
import { actorOf, recordAudit } from '../workflow.ts';
import type { HasherBusy } from './password.ts';
import { checkNewPassword, type NewPasswordRefused } from './password-workflow.ts';
import {
  type Account,
  type AccountFilter,
  findAccount,
  findAccountByUsername,
  findAccountOfMember,
  listAccounts,
  type RowPage,
  rowToAccount,
  savePassword,
} from './repository.ts';

/** An account with the roles that count now. */
export interface AccountView {
  readonly account: Account;
  readonly roles: readonly AssignedRole[];
}

export type AccountNotFound = Refusal<'accountNotFound'>;
/** The account has rights that the asker lacks: managing it would let the asker take them over. */
export type BeyondOwnPermissions = Refusal<'beyondOwnPermissions'> & {
  readonly permissions: readonly string[];
  readonly nextStep: string;
};
export type LastOwner = Refusal<'lastOwner'> & { readonly nextStep: string };
type OwnAccount = Refusal<'ownAccount'> & { readonly nextStep: string };
type Conflict =
  | FieldRefusal<'usernameTaken'>
  | FieldRefusal<'memberUnknown'>
  | FieldRefusal<'memberHasAccount'>;

export type AccountCreateRefusal = Conflict | NewPasswordRefused | HasherBusy;
export type AccountPatchRefusal = Conflict | AccountNotFound | BeyondOwnPermissions | Stale<AccountView>;
export type AccountStatusRefusal = AccountNotFound | BeyondOwnPermissions | LastOwner | OwnAccount;
export type PasswordResetRefusal =
  | AccountNotFound
  | BeyondOwnPermissions
  | NewPasswordRefused
  | HasherBusy
  | OwnAccount;

export const lastOwner: LastOwner = {
  code: 'lastOwner',
  nextStep: 'Give the role super_admin to another active account first, without an end.',
};

async function view(reader: Reader, account: Account, nowMs: number): Promise<AccountView> {
  return { account, roles: await listAssignedRoles(reader, [account.id], nowMs) };
}

export async function loadAccount(
  reader: Reader,
  id: string,
  nowMs: number,
): Promise<Result<AccountView, AccountNotFound>> {
  const account = await findAccount(reader, id);
  return account === null ? refuse({ code: 'accountNotFound' }) : ok(await view(reader, account, nowMs));
}

/** In the order of creation; one more than asked for when there is more. */
export async function loadAccounts(
  reader: Reader,
  filter: AccountFilter,
  page: RowPage,
  nowMs: number,
): Promise<readonly AccountView[]> {
  const accounts = await listAccounts(reader, filter, page);
  const ids = accounts.map((account) => account.id);
  const rolesByAccount = Map.groupBy(await listAssignedRoles(reader, ids, nowMs), (role) => role.accountId);
  return accounts.map((account) => ({ account, roles: rolesByAccount.get(account.id) ?? [] }));
}

/** Checks that the asker holds every permission of this account. */
async function checkRightsOver(
  deps: Pick<IdentityDeps, 'permissions'>,
  reader: Reader,
  asker: Principal,
  accountId: string,
  nowMs: number,
): Promise<Result<null, BeyondOwnPermissions>> {
  return checkHolds(deps, asker, await loadPermissions(reader, accountId, nowMs));
}

/** Checks that the asker holds all of these permissions. A permission unknown to this release grants nothing. */
export function checkHolds(
  { permissions }: Pick<IdentityDeps, 'permissions'>,
  asker: Principal,
  wanted: Iterable<string>,
): Result<null, BeyondOwnPermissions> {
  const beyond = permissionsBeyond(permissions.pick(wanted), asker.permissions);
  if (beyond.length === 0) return ok(null);
  const nextStep = 'Ask somebody who has these permissions.';
  return refuse({ code: 'beyondOwnPermissions', permissions: beyond, nextStep });
}

async function checkConflicts(
  tx: Transaction,
  deps: Pick<IdentityDeps, 'memberExists'>,
  wanted: { readonly username: string; readonly memberId: string | null },
  ownId: string | null,
): Promise<Result<null, Conflict>> {
  const namesake = await findAccountByUsername(tx, wanted.username);
  if (namesake !== null && namesake.id !== ownId)
    return refuse(fieldRefusal('usernameTaken', 'username', 'another account has this username'));
  if (wanted.memberId === null) return ok(null);
  if (!(await deps.memberExists(tx, wanted.memberId)))
    return refuse(fieldRefusal('memberUnknown', 'memberId', 'there is no such member'));
  const other = await findAccountOfMember(tx, wanted.memberId);
  if (other !== null && other.id !== ownId)
    return refuse(fieldRefusal('memberHasAccount', 'memberId', 'this member has another account'));
  return ok(null);
}

/** Adds an account without any role: it can sign in and do nothing yet. */
export async function createAccount(
  deps: Pick<IdentityDeps, 'store' | 'passwords' | 'newId' | 'memberExists'>,
  asker: Principal,
  draft: {
    readonly username: string;
    readonly displayName: string;
    readonly password: string;
    readonly memberId: string | null;
  },
): Promise<Result<AccountView, AccountCreateRefusal>> {
  const username = normaliseUsername(draft.username);
  const site = await findSite(deps.store.read);
  const names = [username, draft.displayName, site?.name ?? ''];
  const allowed = await checkNewPassword(draft.password, names, '/body/password');
  if (!allowed.ok) return allowed;
  const hashed = await deps.passwords.hash(draft.password);
  if (!hashed.ok) return hashed;
  return deps.store.transact('account.create', async (tx) => {
    const { memberId } = draft;
    const free = await checkConflicts(tx, deps, { username, memberId }, null);
    if (!free.ok) return free;
    const id = deps.newId();
    await tx.insert('account', {
      id,
      username,
      display_name: draft.displayName,
      status: 'active',
      member_id: memberId,
    });
    await savePassword(tx, id, hashed.value);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'account.create',
      target: { table: 'account', id },
      payload: { username, displayName: draft.displayName, memberId },
    });
    const account = await findAccount(tx, id);
    assert(account !== null, 'the account was just made');
    return ok({ account, roles: [] });
  });
}

export async function changeAccount(
  deps: Pick<IdentityDeps, 'store' | 'permissions' | 'memberExists'>,
  asker: Principal,
  id: string,
  asked: {
    readonly version: number;
    readonly username?: string | undefined;
    readonly displayName?: string | undefined;
    readonly memberId?: string | null | undefined;
  },
): Promise<Result<AccountView, AccountPatchRefusal>> {
  return deps.store.transact('account.update', async (tx) => {
    const account = await findAccount(tx, id);
    if (account === null) return refuse({ code: 'accountNotFound' });
    const mayRule = await checkRightsOver(deps, tx, asker, id, tx.nowMs);
    if (!mayRule.ok) return mayRule;
    const wanted = {
      username: asked.username === undefined ? account.username : normaliseUsername(asked.username),
      displayName: asked.displayName ?? account.displayName,
      memberId: asked.memberId === undefined ? account.memberId : asked.memberId,
    };
    if (account.version !== asked.version)
      return refuse({ code: 'staleVersion', current: await view(tx, account, tx.nowMs) });
    const free = await checkConflicts(tx, deps, wanted, id);
    if (!free.ok) return free;
    const written = await tx.write('account', id, {
      username: wanted.username,
      display_name: wanted.displayName,
      member_id: wanted.memberId,
    });
    assert(written.ok, 'the account was just read');
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'account.update',
      target: { table: 'account', id },
      payload: wanted,
    });
    return ok(await view(tx, rowToAccount(written.value), tx.nowMs));
  });
}

/** Disables (all sessions end at once) or enables an account. The last owner stays. */
export async function setAccountStatus(
  deps: Pick<IdentityDeps, 'store' | 'permissions' | 'onSessionsEnded'>,
  asker: Principal,
  id: string,
  status: AccountStatus,
): Promise<Result<AccountView, AccountStatusRefusal>> {
  return deps.store.transact('account.status', async (tx) => {
    const account = await findAccount(tx, id);
    if (account === null) return refuse({ code: 'accountNotFound' });
    const mayRule = await checkRightsOver(deps, tx, asker, id, tx.nowMs);
    if (!mayRule.ok) return mayRule;
    if (account.status === status) return ok(await view(tx, account, tx.nowMs));
    if (status === 'disabled') {
      const owners = await listOwners(tx);
      const isOwner = owners.some((hold) => hold.accountId === id);
      if (isOwner && !ownerRemainsWithout(id, owners)) return refuse(lastOwner);
      if (asker.accountId === id)
        return refuse({ code: 'ownAccount', nextStep: 'Let another administrator disable your account.' });
      await deleteSessionsOf(tx, id);
      tx.afterCommit(deps.onSessionsEnded);
    }
    const written = await tx.write('account', id, { status });
    assert(written.ok, 'the account was just read');
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: status === 'disabled' ? 'account.disable' : 'account.enable',
      target: { table: 'account', id },
      payload: {},
    });
    return ok(await view(tx, rowToAccount(written.value), tx.nowMs));
  });
}

/** Sets a new password for somebody else, who is signed out everywhere. */
export async function resetPassword(
  deps: Pick<IdentityDeps, 'store' | 'passwords' | 'permissions' | 'onSessionsEnded'>,
  asker: Principal,
  id: string,
  password: string,
): Promise<Result<null, PasswordResetRefusal>> {
  if (asker.accountId === id)
    return refuse({ code: 'ownAccount', nextStep: 'Change your own password, giving the current one.' });
  const account = await findAccount(deps.store.read, id);
  if (account === null) return refuse({ code: 'accountNotFound' });
  const site = await findSite(deps.store.read);
  const names = [account.username, account.displayName, site?.name ?? ''];
  const allowed = await checkNewPassword(password, names, '/body/password');
  if (!allowed.ok) return allowed;
  const hashed = await deps.passwords.hash(password);
  if (!hashed.ok) return hashed;
  return deps.store.transact('account.resetPassword', async (tx) => {
    const mayRule = await checkRightsOver(deps, tx, asker, id, tx.nowMs);
    if (!mayRule.ok) return mayRule;
    await savePassword(tx, id, hashed.value);
    await deleteSessionsOf(tx, id);
    tx.afterCommit(deps.onSessionsEnded);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'account.resetPassword',
      target: { table: 'account', id },
      payload: {},
    });
    return ok(null);
  });
}
