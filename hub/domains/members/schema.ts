/** Only `active` and `temporary` credentials open doors. */
export const credentialStatuses = ['active', 'suspended', 'lost', 'retired', 'temporary'] as const;
export const memberStatuses = ['active', 'suspended', 'left'] as const;
export const membershipStates = [
  'applied',
  'pending',
  'trial',
  'active',
  'grace',
  'overdue',
  'lapsed',
  'paused',
  'suspended',
  'cancelling',
  'ended',
  'none',
] as const;
export type CredentialStatus = (typeof credentialStatuses)[number];
export type MemberStatus = (typeof memberStatuses)[number];
/** `none`: the member has no membership at all. */
export type MembershipState = (typeof membershipStates)[number];
/** Membership states in which the doors open. */
export const admittingMembershipStates: readonly MembershipState[] = [
  'trial',
  'active',
  'grace',
  'cancelling',
];
