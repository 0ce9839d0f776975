import { assert } from '#hub/kernel/result.ts';
import { batchesOf } from '#hub/store/batches.ts';
import type { Reader, Transaction } from '#hub/store/store.ts';
import type { WrappedCardKey } from './seal.ts';

export interface SealRow {
  readonly id: string;
  readonly credentialId: string;
  readonly sealed: string;
}
const sealColumns = ['id', 'credential_id', 'sealed'] as const;
const toSeal = (row: { id: string; credential_id: string; sealed: string }): SealRow => ({
  id: row.id,
  credentialId: row.credential_id,
  sealed: row.sealed,
});

/** The seals of these credentials, by credential. */
export async function findSeals(
  reader: Reader,
  credentialIds: readonly string[],
): Promise<ReadonlyMap<string, SealRow>> {
  const found = new Map<string, SealRow>();
  for (const batch of batchesOf(credentialIds)) {
    const rows = await reader
      .selectFrom('credential_seal')
      .select(sealColumns)
      .where('credential_id', 'in', batch)
      .where('deleted_at_ms', 'is', null)
      .execute();
    for (const row of rows) found.set(row.credential_id, toSeal(row));
  }
  return found;
}

/** All seals in the order of their ids, `limit` at a time. */
export async function findSealsAfter(reader: Reader, afterId: string, limit: number): Promise<SealRow[]> {
  const rows = await reader
    .selectFrom('credential_seal')
    .select(sealColumns)
    .where('id', '>', afterId)
    .where('deleted_at_ms', 'is', null)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(toSeal);
}

export async function countSeals(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('credential_seal')
    .select(({ fn }) => fn.countAll<number>().as('rows'))
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirstOrThrow();
  return row.rows;
}

export const insertSeal = (tx: Transaction, { id, credentialId, sealed }: SealRow): Promise<void> =>
  tx.insert('credential_seal', { id, credential_id: credentialId, sealed });

export async function updateSeal(tx: Transaction, id: string, sealed: string): Promise<void> {
  const written = await tx.write('credential_seal', id, { sealed });
  assert(written.ok, 'a seal that was just read is there');
}

export async function removeSeal(tx: Transaction, id: string): Promise<void> {
  const removed = await tx.remove('credential_seal', id);
  assert(removed.ok, 'a seal that was just read is there');
}

export interface CardKeyWrap extends WrappedCardKey {
  readonly id: string;
  /** Which card key is inside. */
  readonly keyId: string;
  readonly madeAtMs: number;
}

/** The card key under the recovery code of the newest sheet; null while there is none. */
export async function findCardKeyWrap(reader: Reader): Promise<CardKeyWrap | null> {
  const row = await reader
    .selectFrom('card_key_wrap')
    .select(['id', 'key_id', 'salt', 'wrapped', 'made_at_ms'])
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  if (row === undefined) return null;
  const { id, salt, wrapped } = row;
  return { id, salt, wrapped, keyId: row.key_id, madeAtMs: row.made_at_ms };
}

/** Puts a wrap in the place of the one before. */
export async function replaceCardKeyWrap(tx: Transaction, wrap: CardKeyWrap): Promise<void> {
  const before = await findCardKeyWrap(tx);
  if (before !== null) await tx.remove('card_key_wrap', before.id);
  const { id, keyId, salt, wrapped, madeAtMs } = wrap;
  await tx.insert('card_key_wrap', { id, key_id: keyId, salt, wrapped, made_at_ms: madeAtMs });
}

/** Where the seals stand. */
export interface VaultState {
  /** Of the card key under which they are or are being brought. */
  readonly keyId: string;
  /** The last credential that was looked at; null once all were. */
  readonly walkAfter: string | null;
}

export async function findVaultState(reader: Reader): Promise<VaultState> {
  const row = await reader
    .selectFrom('card_vault')
    .select(['key_id', 'walk_after'])
    .where('id', '=', 1)
    .executeTakeFirstOrThrow();
  return { keyId: row.key_id, walkAfter: row.walk_after };
}

export async function saveVaultState(tx: Transaction, { keyId, walkAfter }: VaultState): Promise<void> {
  await tx.local
    .updateTable('card_vault')
    .set({ key_id: keyId, walk_after: walkAfter })
    .where('id', '=', 1)
    .execute();
}
