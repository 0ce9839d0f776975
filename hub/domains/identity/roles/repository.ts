import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { Permitted } from '#hub/kernel/permission-catalog.ts';
import { isReversed } from '#hub/kernel/wire.ts';
import { rememberedQuery } from '#hub/store/fixed-query.ts';
import { inOrder, isAfter, type ListOrder } from '#hub/store/list-order.ts';
import type { Reader } from '#hub/store/store.ts';
import type { RowPage } from '../accounts/repository.ts';
import type { RoleTable } from '../repository.ts';
import type { OwnerHold } from '../rules.ts';

export interface Role {
  readonly id: string;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly name: string;
  readonly description: string;
  readonly builtIn: boolean;
  /** As they are stored. */
  readonly permissions: readonly string[];
}

export interface AssignedRole {
  readonly assignmentId: string;
  readonly accountId: string;
  readonly role: Role;
  /** Null: for good. */
  readonly expiresAtMs: number | null;
}

const storedPermissionsSchema = z.array(z.string());

/** Names as they are stored. One that this release does not know (the store has seen a newer one) grants nothing. */
export const parsePermissions = (json: string): readonly string[] =>
  storedPermissionsSchema.parse(JSON.parse(json));

/** Each once. */
export const printPermissions = (granted: Iterable<string>): string => JSON.stringify([...new Set(granted)]);

export const rowToRole = (row: Selectable<RoleTable>): Role => ({
  id: row.id,
  version: row.version,
  createdAtMs: row.created_at_ms,
  updatedAtMs: row.updated_at_ms,
  name: row.name,
  description: row.description,
  builtIn: row.built_in === 1,
  permissions: parsePermissions(row.permissions),
});

const roles = (reader: Reader) => reader.selectFrom('role').selectAll().where('deleted_at_ms', 'is', null);

export async function findRole(reader: Reader, id: string): Promise<Role | null> {
  const row = await roles(reader).where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : rowToRole(row);
}

export async function findBuiltInRole(reader: Reader, name: string): Promise<Role | null> {
  const row = await roles(reader).where('built_in', '=', 1).where('name', '=', name).executeTakeFirst();
  return row === undefined ? null : rowToRole(row);
}

/** Names are compared without regard to (ASCII) case, built-in ones among them. */
export async function findRoleNamed(reader: Reader, name: string): Promise<Role | null> {
  const row = await roles(reader)
    .where((eb) => eb(eb.fn<string>('lower', ['name']), '=', eb.fn<string>('lower', [eb.val(name)])))
    .executeTakeFirst();
  return row === undefined ? null : rowToRole(row);
}

/** The order of roles, that of creation: the built-in ones were the first. */
export const roleOrder = (sort: string): ListOrder => ({ columns: ['id'], isDescending: isReversed(sort) });

export async function listRoles(reader: Reader, { order, after, limit }: RowPage): Promise<readonly Role[]> {
  let query = roles(reader);
  if (after !== null) query = query.where(isAfter(order, after));
  return (await query.orderBy(inOrder(order)).limit(limit).execute()).map(rowToRole);
}

export async function countRoles(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('role')
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirstOrThrow();
  return row.rows;
}

/** Counts the accounts with each role, including expired assignments; omits roles that nobody has. */
export async function countAssignments(
  reader: Reader,
  roleIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (roleIds.length === 0) return new Map();
  const rows = await reader
    .selectFrom('role_assignment')
    .select(({ fn }) => ['role_id', fn.countAll<number>().as('holders')])
    .where('role_id', 'in', roleIds)
    .where('deleted_at_ms', 'is', null)
    .groupBy('role_id')
    .execute();
  return new Map(rows.map((row) => [row.role_id, row.holders]));
}

export async function findAssignment(
  reader: Reader,
  accountId: string,
  roleId: string,
): Promise<{ readonly id: string; readonly expiresAtMs: number | null } | null> {
  const row = await reader
    .selectFrom('role_assignment')
    .select(['id', 'expires_at_ms'])
    .where('account_id', '=', accountId)
    .where('role_id', '=', roleId)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : { id: row.id, expiresAtMs: row.expires_at_ms };
}

/** The roles of these accounts that count at `nowMs`. */
export async function listAssignedRoles(
  reader: Reader,
  accountIds: readonly string[],
  nowMs: number,
): Promise<readonly AssignedRole[]> {
  if (accountIds.length === 0) return [];
  const rows = await reader
    .selectFrom('role_assignment')
    .innerJoin('role', 'role.id', 'role_assignment.role_id')
    .selectAll('role')
    .select([
      'role_assignment.id as assignment_id',
      'role_assignment.account_id as holder_id',
      'role_assignment.expires_at_ms as ends_at_ms',
    ])
    .where('role_assignment.account_id', 'in', accountIds)
    .where('role_assignment.deleted_at_ms', 'is', null)
    .where('role.deleted_at_ms', 'is', null)
    .where((eb) =>
      eb.or([
        eb('role_assignment.expires_at_ms', 'is', null),
        eb('role_assignment.expires_at_ms', '>', nowMs),
      ]),
    )
    .orderBy('role.id')
    .execute();
  return rows.map((row) => ({
    assignmentId: row.assignment_id,
    accountId: row.holder_id,
    role: rowToRole(row),
    expiresAtMs: row.ends_at_ms,
  }));
}

interface HeldPermissions {
  /** By roles without an end. */
  readonly lasting: Permitted;
  readonly ending: readonly { readonly permissions: readonly string[]; readonly expiresAtMs: number }[];
}

// Asked at nearly every request. The end of an assignment is compared later: no commit tells of it.
const heldPermissions = rememberedQuery(
  { accountId: '$accountId' },
  (reader, { accountId }) =>
    reader
      .selectFrom('role_assignment')
      .innerJoin('role', 'role.id', 'role_assignment.role_id')
      .select(['role.permissions', 'role_assignment.expires_at_ms'])
      .where('role_assignment.account_id', '=', accountId)
      .where('role_assignment.deleted_at_ms', 'is', null)
      .where('role.deleted_at_ms', 'is', null),
  (rows): HeldPermissions => {
    const held = rows.map((row) => ({
      permissions: parsePermissions(row.permissions),
      expiresAtMs: row.expires_at_ms,
    }));
    return {
      lasting: new Set(held.flatMap((role) => (role.expiresAtMs === null ? role.permissions : []))),
      ending: held.flatMap(({ permissions: granted, expiresAtMs }) =>
        expiresAtMs === null ? [] : [{ permissions: granted, expiresAtMs }],
      ),
    };
  },
);

/** Loads all permissions of the account at `nowMs`. */
export async function loadPermissions(reader: Reader, accountId: string, nowMs: number): Promise<Permitted> {
  const { lasting, ending } = await heldPermissions(reader, { accountId });
  if (ending.length === 0) return lasting;
  const now = ending.filter((role) => role.expiresAtMs > nowMs);
  return new Set([...lasting, ...now.flatMap((role) => role.permissions)]);
}

/** Lists the accounts with the built-in role that can do everything. */
export async function listOwners(reader: Reader): Promise<readonly OwnerHold[]> {
  const rows = await reader
    .selectFrom('role_assignment')
    .innerJoin('role', 'role.id', 'role_assignment.role_id')
    .innerJoin('account', 'account.id', 'role_assignment.account_id')
    .select(['account.id', 'account.status', 'role_assignment.expires_at_ms'])
    .where('role.built_in', '=', 1)
    .where('role.name', '=', 'super_admin')
    .where('role_assignment.deleted_at_ms', 'is', null)
    .where('account.deleted_at_ms', 'is', null)
    .execute();
  return rows.map((row) => ({
    accountId: row.id,
    active: row.status === 'active',
    expiresAtMs: row.expires_at_ms,
  }));
}
