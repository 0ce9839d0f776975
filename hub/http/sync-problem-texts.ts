const wrongField = (pointer: string, message: string) => ({ facts: { errors: [{ pointer, message }] } });

/** Of replication; `problemTexts` has them too. */
export const syncTexts = {
  alreadyLinked: {
    title: 'This hub is linked to a centre already',
    nextStep: 'Unlink it first, if it is to belong to another one.',
  },
  notLinked: {
    title: 'This hub belongs to no centre',
    nextStep: 'Link it first, in Settings, Sync.',
  },
  siteHasData: {
    title: 'Another hub has filled this site at the centre already',
    nextStep:
      'To replace that hub, take a machine whose hub nobody has claimed yet and run `makrcave-hub restore --from-central` on it. To link this one, ask for a code of an empty site.',
  },
  hubTooNew: {
    title: 'This hub is newer than the tables of the centre',
    nextStep: 'Let whoever runs the centre bring it up to date: `makrcave-hub central migrate`.',
  },
  hubTooOld: {
    title: 'This hub is older than the tables of the centre',
    nextStep: 'Update this hub, then link it.',
  },
  codeWrong: {
    title: 'The centre does not know this code',
    nextStep:
      'Type it exactly as `makrcave-hub central add-hub` printed it. Codes are for one hub and end soon: ask for a new one.',
    ...wrongField('/body/code', 'is not known there, was used, or is too old'),
  },
  centralAddressInvalid: {
    title: 'This is not the address of a central database',
    nextStep: 'Take the address that you got with the code: postgres://user:password@host/database.',
    ...wrongField('/body/url', 'must look like postgres://user:password@host/database'),
  },
  centralUnreachable: {
    title: 'The central database cannot be reached',
    nextStep:
      'Check the address and whether this machine has internet; the firewall there must let it in. Then try again.',
  },
  centralTlsFailed: {
    title: 'The certificate of the central database is not trusted',
    nextStep: 'Add the certificate of the authority that signed it (PEM); whoever runs the database has it.',
  },
  centralLoginFailed: {
    title: 'The central database does not accept the user or the password',
    nextStep: 'Take the address exactly as you got it; a new password is made by whoever runs the database.',
  },
  centralError: {
    title: 'The central database answered with an error',
    nextStep:
      'Show this to whoever runs it: the tables of MakrCave may be missing there (`makrcave-hub central migrate`).',
  },
  nothingToApprove: {
    title: 'Nothing waits for an approval',
    nextStep: 'Load the page again: it goes on by itself.',
  },
  conflictNotFound: { title: 'There is no such conflict', nextStep: 'Load the list of conflicts again.' },
  conflictSettled: {
    title: 'Somebody has settled this conflict already',
    nextStep: 'Load the list of conflicts again.',
  },
  rowGone: {
    title: 'What this is about is not there any more',
    nextStep: 'Keep it as it is, or dismiss it: there is nothing left to write.',
  },
  columnUnknown: {
    title: 'This hub has no such field, or sets it by itself',
    nextStep: 'Keep what stands; the other value cannot be chosen here.',
  },
  valueChangedSince: {
    title: 'Somebody has written another value since',
    nextStep: 'Keep what stands, or change it where it is shown.',
  },
  valueDoesNotFit: {
    title: 'The other value cannot stand here',
    nextStep:
      'Something else has it already, or it refers to what is not there. Keep what stands, or change it where it is shown.',
  },
  syncDeadLetterNotFound: {
    title: 'There is no such dead letter',
    nextStep: 'Load the list of dead letters again.',
  },
  syncDeadLetterResolved: {
    title: 'This dead letter is closed already',
    nextStep: 'Load the list again. What failed once more stands there as a new one.',
  },
  tableUnknown: {
    title: 'This hub has no such kind of thing',
    nextStep: 'Dismiss it, or update this hub first.',
  },
} as const;
