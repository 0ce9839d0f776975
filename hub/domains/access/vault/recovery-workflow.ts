import { randomBytes } from 'node:crypto';
import {
  type AttemptKey,
  beginAttempt,
  settleAttempt,
  type TooManyAttempts,
} from '#hub/domains/identity/sessions/attempt-workflow.ts';
import { actorOf, loadSite, recordAudit } from '#hub/domains/identity/workflow.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import type { Finding } from '#hub/kernel/finding.ts';
import { ok, type Result, refuse } from '#hub/kernel/result.ts';
import { toIso, toIsoOrNull } from '#hub/kernel/time.ts';
import type { HealthPart } from '#hub/platform/health/health-part.ts';
import type { Store } from '#hub/store/store.ts';
import type { RecoveryDeps } from './deps.ts';
import {
  bytesToRecoveryCode,
  parseRecoveryCode,
  recoveryCodeBytes,
  recoverySheetParts,
} from './recovery-rules.ts';
import type { RecoveryChecked, RecoverySheet, RecoveryState } from './recovery-schema.ts';
import { countSeals, findCardKeyWrap, findVaultState, replaceCardKeyWrap } from './repository.ts';
import { wrapCardKey } from './seal.ts';
import { type OpenCardKeyRefusal, openCardKey } from './workflow.ts';

/** Whether there is a sheet, and what it brings back. */
export async function loadRecoveryState({
  store,
  vault,
}: Pick<RecoveryDeps, 'store' | 'vault'>): Promise<RecoveryState> {
  const wrap = await findCardKeyWrap(store.read);
  const { keyId, walkAfter } = await findVaultState(store.read);
  return {
    madeAt: toIsoOrNull(wrap?.madeAtMs ?? null),
    fits: wrap === null ? null : wrap.keyId === vault.keyId,
    sealedCards: await store.report(countSeals),
    complete: keyId === vault.keyId && walkAfter === null,
  };
}

/** Makes a recovery code and wraps the card key by it; the sheet before is void. The code is in the answer alone. */
export async function makeRecoverySheet(
  deps: Pick<RecoveryDeps, 'store' | 'vault' | 'cardKey' | 'newId'>,
  asker: Principal,
): Promise<RecoverySheet> {
  const code = randomBytes(recoveryCodeBytes);
  const wrapped = wrapCardKey(code, deps.cardKey);
  return await deps.store.transact('recovery.make', async (tx) => {
    const before = await findCardKeyWrap(tx);
    const id = deps.newId();
    await replaceCardKeyWrap(tx, { ...wrapped, id, keyId: deps.vault.keyId, madeAtMs: tx.nowMs });
    await recordAudit(tx, {
      actor: actorOf(asker),
      action: 'recoverySheet.make',
      target: { table: 'card_key_wrap', id },
      payload: { voidsSheetOf: toIsoOrNull(before?.madeAtMs ?? null) },
    });
    return {
      recoveryCode: bytesToRecoveryCode(code),
      madeAt: toIso(tx.nowMs),
      siteName: (await loadSite(tx))?.name ?? null,
      parts: [...recoverySheetParts],
    };
  });
}

/** Wrapped, so that a refusal commits: the try must stay counted. */
interface Checked {
  readonly result: Result<RecoveryChecked, OpenCardKeyRefusal | TooManyAttempts>;
}

/**
 * Whether a code opens what is stored. Wrong codes are counted by who asks; one that is only mistyped is none, and the
 * command line on the box is never locked.
 */
export async function checkRecoveryCode(
  deps: Pick<RecoveryDeps, 'store' | 'vault'>,
  asker: Principal,
  typed: string,
): Promise<Result<RecoveryChecked, OpenCardKeyRefusal | TooManyAttempts>> {
  const parsed = parseRecoveryCode(typed);
  if (!parsed.ok) return parsed;
  const key: AttemptKey = { kind: 'recovery', of: [asker.accountId] };
  const isCounted = asker.kind !== 'console';
  const { result } = await deps.store.transact('recovery.check', async (tx): Promise<Checked> => {
    const begun = isCounted ? await beginAttempt(tx, [key]) : ok([]);
    if (!begun.ok) return { result: begun };
    const opened = await openCardKey(tx, typed);
    const wrap = await findCardKeyWrap(tx);
    // Without a sheet nothing was tried.
    if (opened.ok || wrap === null) await settleAttempt(tx, begun.value, opened.ok ? ['recovery'] : []);
    if (wrap !== null)
      await recordAudit(tx, {
        actor: actorOf(asker),
        action: 'recoverySheet.check',
        target: { table: 'card_key_wrap', id: wrap.id },
        payload: { opens: opened.ok },
      });
    if (!opened.ok) return { result: opened };
    if (wrap === null) return { result: refuse({ code: 'noCardKey', title: 'There is no recovery sheet' }) };
    return { result: ok({ madeAt: toIso(wrap.madeAtMs), fits: wrap.keyId === deps.vault.keyId }) };
  });
  return result;
}

const makeOne =
  'Make one under Settings, Recovery sheet, or by `makrcave-hub recovery-code`; print it and put it away.';

/** What a restore from the centre would lack. Says nothing while the hub is linked to none: the sheet is for nothing then. */
export function recoveryHealth({
  store,
  isLinked,
}: {
  readonly store: Pick<Store, 'read'>;
  /** Whether a centre takes this hub's changes. */
  readonly isLinked: () => Promise<boolean>;
}): HealthPart {
  return {
    name: 'recovery',
    title: 'Recovery sheet',
    async findings(): Promise<readonly Finding[]> {
      if (!(await isLinked())) return [];
      const wrap = await findCardKeyWrap(store.read);
      if (wrap === null)
        return [
          {
            id: 'recovery.noSheet',
            severity: 'info',
            evidence:
              'No recovery sheet has been made: on a new box every card would have to be enrolled anew.',
            fix: makeOne,
          },
        ];
      const { keyId } = await findVaultState(store.read);
      // Empty until the first look at the cards.
      if (keyId === '' || keyId === wrap.keyId) return [];
      return [
        {
          id: 'recovery.sheetVoid',
          severity: 'info',
          evidence: `The recovery sheet of ${toIso(wrap.madeAtMs)} is void: the key of the cards was lost since and made anew.`,
          fix: makeOne,
        },
      ];
    },
  };
}
