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
};

/** `Hold placed: talk to us first`. `facts` is the payload of the audit entry, null once that was emptied. */
export function wordAction(action: string, facts: Readonly<Record<string, unknown>> | null): string {
  const sentence = sentences[action] ?? action;
  const detail = [facts?.['reason'], facts?.['note'], facts?.['label']].find(
    (text) => typeof text === 'string' && text !== '',
  );
  return typeof detail === 'string' ? `${sentence}: ${detail}` : sentence;
}
