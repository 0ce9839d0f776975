import { z } from 'zod';
import type { InputLine, ReaderDriver, ReaderHooks } from '#bridge/ports.ts';
import { osdpConfigSchema } from './osdp/config.ts';
import { pn532ConfigSchema } from './pn532/config.ts';
import { rdm6300ConfigSchema } from './rdm6300/config.ts';
import { wedgeConfigSchema } from './wedge/config.ts';
import {
  type WiegandConfig,
  wiegandConfigSchema,
  wiegandDataLines,
  wiegandDriver,
} from './wiegand/driver.ts';

/**
 * A reader in the bridge's configuration; `kind` names its driver. A new kind is one entry here, and one where it is made:
 * below when it hangs on GPIO lines, in `serial/serial-drivers.ts` when it hangs on a serial line.
 */
export const readerConfigSchema = z.discriminatedUnion('kind', [
  wiegandConfigSchema,
  osdpConfigSchema,
  rdm6300ConfigSchema,
  pn532ConfigSchema,
  wedgeConfigSchema,
]);
export type ReaderConfig = z.infer<typeof readerConfigSchema>;
export type SerialReaderConfig = Exclude<ReaderConfig, WiegandConfig>;

export const isSerial = (config: ReaderConfig): config is SerialReaderConfig => config.kind !== 'wiegand';

/** What can be typed at a reader: all keys, digits that come whole (`#` sends them), or nothing. */
export function readerKeypad(config: ReaderConfig): 'keys' | 'digits' | 'none' {
  if (config.kind === 'osdp') return 'keys';
  if (config.kind !== 'wiegand' || config.keypad === 'none') return 'none';
  return config.keypad === 'bursts' ? 'keys' : 'digits';
}

/** GPIO data lines that a reader needs, for `GpioLines.data`. */
export const readerDataLines = (config: ReaderConfig): InputLine[] =>
  isSerial(config) ? [] : wiegandDataLines(config);

/** The driver of a reader on GPIO lines; null for one on a serial line. Feed it with the port's `onEdges` and `onSettled`, in their order. */
export const createReader = (
  readerKey: string,
  config: ReaderConfig,
  hooks: ReaderHooks,
): ReaderDriver | null => (isSerial(config) ? null : wiegandDriver(readerKey, config, hooks));
