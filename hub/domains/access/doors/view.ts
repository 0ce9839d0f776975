import { stampToWire } from '#hub/store/entity-row.ts';
import type { Reader } from '#hub/store/store.ts';
import { readerId } from '../controllers/reader-id-schema.ts';
import type { PortalOverride } from '../schema.ts';
import type { DoorDeps } from './deps.ts';
import { findPortal, findPortals, type PortalRow } from './repository.ts';
import type { Portal } from './schema.ts';

/** The override that holds now: a door held open until a time that has come is not held open. */
export const overrideAt = (portal: Pick<PortalRow, 'override'>, atMs: number): PortalOverride | null =>
  portal.override?.kind === 'holdOpen' && portal.override.untilMs <= atMs ? null : portal.override;

type PortalFacts = (portal: PortalRow) => Portal;

/** What portals look like from outside needs what their bridges have applied; loaded once for many. */
async function loadPortalFacts(
  deps: Pick<DoorDeps, 'live' | 'link' | 'clock' | 'findBridgesUpToDate'>,
  reader: Reader,
): Promise<PortalFacts> {
  const upToDate = await deps.findBridgesUpToDate(reader);
  const nowMs = deps.clock.nowMs();
  return (portal) => {
    const connected = deps.link.isConnected(portal.bridgeId);
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
      live: connected ? deps.live.portal(portal.bridgeId, portal.key) : null,
      applied: upToDate.has(portal.bridgeId),
    };
  };
}

export async function loadPortals(deps: DoorDeps, reader: Reader): Promise<Portal[]> {
  const facts = await loadPortalFacts(deps, reader);
  return (await findPortals(reader)).map(facts);
}

export async function loadPortal(deps: DoorDeps, reader: Reader, id: string): Promise<Portal | null> {
  const portal = await findPortal(reader, id);
  return portal === null ? null : (await loadPortalFacts(deps, reader))(portal);
}
