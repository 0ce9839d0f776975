import { listeningDriver } from '../listening-driver.ts';
import type { SerialClock, SerialDriver, SerialHooks } from '../serial-driver.ts';
import { type WedgeFormat, wedgeParser } from './protocol.ts';

/** Reads the lines of one reader, each card once while it lies there. */
export const wedgeDriver = (
  readerKey: string,
  config: WedgeFormat & { readonly awayMs: number },
  hooks: SerialHooks,
  clock: SerialClock,
): SerialDriver =>
  listeningDriver({ readerKey, parser: wedgeParser(config), awayMs: config.awayMs, hooks, clock });
