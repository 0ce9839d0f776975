import CircleCheck from '@lucide/svelte/icons/circle-check';
import CirclePause from '@lucide/svelte/icons/circle-pause';
import CircleSlash from '@lucide/svelte/icons/circle-slash';
import Hand from '@lucide/svelte/icons/hand';
import type { MemberListItem } from '#hub/domains/members/member-schema.ts';

type Standing = Pick<MemberListItem, 'status' | 'onHold' | 'admitsNow' | 'membershipState'>;

const wordByMembership: Readonly<Record<Standing['membershipState'], string>> = {
  applied: 'Applied',
  pending: 'Begins later',
  trial: 'On trial',
  active: 'Active',
  grace: 'In grace',
  overdue: 'Overdue',
  lapsed: 'Lapsed',
  paused: 'Paused',
  suspended: 'Membership suspended',
  cancelling: 'Ends soon',
  ended: 'Ended',
  none: 'No membership',
};

/** How a member stands, as a colour, an icon and a word: the strongest reason first. */
export function standingMark(member: Standing) {
  if (member.status === 'left') return { tone: 'quiet', icon: CircleSlash, word: 'Left' } as const;
  if (member.status === 'suspended') return { tone: 'bad', icon: CirclePause, word: 'Suspended' } as const;
  if (member.onHold) return { tone: 'bad', icon: Hand, word: 'On hold' } as const;
  const word = wordByMembership[member.membershipState];
  if (member.admitsNow) return { tone: 'good', icon: CircleCheck, word } as const;
  return { tone: 'warn', icon: CircleSlash, word } as const;
}
