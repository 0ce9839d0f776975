import CirclePause from '@lucide/svelte/icons/circle-pause';
import CircleSlash from '@lucide/svelte/icons/circle-slash';
import FileExclamation from '@lucide/svelte/icons/file-exclamation-point';
import Hand from '@lucide/svelte/icons/hand';
import type { MemberListItem } from '#hub/domains/members/member/schema.ts';
import type { Mark } from '../../../parts/mark.ts';
import { membershipMark } from '../memberships/membership-words.ts';

type Standing = Pick<MemberListItem, 'status' | 'onHold' | 'admitsNow' | 'membershipState'>;

/** Returns the standing of a member, by the most severe reason. */
export function standingMark(member: Standing): Mark {
  if (member.status === 'left') return { tone: 'quiet', icon: CircleSlash, word: 'Left' };
  if (member.status === 'suspended') return { tone: 'bad', icon: CirclePause, word: 'Suspended' };
  if (member.onHold) return { tone: 'bad', icon: Hand, word: 'On hold' };
  if (member.membershipState === 'suspended')
    return { tone: 'bad', icon: CirclePause, word: 'Membership suspended' };
  if (member.membershipState === 'none') return { tone: 'warn', icon: CircleSlash, word: 'No membership' };
  return membershipMark(member.membershipState);
}

/** Says in one sentence whether doors open for a member. */
export function standingSentence(member: Standing & Pick<MemberListItem, 'waiverMissing'>): string {
  if (member.status === 'left') return 'No door opens: the member has left.';
  if (member.status === 'suspended') return 'No door opens: the member is suspended.';
  if (member.onHold) return 'No door opens until every hold is released.';
  if (!member.admitsNow) return 'No door opens: there is no membership that is valid now.';
  if (member.waiverMissing) return 'Doors open that ask for no waiver: it is not signed.';
  return 'Cards of this member open the doors that a rule permits.';
}

export const waiverMark: Mark = { tone: 'warn', icon: FileExclamation, word: 'No waiver' };
