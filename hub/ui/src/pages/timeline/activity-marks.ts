import DoorOpen from '@lucide/svelte/icons/door-open';
import Hand from '@lucide/svelte/icons/hand';
import IdCard from '@lucide/svelte/icons/id-card';
import Ticket from '@lucide/svelte/icons/ticket';
import User from '@lucide/svelte/icons/user';
import type { MemberActivity } from '#hub/domains/timeline/schema.ts';
import type { Mark } from '../../parts/mark.ts';
import { eventMark, isEventKind } from '../access/events/event-marks.ts';

const markByKind: Readonly<Record<MemberActivity['kind'], Mark>> = {
  member: { tone: 'quiet', icon: User, word: 'Member' },
  membership: { tone: 'quiet', icon: Ticket, word: 'Membership' },
  hold: { tone: 'quiet', icon: Hand, word: 'Hold' },
  card: { tone: 'info', icon: IdCard, word: 'Card' },
  access: { tone: 'quiet', icon: DoorOpen, word: 'Door' },
};

/** Returns the kind of a history entry; at a door, the outcome. */
export function activityMark({ kind, action, observed }: MemberActivity): Mark {
  if (kind === 'access' && isEventKind(action)) return eventMark({ kind: action, observed });
  if (action === 'hold.place') return { ...markByKind.hold, tone: 'warn' };
  return markByKind[kind];
}
