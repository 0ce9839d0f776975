import CircleCheck from '@lucide/svelte/icons/circle-check';
import CirclePause from '@lucide/svelte/icons/circle-pause';
import CircleSlash from '@lucide/svelte/icons/circle-slash';
import Clock from '@lucide/svelte/icons/clock';
import type { MembershipEventInput } from '#hub/domains/members/member/schema.ts';
import type { MembershipState } from '#hub/domains/members/schema.ts';
import type { Mark } from '../../../parts/mark.ts';

const membershipWords: Readonly<Record<MembershipState, string>> = {
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

type StaffEvent = MembershipEventInput['event'];
interface EventWords {
  readonly word: string;
  /** Explains the effect before the event is triggered. */
  readonly sentence: string;
  /** Dates that the dialog asks for. */
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
