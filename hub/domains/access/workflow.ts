import type { Actor } from '#hub/domains/identity/schema.ts';
import type { BridgeHandler } from '#hub/mqtt/bridge-link.ts';
import type { HealthPart } from '#hub/platform/health-part.ts';
import { createPinHasher } from '#hub/platform/pin-hash.ts';
import type { Transaction } from '#hub/store/store.ts';
import { bridgeHealth } from './bridge-health-workflow.ts';
import { createBridgeSessions } from './bridge-session.ts';
import { ensureLocalBridge, type NewBridge, resumeRotations } from './bridge-workflow.ts';
import { createCommands } from './commands.ts';
import type { AccessDeps } from './context.ts';
import { cardHealth } from './copy-workflow.ts';
import { DecisionCounter } from './decision-count.ts';
import { createEnrolments, type Enrolments } from './enrolment-workflow.ts';
import { createLiveBridges } from './live-bridges.ts';
import type { AccessParts } from './parts.ts';
import { findPortals } from './place-repository.ts';
import { createPolicyKeeper } from './policy-workflow.ts';
import { createStarterSet } from './starter-workflow.ts';

/** The hub's side of doors. */
export interface Access {
  readonly parts: AccessParts;
  readonly enrolments: Enrolments;
  readonly health: HealthPart;
  readonly cardHealth: HealthPart;
  /** For the broker. */
  readonly handler: BridgeHandler;
  /** Before bridges may connect: what an end of the process interrupted is gone on with. */
  readonly start: () => Promise<void>;
  /** Daily. */
  readonly maintain: () => Promise<void>;
  /** Members call it inside the transaction that changes what doors must know of them. */
  readonly onAdmissionChanged: (tx: Transaction, memberIds: readonly string[]) => Promise<void>;
  /** Identity calls it inside the transaction that changes the site's name or time zone. */
  readonly onSiteChanged: (tx: Transaction) => Promise<void>;
  readonly createStarterSet: (tx: Transaction, actor: Actor) => Promise<void>;
  /** The first bridge's id and token where there is none yet, else null. */
  readonly ensureLocalBridge: (name: string) => Promise<NewBridge | null>;
}

export function createAccess(deps: AccessDeps): Access {
  // Ids of doors, for what happens between two reads of the store.
  let portalIds: ReadonlyMap<string, string> = new Map();
  async function loadPortalIds(): Promise<void> {
    const portals = await findPortals(deps.store.read);
    portalIds = new Map(portals.map((portal) => [`${portal.bridgeId}/${portal.key}`, portal.id]));
  }
  const keeper = createPolicyKeeper({
    store: deps.store,
    loadSite: deps.loadSite,
    loadAdmissionFacts: deps.loadAdmissionFacts,
    onPolicyChanged: () => sessions.nudge(),
  });
  const commands = createCommands(deps);
  const live = createLiveBridges({
    announce: deps.announce,
    after: deps.after,
    portalId: (bridgeId, key) => portalIds.get(`${bridgeId}/${key}`) ?? null,
  });
  const decisions = new DecisionCounter();
  const parts: AccessParts = { ...deps, keeper, commands, live, hashPin: createPinHasher() };
  const sessions = createBridgeSessions({ ...parts, decisions, onPortalsChanged: loadPortalIds });
  return {
    parts,
    enrolments: createEnrolments(parts),
    health: bridgeHealth(parts, decisions),
    cardHealth: cardHealth(parts),
    handler: sessions.handler,
    async start() {
      await loadPortalIds();
      await keeper.maintain();
      await resumeRotations(parts);
    },
    maintain: keeper.maintain,
    onAdmissionChanged: keeper.refreshAdmission,
    onSiteChanged: keeper.refreshDocuments,
    createStarterSet: (tx, actor) => createStarterSet(parts, tx, actor),
    ensureLocalBridge: (name) => ensureLocalBridge(parts, name),
  };
}
