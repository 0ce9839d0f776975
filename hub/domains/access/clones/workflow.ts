import type { Actor } from '#hub/domains/identity/schema.ts';
import { recordAudit } from '#hub/domains/identity/workflow.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { toIso } from '#hub/kernel/time.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import { findAlikeCards } from '../cards/alike-workflow.ts';
import { findCredential, findCredentialsById } from '../cards/repository.ts';
import type { SuspectedCopy } from '../cards/schema.ts';
import { type AccessDeps } from '../deps.ts';
import { findPortals, type PortalRow } from '../doors/repository.ts';
import type { AccessEventRow } from '../events/repository.ts';
import { findEvents } from '../events/repository.ts';
import { findSuspectedCopies, insertSuspectedCopy, type SuspectedCopyRow } from './repository.ts';
import { findImpossibleWay, sightingsIn } from './rules.ts';

/** A late event is compared with so many others of its card. */
const comparedEvents = 100;

/**
 * Looks whether cards of these events, which are stored already, were at two doors sooner than anybody gets there.
 * Costs nothing while no door says how far it is from the others.
 */
export async function noteCopies(
  tx: Transaction,
  deps: Pick<AccessDeps, 'newId' | 'announceIn'>,
  portals: readonly PortalRow[],
  added: readonly AccessEventRow[],
): Promise<void> {
  const walkSeconds = new Map(portals.map((portal) => [portal.id, portal.walkSeconds]));
  if (portals.every((portal) => portal.walkSeconds === 0)) return;
  const newSightings = sightingsIn(added);
  if (newSightings.length === 0) return;
  const newIds = new Set(newSightings.map(({ eventId }) => eventId));
  const credentialIds = [...new Set(newSightings.map(({ credentialId }) => credentialId))];
  const suspected = new Set(
    (await findSuspectedCopies(tx, credentialIds)).map(({ credentialId }) => credentialId),
  );
  const credentials = await findCredentialsById(tx, credentialIds);
  for (const [credentialId, { memberId }] of credentials) {
    if (suspected.has(credentialId)) continue;
    const events = await findEvents(tx, { memberId, credentialId }, { limit: comparedEvents });
    const way = findImpossibleWay(sightingsIn(events), ({ eventId }) => newIds.has(eventId), walkSeconds);
    if (way === null) continue;
    await insertSuspectedCopy(tx, deps.newId(), credentialId, way);
    await deps.announceIn(tx, { topic: 'credential.changed', data: { credentialId, memberId } });
  }
}

const removedDoor = 'removed door';

/** What speaks for copies of these cards, by the card's id. */
export async function loadSuspectedCopies(
  reader: Reader,
  credentialIds: readonly string[],
): Promise<ReadonlyMap<string, SuspectedCopy>> {
  const rows = await findSuspectedCopies(reader, credentialIds);
  if (rows.length === 0) return new Map();
  const names = new Map((await findPortals(reader)).map((portal) => [portal.id, portal.name]));
  const placed = ({ portalId, atMs }: SuspectedCopyRow['from']) => ({
    portalId,
    portalName: names.get(portalId) ?? removedDoor,
    at: toIso(atMs),
  });
  return new Map(
    rows.map(({ credentialId, from, to, walkSeconds }) => [
      credentialId,
      { from: placed(from), to: placed(to), walkSeconds },
    ]),
  );
}

/** Somebody has looked into it: the card is taken for the only one of its number again. */
export function dismissCopy(
  deps: Pick<AccessDeps, 'store' | 'announceIn'>,
  actor: Actor,
  credentialId: string,
  reason: string | null,
): Promise<Result<null, Refusal<'credentialNotFound'> | Refusal<'nothingSuspected'>>> {
  return deps.store.transact('credential.dismissCopy', async (tx) => {
    const credential = await findCredential(tx, credentialId);
    if (credential === null) return refuse({ code: 'credentialNotFound' });
    const [row] = await findSuspectedCopies(tx, [credentialId]);
    if (row === undefined) return refuse({ code: 'nothingSuspected' });
    await tx.remove('suspected_copy', row.id);
    const { memberId } = credential;
    await recordAudit(tx, {
      actor,
      action: 'credential.dismissCopy',
      target: { table: 'credential', id: credentialId },
      payload: { memberId, reason },
    });
    await deps.announceIn(tx, { topic: 'credential.changed', data: { credentialId, memberId } });
    return ok(null);
  });
}

/** Cards that seem to be there twice, and cards that some reader cannot tell apart. */
export function cardHealth(deps: Pick<AccessDeps, 'store'>, guessed: () => readonly Finding[]): HealthPart {
  return {
    name: 'card',
    title: 'Cards',
    async findings() {
      const alike = await deps.store.report(findAlikeCards);
      return [...alike, ...(await copyFindings()), ...guessed()];
    },
  };

  async function copyFindings(): Promise<readonly Finding[]> {
    const { read } = deps.store;
    const rows = await findSuspectedCopies(read);
    if (rows.length === 0) return [];
    const ids = rows.map(({ credentialId }) => credentialId);
    const credentials = await findCredentialsById(read, ids);
    const copies = await loadSuspectedCopies(read, ids);
    return rows.flatMap(({ credentialId }): Finding[] => {
      const credential = credentials.get(credentialId);
      const copy = copies.get(credentialId);
      // One that opens nothing any more is no danger.
      const opens = credential?.status === 'active' || credential?.status === 'temporary';
      if (!opens || copy === undefined) return [];
      const { from, to, walkSeconds } = copy;
      const seconds = Math.round((Date.parse(to.at) - Date.parse(from.at)) / 1000);
      return [
        {
          id: `card.copied:${credentialId}`,
          severity: 'error',
          evidence: `The card "${credential.label}" was at "${from.portalName}" at ${from.at} and ${seconds} s later at "${to.portalName}"; the way takes at least ${walkSeconds} s.`,
          fix: "Ask its member whether it was lent or read by mistake. If not, somebody has a copy: mark the card lost and give out another. Then say on the member's page that it is settled.",
        },
      ];
    });
  }
}
