import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { wireTime } from '#hub/kernel/moment.ts';
import { lineOf, textOf } from '#hub/kernel/text.ts';
import { entityShape, pageOf } from '#hub/kernel/wire.ts';
import type { PermissionSchema } from '../schema.ts';

const timeSchema = z.iso.datetime();
const versionSchema = z.number().int().min(1);
/** A refresh token as `opaque-token.ts` prints it. */
const refreshTokenSchema = z
  .string()
  .min(1)
  .max(4096)
  .meta({ description: 'The refresh token of the latest answer; each works once' });
export const refreshSchema = z.strictObject({ refreshToken: refreshTokenSchema });
export const logoutSchema = z.strictObject({ refreshToken: refreshTokenSchema.optional() }).prefault({});
export const tokenPairSchema = z.strictObject({
  accessToken: z.string().meta({ description: 'A JWT for `Authorization: Bearer`' }),
  tokenType: z.literal('Bearer'),
  expiresIn: z.number().int().min(1).meta({ description: 'Seconds until the access token ends' }),
  refreshToken: z.string().meta({ description: 'For `/auth/refresh`, once; it is shown nowhere else' }),
  refreshExpiresIn: z
    .number()
    .int()
    .min(0)
    .meta({ description: 'Seconds until the refresh token ends when it is not used' }),
});

const serviceAccountStatuses = ['active', 'disabled'] as const;
const serviceAccountStatusSchema = z.enum(serviceAccountStatuses);
export type ServiceAccountStatus = z.infer<typeof serviceAccountStatusSchema>;

const accessTokenSchemaOf = (permission: PermissionSchema) =>
  z.strictObject({
    id: idSchema,
    name: z.string(),
    ending: z.string().meta({ description: 'The last four characters of the token' }),
    scopes: z.array(permission).nullable().meta({ description: 'null: all of its service account' }),
    createdAt: timeSchema,
    expiresAt: timeSchema.nullable().meta({ description: 'null: no end' }),
    expired: z.boolean(),
    lastUsedAt: timeSchema.nullable().meta({ description: 'Exact to a minute; null: never used' }),
    lastUsedAddress: z.string().nullable().meta({ description: 'IP address of that use' }),
    madeBy: z.strictObject({ id: idSchema, displayName: z.string(), active: z.boolean() }).nullable().meta({
      description:
        'Who made it and saw its text; it stops when that account is disabled, and never may do more than that account may; null: the command line',
    }),
  });

/** The shapes of service accounts and their tokens, with the permissions of this hub. */
export function serviceAccountSchemasOf(permission: PermissionSchema) {
  const scopes = z
    .array(permission)
    .max(permission.options.length)
    .meta({ description: 'Permissions; they only narrow what the owner may do' });
  const accessToken = accessTokenSchemaOf(permission);
  const serviceAccount = z.strictObject({
    ...entityShape,
    name: z.string(),
    purpose: z.string(),
    status: serviceAccountStatusSchema,
    owner: z.strictObject({ id: idSchema, displayName: z.string(), active: z.boolean() }),
    scopes: z.array(permission),
    effectiveScopes: z
      .array(permission)
      .meta({ description: 'What it may do now: the scopes that its owner holds' }),
    tokens: z.array(accessToken),
  });
  return {
    accessToken,
    serviceAccount,
    serviceAccountPage: pageOf(serviceAccount),
    serviceAccountCreate: z.strictObject({
      name: lineOf(80),
      purpose: textOf(400).meta({ description: 'What it is for, so that somebody knows later' }),
      scopes: scopes.min(1),
      ownerId: idSchema
        .optional()
        .meta({ description: 'The account whose rights bound it; default: your own' }),
    }),
    serviceAccountPatch: z.strictObject({
      version: versionSchema,
      name: lineOf(80).optional(),
      purpose: textOf(400).optional(),
      scopes: scopes.min(1).optional(),
      ownerId: idSchema.optional().meta({ description: 'Hands it over to another account' }),
    }),
    accessTokenCreate: z.strictObject({
      name: lineOf(80),
      scopes: scopes.min(1).nullable().default(null),
      expiresAt: wireTime.nullable().default(null),
    }),
    freshToken: z.strictObject({
      token: z
        .string()
        .meta({ description: 'The token itself, shown this once: `Authorization: Bearer mkc_...`' }),
      accessToken,
    }),
  };
}
type ServiceAccountSchemas = ReturnType<typeof serviceAccountSchemasOf>;
export type AccessTokenWire = z.output<ServiceAccountSchemas['accessToken']>;
export type ServiceAccountWire = z.output<ServiceAccountSchemas['serviceAccount']>;
export type FreshTokenWire = z.output<ServiceAccountSchemas['freshToken']>;

export const accessTokenRotateSchema = z.strictObject({
  expiresAt: wireTime.nullable().optional().meta({ description: 'Absent: as before; null: no end' }),
});
export const accessTokenParamsSchema = z.strictObject({ id: idSchema, tokenId: idSchema });
