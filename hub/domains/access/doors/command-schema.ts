import { z } from 'zod';
import { wireTime } from '#hub/kernel/moment.ts';
import { reasonSchema } from '#hub/kernel/text.ts';
import { portalSchema } from './schema.ts';

export const unlockSchema = z.strictObject({
  seconds: z.number().int().min(1).max(300),
  reason: reasonSchema,
});
/** How far an order has come: handed over; the lock was seen to move. */
export const unlockAnswerSchema = z.strictObject({
  commandId: z.string(),
  stage: z.enum(['sent', 'verified']),
  sentence: z.string(),
});
export const lockdownSchema = z.strictObject({ reason: reasonSchema });
export const holdOpenSchema = z.strictObject({ until: wireTime, reason: reasonSchema });
export const overrideAnswerSchema = z.strictObject({ portals: z.array(portalSchema) });
