import type { Reader, Transaction } from '#hub/store/store.ts';
import { missingReadings } from '../cards/format-rules.ts';
import { findReadings } from '../cards/repository.ts';
import { findPins, type StoredPin } from '../pins/repository.ts';
import type { KnownReading } from '../schema.ts';
import type { CardSecrets } from './seal.ts';

// Everything that writes `credential_reading` and `credential_pin`. What calls it must bring `credential_seal` up to date
// in the same transaction, so `vault.ts` is what others go through.

/** What is kept of these credentials; those of which nothing is are left out. */
export async function findSecrets(
  reader: Reader,
  credentialIds: readonly string[],
): Promise<ReadonlyMap<string, CardSecrets>> {
  const pins = await findPins(reader, credentialIds);
  const readings = new Map<string, KnownReading[]>();
  for (const { credentialId, read, seen } of await findReadings(reader, credentialIds))
    readings.set(credentialId, [...(readings.get(credentialId) ?? []), { ...read, seen }]);
  return new Map(
    [...new Set([...pins.keys(), ...readings.keys()])].map((id) => [
      id,
      { readings: readings.get(id) ?? [], pin: pins.get(id) ?? null },
    ]),
  );
}

/** Takes a reading from the retired credentials that have it, and returns their ids. */
export async function takeFromRetired(
  tx: Transaction,
  credentialId: string,
  { reading, bits, hex }: KnownReading,
): Promise<readonly string[]> {
  const losers = await tx.local
    .deleteFrom('credential_reading')
    .where('reading', '=', reading)
    .where('bits', '=', bits)
    .where('hex', '=', hex)
    .where('credential_id', '!=', credentialId)
    .where('credential_id', 'in', (query) =>
      query.selectFrom('credential').select('id').where('status', '=', 'retired'),
    )
    .returning('credential_id')
    .execute();
  return losers.map((row) => row.credential_id);
}

/** Gives a reading to a credential; others may have it too. */
export async function saveReading(
  tx: Transaction,
  credentialId: string,
  { reading, bits, hex, seen }: KnownReading,
): Promise<void> {
  const row = { credential_id: credentialId, reading, bits, hex, seen: seen ? 1 : 0 };
  const insert = tx.local.insertInto('credential_reading').values(row);
  // What a reader delivered stands above what was computed.
  await insert
    .onConflict((conflict) => {
      const same = conflict.columns(['credential_id', 'reading', 'bits', 'hex']);
      return seen ? same.doUpdateSet({ seen: 1 }) : same.doNothing();
    })
    .execute();
}

const pinColumns = (credentialId: string, { salt, hash, duressHash }: StoredPin) => ({
  credential_id: credentialId,
  salt,
  hash,
  duress_hash: duressHash,
});

export async function savePin(tx: Transaction, credentialId: string, pin: StoredPin): Promise<void> {
  await tx.local.insertInto('credential_pin').values(pinColumns(credentialId, pin)).execute();
}

export async function deletePin(tx: Transaction, credentialId: string): Promise<void> {
  await tx.local.deleteFrom('credential_pin').where('credential_id', '=', credentialId).execute();
}

/**
 * Puts back what a seal held, with what follows from it: a seal of an older release lacks what others have too. What is
 * there already stays: it is the same, or newer.
 */
export async function putBackSecrets(
  tx: Transaction,
  credentialId: string,
  { readings, pin }: CardSecrets,
): Promise<void> {
  for (const reading of [...readings, ...missingReadings(readings)])
    await saveReading(tx, credentialId, reading);
  if (pin === null) return;
  await tx.local
    .insertInto('credential_pin')
    .values(pinColumns(credentialId, pin))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
