import type { Reader } from '#hub/store/store.ts';
import { findBridgeStatuses, findBridges } from '../controllers/repository.ts';
import { findDocumentRevisions, findPolicyState, findRecordRevisions } from './repository.ts';

/** Ids of the bridges that have applied the newest document of their policy. */
export async function findBridgesUpToDate(reader: Reader): Promise<ReadonlySet<string>> {
  const statuses = await findBridgeStatuses(reader);
  const { epoch } = await findPolicyState(reader);
  const upToDate = new Set<string>();
  for (const [bridgeId, revision] of await findDocumentRevisions(reader)) {
    const applied = statuses.get(bridgeId)?.applied ?? null;
    if (applied !== null && applied.epoch === epoch && applied.revision >= revision) upToDate.add(bridgeId);
  }
  return upToDate;
}

/** Names of the bridges where the last change of a card has not arrived, by the card's id. */
export async function loadNotAppliedAt(
  reader: Reader,
  credentialIds: readonly string[],
): Promise<(credentialId: string) => string[]> {
  const revisions = await findRecordRevisions(reader, credentialIds);
  const statuses = await findBridgeStatuses(reader);
  const { epoch } = await findPolicyState(reader);
  const bridges = await findBridges(reader);
  return (credentialId) =>
    bridges
      .filter((bridge) => {
        const applied = statuses.get(bridge.id)?.applied;
        const revision = revisions.get(`${credentialId}/${bridge.id}`) ?? 0;
        return applied === null || applied?.epoch !== epoch || applied.revision < revision;
      })
      .map((bridge) => bridge.name);
}
