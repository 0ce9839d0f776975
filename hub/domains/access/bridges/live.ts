import type { z } from 'zod';
import { toIso } from '#hub/kernel/time.ts';
import type { FromBridgePayload } from '../controllers/link.ts';
import type { BridgeState } from '../controllers/link-schema.ts';
import type { portalLiveSchema } from '../controllers/portal-schema.ts';
import { type AccessDeps } from '../deps.ts';
import { createReaderAnnouncer, readerToLive } from '../readers/live.ts';
import type { ReaderLive } from '../readers/schema.ts';

type Hello = FromBridgePayload<'hello'>;
type PortalState = BridgeState['portals'][number];
export type PortalLive = z.infer<typeof portalLiveSchema>;

/** What a connected bridge said since it connected. */
export interface LiveBridge {
  readonly hello: Hello;
  readonly state: BridgeState | null;
}

/** Live pages get at most four updates a second. */
const announceEveryMs = 250;

export interface LiveBridges {
  /** Null while the bridge is not connected or has not said hello. */
  get(bridgeId: string): LiveBridge | null;
  portal(bridgeId: string, key: string): PortalLive | null;
  reader(bridgeId: string, key: string): ReaderLive | null;
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
