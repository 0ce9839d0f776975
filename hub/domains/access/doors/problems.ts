import { type ProblemSpec, wrongField } from '#hub/kernel/vocabulary.ts';

/** The refusals of doors, readers, controllers and rules. */
export const doorProblems = {
  portalNotFound: { status: 404, title: 'There is no such door', nextStep: 'Load the list of doors again.' },
  portalUnknown: {
    status: 422,
    title: 'There is no such door',
    nextStep: 'Choose one of the list of doors.',
  },
  portalAmbiguous: {
    status: 422,
    title: 'Several doors have this key',
    nextStep: 'Name the door by its id.',
  },
  portalAnnounced: {
    status: 409,
    title: 'The controller still has this door',
    nextStep: "Take it out of the controller's configuration first.",
  },
  settingsInvalid: {
    status: 422,
    title: 'These settings do not fit together',
    nextStep: 'Correct the fields that are named.',
    ...wrongField('/body/settings/preAlarmSeconds', 'must be less than heldOpenSeconds (30); 0 = no warning'),
  },
  lockedDown: { status: 423, title: 'The door is locked down', nextStep: 'End the lockdown first.' },
  notLockedDown: { status: 409, title: 'The door is not locked down', nextStep: 'There is nothing to end.' },
  notHeldOpen: { status: 409, title: 'The door is not held open', nextStep: 'There is nothing to end.' },
  untilInvalid: {
    status: 422,
    title: 'A door cannot be held open until then',
    nextStep: 'Choose a time within the next 7 days.',
  },
  notConnected: {
    status: 503,
    title: 'The door controller is not connected',
    nextStep: 'Cards go on working there. Check its power and network, then try again.',
  },
  noAnswer: {
    status: 503,
    title: 'The door controller did not answer',
    nextStep: 'Look at the door, then try again.',
  },
  bridgeRefused: {
    status: 409,
    title: 'The door controller refused this',
    nextStep: 'Look at its findings on the Doors page.',
  },
  notSimulated: { status: 409, title: 'This door has real lines', nextStep: 'Present a card at its reader.' },
  readerNotFound: {
    status: 404,
    title: 'There is no such reader',
    nextStep: 'Load the list of readers again.',
  },
  readerOffline: {
    status: 409,
    title: 'The reader cannot be reached',
    nextStep: 'Settings, Readers says why. Check its power and its cable, then try again.',
  },
  noLamp: {
    status: 409,
    title: 'This reader has neither a lamp nor a buzzer that is wired',
    nextStep: "Tap a card to try it. A lamp and a buzzer are led and buzzer in its controller's bridge.yaml.",
  },
  noOutput: {
    status: 409,
    title: 'This reader has no such output',
    nextStep:
      'Settings, Readers shows its outputs. One that has just come online says in a moment what it has.',
    facts: { title: 'outside has 2 outputs only' },
  },
  notPairable: {
    status: 409,
    title: 'This reader cannot be given a key of its own',
    nextStep:
      'Only OSDP readers with the secure channel switched on can: look at its kind, and at secureChannel in the bridge.yaml of its controller.',
  },
  readerCannotRead: {
    status: 422,
    title: 'No reader there can read this card',
    nextStep: 'Write what such a reader sends of the card, or choose another door or reader.',
    ...wrongField('/body/card', 'is 32 bit (NFC serial number), and no reader asked about delivers that'),
  },
  noReader: { status: 422, title: 'This door has no reader', nextStep: 'Choose a door with a reader.' },
  noPolicy: {
    status: 409,
    title: 'The door has no rules yet',
    nextStep: 'Wait until its controller has connected once.',
  },
  rotationRuns: {
    status: 409,
    title: 'The keys are being changed already',
    nextStep: 'Wait until that is done.',
  },
  bridgeNotFound: {
    status: 404,
    title: 'There is no such door controller',
    nextStep: 'Load the list of door controllers again.',
  },
  eventNotFound: {
    status: 404,
    title: 'There is no such event',
    nextStep: 'Load the list again, or tap the card again.',
  },
  ruleNotFound: { status: 404, title: 'There is no such rule', nextStep: 'Load the list of rules again.' },
  ruleInvalid: {
    status: 422,
    title: 'This rule is not complete',
    nextStep: 'Correct the fields that are named.',
    ...wrongField('/body/target/id', 'is no door'),
  },
  tooManyRules: { status: 409, title: 'There are too many of these', nextStep: 'Remove one first.' },
} as const satisfies Readonly<Record<string, ProblemSpec>>;
