import type { Reader, Transaction } from '#hub/store/store.ts';
import { findReadings, type KnownReading } from '../cards/repository.ts';
import { findPins, type StoredPin } from '../pins/repository.ts';
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

/** Gives a reading to a credential, taking it from whichever had it. */
export async function saveReading(
  tx: Transaction,
  credentialId: string,
  { reading, bits, hex, seen }: KnownReading,
): Promise<void> {
  const owner = { credential_id: credentialId, seen: seen ? 1 : 0 };
  await tx.local
    .insertInto('credential_reading')
    .values({ reading, bits, hex, ...owner })
    .onConflict((conflict) => conflict.columns(['reading', 'bits', 'hex']).doUpdateSet(owner))
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

/** Puts back what a seal held. What is there already stays: it is the same, or newer. */
export async function putBackSecrets(
  tx: Transaction,
  credentialId: string,
  { readings, pin }: CardSecrets,
): Promise<void> {
  if (readings.length > 0)
    await tx.local
      .insertInto('credential_reading')
      .values(
        readings.map(({ reading, bits, hex, seen }) => ({
          reading,
          bits,
          hex,
          credential_id: credentialId,
          seen: seen ? 1 : 0,
        })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  if (pin === null) return;
  await tx.local
    .insertInto('credential_pin')
    .values(pinColumns(credentialId, pin))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
