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
/** Membership states that nothing leads out of. */
export const finalMembershipStates: readonly MembershipState[] = ['lapsed', 'ended'];

/** Facts about a member for access decisions; `access` keeps them in the policy of every bridge. */
export interface AdmissionFacts {
  readonly memberId: string;
  /** Printed on cards, assigned once; typed at a keypad that asks for number and PIN. */
  readonly memberNumber: number;
  readonly memberStatus: MemberStatus;
  readonly onHold: boolean;
  readonly waiverMissing: boolean;
  readonly extendedAccess: boolean;
  /** Of the membership that admits now or next; `none` without any. */
  readonly membershipState: MembershipState;
  readonly membershipFromMs: number | null;
  /** The moment from which the membership no longer admits; a renewing plan's days of grace are in it. */
  readonly membershipUntilMs: number | null;
  readonly planId: string | null;
  readonly groupIds: readonly string[];
}
