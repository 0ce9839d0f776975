interface ProblemText {
  readonly title: string;
  readonly nextStep?: string;
}

/** Words for refusals that come with a code only. What the hub itself says of the next step goes before these. */
export const problemTexts: Readonly<Record<string, ProblemText>> = {
  // Signing in
  claimCodeWrong: { title: 'This is not the claim code' },
  claimCodeExpired: { title: 'The claim code is void' },
  alreadyClaimed: { title: 'This hub has an owner already' },
  passwordRefused: { title: 'This password is too easy to guess', nextStep: 'Choose another one.' },
  timeZoneUnknown: { title: 'The time zone is not known', nextStep: 'Choose one of the list.' },
  tooManyAttempts: { title: 'Too many wrong tries' },
  accountDisabled: { title: 'This account is disabled' },
  signInBusy: { title: 'Many people are signing in just now', nextStep: 'Try again in a few seconds.' },
  // Doors and their controllers
  portalNotFound: { title: 'This door is not there any more', nextStep: 'Load the page again.' },
  portalUnknown: { title: 'There is no such door', nextStep: 'Choose one of the list.' },
  portalAnnounced: {
    title: 'The controller still has this door',
    nextStep: "Take it out of the controller's configuration first.",
  },
  settingsInvalid: { title: 'These settings do not fit together', nextStep: 'Correct the marked fields.' },
  lockedDown: { title: 'The door is locked down', nextStep: 'End the lockdown first.' },
  notLockedDown: { title: 'The door is not locked down', nextStep: 'There is nothing to end.' },
  notHeldOpen: { title: 'The door is not held open', nextStep: 'There is nothing to end.' },
  untilInvalid: {
    title: 'A door cannot be held open until then',
    nextStep: 'Choose a time within the next 7 days.',
  },
  notConnected: {
    title: 'The door controller is not connected',
    nextStep: 'Cards go on working there. Check its power and network, then try again.',
  },
  noAnswer: { title: 'The door controller did not answer', nextStep: 'Look at the door, then try again.' },
  bridgeRefused: {
    title: 'The door controller refused this',
    nextStep: 'Look at its findings on the Doors page.',
  },
  notSimulated: { title: 'This door has real lines', nextStep: 'Present a card at its reader.' },
  readerMissing: { title: 'This door has no reader' },
  policyMissing: {
    title: 'The door has no rules yet',
    nextStep: 'Wait until its controller has connected once.',
  },
  rotationRuns: { title: 'The keys are being changed already', nextStep: 'Wait until that is done.' },
  bridgeNotFound: { title: 'This door controller is not there any more', nextStep: 'Load the page again.' },
  eventNotFound: { title: 'This event is not there any more', nextStep: 'Tap the card again.' },
  // Rules and hours
  ruleNotFound: { title: 'This rule is not there any more', nextStep: 'Load the page again.' },
  ruleInvalid: { title: 'This rule is not complete', nextStep: 'Correct the marked fields.' },
  hoursNotFound: { title: 'These hours are not there any more', nextStep: 'Load the page again.' },
  holidayNotFound: { title: 'This day is not there any more', nextStep: 'Load the page again.' },
  dayTaken: { title: 'This day has its own hours already', nextStep: 'Change the day in the list instead.' },
  areaNotFound: { title: 'This area is not there any more', nextStep: 'Load the page again.' },
  areaUnknown: { title: 'There is no such area', nextStep: 'Choose one of the list.' },
  areaInUse: { title: 'Something still stands on this area' },
  areaCycle: { title: 'An area cannot lie inside itself', nextStep: 'Choose another area around it.' },
  nameTaken: { title: 'This name is taken', nextStep: 'Choose another one.' },
  tooMany: { title: 'There are too many of these', nextStep: 'Remove one first.' },
  // Cards
  cardText: {
    title: 'This card number cannot be read',
    nextStep: 'Write it as facility:number, such as 123:4567, or as printed on the card.',
  },
  credentialNotFound: { title: 'This card is not there any more', nextStep: 'Load the page again.' },
  credentialUnknown: { title: 'There is no such card', nextStep: 'Choose one of the list.' },
  credentialTransition: { title: 'The card cannot change to that from its present state' },
  cardForgotten: {
    title: 'The reader does not remember this card any more',
    nextStep: 'Tap it again; you then have two minutes.',
  },
  datesInvalid: { title: 'The dates do not make a period', nextStep: 'Let the end be later than the start.' },
  readerUnknown: { title: 'There is no such reader', nextStep: 'Choose one of the list.' },
  readerBusy: {
    title: 'Somebody else is enrolling at this reader',
    nextStep: 'Wait until they are done, or choose another reader.',
  },
  enrolmentNotFound: { title: 'Nobody waits at the reader any more', nextStep: 'Begin again.' },
  memberUnknown: { title: 'There is no such member', nextStep: 'Choose one of the list.' },
  // Writing
  staleVersion: {
    title: 'Somebody else has changed this in the meantime',
    nextStep: 'Load what is there now, look at it, and make your change again.',
  },
};
