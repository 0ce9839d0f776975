import type { Actor } from '#hub/domains/identity/schema.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import { createPinHasher } from '#hub/platform/pin-hash.ts';
import type { Transaction } from '#hub/store/store.ts';
import { DecisionCounter } from './bridges/decision-count.ts';
import { bridgeHealth } from './bridges/health-workflow.ts';
import { createLiveBridges } from './bridges/live.ts';
import { createBridgeSessions } from './bridges/session.ts';
import {
  ensureLocalBridge,
  giveMissingSecrets,
  type NewBridge,
  resumeRotations,
} from './bridges/workflow.ts';
import { cardHealth } from './clones/workflow.ts';
import { createCommands } from './controllers/commands.ts';
import type { BridgeHandler } from './controllers/link.ts';
import type { AccessDeps } from './deps.ts';
import { findPortals } from './doors/repository.ts';
import { createEnrolments, type Enrolments } from './enrolment/workflow.ts';
import type { AccessParts } from './parts.ts';
import { setEpoch } from './policy/repository.ts';
import { createPolicyKeeper } from './policy/workflow.ts';
import { createStarterSet } from './rules/starter-workflow.ts';
import { createCardVault } from './vault/vault.ts';
import { type RestoredCards, restoreCards } from './vault/workflow.ts';

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
  /** Every minute: a bounded part of the cards that are not sealed yet; next to nothing once all are. */
  readonly sealCards: () => Promise<void>;
  /** Members call it inside the transaction that changes what doors must know of them. */
  readonly onAdmissionChanged: (tx: Transaction, memberIds: readonly string[]) => Promise<void>;
  /** Identity calls it inside the transaction that changes the site's name or time zone. */
  readonly onSiteChanged: (tx: Transaction) => Promise<void>;
  readonly createStarterSet: (tx: Transaction, actor: Actor) => Promise<void>;
  /** After a restore: cards and PINs out of their seals, and a policy epoch that is later than any that doors hold. */
  readonly finishRestore: () => Promise<RestoredCards>;
  /** The first bridge's id and token where there is none yet, else null. */
  readonly ensureLocalBridge: (name: string) => Promise<NewBridge | null>;
}

/** A second or two of work, in which other writers get their turn between any two slices. */
const slicesPerTurn = 80;

export function createAccess(deps: AccessDeps): Access {
  // Ids of doors, for what happens between two reads of the store.
  let portalIds: ReadonlyMap<string, string> = new Map();
  async function loadPortalIds(): Promise<void> {
    const portals = await findPortals(deps.store.read);
    portalIds = new Map(portals.map((portal) => [`${portal.bridgeId}/${portal.key}`, portal.id]));
  }
  const keeper = createPolicyKeeper({
    store: deps.store,
    onPolicyChanged: () => sessions.nudge(),
  });
  const vault = createCardVault(deps);
  const commands = createCommands(deps);
  const live = createLiveBridges({
    announce: deps.announce,
    after: deps.after,
    portalId: (bridgeId, key) => portalIds.get(`${bridgeId}/${key}`) ?? null,
  });
  const decisions = new DecisionCounter();
  const parts: AccessParts = { ...deps, keeper, vault, commands, live, hashPin: createPinHasher() };
  const sessions = createBridgeSessions({ ...parts, decisions, onPortalsChanged: loadPortalIds });
  return {
    parts,
    enrolments: createEnrolments(parts),
    health: bridgeHealth(parts, decisions),
    cardHealth: cardHealth(parts),
    handler: sessions.handler,
    async start() {
      await loadPortalIds();
      await giveMissingSecrets(parts);
      await keeper.maintain();
      await resumeRotations(parts);
    },
    maintain: keeper.maintain,
    sealCards: async () => void (await vault.sealMissing(slicesPerTurn)),
    onAdmissionChanged: keeper.refreshAdmission,
    onSiteChanged: keeper.refreshDocuments,
    createStarterSet: (tx, actor) => createStarterSet(parts, tx, actor),
    async finishRestore() {
      const restored = await restoreCards({ store: deps.store, keeper }, deps.cardKey);
      // Epochs count up by ones everywhere else, so seconds are later than any of them.
      await deps.store.transact('policy.restored', (tx) => setEpoch(tx, Math.floor(tx.nowMs / 1000)));
      return restored;
    },
    ensureLocalBridge: (name) => ensureLocalBridge(parts, name),
  };
}
