import { z } from 'zod';
import { findingSchema } from '#hub/kernel/finding.ts';
import { clockTrustSchema } from '#hub/kernel/time.ts';

const foundSchema = z.strictObject({
  ...findingSchema.shape,
  since: z.iso.datetime().meta({ description: 'When it was first found since the hub was started' }),
});

const figureUnits = ['bytes', 'count', 'milliseconds', 'seconds', 'time', 'text', 'yesNo'] as const;
const figureSchema = z.strictObject({
  name: z.string().meta({ description: 'Unique in its part, with the unit last' }),
  title: z.string(),
  unit: z.enum(figureUnits).meta({ description: '`time` is an ISO 8601 text, `yesNo` a boolean' }),
  value: z.union([z.number(), z.string(), z.boolean()]).nullable().meta({ description: 'null: not known' }),
});

const partSchema = z.strictObject({
  name: z.string(),
  title: z.string(),
  figures: z.array(figureSchema),
});

/** `GET /health/detailed`: what `status`, `doctor` and the health page show. */
export const healthReportSchema = z.strictObject({
  status: z
    .enum(['ok', 'warning', 'error'])
    .meta({ description: 'That of the gravest finding; notes do not count' }),
  siteName: z.string().nullable(),
  release: z.string(),
  uptimeSeconds: z.number().int(),
  clock: z.strictObject({ now: z.iso.datetime(), trust: clockTrustSchema }),
  checkedAt: z.iso.datetime(),
  findings: z.array(foundSchema).meta({ description: 'Gravest first' }),
  parts: z.array(partSchema),
});
export type HealthReport = z.infer<typeof healthReportSchema>;
