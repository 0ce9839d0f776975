import { Fault } from '#hub/kernel/result.ts';
import type { Store, Transaction } from '#hub/store/store.ts';
import { findCredentialIdsAfter, findReadingOwner, type KnownReading } from '../cards/repository.ts';
import type { StoredPin } from '../pins/repository.ts';
import {
  findSeals,
  findVaultState,
  insertSeal,
  removeSeal,
  type SealRow,
  saveVaultState,
  updateSeal,
  type VaultState,
} from './repository.ts';
import { cardKeyId, openSecretsText, sealSecrets, secretsText } from './seal.ts';
import { deletePin, findSecrets, savePin, saveReading } from './secret-repository.ts';

/** Credentials in one transaction of the walk over all of them, so that each stays well below 50 ms. */
const sliceSize = 25;

/**
 * Card readings and PINs. Whatever changes them goes through here, so that the sealed copy, which leaves the hub, is
 * right when the transaction commits.
 */
export interface CardVault {
  /** Of the card key under which it seals. */
  readonly keyId: string;
  /** Gives readings to a credential, each taken from whichever had it. */
  readonly giveReadings: (
    tx: Transaction,
    credentialId: string,
    readings: readonly KnownReading[],
  ) => Promise<void>;
  /** Gives a credential the PIN that it is, or takes it away. */
  readonly setPin: (tx: Transaction, credentialId: string, pin: StoredPin | null) => Promise<void>;
  /**
   * Seals what is not sealed under this key yet: credentials from before there were seals, and all of them after the key
   * was lost and made anew. At most `slices` transactions; true when nothing is left to do.
   */
  readonly sealMissing: (slices: number) => Promise<boolean>;
}

/** A seal holds just this text. */
function holds(cardKey: Uint8Array, { credentialId, sealed }: SealRow, text: string): boolean {
  try {
    return openSecretsText(cardKey, credentialId, sealed) === text;
  } catch (cause) {
    // Under another key, or damaged: it is made anew.
    if (cause instanceof Fault) return false;
    throw cause;
  }
}

export function createCardVault({
  store,
  cardKey,
  newId,
}: {
  readonly store: Pick<Store, 'read' | 'transact'>;
  readonly cardKey: Uint8Array;
  readonly newId: () => string;
}): CardVault {
  const keyId = cardKeyId(cardKey);

  /** Brings the seals of these credentials up to date, in this order. */
  async function sealAnew(
    tx: Transaction,
    credentialIds: readonly string[],
    emptied: 'remove' | 'leave',
  ): Promise<void> {
    const secretsById = await findSecrets(tx, credentialIds);
    const seals = await findSeals(tx, credentialIds);
    for (const credentialId of credentialIds) {
      const secrets = secretsById.get(credentialId);
      const seal = seals.get(credentialId);
      if (secrets === undefined) {
        if (seal !== undefined && emptied === 'remove') await removeSeal(tx, seal.id);
        continue;
      }
      // Each seal differs from every other; one with nothing new in it would be replicated for nothing.
      if (seal !== undefined && holds(cardKey, seal, secretsText(secrets))) continue;
      const sealed = sealSecrets(cardKey, credentialId, secrets);
      if (seal === undefined) await insertSeal(tx, { id: newId(), credentialId, sealed });
      else await updateSeal(tx, seal.id, sealed);
    }
  }

  async function nextSlice({ walkAfter }: VaultState): Promise<string | null> {
    const ids = await findCredentialIdsAfter(store.read, walkAfter ?? '', sliceSize);
    const next = ids.at(-1) ?? null;
    await store.transact('vault.seal', async (tx) => {
      // A hub whose cards are still to be restored has seals and nothing to compare them with: those are left.
      await sealAnew(tx, ids, 'leave');
      await saveVaultState(tx, { keyId, walkAfter: next });
    });
    return next;
  }

  return {
    keyId,
    async giveReadings(tx, credentialId, readings) {
      const losers = new Set<string>();
      for (const reading of readings) {
        const owner = await findReadingOwner(tx, reading);
        if (owner !== null && owner.credentialId !== credentialId) losers.add(owner.credentialId);
        await saveReading(tx, credentialId, reading);
      }
      // Whoever lost one first: a replication that was cut in between never has a reading at two cards.
      await sealAnew(tx, [...losers, credentialId], 'remove');
    },
    async setPin(tx, credentialId, pin) {
      if (pin === null) await deletePin(tx, credentialId);
      else await savePin(tx, credentialId, pin);
      await sealAnew(tx, [credentialId], 'remove');
    },
    async sealMissing(slices) {
      let state = await findVaultState(store.read);
      if (state.keyId !== keyId) state = { keyId, walkAfter: '' };
      for (let slice = 0; slice < slices && state.walkAfter !== null; slice += 1)
        state = { keyId, walkAfter: await nextSlice(state) };
      return state.walkAfter === null;
    },
  };
}
