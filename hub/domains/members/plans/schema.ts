import { z } from 'zod';
import { lineOf, textOf } from '#hub/kernel/text.ts';
import { entityShape, pageShape, sortOf } from '#hub/kernel/wire.ts';

export const planIntervals = ['month', 'year', 'once', 'none'] as const;
export type PlanInterval = (typeof planIntervals)[number];

const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));

const planShape = {
  name: lineOf(100),
  description: textOf(2000).nullable(),
  priceMinor: z
    .number()
    .int()
    .min(0)
    .max(1_000_000_000)
    .meta({ description: 'Price of one interval in minor units (cents)' }),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .refine((code) => currencies.has(code), { error: 'must be an ISO 4217 code such as EUR' }),
  interval: z.enum(planIntervals).meta({
    description:
      '`month` and `year` renew: their end is followed by grace. `once` and `none` end with their period',
  }),
  graceDays: z
    .number()
    .int()
    .min(0)
    .max(366)
    .meta({ description: 'Days after the end of a paid period in which doors still open' }),
  overdueDays: z
    .number()
    .int()
    .min(0)
    .max(366)
    .meta({ description: 'Days after the grace until the membership lapses' }),
  active: z.boolean().meta({ description: 'Whether new memberships may use it' }),
};

export const planSchema = z
  .strictObject({ ...entityShape, ...planShape })
  .meta({ id: 'Plan', description: 'What members pay for' });
export type Plan = z.infer<typeof planSchema>;

export const planCreateSchema = z.strictObject({
  ...planShape,
  description: planShape.description.default(null),
  graceDays: planShape.graceDays.default(7),
  overdueDays: planShape.overdueDays.default(30),
  active: planShape.active.default(true),
});
export type PlanCreate = z.infer<typeof planCreateSchema>;

export const planPatchSchema = z
  .strictObject(planShape)
  .partial()
  .extend({ version: z.number().int().min(1) });
export type PlanPatch = z.infer<typeof planPatchSchema>;

const groupShape = { name: lineOf(100), description: textOf(2000).nullable() };

export const groupSchema = z
  .strictObject({ ...entityShape, ...groupShape, memberCount: z.number().int() })
  .meta({ id: 'MemberGroup', description: 'Members who are treated alike, such as the wood team' });
export type Group = z.infer<typeof groupSchema>;

export const groupCreateSchema = z.strictObject({
  ...groupShape,
  description: groupShape.description.default(null),
});
export type GroupCreate = z.infer<typeof groupCreateSchema>;

export const groupPatchSchema = z
  .strictObject(groupShape)
  .partial()
  .extend({ version: z.number().int().min(1) });
export type GroupPatch = z.infer<typeof groupPatchSchema>;

/** Sorts of plans and groups. */
const nameSortSchema = sortOf('name', 'createdAt', 'updatedAt').default('name');
export type NameSort = z.infer<typeof nameSortSchema>;

export const groupListQuerySchema = z.strictObject({ ...pageShape, sort: nameSortSchema });
export const planListQuerySchema = z.strictObject({
  ...pageShape,
  sort: nameSortSchema,
  active: z
    .stringbool({ truthy: ['true'], falsy: ['false'] })
    .optional()
    .meta({
      enum: ['true', 'false'],
      description: '`true`: only plans that new memberships may use; `false`: only the others',
    }),
});
