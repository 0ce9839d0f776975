import { z } from 'zod';
import type { SerialReaderKind } from '../kind.ts';
import { serialPortSchema } from '../port-schema.ts';

/** One reader that types lines in `bridge.yaml`, alone on its port. */
export const wedgeConfigSchema = z.strictObject({
  kind: z.literal('wedge'),
  port: serialPortSchema,
  baudRate: z.literal([1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200]).default(9600),
  /** The content of a line. */
  reads: z.enum(['em10', 'facilityNumber', 'hex', 'cardText']),
  /** Only for `hex`: the digits of every line. */
  hexDigits: z.literal([6, 8, 10, 14]).default(8),
  /** Only for `hex`. */
  byteOrder: z.enum(['asSent', 'reversed']).default('asSent'),
  /** A card that has not been seen for longer counts as presented again. */
  awayMs: z.number().int().min(300).max(10_000).default(1000),
});

export const wedge = {
  connection: 'serial',
  schema: wedgeConfigSchema,
  shownAs: 'wedge',
  bus: null,
  hasSignals: false,
  keypad: () => 'none',
  isPairable: () => false,
  async open([{ readerKey, wiring }], hooks, clock) {
    const { wedgeDriver } = await import('./driver.ts');
    const driver = wedgeDriver(readerKey, wiring, hooks, clock);
    return { baudRate: wiring.baudRate, driver, orders: null };
  },
} as const satisfies SerialReaderKind<z.infer<typeof wedgeConfigSchema>>;
