import type { Actor } from '#hub/domains/identity/schema.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import { createPinHasher } from '#hub/platform/pin-hash.ts';
import type { Transaction } from '#hub/store/store.ts';
import { DecisionCounter } from './bridges/decision-count.ts';
import type { BridgeDeps } from './bridges/deps.ts';
import { bridgeHealth } from './bridges/health-workflow.ts';
import { createLiveBridges } from './bridges/live.ts';
import { BridgeSessions } from './bridges/session.ts';
import { giveMissingSecrets, resumeRotations } from './bridges/workflow.ts';
import { loadLooksLike } from './cards/alike-workflow.ts';
import type { LoadCardMarks } from './cards/deps.ts';
import { findReadings } from './cards/repository.ts';
import { formatWords } from './cards/written-rules.ts';
import { cardHealth, loadSuspectedCopies } from './clones/workflow.ts';
import { createCommands } from './controllers/commands.ts';
import type { BridgeHandler } from './controllers/link.ts';
import type { AccessDeps } from './deps.ts';
import type { DoorDeps } from './doors/deps.ts';
import { findPortals } from './doors/repository.ts';
import type { EnrolmentDeps } from './enrolment/deps.ts';
import { createEnrolments, type Enrolments } from './enrolment/workflow.ts';
import type { EventDeps } from './events/deps.ts';
import { CardGuesses } from './explain/card-guesses.ts';
import type { ExplainDeps } from './explain/deps.ts';
import type { PinDeps } from './pins/deps.ts';
import { findBridgesUpToDate, loadNotAppliedAt } from './policy/applied.ts';
import { setEpoch } from './policy/repository.ts';
import { createPolicyKeeper } from './policy/workflow.ts';
import type { ReaderDeps } from './readers/deps.ts';
import type { RuleDeps } from './rules/deps.ts';
import { createStarterSet } from './rules/starter-workflow.ts';
import { removeRulesOf } from './rules/workflow.ts';
import type { RecoveryDeps } from './vault/deps.ts';
import { type CardVault, createCardVault } from './vault/vault.ts';
import { type RestoredCards, restoreCards } from './vault/workflow.ts';

/** What all rooms together stand on; each room's functions take their own part of it. */
export type RoomDeps = AccessDeps &
  PinDeps &
  DoorDeps &
  RuleDeps &
  RecoveryDeps &
  ReaderDeps &
  EventDeps &
  EnrolmentDeps &
  ExplainDeps &
  BridgeDeps & { readonly vault: CardVault };

/** The hub's side of doors. */
export interface Access {
  readonly deps: RoomDeps;
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
}

/** A second or two of work, in which other writers get their turn between any two slices. */
const slicesPerTurn = 80;

/** Where the last change of a card has not arrived yet, what it looks like, and whether there seems to be a copy of it. */
const loadCardMarks: LoadCardMarks = async (reader, credentialIds) => {
  const notAppliedAt = await loadNotAppliedAt(reader, credentialIds);
  const copies = await loadSuspectedCopies(reader, credentialIds);
  const looksLike = await loadLooksLike(reader, credentialIds);
  const seen = Map.groupBy(
    (await findReadings(reader, credentialIds)).filter((reading) => reading.seen),
    (reading) => reading.credentialId,
  );
  return (id) => ({
    suspectedCopy: copies.get(id) ?? null,
    readAs: [...new Set(seen.get(id)?.map(({ read }) => formatWords(read)))],
    looksLike: looksLike.get(id) ?? null,
    notAppliedAt: notAppliedAt(id),
  });
};

export function createAccess(outside: AccessDeps & Pick<EventDeps, 'onEventsStored'>): Access {
  // Ids of doors, for what happens between two reads of the store.
  let portalIds: ReadonlyMap<string, string> = new Map();
  async function loadPortalIds(): Promise<void> {
    const portals = await findPortals(outside.store.read);
    portalIds = new Map(portals.map((portal) => [`${portal.bridgeId}/${portal.key}`, portal.id]));
  }
  const keeper = createPolicyKeeper({
    store: outside.store,
    onPolicyChanged: () => sessions.nudge(),
  });
  const vault = createCardVault({ ...outside, onReadingsAdded: keeper.refreshCredentials });
  const commands = createCommands(outside);
  const live = createLiveBridges({
    announce: outside.announce,
    after: outside.after,
    portalId: (bridgeId, key) => portalIds.get(`${bridgeId}/${key}`) ?? null,
  });
  const decisions = new DecisionCounter();
  const deps: RoomDeps = {
    ...outside,
    keeper,
    vault,
    commands,
    live,
    guesses: new CardGuesses(outside.clock),
    hashPin: createPinHasher(),
    findBridgesUpToDate,
    removeRulesOf,
    loadCardMarks,
  };
  const sessions = new BridgeSessions({ ...deps, decisions, onPortalsChanged: loadPortalIds });
  return {
    deps,
    enrolments: createEnrolments(deps),
    health: bridgeHealth(deps, decisions),
    cardHealth: cardHealth(deps, () => deps.guesses.findings()),
    handler: sessions.handler,
    async start() {
      await loadPortalIds();
      await giveMissingSecrets(deps);
      await keeper.maintain();
      await resumeRotations(deps);
    },
    maintain: keeper.maintain,
    sealCards: async () => void (await vault.sealMissing(slicesPerTurn)),
    onAdmissionChanged: keeper.refreshAdmission,
    onSiteChanged: keeper.refreshDocuments,
    createStarterSet: (tx, actor) => createStarterSet(deps, tx, actor),
    async finishRestore() {
      const restored = await restoreCards({ store: outside.store, keeper }, outside.cardKey);
      // Epochs count up by ones everywhere else, so seconds are later than any of them.
      await outside.store.transact('policy.restored', (tx) => setEpoch(tx, Math.floor(tx.nowMs / 1000)));
      return restored;
    },
  };
}
