import { z } from 'zod';
import { serialPortSchema } from '../port-schema.ts';

/** One reader that types lines, in the bridge's configuration, alone on its port. */
export const wedgeConfigSchema = z.strictObject({
  kind: z.literal('wedge'),
  port: serialPortSchema,
  baudRate: z.literal([1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200]).default(9600),
  /** What a line holds. */
  reads: z.enum(['em10', 'facilityNumber', 'hex', 'cardText']),
  /** Only for `hex`: the digits of every line. */
  hexDigits: z.literal([6, 8, 10, 14]).default(8),
  /** Only for `hex`. */
  byteOrder: z.enum(['asSent', 'reversed']).default('asSent'),
  /** Nothing must be seen of a card for so long before it counts as brought again. */
  awayMs: z.number().int().min(300).max(10_000).default(1000),
});
export type WedgeConfig = z.infer<typeof wedgeConfigSchema>;
