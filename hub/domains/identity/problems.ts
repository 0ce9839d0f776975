import { type ProblemSpec, wrongField } from '#hub/kernel/vocabulary.ts';

/** The refusals of accounts, sessions, roles and the audit log. */
export const identityProblems = {
  claimCodeWrong: {
    status: 403,
    title: 'This is not the claim code',
    nextStep: 'Type the code exactly as the box shows it.',
    facts: { triesLeft: 4 },
  },
  claimCodeExpired: {
    status: 410,
    title: 'The claim code is void',
    nextStep: 'Start the hub again or run `makrcave-hub claim-code` on the box for a fresh code.',
  },
  alreadyClaimed: {
    status: 409,
    title: 'This hub has an owner already',
    nextStep: 'Sign in. Who has lost the owner’s password sets a new one on the command line of the box.',
  },
  notClaimed: {
    status: 409,
    title: 'This hub has no owner yet',
    nextStep: 'Claim it with the code that the box shows.',
  },
  timeZoneUnknown: {
    status: 422,
    title: 'The time zone is not known',
    nextStep: 'Choose one of the list, such as Europe/Berlin.',
    ...wrongField('/body/timeZone', 'is no IANA time zone'),
  },
  credentialsWrong: {
    status: 401,
    title: 'Username or password is wrong',
    nextStep: 'Check both; an administrator can set a new password.',
  },
  accountDisabled: {
    status: 403,
    title: 'This account is disabled',
    nextStep: 'Ask an administrator to enable the account.',
  },
  tooManyAttempts: {
    status: 429,
    title: 'Too many wrong attempts',
    nextStep: 'Wait as long as `retryAfterSeconds` says. The command line on the box is never locked.',
    facts: { retryAfterSeconds: 60 },
  },
  signInBusy: {
    status: 503,
    title: 'Many people are signing in just now',
    nextStep: 'Try again in a few seconds.',
    facts: { retryAfterSeconds: 2 },
  },
  refreshTokenInvalid: {
    status: 401,
    title: 'This refresh token is not known',
    nextStep: 'Sign in again by /auth/login.',
  },
  refreshTokenExpired: {
    status: 401,
    title: 'The session has ended',
    nextStep: 'Sign in again by /auth/login.',
  },
  refreshTokenReused: {
    status: 401,
    title: 'This refresh token was used before: the session is revoked',
    nextStep:
      'Sign in again. If this program did not use it twice, somebody else has it: change the password.',
  },
  serviceAccountNotFound: {
    status: 404,
    title: 'There is no such service account',
    nextStep: 'Load the list of service accounts again.',
  },
  accessTokenNotFound: {
    status: 404,
    title: 'There is no such access token',
    nextStep: 'Load the service account again to see its tokens.',
  },
  personNeeded: {
    status: 403,
    title: 'An access token cannot do that',
    nextStep: 'Let somebody who is signed in do this.',
  },
  ownerUnknown: {
    status: 422,
    title: 'The owner is no account that can sign in',
    nextStep: 'Choose an active account as the owner.',
    ...wrongField('/body/ownerId', 'is no account that can sign in'),
  },
  scopesTooWide: {
    status: 422,
    title: 'The token would reach beyond its service account',
    nextStep: 'Choose among the scopes of the service account, or widen those first.',
    facts: {
      permissions: ['door.unlock'],
      errors: [{ pointer: '/body/scopes', message: 'are more than the service account has' }],
    },
  },
  sessionEnded: { status: 401, title: 'The session has ended', nextStep: 'Sign in again.' },
  sessionNotFound: {
    status: 404,
    title: 'This session is not there any more',
    nextStep: 'Load the list of sessions again.',
  },
  noAccount: {
    status: 409,
    title: 'The command line has no password of its own',
    nextStep: 'Set one for an account by its id.',
  },
  currentPasswordWrong: {
    status: 422,
    title: 'The current password is wrong',
    nextStep: 'Type the password that you sign in with now.',
    ...wrongField('/body/currentPassword', 'is not the current password'),
  },
  passwordRefused: {
    status: 422,
    title: 'This password is too easy to guess',
    nextStep: 'Choose another one: a few words that nobody says together.',
    facts: {
      reason: 'common',
      errors: [{ pointer: '/body/password', message: 'is one of the passwords that are tried first' }],
    },
  },
  accountNotFound: {
    status: 404,
    title: 'There is no such account',
    nextStep: 'Choose one of the list of accounts.',
  },
  usernameTaken: {
    status: 409,
    title: 'Another account has this username',
    nextStep: 'Choose another username.',
    ...wrongField('/body/username', 'another account has this username'),
  },
  memberHasAccount: {
    status: 409,
    title: 'This member has another account',
    nextStep: 'Use that account, or take the member from it first.',
    ...wrongField('/body/memberId', 'this member has another account'),
  },
  ownAccount: {
    status: 409,
    title: 'That is not done to one’s own account',
    nextStep: 'Let another administrator do it.',
  },
  lastOwner: {
    status: 409,
    title: 'Nobody would be left who may do everything',
    nextStep: 'Give the role super_admin to another active account first, without an end.',
  },
  beyondOwnPermissions: {
    status: 403,
    title: 'That would reach beyond your own permissions',
    nextStep: 'Ask somebody who holds the permissions that `permissions` names.',
    facts: { permissions: ['role.manage'] },
  },
  roleNotFound: { status: 404, title: 'There is no such role', nextStep: 'Choose one of the list of roles.' },
  roleNameTaken: {
    status: 409,
    title: 'Another role has this name',
    nextStep: 'Choose another name.',
    ...wrongField('/body/name', 'another role has this name'),
  },
  roleBuiltIn: {
    status: 409,
    title: 'This role is built in',
    nextStep: 'Built-in roles stay as they are; make a role of your own.',
  },
  roleAssigned: {
    status: 409,
    title: 'Accounts have this role',
    nextStep: 'Take the role from these accounts first.',
    facts: { accountCount: 3 },
  },
  roleNotAssigned: {
    status: 404,
    title: 'The account does not have this role',
    nextStep: 'There is nothing to take away: load the account again.',
  },
  endsInThePast: {
    status: 422,
    title: 'The end is over already',
    nextStep: 'Choose a later end, or none.',
    ...wrongField('/body/expiresAt', 'is over already'),
  },
  auditEntryNotFound: {
    status: 404,
    title: 'There is no such entry in the audit log',
    nextStep: 'Choose one of the list.',
  },
  payloadEmptied: {
    status: 409,
    title: 'The personal part of this entry is empty already',
    nextStep: 'There is nothing left to empty.',
  },
  siteNotFound: {
    status: 404,
    title: 'This hub has no owner yet',
    nextStep: 'Claim it with the code that the box shows.',
  },
  accountUnknown: {
    status: 422,
    title: 'There is no such account',
    nextStep: 'Choose one of the list of accounts.',
  },
  serviceAccountNameTaken: { status: 409, title: 'This name is taken', nextStep: 'Choose another one.' },
  accessTokenNameTaken: { status: 409, title: 'This name is taken', nextStep: 'Choose another one.' },
  tooManyServiceAccounts: {
    status: 409,
    title: 'There are too many of these',
    nextStep: 'Remove one first.',
  },
  tooManyAccessTokens: { status: 409, title: 'There are too many of these', nextStep: 'Remove one first.' },
} as const satisfies Readonly<Record<string, ProblemSpec>>;
