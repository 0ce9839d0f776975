import type { Selectable } from 'kysely';
import { z } from 'zod';
import { type RowStamp, stampOf } from '#hub/store/entity-row.ts';
import { rememberedQuery } from '#hub/store/fixed-query.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { BridgeStatusTable } from '../tables.ts';

export interface BridgeRow extends RowStamp {
  readonly name: string;
}

export async function findBridges(reader: Reader): Promise<BridgeRow[]> {
  const rows = await reader
    .selectFrom('bridge')
    .selectAll()
    .where('deleted_at_ms', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map((row) => ({ ...stampOf(row), name: row.name }));
}

export async function findBridge(reader: Reader, id: string): Promise<BridgeRow | null> {
  const row = await reader
    .selectFrom('bridge')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row ? { ...stampOf(row), name: row.name } : null;
}

export interface BridgeSecret {
  readonly bridgeId: string;
  readonly tokenHash: Uint8Array;
  readonly digestKeyId: string;
  readonly nextKeyId: string | null;
}

export async function findBridgeSecret(reader: Reader, bridgeId: string): Promise<BridgeSecret | null> {
  const row = await reader
    .selectFrom('bridge_secret')
    .innerJoin('bridge', 'bridge.id', 'bridge_secret.bridge_id')
    .select(['bridge_id', 'token_hash', 'digest_key_id', 'next_key_id'])
    .where('bridge_id', '=', bridgeId)
    .where('bridge.deleted_at_ms', 'is', null)
    .executeTakeFirst();
  if (row === undefined) return null;
  return {
    bridgeId: row.bridge_id,
    tokenHash: row.token_hash,
    digestKeyId: row.digest_key_id,
    nextKeyId: row.next_key_id,
  };
}

/** Bridges whose records are being digested anew: bridge id -> the key that takes over. */
export async function findRotations(reader: Reader): Promise<ReadonlyMap<string, string>> {
  const rows = await reader.selectFrom('bridge_secret').select(['bridge_id', 'next_key_id']).execute();
  const rotations = new Map<string, string>();
  for (const row of rows) if (row.next_key_id !== null) rotations.set(row.bridge_id, row.next_key_id);
  return rotations;
}

export async function insertBridgeSecret(
  tx: Transaction,
  secret: Pick<BridgeSecret, 'bridgeId' | 'tokenHash' | 'digestKeyId'> & { readonly digestKey: Uint8Array },
): Promise<void> {
  await tx.local
    .insertInto('bridge_secret')
    .values({
      bridge_id: secret.bridgeId,
      token_hash: secret.tokenHash,
      digest_key_id: secret.digestKeyId,
      digest_key: secret.digestKey,
      next_key_id: null,
      next_key: null,
    })
    .execute();
}

export async function saveTokenHash(tx: Transaction, bridgeId: string, tokenHash: Uint8Array): Promise<void> {
  await tx.local
    .updateTable('bridge_secret')
    .set({ token_hash: tokenHash })
    .where('bridge_id', '=', bridgeId)
    .execute();
}

export async function saveNextKey(
  tx: Transaction,
  bridgeId: string,
  next: { readonly keyId: string; readonly key: Uint8Array },
): Promise<void> {
  await tx.local
    .updateTable('bridge_secret')
    .set({ next_key_id: next.keyId, next_key: next.key })
    .where('bridge_id', '=', bridgeId)
    .execute();
}

/** The key that was prepared becomes the bridge's key. */
export async function promoteNextKey(tx: Transaction, bridgeId: string): Promise<void> {
  await tx.local
    .updateTable('bridge_secret')
    .set((expression) => ({
      digest_key_id: expression.fn.coalesce('next_key_id', 'digest_key_id'),
      digest_key: expression.fn.coalesce('next_key', 'digest_key'),
      next_key_id: null,
      next_key: null,
    }))
    .where('bridge_id', '=', bridgeId)
    .execute();
}

export interface AppliedPolicy {
  readonly epoch: number;
  readonly revision: number;
  readonly hash: string;
}
export interface BridgeStatus {
  readonly bridgeId: string;
  readonly lastSeenAtMs: number;
  readonly bootId: string;
  readonly release: string;
  readonly simulated: boolean;
  readonly applied: AppliedPolicy | null;
  /** Why the bridge did not take the last policy; null when it did. */
  readonly refused: string | null;
  readonly withheldCredentialIds: readonly string[];
}
const withheldSchema = z.array(z.string());

const statusOf = (row: Selectable<BridgeStatusTable>): BridgeStatus => ({
  bridgeId: row.bridge_id,
  lastSeenAtMs: row.last_seen_at_ms,
  bootId: row.boot_id,
  release: row.release,
  simulated: row.simulated === 1,
  applied:
    row.applied_epoch === null || row.applied_revision === null || row.applied_hash === null
      ? null
      : { epoch: row.applied_epoch, revision: row.applied_revision, hash: row.applied_hash },
  refused: row.refused,
  withheldCredentialIds: withheldSchema.parse(JSON.parse(row.withheld)),
});

const allStatuses = rememberedQuery(
  {},
  (reader) => reader.selectFrom('bridge_status').selectAll(),
  (rows): ReadonlyMap<string, BridgeStatus> => new Map(rows.map((row) => [row.bridge_id, statusOf(row)])),
);
export const findBridgeStatuses = (reader: Reader): Promise<ReadonlyMap<string, BridgeStatus>> =>
  allStatuses(reader, {});

const appliedColumns = (applied: AppliedPolicy | null) => ({
  applied_epoch: applied?.epoch ?? null,
  applied_revision: applied?.revision ?? null,
  applied_hash: applied?.hash ?? null,
});

export async function saveHello(
  tx: Transaction,
  hello: Pick<BridgeStatus, 'bridgeId' | 'bootId' | 'release' | 'simulated' | 'applied'>,
): Promise<void> {
  const columns = {
    last_seen_at_ms: tx.nowMs,
    boot_id: hello.bootId,
    release: hello.release,
    simulated: hello.simulated ? 1 : 0,
    ...appliedColumns(hello.applied),
    refused: null,
  };
  await tx.local
    .insertInto('bridge_status')
    .values({ bridge_id: hello.bridgeId, ...columns, withheld: '[]' })
    .onConflict((conflict) => conflict.column('bridge_id').doUpdateSet(columns))
    .execute();
}

export async function saveApplied(
  tx: Transaction,
  bridgeId: string,
  said: Pick<BridgeStatus, 'applied' | 'refused' | 'withheldCredentialIds'>,
): Promise<void> {
  await tx.local
    .updateTable('bridge_status')
    .set({
      last_seen_at_ms: tx.nowMs,
      ...appliedColumns(said.applied),
      refused: said.refused,
      withheld: JSON.stringify(said.withheldCredentialIds),
    })
    .where('bridge_id', '=', bridgeId)
    .execute();
}

export async function saveLastSeen(tx: Transaction, bridgeId: string): Promise<void> {
  await tx.local
    .updateTable('bridge_status')
    .set({ last_seen_at_ms: tx.nowMs })
    .where('bridge_id', '=', bridgeId)
    .execute();
}

/** The last event of a journal up to which nothing is missing; 0 before the first. */
export async function findCursor(reader: Reader, bridgeId: string, journalId: string): Promise<number> {
  const row = await reader
    .selectFrom('bridge_cursor')
    .select('acked_seq')
    .where('bridge_id', '=', bridgeId)
    .where('journal_id', '=', journalId)
    .executeTakeFirst();
  return row?.acked_seq ?? 0;
}

export async function saveCursor(
  tx: Transaction,
  bridgeId: string,
  journalId: string,
  seq: number,
): Promise<void> {
  const columns = { acked_seq: seq, updated_at_ms: tx.nowMs };
  await tx.local
    .insertInto('bridge_cursor')
    .values({ bridge_id: bridgeId, journal_id: journalId, ...columns })
    .onConflict((conflict) => conflict.columns(['bridge_id', 'journal_id']).doUpdateSet(columns))
    .execute();
}
