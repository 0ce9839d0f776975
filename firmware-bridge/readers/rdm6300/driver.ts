import { listeningDriver } from '../listening-driver.ts';
import type { SerialClock, SerialDriver, SerialHooks } from '../serial-driver.ts';
import { rdm6300Parser } from './protocol.ts';

export const rdm6300BaudRate = 9600;

/** Reads the cards of one RDM6300, each once while it lies there. */
export const rdm6300Driver = (
  readerKey: string,
  { awayMs }: { readonly awayMs: number },
  hooks: SerialHooks,
  clock: SerialClock,
): SerialDriver => listeningDriver({ readerKey, parser: rdm6300Parser(), awayMs, hooks, clock });
