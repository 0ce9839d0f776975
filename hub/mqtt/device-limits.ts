import { type SessionLimits, sessionLimits } from './session-limits.ts';

export interface DeviceLimits {
  readonly connectionsPerDevice: number;
  /** Bytes of a CONNECT, and of any packet later. */
  readonly connectBytes: number;
  readonly packetBytes: number;
  readonly packetsPerSecond: number;
  readonly burstPackets: number;
  /** Bytes that may wait in the socket of a device that does not read; then it is cut off. */
  readonly unsentBytes: number;
  readonly clientIdBytes: number;
  /** Seconds; 0 (none) and more than this count as this. */
  readonly keepaliveSeconds: number;
  readonly sessions: SessionLimits;
}

export const deviceLimits: DeviceLimits = {
  connectionsPerDevice: 8,
  connectBytes: 16_384,
  packetBytes: 262_144,
  packetsPerSecond: 200,
  burstPackets: 1000,
  unsentBytes: 1_048_576,
  clientIdBytes: 128,
  keepaliveSeconds: 3600,
  sessions: sessionLimits,
};
