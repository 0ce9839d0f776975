import path from 'node:path';
import { type Domain, hear } from '#hub/domain.ts';
import { access } from '#hub/domains/access/domain.ts';
import type { Access } from '#hub/domains/access/open-access.ts';
import type { IdentityDeps } from '#hub/domains/identity/deps.ts';
import { identity } from '#hub/domains/identity/domain.ts';
import { admissionChanged, members } from '#hub/domains/members/domain.ts';
import type { MemberDeps } from '#hub/domains/members/workflow.ts';
import { places } from '#hub/domains/places/domain.ts';
import type { PlaceDeps } from '#hub/domains/places/workflow.ts';
import { domains } from '#hub/domains.ts';
import { openDomains } from '#hub/open-domains.ts';
import { hubPaths } from '#hub/platform/config/hub-config.ts';
import { readOrMakeKey } from '#hub/platform/files/keys.ts';
import type { Logger } from '#hub/platform/log.ts';
import { makeIdsBy, newId } from '#hub/platform/new-id.ts';
import type { DemoClock, DemoStore } from './demo-store.ts';

/** The domains of the hub over the demo's store: nobody listens, and no bridge is connected. */
export interface DemoHub {
  readonly store: DemoStore;
  readonly clock: DemoClock;
  readonly identity: IdentityDeps;
  readonly access: Access;
  readonly members: MemberDeps;
  readonly places: PlaceDeps;
}

export interface DemoHubOptions {
  readonly stateDir: string;
  readonly store: DemoStore;
  readonly clock: DemoClock;
  readonly log: Logger;
  /** Called when the admission of these members changes at the doors. */
  readonly onAdmissionChanged: (memberIds: readonly string[]) => void;
}

/** A domain that only listens. */
const listener = (onAdmissionChanged: DemoHubOptions['onAdmissionChanged']): Domain => ({
  name: 'demo',
  tables: {},
  permissions: {},
  topics: {},
  problems: {},
  tags: {},
  open: () => ({
    endpoints: [],
    hears: [hear(admissionChanged, async (_tx, memberIds) => onAdmissionChanged(memberIds))],
  }),
});

/** Opens the same domains as the hub, with ways to the outside that lead nowhere. */
export async function openDemoHub(options: DemoHubOptions): Promise<DemoHub> {
  const { stateDir, store, clock, log } = options;
  makeIdsBy(() => clock.nowMs());
  const { keys } = hubPaths({ stateDir });
  const running = await openDomains([...domains, listener(options.onAdmissionChanged)], {
    store,
    clock,
    newId,
    log,
    announce: () => undefined,
    recheckSessions: () => undefined,
    config: {},
    secret: (name) => readOrMakeKey(path.join(keys, `${name}.key`)),
    stateDir,
    ports: {
      after: () => () => undefined,
      bridges: {
        isConnected: () => false,
        send: () => false,
        disconnect: () => undefined,
        handledBy: () => undefined,
      },
      devices: {
        connectionsOf: () => 0,
        lastDenialOf: () => null,
        queuedFor: () => 0,
        disconnect: () => undefined,
        forget: async () => undefined,
        handledBy: () => undefined,
        address: () => ({ port: null, hosts: [], fingerprint: null }),
      },
      listening: () => ({ httpPort: undefined, httpsPort: undefined }),
      replication: { instance: 'demo', answeredRequests: () => 0 },
    },
  });
  return {
    store,
    clock,
    identity: running.of(identity).deps,
    access: running.of(access).access,
    members: running.of(members).deps,
    places: running.of(places).deps,
  };
}
