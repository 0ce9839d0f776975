import { listeningDriver } from '../listening-driver.ts';
import type { SerialClock, SerialDriver, SerialHooks } from '../serial-driver.ts';
import type { WedgeConfig } from './config.ts';
import { wedgeParser } from './protocol.ts';

/** Reads the lines of one reader, each card once while it lies there. */
export const wedgeDriver = (
  readerKey: string,
  config: WedgeConfig,
  hooks: SerialHooks,
  clock: SerialClock,
): SerialDriver =>
  listeningDriver({ readerKey, parser: wedgeParser(config), awayMs: config.awayMs, hooks, clock });
