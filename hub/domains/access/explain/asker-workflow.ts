import type { BeyondOwnPermissions } from '#hub/domains/identity/accounts/workflow.ts';
import type { Principal } from '#hub/http/endpoint/endpoint.ts';
import { type Refusal, type Result, refuse } from '#hub/kernel/result.ts';
import type { ExplainDeps } from './deps.ts';
import type { CheckAnswer, CheckRequest } from './schema.ts';
import { type ExplainRefusal, explainAccess } from './workflow.ts';

export type AskRefusal =
  | ExplainRefusal
  | Refusal<'noPolicy' | 'noReader'>
  | BeyondOwnPermissions
  | (Refusal<'tooManyAttempts'> & { readonly retryAfterSeconds: number; readonly nextStep: string });

/**
 * Explains to somebody: the answer tells whether the card or member exists, so it is only for who may see such. Card
 * numbers that nobody has are counted against the asker.
 */
export async function explainTo(
  deps: ExplainDeps,
  asker: Principal,
  request: CheckRequest,
): Promise<Result<CheckAnswer, AskRefusal>> {
  const needed = request.memberId === undefined ? 'credential.read' : 'member.read';
  if (!asker.permissions.has(needed))
    return refuse({
      code: 'beyondOwnPermissions',
      permissions: [needed],
      nextStep:
        needed === 'credential.read'
          ? 'Ask about a member instead, or ask somebody who may see cards.'
          : 'Ask somebody who may see members.',
    });
  if (request.card === undefined) return explainAccess(deps, request);
  const retryAfterSeconds = deps.guesses.waitSeconds(asker);
  if (retryAfterSeconds > 0)
    return refuse({
      code: 'tooManyAttempts',
      retryAfterSeconds,
      nextStep: `Wait ${retryAfterSeconds} seconds: too many of these numbers are nobody's card. The command line on the box is not limited.`,
    });
  const answer = await explainAccess(deps, request);
  if (answer.ok && answer.value.reason === 'unknownCredential') deps.guesses.countMiss(asker);
  return answer;
}
