import type { AuditFacts, AuditWord } from '#hub/kernel/vocabulary.ts';
import type { TimeMembershipEvent } from './memberships/rules.ts';

/** Words for the membership events triggered by time. */
const byTimeEvent: Readonly<Record<TimeMembershipEvent, string>> = {
  periodStarted: 'Membership begun',
  periodEnded: 'Paid period over',
  graceEnded: 'Grace over',
  overdueEnded: 'Membership lapsed',
};
const isTimeEvent = (event: unknown): event is TimeMembershipEvent =>
  typeof event === 'string' && Object.hasOwn(byTimeEvent, event);

const fieldWords: Readonly<Record<string, string>> = {
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

function describeChange(facts: AuditFacts): string {
  const fields = Object.keys(facts).flatMap((field) => fieldWords[field] ?? []);
  return fields.length === 0 ? 'Details changed' : `Details changed: ${fields.join(', ')}`;
}

/** Words for the audited actions on members, memberships and holds. */
export const memberAuditWords = {
  'member.create': 'Added',
  'member.change': describeChange,
  'member.suspend': 'Suspended',
  'member.reactivate': 'Reactivated',
  'member.leave': 'Left',
  'membership.create': 'Membership added',
  'membership.correct': 'Membership corrected',
  'membership.advance': ({ event }) =>
    isTimeEvent(event) ? byTimeEvent[event] : 'Membership changed by its dates',
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
} as const satisfies Readonly<Record<string, AuditWord>>;
