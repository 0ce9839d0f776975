import { z } from 'zod';
import { weeklyWindowsSchema } from '#hub/domains/places/schema.ts';
import { wireTime } from '#hub/kernel/moment.ts';
import { nameSchema } from '#hub/kernel/text.ts';
import { entityShape, versionField } from '#hub/kernel/wire.ts';
import { ruleSubjectSchema, ruleTargetSchema } from '../schema.ts';

const ruleFields = {
  name: nameSchema,
  subject: ruleSubjectSchema,
  target: ruleTargetSchema,
  windows: weeklyWindowsSchema,
  outsideOpeningHours: z.boolean(),
} as const;

export const ruleSchema = z.strictObject({
  ...entityShape,
  ...ruleFields,
  name: z.string(),
  validFrom: z.iso.datetime().nullable(),
  validUntil: z.iso.datetime().nullable(),
});

export type Rule = z.infer<typeof ruleSchema>;

export const ruleCreateSchema = z.strictObject({
  ...ruleFields,
  windows: weeklyWindowsSchema.default([]),
  outsideOpeningHours: z.boolean().default(false),
  validFrom: wireTime.nullable().default(null),
  validUntil: wireTime.nullable().default(null),
});

export const rulePatchSchema = z.strictObject({
  ...versionField,
  name: nameSchema.optional(),
  subject: ruleSubjectSchema.optional(),
  target: ruleTargetSchema.optional(),
  windows: weeklyWindowsSchema.optional(),
  outsideOpeningHours: z.boolean().optional(),
  validFrom: wireTime.nullable().optional(),
  validUntil: wireTime.nullable().optional(),
});
