import { z } from 'zod';
import type { SerialReaderKind } from '../kind.ts';
import { serialPortSchema } from '../port-schema.ts';

/** One PN532 in `bridge.yaml`, alone on its port. */
export const pn532ConfigSchema = z.strictObject({
  kind: z.literal('pn532'),
  port: serialPortSchema,
  /** Pause between two looks for a card. */
  pollMs: z.number().int().min(50).max(250).default(100),
  /** A card that has not been seen for longer counts as presented again. Some cards answer only every second look. */
  awayMs: z.number().int().min(750).max(10_000).default(1000),
});

export const pn532 = {
  connection: 'serial',
  schema: pn532ConfigSchema,
  shownAs: 'pn532',
  bus: null,
  hasSignals: false,
  keypad: () => 'none',
  isPairable: () => false,
  async open([{ readerKey, wiring }], hooks, clock) {
    const { pn532BaudRate, pn532Driver } = await import('./driver.ts');
    const driver = pn532Driver(readerKey, wiring, hooks, clock);
    return { baudRate: pn532BaudRate, driver, orders: null };
  },
} as const satisfies SerialReaderKind<z.infer<typeof pn532ConfigSchema>>;
