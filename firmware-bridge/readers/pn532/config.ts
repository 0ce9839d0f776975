import { z } from 'zod';
import { serialPortSchema } from '../port-schema.ts';

/** One PN532 in the bridge's configuration, alone on its port. */
export const pn532ConfigSchema = z.strictObject({
  kind: z.literal('pn532'),
  port: serialPortSchema,
  /** Pause between two looks for a card. */
  pollMs: z.number().int().min(50).max(250).default(100),
  /** Nothing must be seen of a card for so long before it counts as brought again. Some cards answer every second look. */
  awayMs: z.number().int().min(750).max(10_000).default(1000),
});
export type Pn532Config = z.infer<typeof pn532ConfigSchema>;
