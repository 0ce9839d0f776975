import CircleCheck from '@lucide/svelte/icons/circle-check';
import CirclePause from '@lucide/svelte/icons/circle-pause';
import CircleSlash from '@lucide/svelte/icons/circle-slash';
import CircleX from '@lucide/svelte/icons/circle-x';
import Clock from '@lucide/svelte/icons/clock';
import FileExclamation from '@lucide/svelte/icons/file-exclamation-point';
import Hand from '@lucide/svelte/icons/hand';
import type { Credential } from '#hub/domains/access/credential-schema.ts';
import type { MemberListItem, MembershipEventInput } from '#hub/domains/members/member-schema.ts';
import type { CredentialStatus, MembershipState } from '#hub/domains/members/schema.ts';
import { hubNowMs } from '../../../live/api.ts';
import type { Mark } from '../../../parts/mark.ts';

type Standing = Pick<MemberListItem, 'status' | 'onHold' | 'admitsNow' | 'membershipState'>;

export const membershipWords: Readonly<Record<MembershipState, string>> = {
  applied: 'Applied',
  pending: 'Begins later',
  trial: 'On trial',
  active: 'Active',
  grace: 'In grace',
  overdue: 'Overdue',
  lapsed: 'Lapsed',
  paused: 'Paused',
  suspended: 'Suspended',
  cancelling: 'Ends soon',
  ended: 'Ended',
  none: 'No membership',
};
const admittingStates: readonly MembershipState[] = ['trial', 'active', 'grace', 'cancelling'];
const overStates: readonly MembershipState[] = ['lapsed', 'ended'];

export function membershipMark(state: MembershipState): Mark {
  const word = membershipWords[state];
  if (overStates.includes(state)) return { tone: 'quiet', icon: CircleSlash, word };
  if (state === 'grace' || state === 'cancelling') return { tone: 'warn', icon: CircleCheck, word };
  if (admittingStates.includes(state)) return { tone: 'good', icon: CircleCheck, word };
  if (state === 'applied' || state === 'pending') return { tone: 'info', icon: Clock, word };
  return { tone: 'bad', icon: CirclePause, word };
}

/** How a member stands, as a colour, an icon and a word: the strongest reason first. */
export function standingMark(member: Standing): Mark {
  if (member.status === 'left') return { tone: 'quiet', icon: CircleSlash, word: 'Left' };
  if (member.status === 'suspended') return { tone: 'bad', icon: CirclePause, word: 'Suspended' };
  if (member.onHold) return { tone: 'bad', icon: Hand, word: 'On hold' };
  if (member.membershipState === 'suspended')
    return { tone: 'bad', icon: CirclePause, word: 'Membership suspended' };
  if (member.membershipState === 'none') return { tone: 'warn', icon: CircleSlash, word: 'No membership' };
  return membershipMark(member.membershipState);
}

/** Whether the doors open for a member, in one sentence. */
export function standingSentence(member: Standing & Pick<MemberListItem, 'waiverMissing'>): string {
  if (member.status === 'left') return 'No door opens: the member has left.';
  if (member.status === 'suspended') return 'No door opens: the member is suspended.';
  if (member.onHold) return 'No door opens until every hold is released.';
  if (!member.admitsNow) return 'No door opens: there is no membership that is valid now.';
  if (member.waiverMissing) return 'Doors open that ask for no waiver: it is not signed.';
  return 'Cards of this member open the doors that a rule permits.';
}

export const waiverMark: Mark = { tone: 'warn', icon: FileExclamation, word: 'No waiver' };

const markByStatus: Readonly<Record<CredentialStatus, Mark>> = {
  active: { tone: 'good', icon: CircleCheck, word: 'Active' },
  temporary: { tone: 'info', icon: Clock, word: 'Temporary' },
  suspended: { tone: 'warn', icon: CirclePause, word: 'Suspended' },
  lost: { tone: 'bad', icon: CircleX, word: 'Lost' },
  retired: { tone: 'quiet', icon: CircleSlash, word: 'Retired' },
};

export function credentialMark({ status, validFrom, validUntil }: Credential): Mark {
  const opens = status === 'active' || status === 'temporary';
  if (opens && validUntil !== null && Date.parse(validUntil) <= hubNowMs())
    return { tone: 'warn', icon: CircleSlash, word: 'Run out' };
  if (opens && validFrom !== null && Date.parse(validFrom) > hubNowMs())
    return { tone: 'info', icon: Clock, word: 'Valid later' };
  return markByStatus[status];
}

type StaffEvent = MembershipEventInput['event'];
interface EventWords {
  readonly word: string;
  /** What it does, before it is done. */
  readonly sentence: string;
  /** Dates that people give with it. */
  readonly from?: true;
  readonly until?: 'needed' | 'possible';
  readonly danger?: true;
}
export const membershipEventWords: Readonly<Record<StaffEvent, EventWords>> = {
  approve: {
    word: 'Approve',
    sentence: 'The application is accepted; the membership begins at its first day.',
    from: true,
    until: 'possible',
  },
  startTrial: {
    word: 'Start a trial',
    sentence: 'Doors open during the trial.',
    from: true,
    until: 'needed',
  },
  activate: {
    word: 'Activate',
    sentence: 'Doors open from the first day on.',
    from: true,
    until: 'possible',
  },
  renew: {
    word: 'Renew',
    sentence: 'The period is paid for and goes on until the new last day.',
    until: 'needed',
  },
  paymentMissed: { word: 'Payment missed', sentence: 'The days of grace begin; doors open during them.' },
  pause: { word: 'Pause', sentence: 'No door opens until the membership is resumed.' },
  resume: { word: 'Resume', sentence: 'Doors open again.' },
  suspend: { word: 'Suspend', sentence: 'No door opens until the membership is reinstated.', danger: true },
  reinstate: { word: 'Reinstate', sentence: 'Doors open again.' },
  cancel: { word: 'Cancel', sentence: 'It ends with its period; doors open until then.', danger: true },
  keep: { word: 'Keep', sentence: 'The cancellation is taken back.' },
  end: { word: 'End now', sentence: 'It ends at once: no door opens by it any more.', danger: true },
};
