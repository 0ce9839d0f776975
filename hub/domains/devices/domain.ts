import type { z } from 'zod';
import type { Domain, RunningDomain } from '#hub/domain.ts';
import type { DeviceHandler, DeviceLink } from './device-link.ts';
import { deviceProblems } from './problems.ts';
import { deviceTables } from './repository.ts';
import { deviceEndpoints } from './routes.ts';
import type { brokerAddressSchema } from './schema.ts';
import { Devices } from './workflow.ts';

/** The broker that devices connect to. */
export interface DevicePort extends DeviceLink {
  handledBy(handler: DeviceHandler): void;
  /** Where devices connect now. */
  address(): z.input<typeof brokerAddressSchema>;
}

declare module '#hub/kernel/vocabulary.ts' {
  interface Refusals extends Record<keyof typeof deviceProblems, true> {}
}
declare module '#hub/domain.ts' {
  interface Ports {
    readonly devices: DevicePort;
  }
}

export interface RunningDevices extends RunningDomain {
  readonly devices: Devices;
}

/** Devices and programs that speak MQTT with this hub. */
export const devices: Domain<RunningDevices> = {
  name: 'devices',
  tables: deviceTables,
  permissions: {},
  topics: {},
  problems: deviceProblems,
  tags: {
    'MQTT devices': 'Devices and programs that speak MQTT with this hub: tokens, and rights by topic',
  },
  open(core) {
    const { devices: port } = core.ports;
    const running = new Devices({ ...core, link: port });
    port.handledBy(running.handler);
    return {
      devices: running,
      endpoints: deviceEndpoints(running, () => port.address()),
      start: () => running.start(),
    };
  },
};
