import { isSerial, type ReaderConfig, serialKindOf } from '#bridge/readers/registry.ts';
import type { ReaderOrders } from '#bridge/readers/serial-driver.ts';
import { type ReaderCommands, refused } from './commands.ts';
import type { Door } from './door.ts';
import type { ReaderHealth } from './reader-health.ts';

export interface ReaderCommandDeps {
  readonly readers: readonly { readonly key: string; readonly wiring: ReaderConfig }[];
  readonly doorByReader: ReadonlyMap<string, Door>;
  readonly health: ReaderHealth;
  readonly serial: Pick<ReaderOrders, 'pair' | 'cancelPairing' | 'switchOutput'>;
}

/** Pairs readers, tests their lamp and buzzer, and switches their outputs. */
export function createReaderCommands({
  readers,
  doorByReader,
  health,
  serial,
}: ReaderCommandDeps): ReaderCommands {
  const wiringByKey = new Map(readers.map(({ key, wiring }) => [key, wiring]));
  return {
    has: (readerKey) => wiringByKey.has(readerKey),
    pair(readerKey, forMs) {
      const wiring = wiringByKey.get(readerKey);
      if (wiring === undefined) return refused('unknownReader');
      if (!isSerial(wiring) || !serialKindOf(wiring).isPairable(wiring)) return refused('notPairable');
      serial.pair(readerKey, forMs);
      health.notePairing(readerKey, forMs);
      return { kind: 'done' };
    },
    cancelPairing(readerKey) {
      if (!wiringByKey.has(readerKey)) return refused('unknownReader');
      serial.cancelPairing(readerKey);
      health.endPairing(readerKey, 'over');
      return { kind: 'done' };
    },
    test(readerKey) {
      const door = doorByReader.get(readerKey);
      if (door === undefined) return refused('unknownReader');
      if (!health.isOnline(readerKey)) return refused('readerOffline');
      return door.acknowledge(readerKey) ? { kind: 'done' } : refused('noLamp');
    },
    switchOutput(readerKey, output, forMs) {
      if (!wiringByKey.has(readerKey)) return refused('unknownReader');
      if (!health.isOnline(readerKey)) return refused('readerOffline');
      if (output > health.countOutputs(readerKey)) return refused('noOutput');
      serial.switchOutput(readerKey, output, forMs);
      return { kind: 'done' };
    },
  };
}
