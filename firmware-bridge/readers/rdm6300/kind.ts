import { z } from 'zod';
import type { SerialReaderKind } from '../kind.ts';
import { serialPortSchema } from '../port-schema.ts';

/** One RDM6300 in `bridge.yaml`, alone on its port. */
export const rdm6300ConfigSchema = z.strictObject({
  kind: z.literal('rdm6300'),
  port: serialPortSchema,
  /** A card that has not been seen for longer counts as presented again. */
  awayMs: z.number().int().min(300).max(10_000).default(1000),
});

export const rdm6300 = {
  connection: 'serial',
  schema: rdm6300ConfigSchema,
  shownAs: 'rdm6300',
  bus: null,
  hasSignals: false,
  keypad: () => 'none',
  isPairable: () => false,
  async open([{ readerKey, wiring }], hooks, clock) {
    const { rdm6300BaudRate, rdm6300Driver } = await import('./driver.ts');
    const driver = rdm6300Driver(readerKey, wiring, hooks, clock);
    return { baudRate: rdm6300BaudRate, driver, orders: null };
  },
} as const satisfies SerialReaderKind<z.infer<typeof rdm6300ConfigSchema>>;
