import type { OutputRecord } from '#bridge/gpio/sim-state.ts';

/** A record of `outputs.fifo`, as whoever plays the hardware reads it. */
export const decodeOutputRecord = (bytes: Buffer, at = 0): OutputRecord => ({
  timestampNs: bytes.readBigUInt64LE(at),
  offset: bytes.readUInt32LE(at + 8),
  level: bytes.readUInt32LE(at + 12) === 1 ? 1 : 0,
});
