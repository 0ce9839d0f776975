import { defineEndpoint } from '#hub/http/endpoint/define-endpoint.ts';
import type { Endpoint } from '#hub/http/endpoint/endpoint.ts';
import { openPage, pageRefusals } from '#hub/http/endpoint/page-cursor.ts';
import { ok, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import { emptySchema } from '#hub/kernel/wire.ts';
import type { IdentityDeps } from '../deps.ts';
import {
  idParamsSchema,
  type RoleWire,
  roleAssignSchema,
  roleQuerySchema,
  roleRevokeParamsSchema,
} from '../schema.ts';
import { countRoles, roleOrder } from './repository.ts';
import {
  assignRole,
  changeRole,
  createRole,
  deleteRole,
  loadRole,
  loadRoles,
  type RoleView,
  revokeRole,
} from './workflow.ts';

type Deps = Pick<IdentityDeps, 'store' | 'newId' | 'permissions' | 'wire'>;

const tag = 'roles';

const roleToWire = ({ permissions }: Deps, { role, accountCount }: RoleView): RoleWire => ({
  id: role.id,
  version: role.version,
  createdAt: toIso(role.createdAtMs),
  updatedAt: toIso(role.updatedAtMs),
  name: role.name,
  description: role.description,
  builtIn: role.builtIn,
  permissions: permissions.pick(role.permissions),
  accountCount,
});

function reading(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'GET',
      path: '/api/access-control/permissions',
      summary: 'Everything that a role can permit',
      tag,
      access: { permission: 'role.read' },
      response: deps.wire.permissionPage,
      refusals: [],
      async handle() {
        const items = deps.permissions.names.map((permission) => ({
          permission,
          description: deps.permissions.textOf(permission),
        }));
        return ok({ items, nextCursor: null });
      },
    }),
    defineEndpoint({
      method: 'GET',
      path: '/api/access-control/roles',
      summary: 'Roles, in the order of creation',
      tag,
      access: { permission: 'role.read' },
      query: roleQuerySchema,
      response: deps.wire.rolePage,
      refusals: pageRefusals,
      async handle({ query }) {
        const asked = openPage(query, 1);
        if (!asked.ok) return asked;
        const { after, limit, cut, count } = asked.value;
        const views = await loadRoles(deps.store.read, { order: roleOrder(query.sort), after, limit });
        const page = cut(views, (view) => [view.role.id]);
        const total = await count(deps.store, countRoles);
        return ok({
          items: page.rows.map((view) => roleToWire(deps, view)),
          nextCursor: page.nextCursor,
          ...total,
        });
      },
    }),
    defineEndpoint({
      method: 'GET',
      path: '/api/access-control/roles/{id}',
      summary: 'One role',
      tag,
      access: { permission: 'role.read' },
      params: idParamsSchema,
      response: deps.wire.role,
      refusals: ['roleNotFound'],
      async handle({ params }) {
        const found = await loadRole(deps.store.read, params.id);
        return found.ok ? ok(roleToWire(deps, found.value)) : found;
      },
    }),
  ];
}

function changing(deps: Deps): readonly Endpoint[] {
  return [
    defineEndpoint({
      method: 'POST',
      path: '/api/access-control/roles',
      summary: 'Make a role out of permissions that one holds oneself',
      tag,
      access: { permission: 'role.manage' },
      body: deps.wire.roleCreate,
      response: deps.wire.role,
      status: 201,
      refusals: ['roleNameTaken', 'beyondOwnPermissions'],
      async handle({ principal, body }) {
        const made = await createRole(deps, principal, body);
        return made.ok ? ok(roleToWire(deps, made.value)) : made;
      },
    }),
    defineEndpoint({
      method: 'PATCH',
      path: '/api/access-control/roles/{id}',
      summary: 'Change a role that is not built in',
      tag,
      access: { permission: 'role.manage' },
      params: idParamsSchema,
      body: deps.wire.rolePatch,
      response: deps.wire.role,
      refusals: ['roleNotFound', 'roleBuiltIn', 'roleNameTaken', 'staleVersion', 'beyondOwnPermissions'],
      async handle({ principal, params, body }) {
        const changed = await changeRole(deps, principal, params.id, body);
        if (changed.ok) return ok(roleToWire(deps, changed.value));
        const { refusal } = changed;
        if (refusal.code !== 'staleVersion') return refuse(refusal);
        return refuse({ ...refusal, current: roleToWire(deps, refusal.current) });
      },
    }),
    defineEndpoint({
      method: 'DELETE',
      path: '/api/access-control/roles/{id}',
      summary: 'Delete a role that nobody has',
      tag,
      access: { permission: 'role.manage' },
      params: idParamsSchema,
      response: emptySchema,
      refusals: ['roleNotFound', 'roleBuiltIn', 'roleAssigned', 'beyondOwnPermissions'],
      async handle({ principal, params }) {
        const deleted = await deleteRole(deps, principal, params.id);
        return deleted.ok ? ok({}) : deleted;
      },
    }),
  ];
}

/** Roles, and who has them. */
export function roleEndpoints(deps: Deps): readonly Endpoint[] {
  return [
    ...reading(deps),
    ...changing(deps),
    defineEndpoint({
      method: 'POST',
      path: '/api/access-control/roles/{id}/assign',
      summary: 'Give a role to an account, for good or for a time',
      tag,
      access: { permission: 'role.manage' },
      params: idParamsSchema,
      body: roleAssignSchema,
      response: deps.wire.role,
      refusals: ['roleNotFound', 'accountUnknown', 'endsInThePast', 'lastOwner', 'beyondOwnPermissions'],
      async handle({ principal, params, body }) {
        const expiresAtMs = body.expiresAt === null ? null : Date.parse(body.expiresAt);
        const asked = { accountId: body.accountId, expiresAtMs };
        const assigned = await assignRole(deps, principal, params.id, asked);
        return assigned.ok ? ok(roleToWire(deps, assigned.value)) : assigned;
      },
    }),
    defineEndpoint({
      method: 'POST',
      path: '/api/access-control/roles/{id}/revoke/{account}',
      summary: 'Take a role from an account',
      tag,
      access: { permission: 'role.manage' },
      params: roleRevokeParamsSchema,
      response: deps.wire.role,
      refusals: ['roleNotFound', 'roleNotAssigned', 'lastOwner', 'beyondOwnPermissions'],
      async handle({ principal, params }) {
        const revoked = await revokeRole(deps, principal, params.id, params.account);
        return revoked.ok ? ok(roleToWire(deps, revoked.value)) : revoked;
      },
    }),
  ];
}
