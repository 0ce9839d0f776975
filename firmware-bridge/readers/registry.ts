import { z } from 'zod';
import type { InputLine, ReaderDriver, ReaderHooks } from '#bridge/ports.ts';
import { unreachable } from '#hub/kernel/result.ts';
import { wiegandConfigSchema, wiegandDataLines, wiegandDriver } from './wiegand/driver.ts';

/** A reader in the bridge's configuration; `kind` names its driver. A new kind is one entry here and in each function. */
export const readerConfigSchema = z.discriminatedUnion('kind', [wiegandConfigSchema]);
export type ReaderConfig = z.infer<typeof readerConfigSchema>;

/** GPIO data lines that a reader needs, for `GpioLines.data`. */
export function readerDataLines(config: ReaderConfig): InputLine[] {
  switch (config.kind) {
    case 'wiegand':
      return wiegandDataLines(config);
    default:
      return unreachable(config.kind);
  }
}

/** The driver of one reader. Feed it with the port's `onEdges` and `onSettled`, in their order. */
export function createReader(readerKey: string, config: ReaderConfig, hooks: ReaderHooks): ReaderDriver {
  switch (config.kind) {
    case 'wiegand':
      return wiegandDriver(readerKey, config, hooks);
    default:
      return unreachable(config.kind);
  }
}
