import type { PinHashes } from '#hub/platform/pin-hash.ts';
import { batchesOf } from '#hub/store/batches.ts';
import type { Reader } from '#hub/store/store.ts';
import { type CredentialRow, toCredential } from '../cards/repository.ts';

/** What is kept of a PIN. */
export interface StoredPin extends PinHashes {
  readonly salt: Uint8Array;
}

/** The PIN of a member that is not retired. */
export async function findPinOfMember(reader: Reader, memberId: string): Promise<CredentialRow | null> {
  const row = await reader
    .selectFrom('credential')
    .selectAll()
    .where('member_id', '=', memberId)
    .where('kind', '=', 'pin')
    .where('status', '<>', 'retired')
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  return row ? toCredential(row) : null;
}

/** By credential; those that are no PIN, or a retired one, are left out. */
export async function findPins(
  reader: Reader,
  credentialIds: readonly string[],
): Promise<ReadonlyMap<string, StoredPin>> {
  const found = new Map<string, StoredPin>();
  for (const batch of batchesOf(credentialIds)) {
    const rows = await reader
      .selectFrom('credential_pin')
      .selectAll()
      .where('credential_id', 'in', batch)
      .execute();
    for (const { credential_id, salt, hash, duress_hash } of rows)
      found.set(credential_id, { salt, hash, duressHash: duress_hash });
  }
  return found;
}
