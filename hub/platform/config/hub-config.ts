import path from 'node:path';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { logLevels } from '../log.ts';
import { Secret } from './secret.ts';

const port = z.number().int().min(0).max(65_535);

/** A DNS name; `hub.local` and `localhost` are always in the certificate. */
const hostName = z
  .string()
  .max(253)
  .regex(
    /^(?=.*[a-zA-Z])([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/,
    {
      error: 'is no host name (letters, digits, dashes and dots; no port, no address)',
    },
  );

/** One address or network. Not half the internet: whoever is in it may say that they are anybody. */
const proxyAddress = z
  .string()
  .max(60)
  .refine(
    (text) =>
      text.includes('/')
        ? ipaddr.IPv4.isValidCIDRFourPartDecimal(text) || ipaddr.IPv6.isValidCIDR(text)
        : ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text),
    {
      error: 'is no address or network (127.0.0.1, 10.0.0.0/24, fd00::/64)',
      abort: true,
    },
  )
  .refine(
    (text) => {
      if (!text.includes('/')) return true;
      const [network, bits] = ipaddr.parseCIDR(text);
      return bits >= (network.kind() === 'ipv4' ? 8 : 16);
    },
    { error: 'is too wide a network: name the proxy itself' },
  );

/** Of a service that speaks Sentry's protocol. It holds a key, so no log or error shows it. */
const dsn = z
  .string()
  .max(500)
  .regex(/^https?:\/\/[A-Za-z0-9]+@[^/@\s]+(\/[^@\s]*)?\/\d+$/, {
    error: 'is no DSN (https://key@host/project-number)',
  })
  .transform((text) => new Secret(text));

/** The keys of the hub itself; each domain may have one more. `config/hub.example.yaml` explains all of them. */
export const platformConfigSchema = z.strictObject({
  stateDir: z.string().min(1).default('./state'),
  uiDir: z.string().min(1).default('./hub/ui/dist'),
  http: z
    .strictObject({
      port: port.default(8080),
      httpsPort: port.default(8443),
      bodyLimitBytes: z.number().int().min(1024).max(16_777_216).default(262_144),
      localRateFactor: z.number().min(1).max(100_000).default(20),
      trustedProxies: z.array(proxyAddress).max(20).default([]),
    })
    .prefault({}),
  tls: z.strictObject({ names: z.array(hostName).max(20).default([]) }).prefault({}),
  mqtt: z.strictObject({ tls: z.boolean().default(true), tlsPort: port.default(8883) }).prefault({}),
  live: z
    .strictObject({
      maxEvents: z.number().int().min(10).max(100_000).default(1000),
      maxConnections: z.number().int().min(1).max(10_000).default(200),
      maxConnectionsPerSession: z.number().int().min(1).max(100).default(8),
      maxConnectionsPerAccount: z.number().int().min(1).max(1000).default(16),
    })
    .prefault({}),
  clock: z.strictObject({ trustSystem: z.boolean().default(false) }).prefault({}),
  log: z.strictObject({ level: z.enum(logLevels).default('info') }).prefault({}),
  errorReporting: z
    .strictObject({
      dsn: dsn.nullable().default(null),
      environment: z
        .string()
        .regex(/^[\w.-]{1,40}$/, { error: 'is one word' })
        .default('production'),
    })
    .prefault({}),
});
export type HubConfig = z.output<typeof platformConfigSchema>;

export const hubEnvPrefix = 'MAKRCAVE_';
/** One file of variables may serve both processes. */
export const foreignEnvPrefixes: readonly string[] = ['MAKRCAVE_BRIDGE_'];

export interface HubPaths {
  readonly directory: string;
  readonly store: string;
  readonly keys: string;
  readonly tls: string;
  readonly clock: string;
  readonly errorReports: string;
  readonly instance: string;
  readonly controlSocket: string;
  readonly mqttSocket: string;
}

/** Paths of the hub's state, all below `<stateDir>/hub` (0700). */
export function hubPaths(config: Pick<HubConfig, 'stateDir'>): HubPaths {
  const directory = path.resolve(config.stateDir, 'hub');
  return {
    directory,
    store: path.join(directory, 'hub.sqlite'),
    keys: path.join(directory, 'keys'),
    tls: path.join(directory, 'tls'),
    clock: path.join(directory, 'clock'),
    errorReports: path.join(directory, 'error-reports'),
    instance: path.join(directory, 'instance'),
    controlSocket: path.join(directory, 'hub.sock'),
    mqttSocket: path.join(directory, 'mqtt.sock'),
  };
}
