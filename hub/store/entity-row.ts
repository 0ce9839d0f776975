import { toIso } from '#hub/kernel/time.ts';

/** Columns of every row of a `state` table. */
export interface RowStamp {
  readonly id: string;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}
export const stampOf = (row: {
  id: string;
  version: number;
  created_at_ms: number;
  updated_at_ms: number;
}): RowStamp => ({
  id: row.id,
  version: row.version,
  createdAtMs: row.created_at_ms,
  updatedAtMs: row.updated_at_ms,
});

/** The same on the wire, as `entityShape` has it. */
export const stampToWire = (row: RowStamp) => ({
  id: row.id,
  version: row.version,
  createdAt: toIso(row.createdAtMs),
  updatedAt: toIso(row.updatedAtMs),
});
