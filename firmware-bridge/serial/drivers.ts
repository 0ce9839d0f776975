import type { DrivenPort, DriverHooks, SerialReaderSetup } from '#bridge/readers/kind.ts';
import { type SerialReaderConfig, serialKindOf } from '#bridge/readers/registry.ts';
import type { SerialClock } from '#bridge/readers/serial-driver.ts';
import { assert } from '#hub/kernel/result.ts';

type Setup = SerialReaderSetup<SerialReaderConfig>;

/** A port with its driver and its readers. */
export interface NamedPort extends DrivenPort {
  readonly port: string;
  readonly readerKeys: readonly string[];
}

async function openPort(
  port: string,
  [first, ...others]: readonly Setup[],
  hooks: DriverHooks,
  clock: SerialClock,
): Promise<NamedPort> {
  assert(first !== undefined, 'a port has a reader');
  const setups = [first, ...others] as const;
  const driven = await serialKindOf(first.wiring).open(setups, hooks, clock);
  return { ...driven, port, readerKeys: setups.map(({ readerKey }) => readerKey) };
}

/** Loads the drivers of these readers and gives each port its own; readers with the same port share a bus. */
export function drivenPorts(
  setups: readonly Setup[],
  hooks: DriverHooks,
  clock: SerialClock,
): Promise<readonly NamedPort[]> {
  const byPort = Map.groupBy(setups, ({ wiring }) => wiring.port);
  return Promise.all([...byPort].map(([port, onPort]) => openPort(port, onPort, hooks, clock)));
}
