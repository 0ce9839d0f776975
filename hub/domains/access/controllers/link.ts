import type { z } from 'zod';
import type { FromBridge, schemaFromBridge, schemaToBridge, ToBridge } from './link-schema.ts';

export type FromBridgePayload<N extends FromBridge> = z.output<(typeof schemaFromBridge)[N]>;
export type ToBridgePayload<N extends ToBridge> = z.input<(typeof schemaToBridge)[N]>;

/** The hub's way to its bridges; the broker implements it. */
export interface BridgeLink {
  isConnected(bridgeId: string): boolean;
  /** False when the bridge is not connected; true only says that it was handed to the connection. */
  send<N extends ToBridge>(bridgeId: string, name: N, payload: ToBridgePayload<N>): boolean;
  /** Ends the connection, for example after its token was replaced. */
  disconnect(bridgeId: string): void;
}

/** What the access domain does with what arrives. Payloads are parsed already; one call at a time for each bridge. */
export interface BridgeHandler {
  /** The bridge's id when user name and token are right, else null. */
  authenticate(username: string, token: string): Promise<string | null>;
  onConnected(bridgeId: string): void;
  onDisconnected(bridgeId: string): void;
  onMessage: {
    readonly [N in FromBridge]: (bridgeId: string, payload: FromBridgePayload<N>) => Promise<void>;
  };
}
