import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import type { Reader } from '#hub/store/store.ts';
import { type FieldRefusal, fieldRefusal, type Stale } from '#hub/store/written.ts';
import type { RowPage } from '../accounts/repository.ts';
import { findAccount } from '../accounts/repository.ts';
import { type BeyondOwnPermissions, checkHolds, type LastOwner, lastOwner } from '../accounts/workflow.ts';
import type { IdentityDeps } from '../deps.ts';
import { ownerRemainsWithout } from '../rules.ts';
import { actorOf, recordAudit } from '../workflow.ts';
import {
  countAssignments,
  findAssignment,
  findRole,
  findRoleNamed,
  listOwners,
  listRoles,
  printPermissions,
  type Role,
  rowToRole,
} from './repository.ts';

export interface RoleView {
  readonly role: Role;
  /** How many accounts have it. */
  readonly accountCount: number;
}

type RoleNotFound = Refusal<'roleNotFound'>;
type BuiltInRole = Refusal<'roleBuiltIn'> & { readonly nextStep: string };
type NameTaken = FieldRefusal<'roleNameTaken'>;
export type RoleCreateRefusal = NameTaken | BeyondOwnPermissions;
export type RolePatchRefusal =
  | RoleNotFound
  | BuiltInRole
  | NameTaken
  | BeyondOwnPermissions
  | Stale<RoleView>;
export type RoleDeleteRefusal =
  | RoleNotFound
  | BuiltInRole
  | BeyondOwnPermissions
  | (Refusal<'roleAssigned'> & { readonly accountCount: number; readonly nextStep: string });
export type RoleAssignRefusal =
  | RoleNotFound
  | Refusal<'accountUnknown'>
  | BeyondOwnPermissions
  | LastOwner
  | FieldRefusal<'endsInThePast'>;
export type RoleRevokeRefusal = RoleNotFound | Refusal<'roleNotAssigned'> | BeyondOwnPermissions | LastOwner;

const builtIn: BuiltInRole = {
  code: 'roleBuiltIn',
  nextStep: 'Built-in roles stay as they are; make a role of your own.',
};
const nameTaken: NameTaken = fieldRefusal('roleNameTaken', 'name', 'another role has this name');

async function view(reader: Reader, role: Role): Promise<RoleView> {
  const counts = await countAssignments(reader, [role.id]);
  return { role, accountCount: counts.get(role.id) ?? 0 };
}

export async function loadRoles(reader: Reader, page: RowPage): Promise<readonly RoleView[]> {
  const roles = await listRoles(reader, page);
  const counts = await countAssignments(
    reader,
    roles.map((role) => role.id),
  );
  return roles.map((role) => ({ role, accountCount: counts.get(role.id) ?? 0 }));
}

export async function loadRole(reader: Reader, id: string): Promise<Result<RoleView, RoleNotFound>> {
  const role = await findRole(reader, id);
  return role === null ? refuse({ code: 'roleNotFound' }) : ok(await view(reader, role));
}

export async function createRole(
  deps: Pick<IdentityDeps, 'store' | 'newId' | 'permissions'>,
  asker: Principal,
  draft: {
    readonly name: string;
    readonly description: string;
    readonly permissions: readonly PermissionName[];
  },
): Promise<Result<RoleView, RoleCreateRefusal>> {
  const mayGrant = checkHolds(deps, asker, draft.permissions);
  if (!mayGrant.ok) return mayGrant;
  return deps.store.transact('role.create', async (tx) => {
    if ((await findRoleNamed(tx, draft.name)) !== null) return refuse(nameTaken);
    const id = deps.newId();
    const { name, description } = draft;
    const permissions = printPermissions(deps.permissions.pick(draft.permissions));
    await tx.insert('role', { id, name, description, built_in: 0, permissions });
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'role.create',
      target: { table: 'role', id },
      payload: { name, description, permissions: [...draft.permissions] },
    });
    const role = await findRole(tx, id);
    assert(role !== null, 'the role was just made');
    return ok({ role, accountCount: 0 });
  });
}

export async function changeRole(
  deps: Pick<IdentityDeps, 'store' | 'permissions'>,
  asker: Principal,
  id: string,
  asked: {
    readonly version: number;
    readonly name?: string | undefined;
    readonly description?: string | undefined;
    readonly permissions?: readonly PermissionName[] | undefined;
  },
): Promise<Result<RoleView, RolePatchRefusal>> {
  return deps.store.transact('role.update', async (tx) => {
    const role = await findRole(tx, id);
    if (role === null) return refuse({ code: 'roleNotFound' });
    if (role.builtIn) return refuse(builtIn);
    const permissions = deps.permissions.pick(asked.permissions ?? role.permissions);
    const mayGrant = checkHolds(deps, asker, [...role.permissions, ...permissions]);
    if (!mayGrant.ok) return mayGrant;
    if (role.version !== asked.version)
      return refuse({ code: 'staleVersion', current: await view(tx, role) });
    const name = asked.name ?? role.name;
    const namesake = await findRoleNamed(tx, name);
    if (namesake !== null && namesake.id !== id) return refuse(nameTaken);
    const description = asked.description ?? role.description;
    const changes = { name, description, permissions: printPermissions(permissions) };
    const written = await tx.write('role', id, changes);
    assert(written.ok, 'the role was just read');
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'role.update',
      target: { table: 'role', id },
      payload: { name, description, permissions: [...permissions] },
    });
    return ok(await view(tx, rowToRole(written.value)));
  });
}

/** Removes a role that nobody has. */
export async function deleteRole(
  deps: Pick<IdentityDeps, 'store' | 'permissions'>,
  asker: Principal,
  id: string,
): Promise<Result<null, RoleDeleteRefusal>> {
  return deps.store.transact('role.delete', async (tx) => {
    const role = await findRole(tx, id);
    if (role === null) return refuse({ code: 'roleNotFound' });
    if (role.builtIn) return refuse(builtIn);
    const mayRule = checkHolds(deps, asker, role.permissions);
    if (!mayRule.ok) return mayRule;
    const { accountCount } = await view(tx, role);
    if (accountCount > 0)
      return refuse({
        code: 'roleAssigned',
        accountCount,
        nextStep: 'Take the role from these accounts first.',
      });
    await tx.remove('role', id);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'role.delete',
      target: { table: 'role', id },
      payload: { name: role.name },
    });
    return ok(null);
  });
}

/** Assigns a role permanently or until `expiresAtMs`; assigning it again moves the end. */
export async function assignRole(
  deps: Pick<IdentityDeps, 'store' | 'newId' | 'permissions'>,
  asker: Principal,
  roleId: string,
  asked: { readonly accountId: string; readonly expiresAtMs: number | null },
): Promise<Result<RoleView, RoleAssignRefusal>> {
  return deps.store.transact('role.assign', async (tx) => {
    const role = await findRole(tx, roleId);
    if (role === null) return refuse({ code: 'roleNotFound' });
    if ((await findAccount(tx, asked.accountId)) === null) return refuse({ code: 'accountUnknown' });
    const mayGrant = checkHolds(deps, asker, role.permissions);
    if (!mayGrant.ok) return mayGrant;
    if (asked.expiresAtMs !== null && asked.expiresAtMs <= tx.nowMs)
      return refuse(fieldRefusal('endsInThePast', 'expiresAt', 'is over already'));
    const held = await findAssignment(tx, asked.accountId, roleId);
    const shortens = held?.expiresAtMs === null && asked.expiresAtMs !== null;
    if (shortens && (await isLastOwner(tx, role, asked.accountId))) return refuse(lastOwner);
    if (held === null)
      await tx.insert('role_assignment', {
        id: deps.newId(),
        account_id: asked.accountId,
        role_id: roleId,
        expires_at_ms: asked.expiresAtMs,
      });
    else await tx.write('role_assignment', held.id, { expires_at_ms: asked.expiresAtMs });
    const until = asked.expiresAtMs === null ? null : new Date(asked.expiresAtMs).toISOString();
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'role.assign',
      target: { table: 'account', id: asked.accountId },
      payload: { roleId, role: role.name, expiresAt: until },
    });
    return ok(await view(tx, role));
  });
}

export async function revokeRole(
  deps: Pick<IdentityDeps, 'store' | 'permissions'>,
  asker: Principal,
  roleId: string,
  accountId: string,
): Promise<Result<RoleView, RoleRevokeRefusal>> {
  return deps.store.transact('role.revoke', async (tx) => {
    const role = await findRole(tx, roleId);
    if (role === null) return refuse({ code: 'roleNotFound' });
    const mayRule = checkHolds(deps, asker, role.permissions);
    if (!mayRule.ok) return mayRule;
    const held = await findAssignment(tx, accountId, roleId);
    if (held === null) return refuse({ code: 'roleNotAssigned' });
    if (await isLastOwner(tx, role, accountId)) return refuse(lastOwner);
    await tx.remove('role_assignment', held.id);
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'role.revoke',
      target: { table: 'account', id: accountId },
      payload: { roleId, role: role.name },
    });
    return ok(await view(tx, role));
  });
}

/** Checks whether this account's assignment is the last that makes somebody owner permanently. */
async function isLastOwner(reader: Reader, role: Role, accountId: string): Promise<boolean> {
  if (!role.builtIn || role.name !== 'super_admin') return false;
  return !ownerRemainsWithout(accountId, await listOwners(reader));
}
