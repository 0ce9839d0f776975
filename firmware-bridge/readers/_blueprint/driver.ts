import { listeningDriver } from '../listening-driver.ts';
import type { SerialClock, SerialDriver, SerialHooks } from '../serial-driver.ts';
import { blueprintParser } from './protocol.ts';

export const blueprintBaudRate = 9600;

/**
 * Reads the cards of one reader, each once while it lies there. A reader that has to be asked needs a driver of its own:
 * `../pn532/driver.ts` is one.
 */
export const blueprintDriver = (
  readerKey: string,
  { awayMs }: { readonly awayMs: number },
  hooks: SerialHooks,
  clock: SerialClock,
): SerialDriver => listeningDriver({ readerKey, parser: blueprintParser(), awayMs, hooks, clock });
