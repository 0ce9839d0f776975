import { type ProblemSpec, wrongField } from '#hub/kernel/vocabulary.ts';

/** The refusals of replication. */
export const syncProblems = {
  alreadyLinked: {
    status: 409,
    title: 'This hub is linked to a centre already',
    nextStep: 'Unlink it first, if it is to belong to another one.',
  },
  notLinked: {
    status: 409,
    title: 'This hub belongs to no centre',
    nextStep: 'Link it first, in Settings, Sync.',
  },
  siteHasData: {
    status: 409,
    title: 'Another hub has filled this site at the centre already',
    nextStep:
      'To replace that hub, take a machine whose hub nobody has claimed yet and run `makrcave-hub restore --from-central` on it. To link this one, ask for a code of an empty site.',
  },
  hubTooNew: {
    status: 409,
    title: 'This hub is newer than the tables of the centre',
    nextStep: 'Let whoever runs the centre bring it up to date: `makrcave-hub central migrate`.',
  },
  hubTooOld: {
    status: 409,
    title: 'This hub is older than the tables of the centre',
    nextStep: 'Update this hub, then link it.',
  },
  codeWrong: {
    status: 422,
    title: 'The centre does not know this code',
    nextStep:
      'Type it exactly as `makrcave-hub central add-hub` printed it. Codes are for one hub and end soon: ask for a new one.',
    ...wrongField('/body/code', 'is not known there, was used, or is too old'),
  },
  centralAddressInvalid: {
    status: 422,
    title: 'This is not the address of a central database',
    nextStep: 'Take the address that you got with the code: postgres://user:password@host/database.',
    ...wrongField('/body/url', 'must look like postgres://user:password@host/database'),
  },
  centralUnreachable: {
    status: 503,
    title: 'The central database cannot be reached',
    nextStep:
      'Check the address and whether this machine has internet; the firewall there must let it in. Then try again.',
  },
  centralTlsFailed: {
    status: 503,
    title: 'The certificate of the central database is not trusted',
    nextStep: 'Add the certificate of the authority that signed it (PEM); whoever runs the database has it.',
  },
  centralLoginFailed: {
    status: 503,
    title: 'The central database does not accept the user or the password',
    nextStep: 'Take the address exactly as you got it; a new password is made by whoever runs the database.',
  },
  centralError: {
    status: 503,
    title: 'The central database answered with an error',
    nextStep:
      'Show this to whoever runs it: the tables of MakrCave may be missing there (`makrcave-hub central migrate`).',
  },
  nothingToApprove: {
    status: 409,
    title: 'Nothing waits for an approval',
    nextStep: 'Load the page again: it goes on by itself.',
  },
  conflictNotFound: {
    status: 404,
    title: 'There is no such conflict',
    nextStep: 'Load the list of conflicts again.',
  },
  conflictSettled: {
    status: 409,
    title: 'Somebody has settled this conflict already',
    nextStep: 'Load the list of conflicts again.',
  },
  rowGone: {
    status: 409,
    title: 'What this is about is not there any more',
    nextStep: 'Keep it as it is, or dismiss it: there is nothing left to write.',
  },
  columnUnknown: {
    status: 409,
    title: 'This hub has no such field, or sets it by itself',
    nextStep: 'Keep what stands; the other value cannot be chosen here.',
  },
  valueChangedSince: {
    status: 409,
    title: 'Somebody has written another value since',
    nextStep: 'Keep what stands, or change it where it is shown.',
  },
  valueDoesNotFit: {
    status: 409,
    title: 'The other value cannot stand here',
    nextStep:
      'Something else has it already, or it refers to what is not there. Keep what stands, or change it where it is shown.',
  },
  syncDeadLetterNotFound: {
    status: 404,
    title: 'There is no such dead letter',
    nextStep: 'Load the list of dead letters again.',
  },
  syncDeadLetterResolved: {
    status: 409,
    title: 'This dead letter is closed already',
    nextStep: 'Load the list again. What failed once more stands there as a new one.',
  },
  tableUnknown: {
    status: 409,
    title: 'This hub has no such kind of thing',
    nextStep: 'Dismiss it, or update this hub first.',
  },
} as const satisfies Readonly<Record<string, ProblemSpec>>;
