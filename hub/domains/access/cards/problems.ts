import { type ProblemSpec, wrongField } from '#hub/kernel/vocabulary.ts';

/** The refusals of cards and PINs. */
export const cardProblems = {
  cardText: {
    status: 422,
    title: 'This card number cannot be read',
    nextStep:
      'Write it as facility:number, such as 123:4567, or as printed on the card: 080,33602 or 0005276482.',
    ...wrongField('/body/card', 'is no card number'),
  },
  credentialNotFound: {
    status: 404,
    title: 'There is no such card',
    nextStep: 'Load the list of cards again.',
  },
  credentialUnknown: {
    status: 422,
    title: 'There is no such card',
    nextStep: 'Choose one of the list of cards.',
  },
  nothingSuspected: {
    status: 409,
    title: 'Nothing speaks for a copy of this card',
    nextStep: 'Load the card again: somebody has settled it already.',
  },
  credentialTransition: {
    status: 409,
    title: 'The card cannot change to that from its present state',
    nextStep: 'Enrol the card anew: a retired one stays retired.',
    facts: { status: 'retired' },
  },
  alreadyEnrolled: {
    status: 409,
    title: 'This card belongs to somebody already',
    nextStep: "Use another card, or retire that one on its member's page first.",
  },
  cardUnsure: {
    status: 409,
    title: 'This card was read once, in a format that nothing can check',
    nextStep: 'Tap it once more: what is read twice alike is no frame that lost a bit.',
  },
  cardForgotten: {
    status: 410,
    title: 'The reader does not remember this card any more',
    nextStep: 'Tap it again; you then have two minutes.',
  },
  pinWeak: {
    status: 422,
    title: 'The PIN is one that would be guessed soon',
    nextStep: 'Take another: no run of digits, no repetition, not the number of the member.',
    ...wrongField('/body/pin', 'is a run of digits: mix them'),
  },
  pinTooAlike: {
    status: 422,
    title: 'The duress PIN is too much like the PIN',
    nextStep: 'Let them differ in two digits, so that no slip of a finger raises an alarm.',
    ...wrongField(
      '/body/duressPin',
      'is the PIN or one slip of a finger away from it: let them differ in two digits',
    ),
  },
  alarmNotFound: { status: 404, title: 'There is no such alarm', nextStep: 'Load the list of alarms again.' },
  alarmAcknowledged: {
    status: 409,
    title: 'Somebody has looked after this alarm already',
    nextStep: 'The alarm says who and when.',
  },
  pinNotSet: { status: 404, title: 'This member has no PIN', nextStep: "Set one on the member's page." },
  datesInvalid: {
    status: 422,
    title: 'The dates do not make a period',
    nextStep: 'Let the end be later than the start.',
    ...wrongField('/body/validUntil', 'must be later than validFrom and than now'),
  },
  readerUnknown: {
    status: 422,
    title: 'There is no such reader',
    nextStep: 'Choose one of the list.',
    ...wrongField('/body/readerId', "is no reader: take the id of a door's reader"),
  },
  readerBusy: {
    status: 409,
    title: 'Somebody else is enrolling at this reader',
    nextStep: 'Wait until they are done, or choose another reader.',
  },
  enrolmentNotFound: { status: 404, title: 'Nobody waits at the reader any more', nextStep: 'Begin again.' },
} as const satisfies Readonly<Record<string, ProblemSpec>>;
