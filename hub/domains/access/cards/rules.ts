import type { CredentialStatus } from '#hub/domains/members/schema.ts';
import { ok, type Refusal, type Result, refuse } from '#hub/kernel/result.ts';

export const credentialActions = ['suspend', 'reactivate', 'lose', 'retire'] as const;
export type CredentialAction = (typeof credentialActions)[number];

export interface TransitionRefusal extends Refusal<'credentialTransition'> {
  readonly status: CredentialStatus;
  readonly nextStep: string;
}

/** Status -> action -> status. Retired is the end: the card may then be given to somebody else. */
const next: Readonly<Record<CredentialStatus, Partial<Record<CredentialAction, CredentialStatus>>>> = {
  active: { suspend: 'suspended', lose: 'lost', retire: 'retired' },
  temporary: { suspend: 'suspended', lose: 'lost', retire: 'retired' },
  suspended: { reactivate: 'active', lose: 'lost', retire: 'retired' },
  lost: { reactivate: 'active', retire: 'retired' },
  retired: {},
};

/** The status after `action`. A found card is reactivated; what a card is already is refused. */
export function decideCredentialStatus(
  status: CredentialStatus,
  action: CredentialAction,
): Result<CredentialStatus, TransitionRefusal> {
  const after = next[status][action];
  if (after !== undefined) return ok(after);
  const possible = Object.keys(next[status]).join(', ');
  return refuse({
    code: 'credentialTransition',
    status,
    nextStep:
      possible === '' ? 'Enrol the card anew: a retired one stays retired.' : `Possible now: ${possible}.`,
  });
}
