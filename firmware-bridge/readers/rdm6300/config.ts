import { z } from 'zod';
import { serialPortSchema } from '../port-schema.ts';

/** One RDM6300 in the bridge's configuration, alone on its port. */
export const rdm6300ConfigSchema = z.strictObject({
  kind: z.literal('rdm6300'),
  port: serialPortSchema,
  /** Nothing must be seen of a card for so long before it counts as brought again. */
  awayMs: z.number().int().min(300).max(10_000).default(1000),
});
export type Rdm6300Config = z.infer<typeof rdm6300ConfigSchema>;
