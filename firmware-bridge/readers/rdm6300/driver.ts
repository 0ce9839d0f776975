import { z } from 'zod';
import type { SerialClock, SerialDriver, SerialHooks } from '#bridge/serial/line.ts';
import { listeningDriver } from '#bridge/serial/listening-driver.ts';
import { serialPortSchema } from '#bridge/serial/port-schema.ts';
import { rdm6300Parser } from './protocol.ts';

export const rdm6300BaudRate = 9600;

/** One RDM6300 in the bridge's configuration, alone on its port. */
export const rdm6300ConfigSchema = z.strictObject({
  kind: z.literal('rdm6300'),
  port: serialPortSchema,
  /** Nothing must be seen of a card for so long before it counts as brought again. */
  awayMs: z.number().int().min(300).max(10_000).default(1000),
});
export type Rdm6300Config = z.infer<typeof rdm6300ConfigSchema>;

/** Reads the cards of one RDM6300, each once while it lies there. */
export const rdm6300Driver = (
  readerKey: string,
  config: Rdm6300Config,
  hooks: SerialHooks,
  clock: SerialClock,
): SerialDriver =>
  listeningDriver({ readerKey, parser: rdm6300Parser(), awayMs: config.awayMs, hooks, clock });
