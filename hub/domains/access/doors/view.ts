import { stampToWire } from '#hub/store/entity-row.ts';
import type { Reader } from '#hub/store/store.ts';
import { readerId } from '../controllers/reader-id-schema.ts';
import { findBridgeStatuses } from '../controllers/repository.ts';
import type { AccessParts } from '../parts.ts';
import { findDocumentRevisions, findPolicyState } from '../policy/repository.ts';
import type { PortalOverride } from '../schema.ts';
import { findPortal, findPortals, type PortalRow } from './repository.ts';
import type { Portal } from './schema.ts';

/** The override that holds now: a door held open until a time that has come is not held open. */
export const overrideAt = (portal: Pick<PortalRow, 'override'>, atMs: number): PortalOverride | null =>
  portal.override?.kind === 'holdOpen' && portal.override.untilMs <= atMs ? null : portal.override;

type PortalFacts = (portal: PortalRow) => Portal;

/** What portals look like from outside needs what their bridges have applied; loaded once for many. */
async function loadPortalFacts(
  parts: Pick<AccessParts, 'live' | 'link' | 'clock'>,
  reader: Reader,
): Promise<PortalFacts> {
  const statuses = await findBridgeStatuses(reader);
  const revisions = await findDocumentRevisions(reader);
  const { epoch } = await findPolicyState(reader);
  const nowMs = parts.clock.nowMs();
  return (portal) => {
    const applied = statuses.get(portal.bridgeId)?.applied ?? null;
    const connected = parts.link.isConnected(portal.bridgeId);
    return {
      ...stampToWire(portal),
      bridgeId: portal.bridgeId,
      key: portal.key,
      name: portal.name,
      areaId: portal.areaId,
      walkSeconds: portal.walkSeconds,
      settings: portal.settings,
      override: overrideAt(portal, nowMs),
      readers: portal.readers.map((key) => ({ id: readerId(portal.bridgeId, key), key })),
      connected,
      live: connected ? parts.live.portal(portal.bridgeId, portal.key) : null,
      applied:
        applied !== null &&
        applied.epoch === epoch &&
        applied.revision >= (revisions.get(portal.bridgeId) ?? Number.POSITIVE_INFINITY),
    };
  };
}

export async function loadPortals(parts: AccessParts, reader: Reader): Promise<Portal[]> {
  const facts = await loadPortalFacts(parts, reader);
  return (await findPortals(reader)).map(facts);
}

export async function loadPortal(parts: AccessParts, reader: Reader, id: string): Promise<Portal | null> {
  const portal = await findPortal(reader, id);
  return portal === null ? null : (await loadPortalFacts(parts, reader))(portal);
}
