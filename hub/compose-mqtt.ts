import { hostname } from 'node:os';
import { deviceEndpoints } from './domains/devices/routes.ts';
import { createDevices } from './domains/devices/workflow.ts';
import type { Endpoint } from './http/endpoint.ts';
import type { Broker } from './mqtt/broker.ts';
import { createDeviceBroker } from './mqtt/device-broker.ts';
import { mqttHealth } from './mqtt/mqtt-health.ts';
import { listenSecurely, type SecureListener } from './mqtt/secure-listener.ts';
import type { Clock } from './platform/clock.ts';
import type { HealthPart } from './platform/health-part.ts';
import type { HubConfig } from './platform/hub-config.ts';
import type { Logger } from './platform/log.ts';
import { currentAddresses, type Tls } from './platform/tls.ts';
import type { Store } from './store/store.ts';

export interface MqttDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Logger;
  readonly config: HubConfig['mqtt'];
  /** Undefined: nothing is offered to the network. */
  readonly tls: Tls | undefined;
  readonly bridges: Pick<Broker, 'handle'>;
}

export interface Mqtt {
  readonly endpoints: readonly Endpoint[];
  readonly part: HealthPart;
  /** Listens, once the bridges' handler is there. */
  start(): Promise<void>;
  close(): Promise<void>;
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

/** MQTT for devices, and the way in for door controllers on other machines. */
export async function composeMqtt(deps: MqttDeps): Promise<Mqtt> {
  const { store, clock, newId, log, config, tls, bridges } = deps;
  const broker = await createDeviceBroker({ store, clock, log });
  const devices = createDevices({ store, clock, newId, log, link: broker });
  broker.handledBy(devices.handler);
  await devices.start();
  let listener: SecureListener | null = null;
  return {
    endpoints: deviceEndpoints(devices, () => ({
      port: listener?.port ?? null,
      hosts: [
        `${hostname().replace(/\.local$/, '')}.local`,
        ...currentAddresses().filter((address) => !isLoopback(address)),
      ],
      fingerprint: tls?.authorityFingerprint() ?? null,
    })),
    part: mqttHealth({ broker, listener: () => listener, clock }),
    async start() {
      await broker.start();
      if (tls === undefined || !config.tls) return;
      listener = await listenSecurely({
        port: config.tlsPort,
        certificates: tls,
        log,
        onBridge: (socket) => bridges.handle(socket),
        onDevice: (socket, address) => broker.handle(socket, address),
      });
    },
    async close() {
      await listener?.close();
      await broker.close();
    },
  };
}
