import { z } from 'zod';

/** Everything that an account can be permitted to do. One table; a route names one of these. */
export const permissions = [
  'system.read',
  'system.manage',
  'account.read',
  'account.manage',
  'role.read',
  'role.manage',
  'audit.read',
  'member.read',
  'member.manage',
  'plan.read',
  'plan.manage',
  'credential.read',
  'credential.manage',
  'portal.read',
  'portal.manage',
  'rule.read',
  'rule.manage',
  'door.unlock',
  'door.lockdown',
  'accessEvent.read',
  'bridge.read',
  'bridge.manage',
] as const;
export const permissionSchema = z.enum(permissions);
export type Permission = z.infer<typeof permissionSchema>;

/** Built-in roles: sets of permissions that cannot be edited. */
export const builtInRoles: Readonly<Record<string, readonly Permission[]>> = {
  super_admin: permissions,
  makerspace_admin: permissions.filter((permission) => permission !== 'role.manage'),
  staff: [
    'member.read',
    'member.manage',
    'plan.read',
    'credential.read',
    'credential.manage',
    'portal.read',
    'rule.read',
    'door.unlock',
    'door.lockdown',
    'accessEvent.read',
    'bridge.read',
    'system.read',
  ],
  instructor: ['member.read', 'portal.read', 'accessEvent.read', 'door.unlock'],
  member: [],
  service_provider: ['portal.read'],
  guest: [],
};

/** Who did something: an account, the command line on the box, a bridge, or the hub by itself. */
export type Actor =
  | { readonly kind: 'account'; readonly id: string; readonly name: string }
  | { readonly kind: 'console' }
  | { readonly kind: 'bridge'; readonly id: string }
  | { readonly kind: 'system' };
