import type { BridgeConfig } from '#bridge/config.ts';
import type { Later } from '#bridge/ports.ts';
import { isSerial } from '#bridge/readers/registry.ts';
import type { SerialReaders } from '#bridge/serial/host.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { DoorThread } from './thread.ts';

export interface SerialReadersDeps {
  readonly config: BridgeConfig;
  /** The bridge's own state directory. */
  readonly directory: string;
  readonly key: Buffer;
  readonly log: Logger;
  readonly later: Later;
  readonly thread: DoorThread;
}

/** Starts the process of the readers on serial lines and connects it to the doors; null where there are none. */
export async function startSerialReaders(deps: SerialReadersDeps): Promise<SerialReaders | null> {
  const { config, directory, key, log, later, thread } = deps;
  const readers = config.portals
    .flatMap((portal) => portal.readers)
    .flatMap(({ key: readerKey, wiring }) => (isSerial(wiring) ? [{ key: readerKey, wiring }] : []));
  if (readers.length === 0) return null;
  // Loaded on demand: most controllers have no serial readers, and a box with 1 GiB counts.
  const { ReaderKeyFile } = await import('#bridge/serial/reader-key-file.ts');
  const { startSerial } = await import('#bridge/serial/host.ts');
  return startSerial({
    readers,
    keys: await ReaderKeyFile.open(directory, key, (fault) =>
      log.error({ err: fault }, 'the keys of the readers are not usable'),
    ),
    later,
    log,
    onRead: (readerKey, read) => thread.takeSerialRead(readerKey, read),
    onKeys: (readerKey, keys) => thread.takeKeys(readerKey, keys),
    onFault: (fault) => thread.takeSerialFault(fault),
    onPort: (port, problem) => thread.noteSerialPort(port, problem),
    onStates: (states) => thread.takeSerialStates(states),
    onPaired: (readerKey) => thread.noteReaderPaired(readerKey),
    onKeyRefused: (readerKey) => thread.noteKeyRefused(readerKey),
    onKeyFault(readerKey, error) {
      log.error({ err: error, readerKey }, 'the new key of a reader could not be written down');
      thread.raiseFinding({
        id: `reader.key.${readerKey}`,
        severity: 'error',
        evidence: `The new key of the reader "${readerKey}" could not be written down, so it was not given.`,
        fix: "Free space on the bridge's disk, then pair the reader again.",
      });
    },
  });
}
