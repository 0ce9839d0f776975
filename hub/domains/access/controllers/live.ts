import type { z } from 'zod';
import type { FromBridgePayload } from './link.ts';
import type { BridgeState } from './link-schema.ts';
import type { portalLiveSchema } from './portal-schema.ts';

export type PortalLive = z.infer<typeof portalLiveSchema>;

/** What a connected bridge said since it connected. */
export interface LiveBridge {
  readonly hello: FromBridgePayload<'hello'>;
  readonly state: BridgeState | null;
}

/** What bridges and their doors do now. */
export interface LiveDoors {
  /** Null while the bridge is not connected or has not said hello. */
  get(bridgeId: string): LiveBridge | null;
  portal(bridgeId: string, key: string): PortalLive | null;
}
