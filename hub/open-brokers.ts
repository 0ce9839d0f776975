import { hostname } from 'node:os';
import type { BridgePort } from './domains/access/domain.ts';
import type { DevicePort } from './domains/devices/domain.ts';
import { createBroker } from './mqtt/broker.ts';
import { createDeviceBroker } from './mqtt/device-broker.ts';
import { mqttHealth } from './mqtt/mqtt-health.ts';
import { listenSecurely, type SecureListener } from './mqtt/secure-listener.ts';
import type { Clock } from './platform/clock/clock.ts';
import type { HubConfig } from './platform/config/hub-config.ts';
import type { HealthPart } from './platform/health/health-part.ts';
import type { Logger } from './platform/log.ts';
import { currentAddresses, type Tls } from './platform/tls/tls.ts';
import type { Store } from './store/store.ts';

export interface BrokerDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: HubConfig['mqtt'];
  /** The socket of the bridge on this machine. */
  readonly socketPath: string;
  /** Undefined: nothing is offered to the network. */
  readonly tls: Tls | undefined;
}

/** MQTT for door controllers and for devices. */
export interface Brokers {
  readonly bridges: BridgePort;
  readonly devices: DevicePort;
  readonly part: HealthPart;
  /** Listens, once both have their handlers. */
  listen(): Promise<void>;
  /** Once. */
  close(): Promise<void>;
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

/** The brokers, which listen only when told to. */
export async function openBrokers(deps: BrokerDeps): Promise<Brokers> {
  const { store, clock, log, config, tls } = deps;
  const bridges = await createBroker({ log });
  const devices = await createDeviceBroker({ store, clock, log });
  let listener: SecureListener | null = null;
  let closing: Promise<void> | undefined;
  const address: DevicePort['address'] = () => ({
    port: listener?.port ?? null,
    hosts: [
      `${hostname().replace(/\.local$/, '')}.local`,
      ...currentAddresses().filter((one) => !isLoopback(one)),
    ],
    fingerprint: tls?.authorityFingerprint() ?? null,
  });
  return {
    bridges,
    devices: Object.assign(devices, { address }),
    part: mqttHealth({ broker: devices, listener: () => listener, clock }),
    async listen() {
      await bridges.listen(deps.socketPath);
      await devices.start();
      if (tls === undefined || !config.tls) return;
      listener = await listenSecurely({
        port: config.tlsPort,
        certificates: await tls.forDevices(),
        log,
        onBridge: (socket) => bridges.handle(socket),
        onDevice: (socket, from) => devices.handle(socket, from),
      });
    },
    close() {
      closing ??= (async () => {
        await bridges.close();
        await listener?.close();
        await devices.close();
      })();
      return closing;
    },
  };
}
