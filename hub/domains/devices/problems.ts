import type { ProblemSpec } from '#hub/kernel/vocabulary.ts';

/** The refusals of MQTT devices. */
export const deviceProblems = {
  deviceNotFound: {
    status: 404,
    title: 'This device does not exist',
    nextStep: 'It may have been removed. Look at the list of devices.',
  },
  deviceUsernameTaken: {
    status: 409,
    title: 'Another device has this user name',
    nextStep: 'Choose another user name.',
  },
  tooManyDevices: {
    status: 409,
    title: 'There are too many devices',
    nextStep: 'Remove devices that are not used any more.',
  },
  rightInvalid: {
    status: 422,
    title: 'A topic right cannot be given',
    nextStep:
      "Check the filter: `+` stands alone for one level, `#` alone at the end. Topics below mc/ and $ are the hub's own; $SYS may be read.",
  },
} as const satisfies Readonly<Record<string, ProblemSpec>>;
