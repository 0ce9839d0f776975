import type { Actor } from '#hub/domains/identity/schema.ts';
import type { TimeMembershipEvent } from '#hub/domains/members/membership-rules.ts';
import type { ActivityKind } from './activity-schema.ts';

/** The tables whose rows make up a member's timeline, as the audit log names them. */
const kindByTable: Readonly<Record<string, ActivityKind>> = {
  member: 'member',
  membership: 'membership',
  hold: 'hold',
  credential: 'card',
};

export const activityKindOf = (table: string): ActivityKind | null => kindByTable[table] ?? null;

/** What was done, in words; an action that is not here is named as it is. */
const sentences: Readonly<Record<string, string>> = {
  'member.create': 'Added',
  'member.change': 'Details changed',
  'member.suspend': 'Suspended',
  'member.reactivate': 'Reactivated',
  'member.leave': 'Left',
  'membership.create': 'Membership added',
  'membership.correct': 'Membership corrected',
  'membership.advance': 'Membership changed by its dates',
  'membership.end': 'Membership ended',
  'membership.approve': 'Membership approved',
  'membership.activate': 'Membership activated',
  'membership.startTrial': 'Trial begun',
  'membership.renew': 'Membership renewed',
  'membership.paymentMissed': 'Payment missed',
  'membership.keep': 'Cancellation withdrawn',
  'membership.pause': 'Membership paused',
  'membership.resume': 'Membership resumed',
  'membership.suspend': 'Membership suspended',
  'membership.reinstate': 'Membership reinstated',
  'membership.cancel': 'Membership cancelled',
  'hold.place': 'Hold placed',
  'hold.release': 'Hold released',
  'credential.enrol': 'Card enrolled',
  'credential.change': 'Card changed',
  'credential.lose': 'Card reported lost',
  'credential.suspend': 'Card suspended',
  'credential.reactivate': 'Card reactivated',
  'credential.retire': 'Card retired',
  'credential.setPin': 'PIN set',
  'credential.removePin': 'PIN removed',
};

/** What time alone did to a membership. */
const sentencesByTimeEvent: Readonly<Record<TimeMembershipEvent, string>> = {
  periodStarted: 'Membership begun',
  periodEnded: 'Paid period over',
  graceEnded: 'Grace over',
  overdueEnded: 'Membership lapsed',
};

const memberFields: Readonly<Record<string, string>> = {
  name: 'name',
  email: 'e-mail',
  phone: 'phone',
  locale: 'language',
  dateOfBirth: 'date of birth',
  guardian: 'guardian',
  notes: 'notes',
  waiverVersion: 'waiver',
  waiverDate: 'date of the waiver',
  extendedAccess: 'extended access',
};

type Facts = Readonly<Record<string, unknown>>;
const isTimeEvent = (event: unknown): event is TimeMembershipEvent =>
  typeof event === 'string' && Object.hasOwn(sentencesByTimeEvent, event);

function sentenceOf(action: string, facts: Facts): string {
  const { event } = facts;
  if (action === 'membership.advance' && isTimeEvent(event)) return sentencesByTimeEvent[event];
  return sentences[action] ?? action;
}

/**
 * `Card suspended: Blue fob; asked for by phone`. `facts` is the payload of the audit entry, null once that was emptied;
 * `cardName` what the card is called now, for an entry that does not say.
 */
export function wordAction(action: string, facts: Facts | null, cardName: string | null): string {
  const known = facts ?? {};
  const changed = action === 'member.change' ? Object.keys(known).map((field) => memberFields[field]) : [];
  // A PIN is called "PIN", which the sentence says already.
  const name = action.endsWith('Pin') ? null : (known['label'] ?? cardName);
  const details = [name, changed.join(', '), known['reason'], known['note']].filter(
    (text) => typeof text === 'string' && text !== '',
  );
  const sentence = sentenceOf(action, known);
  return details.length === 0 ? sentence : `${sentence}: ${details.join('; ')}`;
}

const doers: Readonly<Record<Actor['kind'], string | null>> = {
  account: null,
  service: null,
  console: 'the command line of the hub',
  bridge: 'a door controller',
  system: 'the hub itself',
};

/** Who did it, in words; null when an account's name is no longer known. */
export const wordDoer = (actor: {
  readonly kind: Actor['kind'];
  readonly name: string | null;
}): string | null => actor.name ?? doers[actor.kind];
