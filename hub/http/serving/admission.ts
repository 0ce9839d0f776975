import type { Authenticator, Caller } from '../endpoint/auth.ts';
import type { Access, Principal } from '../endpoint/endpoint.ts';
import { type Problem, platformProblem, platformProblems, refusalToProblem } from '../endpoint/problem.ts';

export type Admission =
  | { readonly ok: true; readonly principal: Principal | null }
  | { readonly ok: false; readonly problem: Problem };

/** Admits `principal` when it has what `access` requires; else returns the problem. */
export function decideAdmission(access: Access, principal: Principal | null): Admission {
  if ('open' in access) return { ok: true, principal };
  if (principal === null) return { ok: false, problem: platformProblem('signInRequired') };
  if ('signedIn' in access || principal.permissions.has(access.permission)) return { ok: true, principal };
  return {
    ok: false,
    problem: platformProblem('permissionMissing', { facts: { permission: access.permission } }),
  };
}

export interface AdmissionDeps {
  readonly authenticator: Authenticator;
  readonly consolePrincipal: Principal;
}

/**
 * Authenticates and authorises the caller. Expired credentials do not close an open endpoint (signing in again is
 * one); a write that another site may have caused, and a request that says twice who it is, are refused everywhere.
 */
export async function admit(
  access: Access,
  caller: Caller,
  { authenticator, consolePrincipal }: AdmissionDeps,
): Promise<Admission> {
  if (caller.transport === 'console') return decideAdmission(access, consolePrincipal);
  const authentication = await authenticator.authenticate(caller);
  if (authentication.ok) return decideAdmission(access, authentication.value);
  const { code } = authentication.refusal;
  const isRefusedEverywhere = code === 'csrfFailed' || code === 'credentialsAmbiguous';
  if ('open' in access && !isRefusedEverywhere) return decideAdmission(access, null);
  return { ok: false, problem: refusalToProblem(authentication.refusal, platformProblems[code]) };
}
