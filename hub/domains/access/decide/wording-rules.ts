import type { AccessCheck, DenyReason } from '../schema.ts';

export interface Wording {
  readonly sentence: string;
  /** What the person at the door, or staff, can do about it. */
  readonly nextStep: string;
}

/** One sentence and one next step for each reason: the same words in the UI, the API, the CLI and the docs. */
export const wordingByReason: Readonly<Record<DenyReason, Wording>> = {
  unknownCredential: {
    sentence: 'This card is not known here.',
    nextStep: 'Enrol it on the Members page: it is offered there for two minutes after the tap.',
  },
  credentialInactive: {
    sentence: 'This card is not active: suspended, lost, retired, or outside its dates.',
    nextStep: "Open the member's page and reactivate the card, or give them another.",
  },
  memberInactive: {
    sentence: 'This member is suspended or has left.',
    nextStep: 'Reactivate the member on their page if that is not meant.',
  },
  hold: {
    sentence: 'There is a hold on this member.',
    nextStep: "Read the hold's reason on the member's page and release it when it is settled.",
  },
  waiverMissing: {
    sentence: 'The waiver is not signed.',
    nextStep: 'Have the member sign it, then enter the date on their page.',
  },
  noMembership: {
    sentence: 'There is no membership that is valid now.',
    nextStep: "Start or renew a membership on the member's page.",
  },
  portalLocked: {
    sentence: 'This door is locked for everybody now.',
    nextStep: 'End the lockdown on the Doors page, or wait until the schedule unlocks the door.',
  },
  staleSnapshot: {
    sentence: 'The door has not heard from the hub for longer than it may.',
    nextStep: "Check the hub and the bridge's connection to it; the door catches up by itself.",
  },
  clockUntrusted: {
    sentence: 'The door does not know what time it is, and this access depends on the time.',
    nextStep: 'Let the hub reach a time server, or give the box a battery-backed clock.',
  },
  noPermission: {
    sentence: 'No rule permits this member at this door.',
    nextStep: 'Add a rule for the member, their group or their plan on the Doors page.',
  },
  timeWindow: {
    sentence: "It is outside the hours of the member's rule.",
    nextStep: "Come back in the rule's hours, or widen them on the Doors page.",
  },
  openingHours: {
    sentence: 'It is outside the opening hours.',
    nextStep: 'Come back when it is open, or permit access outside opening hours in a rule.',
  },
  holiday: {
    sentence: 'It is closed today by a holiday.',
    nextStep: 'Come back on another day, or permit access outside opening hours in a rule.',
  },
  journalFault: {
    sentence: 'The door cannot write down what happens, so it stays shut.',
    nextStep: "Free space on the bridge's disk; exit buttons work.",
  },
  assuranceTooLow: {
    sentence:
      'This door asks for more than was shown: a card, a PIN that this member does not have, or a stronger card.',
    nextStep: "Set a PIN on the member's page, or look at what the door demands in its settings.",
  },
  tooManyAttempts: {
    sentence: 'This reader takes no PIN for a while, after too many wrong ones.',
    nextStep: 'Wait some minutes; cards work on where a door asks for no PIN.',
  },
  pinRequired: {
    sentence: 'This door asks for a PIN, and none was given in time.',
    nextStep: 'Present the card again and type the PIN, then #.',
  },
  ambiguousCard: {
    sentence: 'To this reader two cards look alike, and not both of them may pass here.',
    nextStep:
      'Give one of the two members a card of another format, or fit a reader that reads the whole number; the Health page names the cards.',
  },
  pinWrong: {
    sentence: 'The PIN was wrong, or the number that was typed before it.',
    nextStep: "Try again; whoever has forgotten it gets another on their member's page.",
  },
};

/** What each check says when it passed and when it failed. */
export const wordingByCheck: Readonly<
  Record<AccessCheck, { readonly passed: string; readonly failed: string }>
> = {
  credentialKnown: { passed: 'The card is known.', failed: wordingByReason.unknownCredential.sentence },
  cardUnambiguous: {
    passed: 'The card is the only one that looks like this.',
    failed: wordingByReason.ambiguousCard.sentence,
  },
  credentialActive: { passed: 'The card is active.', failed: wordingByReason.credentialInactive.sentence },
  memberActive: { passed: 'The member is active.', failed: wordingByReason.memberInactive.sentence },
  noHold: { passed: 'There is no hold.', failed: wordingByReason.hold.sentence },
  waiverSigned: { passed: 'The waiver is signed.', failed: wordingByReason.waiverMissing.sentence },
  membershipValid: { passed: 'The membership is valid.', failed: wordingByReason.noMembership.sentence },
  portalNotLocked: { passed: 'The door is not locked down.', failed: wordingByReason.portalLocked.sentence },
  snapshotFresh: { passed: "The door's rules are recent.", failed: wordingByReason.staleSnapshot.sentence },
  clockTrusted: { passed: 'The time is known well enough.', failed: wordingByReason.clockUntrusted.sentence },
  rulePermits: { passed: 'A rule covers this member here.', failed: wordingByReason.noPermission.sentence },
  withinTimeWindow: { passed: "It is within the rule's hours.", failed: wordingByReason.timeWindow.sentence },
  withinOpeningHours: {
    passed: 'Opening hours do not stand in the way.',
    failed: wordingByReason.openingHours.sentence,
  },
  notHoliday: { passed: 'No holiday stands in the way.', failed: wordingByReason.holiday.sentence },
  assuranceSufficient: {
    passed: 'What was shown is enough for this door.',
    failed: wordingByReason.assuranceTooLow.sentence,
  },
  attemptsLeft: { passed: 'The reader takes PINs.', failed: wordingByReason.tooManyAttempts.sentence },
  pinGiven: { passed: 'A PIN was given.', failed: wordingByReason.pinRequired.sentence },
  pinRight: { passed: 'The PIN was right.', failed: wordingByReason.pinWrong.sentence },
  journalWritable: {
    passed: 'The door can write its journal.',
    failed: wordingByReason.journalFault.sentence,
  },
};
