import { loadSite } from '#hub/domains/identity/workflow.ts';
import { loadAdmissionFacts } from '#hub/domains/members/workflow.ts';
import { loadAreas, loadHolidays, loadOpeningHours } from '#hub/domains/places/workflow.ts';
import { dayMs } from '#hub/kernel/time.ts';
import { zoneOffsets } from '#hub/kernel/zone.ts';
import type { Store, Transaction } from '#hub/store/store.ts';
import { ownersByReading } from '../cards/alike-rules.ts';
import { digestOf, numberDigestOf, ownerDigestOf, pinDigestOf } from '../cards/digest-rules.ts';
import {
  findClaims,
  findCredentialIdsAfter,
  findCredentialIdsOf,
  findCredentialsById,
} from '../cards/repository.ts';
import type { PolicyDocument } from '../decide/policy-schema.ts';
import { findPortals } from '../doors/repository.ts';
import { findPins } from '../pins/repository.ts';
import { findRules, toPolicyRule } from '../rules/repository.ts';
import { documentHash, toggleRecord } from './hash-rules.ts';
import { encodeRecord, encodeSecret, encodeShared, mostOwners } from './record-schema.ts';
import {
  applySetChange,
  findDocument,
  findRecordsOf,
  findSets,
  findSymbols,
  insertSymbol,
  nextRevision,
  type PolicySet,
  type PolicySymbols,
  pruneRemoved,
  type StoredRecord,
  saveDocument,
  sweepOrphans,
  symbolNames,
} from './repository.ts';

export interface PolicyDeps {
  readonly store: Store;
  /** A commit gave the policy a new revision. */
  readonly onPolicyChanged: () => void;
}

/** Credentials in one transaction of a walk over all of them, so that each stays well below 50 ms. */
const sliceSize = 100;
const removedKept = 5_000;

const hexOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');

async function numberOf(
  tx: Transaction,
  known: Map<string, number>,
  kind: 'plan' | 'groups',
  name: string,
): Promise<number> {
  const number = known.get(name) ?? (await insertSymbol(tx, kind, name));
  known.set(name, number);
  return number;
}

/** What a set should hold of some credentials. */
type Desired = (key: Uint8Array) => StoredRecord[];

/** These credentials and those that have a reading in common with one of them: their records change together. */
async function withAlike(tx: Transaction, credentialIds: readonly string[]): Promise<readonly string[]> {
  const claims = await findClaims(tx, credentialIds);
  return [...new Set([...credentialIds, ...claims.map(({ credentialId }) => credentialId)])];
}

/** Loads facts once; the records of each set differ by nothing but the digest. */
async function loadDesired(
  tx: Transaction,
  credentialIds: readonly string[],
  symbols: PolicySymbols,
): Promise<Desired> {
  const own = new Set(credentialIds);
  const claims = await findClaims(tx, credentialIds);
  const credentials = await findCredentialsById(tx, [
    ...own,
    ...claims.map(({ credentialId }) => credentialId),
  ]);
  const memberIds = [...new Set([...credentials.values()].map((credential) => credential.memberId))];
  const factsByMember = await loadAdmissionFacts(tx, memberIds, tx.nowMs);
  const owned = ownersByReading(
    claims.flatMap((claim) => {
      const status = credentials.get(claim.credentialId)?.status;
      return status === undefined ? [] : [{ ...claim, isRetired: status === 'retired' }];
    }),
  );
  const pins = await findPins(tx, credentialIds);
  const inputs = new Map<string, Parameters<typeof encodeRecord>[1]>();
  for (const credential of credentials.values()) {
    const facts = factsByMember.get(credential.memberId);
    if (facts === undefined) continue;
    const groups = JSON.stringify([...facts.groupIds].sort());
    inputs.set(credential.id, {
      credentialId: credential.id,
      memberId: credential.memberId,
      credentialStatus: credential.status,
      assurance: credential.assurance,
      validFromMs: credential.validFromMs,
      validUntilMs: credential.validUntilMs,
      memberStatus: facts.memberStatus,
      onHold: facts.onHold,
      waiverMissing: facts.waiverMissing,
      extendedAccess: facts.extendedAccess,
      membershipState: facts.membershipState,
      membershipFromMs: facts.membershipFromMs,
      membershipUntilMs: facts.membershipUntilMs,
      plan: facts.planId === null ? 0 : await numberOf(tx, symbols.plans, 'plan', facts.planId),
      groupSet: facts.groupIds.length === 0 ? 0 : await numberOf(tx, symbols.groupSets, 'groups', groups),
    });
  }
  const ofPins: Desired = (key) =>
    [...pins].flatMap(([credentialId, pin]) => {
      const input = inputs.get(credentialId);
      const memberNumber = input === undefined ? undefined : factsByMember.get(input.memberId)?.memberNumber;
      if (input === undefined || memberNumber === undefined) return [];
      const byNumber = numberDigestOf(key, memberNumber);
      const facts = { digest: byNumber, credentialId, record: encodeRecord(byNumber, input) };
      // One that may not open is nothing to compare with either.
      if (input.credentialStatus !== 'active') return [facts];
      const digest = pinDigestOf(key, input.memberId);
      return [facts, { digest, credentialId, record: encodeSecret(digest, { credentialId, ...pin }) }];
    });
  const ofCards: Desired = (key) =>
    owned.flatMap(({ read, ownerIds }) => {
      const owners = ownerIds.flatMap((id) => inputs.get(id) ?? []);
      const [first] = owners;
      if (first === undefined) return [];
      const digest = digestOf(key, read);
      const { credentialId } = first;
      if (owners.length === 1) return [{ digest, credentialId, record: encodeRecord(digest, first) }];
      return [
        { digest, credentialId, record: encodeShared(digest, first, owners.length) },
        ...owners.slice(0, mostOwners).map((owner, index) => {
          const ofOwner = ownerDigestOf(key, read, index + 1);
          return {
            digest: ofOwner,
            credentialId: owner.credentialId,
            record: encodeRecord(ofOwner, owner),
          };
        }),
      ];
    });
  return (key) => [...ofCards(key), ...ofPins(key)].filter(({ credentialId }) => own.has(credentialId));
}

/** The difference between what a set holds and what it should, with the sum after it; null when there is none. */
function diffSet(
  set: PolicySet,
  existing: readonly StoredRecord[],
  desired: readonly StoredRecord[],
): { written: StoredRecord[]; removed: Uint8Array[]; sum: Uint8Array } | null {
  const existingByDigest = new Map(existing.map((row) => [hexOf(row.digest), row]));
  const sum = set.sum.slice();
  const written: StoredRecord[] = [];
  for (const row of desired) {
    const name = hexOf(row.digest);
    const before = existingByDigest.get(name);
    existingByDigest.delete(name);
    if (before !== undefined && Buffer.compare(before.record, row.record) === 0) continue;
    if (before !== undefined) toggleRecord(sum, before.record);
    toggleRecord(sum, row.record);
    written.push(row);
  }
  const removed = [...existingByDigest.values()];
  for (const row of removed) toggleRecord(sum, row.record);
  if (written.length === 0 && removed.length === 0) return null;
  return { written, removed: removed.map((row) => row.digest), sum };
}

/**
 * Offsets from the start of last year to the end of the third year from now. Whole years, so that the window moves
 * once a year and the document stays the same in between.
 */
function offsetsAround(timeZone: string, nowMs: number): PolicyDocument['zone'] {
  const year = new Date(nowMs).getUTCFullYear();
  return zoneOffsets(timeZone, Date.UTC(year - 1, 0, 1), Date.UTC(year + 4, 0, 1));
}

/** What all bridges' documents have in common. */
async function loadCommon(tx: Transaction) {
  const site = (await loadSite(tx)) ?? { name: 'MakrCave', timeZone: 'UTC' };
  const areas = await loadAreas(tx);
  const hours = await loadOpeningHours(tx);
  const twoDaysAgo = new Date(tx.nowMs - 2 * dayMs).toISOString().slice(0, 10);
  const holidays = await loadHolidays(tx, twoDaysAgo);
  const rules = (await findRules(tx)).map(toPolicyRule);
  return {
    rules,
    base: {
      format: 1 as const,
      siteName: site.name,
      zone: offsetsAround(site.timeZone, tx.nowMs),
      areaParents: Object.fromEntries(areas.map((area) => [area.id, area.parentId])),
      openingHours: Object.fromEntries(hours.map((entry) => [entry.areaId ?? '', [...entry.windows]])),
      exceptions: holidays.map(({ date, name, areaId, windows }) => ({ date, name, areaId, windows })),
      ...symbolNames(await findSymbols(tx)),
    },
  };
}

export interface PolicyKeeper {
  /** After any change of these members' admission facts, in the same transaction. */
  readonly refreshAdmission: (tx: Transaction, memberIds: readonly string[]) => Promise<void>;
  /** After any change of these credentials or their readings; a reading that moved names both of its credentials. */
  readonly refreshCredentials: (
    tx: Transaction,
    credentialIds: readonly string[],
    onlyKeyId?: string,
  ) => Promise<void>;
  /** After any change of areas, portals, rules, hours, holidays, the site or a digest key. */
  readonly refreshDocuments: (tx: Transaction) => Promise<void>;
  /** Computes every record anew, in slices; `onlyKeyId`: of one set. */
  readonly rebuildRecords: (onlyKeyId?: string) => Promise<void>;
  /** Daily, and at start: moves the zone's window on, forgets old removals, deletes what rotations left over. */
  readonly maintain: () => Promise<void>;
}

export function createPolicyKeeper(deps: PolicyDeps): PolicyKeeper {
  const { store } = deps;

  async function refreshCredentials(
    tx: Transaction,
    changedIds: readonly string[],
    onlyKeyId?: string,
  ): Promise<void> {
    if (changedIds.length === 0) return;
    const credentialIds = await withAlike(tx, changedIds);
    const symbols = await findSymbols(tx);
    const symbolsBefore = symbols.plans.size + symbols.groupSets.size;
    const desired = await loadDesired(tx, credentialIds, symbols);
    let revision: number | null = null;
    for (const set of await findSets(tx)) {
      if (onlyKeyId !== undefined && set.keyId !== onlyKeyId) continue;
      const change = diffSet(set, await findRecordsOf(tx, set, credentialIds), desired(set.key));
      if (change === null) continue;
      revision ??= await nextRevision(tx);
      await applySetChange(tx, set, { ...change, revision });
    }
    if (symbols.plans.size + symbols.groupSets.size > symbolsBefore) await refreshDocuments(tx);
    if (revision !== null) tx.afterCommit(deps.onPolicyChanged);
  }

  async function refreshDocuments(tx: Transaction): Promise<void> {
    const { base, rules } = await loadCommon(tx);
    const portals = await findPortals(tx);
    let revision: number | null = null;
    for (const set of await findSets(tx)) {
      if (!set.current) continue;
      const own = portals.filter((portal) => portal.bridgeId === set.bridgeId);
      const before = await findDocument(tx, set.bridgeId);
      const document: PolicyDocument = {
        ...base,
        builtAtMs: before?.document.builtAtMs ?? tx.nowMs,
        digestKey: { id: set.keyId, key: Buffer.from(set.key).toString('base64url') },
        portals: own.map(({ id, key, name, areaId, settings, override }) => ({
          id,
          key,
          name,
          areaId,
          settings,
          override,
        })),
        rules: rules.filter(
          ({ target }) => target.kind !== 'portal' || own.some((portal) => portal.id === target.id),
        ),
      };
      if (before !== null && Buffer.compare(documentHash(document), before.hash) === 0) continue;
      const built = { ...document, builtAtMs: tx.nowMs };
      revision ??= await nextRevision(tx);
      await saveDocument(tx, set.bridgeId, {
        body: JSON.stringify(built),
        hash: documentHash(built),
        revision,
      });
    }
    if (revision !== null) tx.afterCommit(deps.onPolicyChanged);
  }

  async function rebuildRecords(onlyKeyId?: string): Promise<void> {
    let after = '';
    for (;;) {
      const ids = await findCredentialIdsAfter(store.read, after, sliceSize);
      const last = ids.at(-1);
      if (last === undefined) return;
      await store.transact('policy.rebuild', (tx) => refreshCredentials(tx, ids, onlyKeyId));
      after = last;
    }
  }

  return {
    refreshCredentials,
    refreshDocuments,
    rebuildRecords,
    async refreshAdmission(tx, memberIds) {
      await refreshCredentials(tx, await findCredentialIdsOf(tx, memberIds));
    },
    async maintain() {
      await store.transact('policy.maintain', async (tx) => {
        await refreshDocuments(tx);
        for (const set of await findSets(tx)) await pruneRemoved(tx, set, removedKept);
      });
      while (await store.transact('policy.sweep', (tx) => sweepOrphans(tx, 1_000)));
    },
  };
}
