import { randomBytes } from 'node:crypto';
import { listeningProblems } from '#bridge/readers/listening-driver.ts';
import { OsdpBus, type OsdpHooks } from '#bridge/readers/osdp/bus.ts';
import type { OsdpConfig } from '#bridge/readers/osdp/config.ts';
import { osdpProblems } from '#bridge/readers/osdp/problems.ts';
import { keyBytes } from '#bridge/readers/osdp/wire/secure-channel.ts';
import { pn532BaudRate, pn532Driver, pn532Problems } from '#bridge/readers/pn532/driver.ts';
import { rdm6300BaudRate, rdm6300Driver } from '#bridge/readers/rdm6300/driver.ts';
import type { SerialClock, SerialDriver, SerialHooks } from '#bridge/readers/serial-driver.ts';
import { wedgeDriver } from '#bridge/readers/wedge/driver.ts';
import { assert, unreachable } from '#hub/kernel/result.ts';
import type { SerialReaderSetup } from './messages.ts';

/** One port with all that hangs on it. */
export interface DrivenPort {
  readonly port: string;
  readonly baudRate: number;
  readonly driver: SerialDriver;
  /** The driver again, where it is a bus; null for a reader alone on its port. */
  readonly bus: OsdpBus | null;
  readonly readerKeys: readonly string[];
  /** What a driver's words for problems mean, as sentences with the next step. */
  readonly problemTexts: Readonly<Record<string, string>>;
}

export type DriverHooks = SerialHooks & Pick<OsdpHooks, 'onKeyPending' | 'onKeySet'>;

interface OsdpSetup extends SerialReaderSetup {
  readonly wiring: OsdpConfig;
}

const isOsdp = (setup: SerialReaderSetup): setup is OsdpSetup => setup.wiring.kind === 'osdp';

function drivenBus(
  port: string,
  setups: readonly OsdpSetup[],
  hooks: DriverHooks,
  clock: SerialClock,
): DrivenPort {
  const [first] = setups;
  assert(first !== undefined, 'a bus has a reader');
  const { baudRate, crc } = first.wiring;
  const bus = new OsdpBus({
    readers: setups.map(({ readerKey, wiring, keys }) => ({
      readerKey,
      address: wiring.address,
      secureChannel: wiring.secureChannel,
      key: keys.own,
      pendingKey: keys.pending,
      ledNumber: wiring.ledNumber,
    })),
    baudRate,
    crc,
    clock,
    hooks: {
      ...hooks,
      newKey: () => randomBytes(keyBytes),
      // Address and speed come from the configuration; nothing here changes them.
      onCommunication: () => undefined,
    },
    random: (bytes) => randomBytes(bytes),
  });
  const readerKeys = setups.map(({ readerKey }) => readerKey);
  return { port, baudRate, driver: bus, bus, readerKeys, problemTexts: osdpProblems };
}

function drivenReader(setup: SerialReaderSetup, hooks: DriverHooks, clock: SerialClock): DrivenPort {
  const { readerKey, wiring } = setup;
  const alone = { port: wiring.port, bus: null, readerKeys: [readerKey], problemTexts: listeningProblems };
  switch (wiring.kind) {
    case 'rdm6300':
      return { ...alone, baudRate: rdm6300BaudRate, driver: rdm6300Driver(readerKey, wiring, hooks, clock) };
    case 'pn532': {
      const driver = pn532Driver(readerKey, wiring, hooks, clock);
      return { ...alone, baudRate: pn532BaudRate, driver, problemTexts: pn532Problems };
    }
    case 'wedge':
      return { ...alone, baudRate: wiring.baudRate, driver: wedgeDriver(readerKey, wiring, hooks, clock) };
    case 'osdp':
      throw new Error('assertion failed: an OSDP reader hangs on a bus');
    default:
      return unreachable(wiring);
  }
}

/** The ports that these readers need, each with its driver. OSDP readers with the same port share a bus. */
export function drivenPorts(
  setups: readonly SerialReaderSetup[],
  hooks: DriverHooks,
  clock: SerialClock,
): readonly DrivenPort[] {
  const buses = Map.groupBy(setups.filter(isOsdp), ({ wiring }) => wiring.port);
  return [
    ...[...buses].map(([port, onBus]) => drivenBus(port, onBus, hooks, clock)),
    ...setups.filter((setup) => !isOsdp(setup)).map((setup) => drivenReader(setup, hooks, clock)),
  ];
}
