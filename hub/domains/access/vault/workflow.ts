import { Fault, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { Reader, Store } from '#hub/store/store.ts';
import { findCredentialsById } from '../cards/repository.ts';
import type { PolicyKeeper } from '../policy/workflow.ts';
import { parseRecoveryCode, type RecoveryCodeMistyped } from './recovery-rules.ts';
import {
  type CardKeyWrap,
  findCardKeyWrap,
  findSealsAfter,
  type SealRow,
  saveVaultState,
} from './repository.ts';
import { type CardSecrets, cardKeyId, openSecrets, unwrapCardKey } from './seal.ts';
import { putBackSecrets } from './secret-repository.ts';

/** Cards in one transaction, so that each stays well below 50 ms. */
const sliceSize = 25;

/** The card key under a recovery code, or null for another code. Fault `tornFile`: the wrap is damaged. */
export function unwrapBy(code: Uint8Array, wrap: CardKeyWrap): Uint8Array | null {
  try {
    return unwrapCardKey(code, wrap);
  } catch (cause) {
    if (cause instanceof Fault && cause.code === 'wrongKey') return null;
    throw cause;
  }
}

export type OpenCardKeyRefusal =
  | (Refusal<'noCardKey'> & { readonly title: string })
  | RecoveryCodeMistyped
  | (Refusal<'recoveryCodeWrong'> & { readonly title: string });

/**
 * The site's card key (32 bytes) out of `card_key_wrap`, by the code on the recovery sheet. `noCardKey`: no sheet was ever
 * made, so the cards cannot be restored. `recoveryCodeMistyped` says which groups, as far as that can be told, before
 * anything is tried; `recoveryCodeWrong`: a code of another site or of an older sheet. Fault `tornFile`: the row is damaged.
 */
export async function openCardKey(
  reader: Reader,
  recoveryCode: string,
): Promise<Result<Uint8Array, OpenCardKeyRefusal>> {
  const code = parseRecoveryCode(recoveryCode);
  if (!code.ok) return code;
  const wrap = await findCardKeyWrap(reader);
  if (wrap === null)
    return refuse({
      code: 'noCardKey',
      title: 'No recovery sheet was ever made for this site, so its cards cannot be unlocked',
    });
  const cardKey = unwrapBy(code.value, wrap);
  if (cardKey !== null) return ok(cardKey);
  const madeAt = new Date(wrap.madeAtMs).toISOString().slice(0, 10);
  return refuse({
    code: 'recoveryCodeWrong',
    title: `This is not the code of the newest recovery sheet, which was made on ${madeAt}`,
  });
}

export interface RestoredCards {
  /** Credentials whose readings or PIN this store has now. */
  readonly restored: number;
  /** Ids of those whose seal does not open under this key, is damaged, or belongs to no credential. */
  readonly failed: readonly string[];
}

function open(cardKey: Uint8Array, { credentialId, sealed }: SealRow): CardSecrets | null {
  try {
    return openSecrets(cardKey, credentialId, sealed);
  } catch (cause) {
    if (cause instanceof Fault) return null;
    throw cause;
  }
}

/**
 * Puts the readings and PINs of all cards back out of `credential_seal`, in slices, and refreshes what doors must know of
 * them. May be cut off anywhere and run again: what is there already stays. It belongs before the hub serves anybody:
 * a card that is changed while its readings are not back is sealed without them.
 *
 * The hub must then seal under this key, or it seals all cards anew under its own and the recovery sheet is void: write
 * the key to `keys/cards.key` before this is called, and start the hub after it.
 */
export async function restoreCards(
  { store, keeper }: { readonly store: Store; readonly keeper: PolicyKeeper },
  cardKey: Uint8Array,
): Promise<RestoredCards> {
  let restored = 0;
  const failed: string[] = [];
  let after = '';
  for (;;) {
    const seals = await findSealsAfter(store.read, after, sliceSize);
    const last = seals.at(-1);
    if (last === undefined) break;
    await store.transact('vault.restore', async (tx) => {
      const known = await findCredentialsById(
        tx,
        seals.map(({ credentialId }) => credentialId),
      );
      const opened: string[] = [];
      for (const seal of seals) {
        const secrets = known.has(seal.credentialId) ? open(cardKey, seal) : null;
        if (secrets === null) {
          failed.push(seal.credentialId);
          continue;
        }
        await putBackSecrets(tx, seal.credentialId, secrets);
        opened.push(seal.credentialId);
      }
      await keeper.refreshCredentials(tx, opened);
      restored += opened.length;
    });
    after = last.id;
  }
  await store.transact('vault.restored', (tx) =>
    saveVaultState(tx, { keyId: cardKeyId(cardKey), walkAfter: null }),
  );
  return { restored, failed };
}
