import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { isSpanOpen, spanShape, spanShut, wireTime } from '#hub/kernel/moment.ts';
import { lineOf, textOf } from '#hub/kernel/text.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import { entityShape, pageOf, pageShape, sortOf } from '#hub/kernel/wire.ts';

/** Who did something: an account, a service account by one of its tokens, the command line on the box, a bridge, or the hub by itself. */
export type Actor =
  | { readonly kind: 'account'; readonly id: string; readonly name: string }
  | { readonly kind: 'service'; readonly id: string; readonly name: string }
  | { readonly kind: 'console' }
  | { readonly kind: 'bridge'; readonly id: string }
  | { readonly kind: 'system' };

// Wire shapes

/** One of the permissions of this hub, which are known once its domains are. */
export const permissionSchemaOf = (names: readonly PermissionName[]) => z.enum(names);
export type PermissionSchema = ReturnType<typeof permissionSchemaOf>;

const timeSchema = z.iso.datetime();
const versionSchema = z.number().int().min(1);
export const idParamsSchema = z.strictObject({ id: idSchema });
const nameSchema = lineOf(80);
/** Stored as `normaliseUsername` makes it; compared in that form only. */
const usernameSchema = z
  .string()
  .trim()
  .min(2)
  .max(64)
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}._@+-]*$/u, 'letters and digits, and . _ @ + - after the first');
/** Only bounded here: what a password must be is `checkPassword`'s, and what was set once must be typeable. */
const passwordSchema = z.string().min(1).max(1024);

export const siteSchema = z.strictObject({
  ...entityShape,
  name: z.string(),
  timeZone: z.string(),
  claimedAt: timeSchema,
});
export const sitePatchSchema = z.strictObject({
  version: versionSchema,
  name: nameSchema.optional(),
  timeZone: z.string().min(1).max(64).optional(),
});

export const claimStateSchema = z.strictObject({ claimed: z.boolean(), siteName: z.string().nullable() });
export const claimCodeSchema = z.strictObject({ code: z.string(), expiresAt: timeSchema });
export const claimSchema = z.strictObject({
  code: z.string().min(1).max(64),
  siteName: nameSchema,
  timeZone: z.string().min(1).max(64).meta({ description: 'IANA name, such as Europe/Berlin' }),
  displayName: nameSchema,
  username: usernameSchema,
  password: passwordSchema,
  starterRules: z
    .boolean()
    .default(true)
    .meta({ description: 'Set up a first plan and access rule to start from' }),
});

const accountStatuses = ['active', 'disabled'] as const;
const accountStatusSchema = z.enum(accountStatuses);
export type AccountStatus = z.infer<typeof accountStatusSchema>;

const accountRoleSchema = z.strictObject({
  roleId: idSchema,
  name: z.string(),
  expiresAt: timeSchema.nullable(),
});
export const accountSchema = z.strictObject({
  ...entityShape,
  username: z.string(),
  displayName: z.string(),
  status: accountStatusSchema,
  memberId: idSchema.nullable(),
  roles: z.array(accountRoleSchema),
});
export type AccountWire = z.output<typeof accountSchema>;
export const accountPageSchema = pageOf(accountSchema);
const accountSortSchema = sortOf('createdAt', 'username').default('createdAt');
export type AccountSort = z.infer<typeof accountSortSchema>;
export const accountQuerySchema = z.strictObject({
  ...pageShape,
  sort: accountSortSchema,
  q: z.string().trim().min(1).max(80).optional().meta({ description: 'Part of the name or the username' }),
  status: accountStatusSchema.optional().meta({ description: 'Only accounts in this state' }),
});
export const accountCreateSchema = z.strictObject({
  username: usernameSchema,
  displayName: nameSchema,
  password: passwordSchema,
  memberId: idSchema.nullable().default(null),
});
export const accountPatchSchema = z.strictObject({
  version: versionSchema,
  username: usernameSchema.optional(),
  displayName: nameSchema.optional(),
  memberId: idSchema.nullable().optional(),
});
export const passwordResetSchema = z.strictObject({ password: passwordSchema });
export const passwordChangeSchema = z.strictObject({
  currentPassword: passwordSchema,
  newPassword: passwordSchema,
});

export const signInSchema = z.strictObject({
  username: z.string().min(1).max(256),
  password: passwordSchema,
});
/** Who is signed in, with the permissions of this hub. */
export const currentSessionSchemaOf = (permission: PermissionSchema) =>
  z.strictObject({
    account: z
      .strictObject({
        id: idSchema,
        username: z.string(),
        displayName: z.string(),
        memberId: idSchema.nullable(),
      })
      .nullable()
      .meta({ description: 'null for the command line on the box and for service accounts' }),
    serviceAccount: z
      .strictObject({ id: idSchema, name: z.string() })
      .nullable()
      .meta({ description: 'Whose token the request carries; null for everybody else' }),
    permissions: z.array(permission),
    csrfToken: z
      .string()
      .nullable()
      .meta({ description: 'Goes into X-CSRF-Token of every request but GET; null without a cookie' }),
    siteName: z.string().nullable(),
    expiresAt: timeSchema.nullable().meta({ description: 'The latest end; idle sessions end sooner' }),
  });
export type CurrentSessionSchema = ReturnType<typeof currentSessionSchemaOf>;
const sessionKindSchema = z
  .enum(['browser', 'api'])
  .meta({ description: '`browser`: signed in on the page. `api`: a program that signed in by /auth/login' });
const sessionShape = {
  id: idSchema,
  kind: sessionKindSchema,
  device: z.string().meta({ description: 'What it called itself when it signed in; empty: nothing' }),
  createdAt: timeSchema,
  lastUsedAt: timeSchema.meta({ description: 'Exact to a minute' }),
  expiresAt: timeSchema.meta({ description: 'Its end unless it is used before' }),
  remoteAddress: z.string().meta({ description: 'IP address from which it was opened' }),
  current: z.boolean().meta({ description: 'The session of this very request' }),
};
const ownSessionSchema = z.strictObject(sessionShape);
export type OwnSessionWire = z.output<typeof ownSessionSchema>;
export const ownSessionPageSchema = pageOf(ownSessionSchema);
const sessionSchema = z.strictObject({
  ...sessionShape,
  account: z.strictObject({ id: idSchema, username: z.string(), displayName: z.string() }),
});
export type SessionWire = z.output<typeof sessionSchema>;
export const sessionPageSchema = pageOf(sessionSchema);
export const sessionQuerySchema = z.strictObject({
  limit: pageShape.limit,
  cursor: pageShape.cursor,
  accountId: idSchema.optional().meta({ description: 'Only sessions of this account' }),
  kind: sessionKindSchema.optional().meta({ description: 'Only sessions of this kind' }),
});
export const sessionsEndedSchema = z.strictObject({ ended: z.number().int().min(0) });

/** May be empty. */
const descriptionSchema = z.union([textOf(400), z.string().trim().length(0)]);
export const roleQuerySchema = z.strictObject({
  ...pageShape,
  sort: sortOf('createdAt').default('createdAt'),
});
/** The shapes of roles, with the permissions of this hub. */
export function roleSchemasOf(permission: PermissionSchema) {
  const granted = z.array(permission).max(permission.options.length);
  const role = z.strictObject({
    ...entityShape,
    name: z.string(),
    description: z.string(),
    builtIn: z.boolean(),
    permissions: z.array(permission),
    accountCount: z.number().int().min(0),
  });
  return {
    permissionPage: pageOf(z.strictObject({ permission, description: z.string() })),
    role,
    rolePage: pageOf(role),
    roleCreate: z.strictObject({
      name: nameSchema,
      description: descriptionSchema.default(''),
      permissions: granted,
    }),
    rolePatch: z.strictObject({
      version: versionSchema,
      name: nameSchema.optional(),
      description: descriptionSchema.optional(),
      permissions: granted.optional(),
    }),
  };
}
export type RoleWire = z.output<ReturnType<typeof roleSchemasOf>['role']>;
export const roleAssignSchema = z.strictObject({
  accountId: idSchema,
  expiresAt: wireTime.nullable().default(null),
});
export const roleRevokeParamsSchema = z.strictObject({ id: idSchema, account: idSchema });

const actorKinds = ['account', 'service', 'console', 'bridge', 'system'] as const;
export const auditQuerySchema = z
  .strictObject({
    ...pageShape,
    ...spanShape,
    sort: sortOf('at')
      .default('-at')
      .meta({ description: 'In the order in which it was written down, `-at` the newest first' }),
    action: z
      .string()
      .min(1)
      .max(80)
      .optional()
      .meta({ description: 'Only this action, such as member.create' }),
    actorId: z
      .string()
      .min(1)
      .max(80)
      .optional()
      .meta({ description: 'Only what this account or bridge did, by its id' }),
    actorKind: z.enum(actorKinds).optional().meta({ description: 'Only what this kind of actor did' }),
    targetId: z
      .string()
      .min(1)
      .max(80)
      .optional()
      .meta({ description: 'Only what was done to this one, by its id' }),
    targetTable: z
      .string()
      .min(1)
      .max(80)
      .optional()
      .meta({ description: 'Only what was done to this kind of thing, such as member' }),
  })
  .refine(isSpanOpen, spanShut);
export const auditEntrySchema = z.strictObject({
  id: idSchema,
  seq: z.number().int(),
  at: timeSchema,
  actor: z.strictObject({ kind: z.enum(actorKinds), id: z.string().nullable(), name: z.string().nullable() }),
  action: z.string(),
  target: z.strictObject({ table: z.string(), id: z.string() }).nullable(),
  payload: z.record(z.string(), z.unknown()).nullable().meta({ description: 'null once emptied' }),
  hash: z.string(),
});
export const auditPageSchema = pageOf(auditEntrySchema);
export const auditEmptySchema = z.strictObject({ reason: lineOf(400).min(3) });
const auditFlaws = [
  'gap',
  'chainBroken',
  'entryChanged',
  'payloadChanged',
  'payloadMissing',
  'payloadEmptiedUnrecorded',
] as const;
export const verificationSchema = z.strictObject({
  ok: z.boolean(),
  entries: z.number().int(),
  head: z.string().nullable().meta({
    description:
      'Hash of the newest entry: written down elsewhere, it also shows whether the end was cut off',
  }),
  firstBroken: z.strictObject({ seq: z.number().int(), id: z.string(), flaw: z.enum(auditFlaws) }).nullable(),
});
export type Verification = z.infer<typeof verificationSchema>;
export type AuditFlaw = (typeof auditFlaws)[number];
