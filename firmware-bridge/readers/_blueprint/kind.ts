import { z } from 'zod';
import type { SerialReaderKind } from '../kind.ts';
import { serialPortSchema } from '../port-schema.ts';

/** One blueprint reader in `bridge.yaml`, alone on its port. */
export const blueprintConfigSchema = z.strictObject({
  kind: z.literal('blueprint'),
  port: serialPortSchema,
  /** A card that has not been seen for longer counts as presented again. */
  awayMs: z.number().int().min(300).max(10_000).default(1000),
});

/** All that the bridge knows of this kind (see `../kind.ts`); the driver is loaded where the serial line is. */
export const blueprint = {
  connection: 'serial',
  schema: blueprintConfigSchema,
  shownAs: 'wedge',
  bus: null,
  hasSignals: false,
  keypad: () => 'none',
  isPairable: () => false,
  async open([{ readerKey, wiring }], hooks, clock) {
    const { blueprintBaudRate, blueprintDriver } = await import('./driver.ts');
    const driver = blueprintDriver(readerKey, wiring, hooks, clock);
    return { baudRate: blueprintBaudRate, driver, orders: null };
  },
} as const satisfies SerialReaderKind<z.infer<typeof blueprintConfigSchema>>;
