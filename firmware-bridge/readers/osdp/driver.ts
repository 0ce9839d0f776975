import { randomBytes } from 'node:crypto';
import type { DrivenPort, DriverHooks, SerialReaderSetup } from '../kind.ts';
import type { ReaderOrders, SerialClock } from '../serial-driver.ts';
import { OsdpBus, type OsdpReaderOptions } from './bus.ts';
import { timedOnCode } from './wire/commands.ts';
import { keyBytes } from './wire/secure-channel.ts';

interface OsdpWiring extends Pick<OsdpReaderOptions, 'address' | 'secureChannel'> {
  readonly ledNumber: number;
  readonly baudRate: number;
  readonly crc: boolean;
  readonly openCards: boolean;
}

/** Puts all readers of a port on one bus, with the speed and the check of the first: the configuration has them equal. */
export function openOsdpPort(
  setups: readonly [SerialReaderSetup<OsdpWiring>, ...SerialReaderSetup<OsdpWiring>[]],
  hooks: DriverHooks,
  clock: SerialClock,
): DrivenPort {
  const { baudRate, crc } = setups[0].wiring;
  const bus = new OsdpBus({
    readers: setups.map(({ readerKey, wiring, keys }) => ({
      readerKey,
      address: wiring.address,
      secureChannel: wiring.secureChannel,
      key: keys.own,
      pendingKey: keys.pending,
      ledNumber: wiring.ledNumber,
      openCards: wiring.openCards,
    })),
    baudRate,
    crc,
    clock,
    hooks: {
      onRead: (read) => hooks.onRead(read),
      onKeys: (keys) => hooks.onKeys(keys),
      onFault: (fault) => hooks.onFault(fault),
      onChange: (readerKey) => hooks.onChange(readerKey),
      onKeyPending: (readerKey, key, stored) => hooks.onKeyPending(readerKey, key, stored),
      onKeySet: (readerKey, key) => hooks.onKeySet(readerKey, key),
      onKeyRefused: (readerKey) => hooks.onKeyRefused(readerKey),
      newKey: () => randomBytes(keyBytes),
      // The configuration fixes address and speed, so no reader is ever moved.
      onCommunication: () => undefined,
    },
    random: (bytes) => randomBytes(bytes),
  });
  return { baudRate, driver: bus, orders: ordersFor(bus) };
}

const ordersFor = (bus: OsdpBus): ReaderOrders => ({
  signal(readerKey, signal) {
    bus.signal(readerKey, signal);
  },
  pair(readerKey, forMs) {
    bus.beginInstall(readerKey, forMs);
    const hasOwnKey = bus
      .report()
      .some((state) => state.readerKey === readerKey && state.channel === 'ownKey');
    if (hasOwnKey) bus.changeKey(readerKey, forMs);
  },
  cancelPairing(readerKey) {
    bus.cancelInstall(readerKey);
  },
  switchOutput(readerKey, output, forMs) {
    bus.output(readerKey, output - 1, timedOnCode, Math.round(forMs / 100));
  },
});
