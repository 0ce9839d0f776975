import { randomBytes, randomInt } from 'node:crypto';
import type { Actor } from '#hub/domains/identity/schema.ts';
import { loadAdmissionFacts, loadMemberNames } from '#hub/domains/members/workflow.ts';
import { assert, ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { pinHashBytes, pinSaltBytes } from '#hub/platform/pin-hash.ts';
import type { Transaction } from '#hub/store/store.ts';
import { assertWritten } from '#hub/store/written.ts';
import type { CredentialRow } from '../cards/repository.ts';
import type { Credential } from '../cards/schema.ts';
import { followCredentialChange, showCredential } from '../cards/workflow.ts';
import type { AccessParts } from '../parts.ts';
import { findPinOfMember, type StoredPin } from './repository.ts';
import { decidePin, type PinRefusal } from './rules.ts';
import type { PinSet } from './schema.ts';

/** Says nothing of the PIN, not how long it is either. */
const maskedPin = '••••';

/** As much work with a duress PIN as without. */
async function hashesOf(parts: AccessParts, { pin, duressPin }: PinSet): Promise<StoredPin> {
  const salt = randomBytes(pinSaltBytes);
  const hash = await parts.hashPin(pin, salt);
  const other = await parts.hashPin(duressPin ?? String(randomInt(1_000_000)), salt);
  return { salt, hash, duressHash: duressPin === undefined ? randomBytes(pinHashBytes) : other };
}

async function retireInside(parts: AccessParts, tx: Transaction, row: CredentialRow): Promise<void> {
  assertWritten(await tx.write('credential', row.id, { status: 'retired' }));
  await parts.vault.setPin(tx, row.id, null);
}

/**
 * Gives a member a PIN, in the place of the one that they had. That one is retired, so that a restored copy of the store
 * cannot bring it back unnoticed.
 */
export async function setPin(
  parts: AccessParts,
  actor: Actor,
  memberId: string,
  wanted: PinSet,
): Promise<Result<Credential, Refusal<'memberNotFound'> | PinRefusal>> {
  const { read } = parts.store;
  const facts = (await loadAdmissionFacts(read, [memberId], parts.clock.nowMs())).get(memberId);
  if (facts === undefined) return refuse({ code: 'memberNotFound' });
  const decided = decidePin(wanted.pin, wanted.duressPin ?? null, facts.memberNumber);
  if (!decided.ok) return decided;
  // Before the transaction, which may wait for nothing but the store.
  const hashes = await hashesOf(parts, wanted);
  return await parts.store.transact('pin.set', async (tx) => {
    if (!(await loadMemberNames(tx, [memberId])).has(memberId)) return refuse({ code: 'memberNotFound' });
    const before = await findPinOfMember(tx, memberId);
    if (before !== null) await retireInside(parts, tx, before);
    const id = parts.newId();
    await tx.insert('credential', {
      id,
      member_id: memberId,
      kind: 'pin',
      label: 'PIN',
      status: 'active',
      assurance: 0,
      valid_from_ms: null,
      valid_until_ms: null,
      masked: maskedPin,
    });
    await parts.vault.setPin(tx, id, hashes);
    await followCredentialChange(parts, tx, actor, {
      action: 'credential.setPin',
      id,
      memberId,
      payload: { replaces: before?.id ?? null },
      alsoIds: before === null ? [] : [before.id],
    });
    return ok(await showCredential(tx, id));
  });
}

/** Takes a member's PIN away; what was kept of it is gone. */
export function removePin(
  parts: AccessParts,
  actor: Actor,
  memberId: string,
): Promise<Result<Credential, Refusal<'pinNotSet'>>> {
  return parts.store.transact('pin.remove', async (tx) => {
    const row = await findPinOfMember(tx, memberId);
    if (row === null) return refuse({ code: 'pinNotSet' });
    await retireInside(parts, tx, row);
    await followCredentialChange(parts, tx, actor, {
      action: 'credential.removePin',
      id: row.id,
      memberId,
      payload: { before: row.status, after: 'retired' },
    });
    const shown = await showCredential(tx, row.id);
    assert(shown.status === 'retired', 'a PIN that was removed is retired');
    return ok(shown);
  });
}
