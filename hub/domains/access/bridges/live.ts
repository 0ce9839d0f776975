import { toIso } from '#hub/kernel/time.ts';
import type { FromBridgePayload } from '../controllers/link.ts';
import type { BridgeState } from '../controllers/link-schema.ts';
import type { LiveBridge, LiveDoors, PortalLive } from '../controllers/live.ts';
import { type AccessDeps } from '../deps.ts';
import type { LiveReaders } from '../readers/deps.ts';
import { createReaderAnnouncer, readerToLive } from '../readers/live.ts';

type Hello = FromBridgePayload<'hello'>;
type PortalState = BridgeState['portals'][number];

/** Live pages get at most four updates a second. */
const announceEveryMs = 250;

export interface LiveBridges extends LiveDoors, LiveReaders {
  hello(bridgeId: string, hello: Hello): void;
  /** False for a state that comes before the hello: it is dropped. */
  state(bridgeId: string, state: BridgeState): boolean;
  drop(bridgeId: string): void;
}

const toLive = (portal: PortalState): PortalLive => ({
  state: portal.state,
  mode: portal.mode,
  contactOpen: portal.contactOpen,
  strikeReleased: portal.strikeReleased,
  since: toIso(portal.sinceMs),
});

/** What is now, in memory only; changes of doors and readers are announced, gathered so that pages are not flooded. */
export function createLiveBridges(
  deps: Pick<AccessDeps, 'announce' | 'after'> & {
    portalId(bridgeId: string, key: string): string | null;
  },
): LiveBridges {
  const bridges = new Map<string, LiveBridge>();
  const announced = new Map<string, string>();
  const waiting = new Set<string>();

  const bridgeOf = (bridgeId: string): LiveBridge | null => bridges.get(bridgeId) ?? null;
  const readers = createReaderAnnouncer({ ...deps, bridgeOf });

  function announceChanges(bridgeId: string): void {
    waiting.delete(bridgeId);
    const live = bridges.get(bridgeId);
    for (const portal of live?.state?.portals ?? []) {
      const id = deps.portalId(bridgeId, portal.key);
      if (id === null) continue;
      const data = { portalId: id, bridgeId, connected: true, live: toLive(portal) };
      const text = JSON.stringify(data);
      if (announced.get(`${bridgeId}/${portal.key}`) === text) continue;
      announced.set(`${bridgeId}/${portal.key}`, text);
      deps.announce({ topic: 'portal.state', data });
    }
    readers.announce(bridgeId);
  }

  return {
    get: bridgeOf,
    portal(bridgeId, key) {
      const portal = bridges.get(bridgeId)?.state?.portals.find((candidate) => candidate.key === key);
      return portal === undefined ? null : toLive(portal);
    },
    reader(bridgeId, key) {
      const reader = bridges.get(bridgeId)?.state?.readers.find((candidate) => candidate.key === key);
      return reader === undefined ? null : readerToLive(reader);
    },
    hello(bridgeId, hello) {
      bridges.set(bridgeId, { hello, state: null });
    },
    state(bridgeId, state) {
      const live = bridges.get(bridgeId);
      if (live === undefined) return false;
      bridges.set(bridgeId, { ...live, state });
      if (waiting.has(bridgeId)) return true;
      waiting.add(bridgeId);
      deps.after(announceEveryMs, () => announceChanges(bridgeId));
      return true;
    },
    drop(bridgeId) {
      const live = bridges.get(bridgeId);
      readers.drop(bridgeId);
      bridges.delete(bridgeId);
      for (const { key } of live?.hello.portals ?? []) {
        announced.delete(`${bridgeId}/${key}`);
        const id = deps.portalId(bridgeId, key);
        if (id === null) continue;
        const data = { portalId: id, bridgeId, connected: false, live: null };
        deps.announce({ topic: 'portal.state', data });
      }
    },
  };
}
