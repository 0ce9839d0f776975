import { Fault } from '#hub/kernel/result.ts';
import type { Store, Transaction } from '#hub/store/store.ts';
import { missingReadings } from '../cards/format-rules.ts';
import { findCredentialIdsAfter } from '../cards/repository.ts';
import type { StoredPin } from '../pins/repository.ts';
import type { KnownReading } from '../schema.ts';
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
import { deletePin, findSecrets, savePin, saveReading, takeFromRetired } from './secret-repository.ts';

/** Credentials in one transaction of the walk over all of them, so that each stays well below 50 ms. */
const sliceSize = 25;

/**
 * Card readings and PINs. Whatever changes them goes through here, so that the sealed copy, which leaves the hub, is
 * right when the transaction commits.
 */
export interface CardVault {
  /** Of the card key under which it seals. */
  readonly keyId: string;
  /** Gives readings to a credential; what readers delivered of it is taken from retired ones. */
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
  onReadingsAdded = async () => {},
}: {
  readonly store: Pick<Store, 'read' | 'transact'>;
  readonly cardKey: Uint8Array;
  readonly newId: () => string;
  /** Readings that follow from others were missing and are there now: the doors are to know of them. */
  readonly onReadingsAdded?: (tx: Transaction, credentialIds: readonly string[]) => Promise<void>;
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

  /** Adds what follows from readings and is not there: a release that knows more kinds of readers derives more. */
  async function completeReadings(tx: Transaction, credentialIds: readonly string[]): Promise<void> {
    const added: string[] = [];
    for (const [credentialId, { readings }] of await findSecrets(tx, credentialIds)) {
      const missing = missingReadings(readings);
      for (const reading of missing) await saveReading(tx, credentialId, reading);
      if (missing.length > 0) added.push(credentialId);
    }
    if (added.length > 0) await onReadingsAdded(tx, added);
  }

  async function nextSlice({ walkAfter }: VaultState): Promise<string | null> {
    const ids = await findCredentialIdsAfter(store.read, walkAfter ?? '', sliceSize);
    const next = ids.at(-1) ?? null;
    await store.transact('vault.seal', async (tx) => {
      await completeReadings(tx, ids);
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
        if (reading.seen)
          for (const loser of await takeFromRetired(tx, credentialId, reading)) losers.add(loser);
        await saveReading(tx, credentialId, reading);
      }
      // Whoever lost one first: a replication that was cut in between never has a seen reading at two cards.
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
