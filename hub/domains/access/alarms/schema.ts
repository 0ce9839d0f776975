import { z } from 'zod';
import { idSchema } from '#hub/kernel/ids.ts';
import { reasonSchema } from '#hub/kernel/text.ts';
import { entityShape, pageShape } from '#hub/kernel/wire.ts';

const named = z.strictObject({ id: z.string(), name: z.string() }).nullable();

/** What only whoever may see alarms learns. */
export const alarmSchema = z
  .strictObject({
    ...entityShape,
    kind: z
      .enum(['duress'])
      .meta({ description: 'duress: the PIN that somebody typed was their duress PIN' }),
    /** By the bridge's clock. */
    at: z.iso.datetime(),
    eventId: idSchema,
    portal: named,
    member: named,
    acknowledgedAt: z.iso.datetime().nullable(),
    acknowledgedBy: z.string().nullable(),
    note: z.string().nullable(),
  })
  .meta({ id: 'Alarm' });
export type Alarm = z.infer<typeof alarmSchema>;

export const alarmQuerySchema = z.strictObject({ limit: pageShape.limit, cursor: pageShape.cursor });
export const alarmAcknowledgeSchema = z.strictObject({ note: reasonSchema.optional() });
