import { randomBytes } from 'node:crypto';
import { type Domain, type Hearing, hear, type Ports, type Signal } from '#hub/domain.ts';
import type { BridgePort } from '#hub/domains/access/domain.ts';
import type { DevicePort } from '#hub/domains/devices/domain.ts';
import { domains } from '#hub/domains.ts';
import { ProblemCatalog } from '#hub/http/endpoint/problem-catalog.ts';
import type { PermissionName } from '#hub/kernel/vocabulary.ts';
import { catalogOf, openDomains, type RunningDomains } from '#hub/open-domains.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import { createLog } from '#hub/platform/log.ts';
import { newId } from '#hub/platform/new-id.ts';
import type { Store, Transaction } from '#hub/store/store.ts';
import { type Announced, recordAnnouncements } from './announcements.ts';

/** All that the hub's domains declare. */
export const catalog = catalogOf(domains);
export const permissions: readonly PermissionName[] = catalog.permissions.names;
export const builtInRoles = catalog.permissions.builtInRoles();
/** What an app of the hub's endpoints is made with. */
export const appCatalog = {
  permissions: catalog.permissions,
  problems: new ProblemCatalog(catalog.problems),
};

/** Bridges that are never there. */
export const noBridges: BridgePort = {
  isConnected: () => false,
  send: () => false,
  disconnect: () => undefined,
  handledBy: () => undefined,
};
/** Devices that are never there. */
export const noDevices: DevicePort = {
  connectionsOf: () => 0,
  lastDenialOf: () => null,
  queuedFor: () => 0,
  disconnect: () => undefined,
  forget: async () => undefined,
  handledBy: () => undefined,
  address: () => ({ port: null, hosts: [], fingerprint: null }),
};

/** A domain that only hears. */
export function listener(...hears: readonly Hearing[]): Domain {
  return {
    name: 'listener',
    tables: {},
    permissions: {},
    topics: {},
    problems: {},
    tags: {},
    open: () => ({ endpoints: [], hears }),
  };
}
/** Hears a signal after all domains. */
export const hearing = <T>(signal: Signal<T>, run: (tx: Transaction, fact: T) => unknown): Hearing =>
  hear(signal, async (tx, fact) => void (await run(tx, fact))) as Hearing;

export interface OpenOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId?: () => string;
  readonly ports?: Partial<Ports>;
  /** By the names of domains, as in hub.yaml. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** By name; random ones for the others. */
  readonly secrets?: Readonly<Record<string, Uint8Array>>;
  readonly announced?: Announced[];
  readonly recheckSessions?: () => void;
  /** After those of the hub. */
  readonly more?: readonly Domain[];
}

/** The hub's domains on a store, with ways to the outside that lead nowhere unless told; nothing is started. */
export async function openTestDomains(
  options: OpenOptions,
): Promise<{ readonly running: RunningDomains; readonly announced: Announced[] }> {
  const { announced, announce } = recordAnnouncements(options.announced);
  const running = await openDomains([...domains, ...(options.more ?? [])], {
    store: options.store,
    clock: options.clock,
    newId: options.newId ?? newId,
    log: createLog({ level: 'silent' }),
    announce,
    recheckSessions: options.recheckSessions ?? (() => undefined),
    config: options.config ?? {},
    secret: async (name) => options.secrets?.[name] ?? randomBytes(32),
    stateDir: '/nowhere',
    ports: {
      bridges: noBridges,
      devices: noDevices,
      listening: () => ({ httpPort: undefined, httpsPort: undefined }),
      replication: { instance: crypto.randomUUID(), answeredRequests: () => 0 },
      ...options.ports,
    },
  });
  return { running, announced };
}
