import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import { type FieldRefusal, fieldRefusal } from '#hub/store/written.ts';
import type { IdentityDeps } from '../deps.ts';
import { findSite } from '../repository.ts';
import type { TooManyAttempts } from '../sessions/attempt-workflow.ts';
import { beginAttempt, settleAttempt } from '../sessions/attempt-workflow.ts';
import { recordRefusedSignIn } from '../sessions/refused-sign-ins.ts';
import { deleteSessionsOf, findSession } from '../sessions/repository.ts';
import {
  clearedByPassword,
  type OpenedSession,
  openSession,
  placeOfTry,
  type SignInPlace,
  uncountTry,
  uncountWhenBusy,
} from '../sessions/workflow.ts';
import { actorOf, recordAudit } from '../workflow.ts';
import type { HasherBusy } from './password.ts';
import { checkPassword, commonPasswordsOf, type IsCommon, type PasswordRefused } from './password-rules.ts';
import { findAccount, findPassword, savePassword } from './repository.ts';

export type NewPasswordRefused = FieldRefusal<'passwordRefused'> & {
  readonly reason: PasswordRefused['reason'];
};

let commonPasswords: Promise<IsCommon> | undefined;

/** The list comes in when the first password is set: it takes 5 MiB, and most starts need none. */
async function loadCommonPasswords(): Promise<IsCommon> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  return commonPasswordsOf(dictionary['passwords-common']);
}

/** Runs `checkPassword` and points the refusal at the field. */
export async function checkNewPassword(
  password: string,
  names: readonly string[],
  pointer: string,
): Promise<Result<null, NewPasswordRefused>> {
  commonPasswords ??= loadCommonPasswords();
  const checked = checkPassword(password, names, await commonPasswords);
  if (checked.ok) return checked;
  const { code, reason, message } = checked.refusal;
  return refuse({ code, reason, errors: [{ pointer, message }] });
}

export type PasswordChangeRefusal =
  | (Refusal<'noAccount'> & { readonly nextStep: string })
  | FieldRefusal<'currentPasswordWrong'>
  | NewPasswordRefused
  | TooManyAttempts
  | HasherBusy;

const noAccount: PasswordChangeRefusal = {
  code: 'noAccount',
  nextStep:
    'Neither the command line nor a service account has a password; set one for an account by its id.',
};
const currentWrong: PasswordChangeRefusal = fieldRefusal(
  'currentPasswordWrong',
  'currentPassword',
  'is not the password of this account',
);

/**
 * Changes one's own password. Wrong tries count like those at the sign-in, or an open session would be a way around
 * them. All the account's sessions end. A browser's own does too, and a fresh one is opened in its place; a program's
 * own goes on, as its tokens are not a cookie that somebody could have planted: then the answer is null.
 */
export async function changeOwnPassword(
  deps: Pick<IdentityDeps, 'store' | 'passwords' | 'newId' | 'deviceKey' | 'onSessionsEnded'>,
  principal: Principal,
  asked: { readonly currentPassword: string; readonly newPassword: string },
  place: Omit<SignInPlace, 'kind'>,
): Promise<Result<OpenedSession | null, PasswordChangeRefusal>> {
  if (principal.kind !== 'account') return refuse(noAccount);
  const account = await findAccount(deps.store.read, principal.accountId);
  if (account === null) return refuse(noAccount);
  const site = await findSite(deps.store.read);
  const names = [account.username, account.displayName, site?.name ?? ''];
  const allowed = await checkNewPassword(asked.newPassword, names, '/body/newPassword');
  if (!allowed.ok) return allowed;
  const { keys, claim } = placeOfTry(deps, {
    username: account.username,
    remoteAddress: place.remoteAddress,
    deviceToken: place.deviceToken,
  });
  const begun = await deps.store.transact('password.begin', (tx) => beginAttempt(tx, keys));
  if (!begun.ok) return begun;
  const phc = await findPassword(deps.store.read, account.id);
  const verified = await deps.passwords.verify(phc, asked.currentPassword, claim);
  if (verified.ok && !verified.value.matches) {
    await deps.store.transact('password.refused', (tx) =>
      recordRefusedSignIn(tx, account, place.remoteAddress),
    );
    return refuse(currentWrong);
  }
  const hashed = verified.ok ? await deps.passwords.hash(asked.newPassword) : verified;
  if (!hashed.ok) {
    await uncountTry(deps, begun.value);
    return hashed;
  }
  const changing = deps.store.transact('password.change', async (tx) => {
    if ((await findPassword(tx, account.id)) !== phc) return refuse(currentWrong);
    await settleAttempt(tx, begun.value, clearedByPassword);
    await savePassword(tx, account.id, hashed.value);
    const own = await findSession(tx, principal.sessionId);
    const keepsOwn = own?.kind === 'api';
    await deleteSessionsOf(tx, account.id, keepsOwn ? own.id : null);
    tx.afterCommit(deps.onSessionsEnded);
    await recordAudit(tx, {
      actor: actorOf(principal),
      action: 'account.changePassword',
      target: { table: 'account', id: account.id },
      payload: {},
    });
    return ok(keepsOwn ? null : await openSession(tx, deps, account.id, { ...place, kind: 'browser' }));
  });
  return await uncountWhenBusy(deps, begun.value, changing);
}
