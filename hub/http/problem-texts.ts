import { syncTexts } from './sync-problem-texts.ts';

/**
 * What people read when something is refused, by the refusal's public code: one table for the API, its document, the
 * web UI and the command line. A refusal that knows better (how long to wait, whose card it is) brings its own `title`
 * or `nextStep` as facts, which go before these.
 */
export interface ProblemText {
  readonly title: string;
  readonly nextStep: string;
  /** Facts as such a refusal may carry them, for the example in the document. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

const wrongField = (pointer: string, message: string): Pick<ProblemText, 'facts'> => ({
  facts: { errors: [{ pointer, message }] },
});

const identityTexts = {
  claimCodeWrong: {
    title: 'This is not the claim code',
    nextStep: 'Type the code exactly as the box shows it.',
    facts: { triesLeft: 4 },
  },
  claimCodeExpired: {
    title: 'The claim code is void',
    nextStep: 'Start the hub again or run `makrcave-hub claim-code` on the box for a fresh code.',
  },
  alreadyClaimed: {
    title: 'This hub has an owner already',
    nextStep: 'Sign in. Who has lost the owner’s password sets a new one on the command line of the box.',
  },
  notClaimed: { title: 'This hub has no owner yet', nextStep: 'Claim it with the code that the box shows.' },
  timeZoneUnknown: {
    title: 'The time zone is not known',
    nextStep: 'Choose one of the list, such as Europe/Berlin.',
    ...wrongField('/body/timeZone', 'is no IANA time zone'),
  },
  credentialsWrong: {
    title: 'Username or password is wrong',
    nextStep: 'Check both; an administrator can set a new password.',
  },
  accountDisabled: {
    title: 'This account is disabled',
    nextStep: 'Ask an administrator to enable the account.',
  },
  tooManyAttempts: {
    title: 'Too many wrong attempts',
    nextStep: 'Wait as long as `retryAfterSeconds` says. The command line on the box is never locked.',
    facts: { retryAfterSeconds: 60 },
  },
  signInBusy: {
    title: 'Many people are signing in just now',
    nextStep: 'Try again in a few seconds.',
    facts: { retryAfterSeconds: 2 },
  },
  signInRequired: {
    title: 'Nobody is signed in',
    nextStep: 'Send the access token, or the refresh token in the body.',
  },
  refreshTokenInvalid: {
    title: 'This refresh token is not known',
    nextStep: 'Sign in again by /auth/login.',
  },
  refreshTokenExpired: { title: 'The session has ended', nextStep: 'Sign in again by /auth/login.' },
  refreshTokenReused: {
    title: 'This refresh token was used before: the session is revoked',
    nextStep:
      'Sign in again. If this program did not use it twice, somebody else has it: change the password.',
  },
  serviceAccountMissing: {
    title: 'There is no such service account',
    nextStep: 'Load the list of service accounts again.',
  },
  accessTokenMissing: {
    title: 'There is no such access token',
    nextStep: 'Load the service account again to see its tokens.',
  },
  personNeeded: {
    title: 'An access token cannot do that',
    nextStep: 'Let somebody who is signed in do this.',
  },
  ownerMissing: {
    title: 'The owner is no account that can sign in',
    nextStep: 'Choose an active account as the owner.',
    ...wrongField('/body/ownerId', 'is no account that can sign in'),
  },
  scopesTooWide: {
    title: 'The token would reach beyond its service account',
    nextStep: 'Choose among the scopes of the service account, or widen those first.',
    facts: {
      permissions: ['door.unlock'],
      errors: [{ pointer: '/body/scopes', message: 'are more than the service account has' }],
    },
  },
  sessionEnded: { title: 'The session has ended', nextStep: 'Sign in again.' },
  sessionMissing: {
    title: 'This session is not there any more',
    nextStep: 'Load the list of sessions again.',
  },
  noAccount: {
    title: 'The command line has no password of its own',
    nextStep: 'Set one for an account by its id.',
  },
  currentPasswordWrong: {
    title: 'The current password is wrong',
    nextStep: 'Type the password that you sign in with now.',
    ...wrongField('/body/currentPassword', 'is not the current password'),
  },
  passwordRefused: {
    title: 'This password is too easy to guess',
    nextStep: 'Choose another one: a few words that nobody says together.',
    facts: {
      reason: 'common',
      errors: [{ pointer: '/body/password', message: 'is one of the passwords that are tried first' }],
    },
  },
  accountMissing: { title: 'There is no such account', nextStep: 'Choose one of the list of accounts.' },
  usernameTaken: {
    title: 'Another account has this username',
    nextStep: 'Choose another username.',
    ...wrongField('/body/username', 'another account has this username'),
  },
  memberMissing: {
    title: 'There is no such member',
    nextStep: 'Choose one of the list of members, or leave the account without one.',
    ...wrongField('/body/memberId', 'there is no such member'),
  },
  memberHasAccount: {
    title: 'This member has another account',
    nextStep: 'Use that account, or take the member from it first.',
    ...wrongField('/body/memberId', 'this member has another account'),
  },
  ownAccount: {
    title: 'That is not done to one’s own account',
    nextStep: 'Let another administrator do it.',
  },
  lastOwner: {
    title: 'Nobody would be left who may do everything',
    nextStep: 'Give the role super_admin to another active account first, without an end.',
  },
  beyondOwnPermissions: {
    title: 'That would reach beyond your own permissions',
    nextStep: 'Ask somebody who holds the permissions that `permissions` names.',
    facts: { permissions: ['role.manage'] },
  },
  roleMissing: { title: 'There is no such role', nextStep: 'Choose one of the list of roles.' },
  roleNameTaken: {
    title: 'Another role has this name',
    nextStep: 'Choose another name.',
    ...wrongField('/body/name', 'another role has this name'),
  },
  roleBuiltIn: {
    title: 'This role is built in',
    nextStep: 'Built-in roles stay as they are; make a role of your own.',
  },
  roleAssigned: {
    title: 'Accounts have this role',
    nextStep: 'Take the role from these accounts first.',
    facts: { accountCount: 3 },
  },
  roleNotAssigned: {
    title: 'The account does not have this role',
    nextStep: 'There is nothing to take away: load the account again.',
  },
  endsInThePast: {
    title: 'The end is over already',
    nextStep: 'Choose a later end, or none.',
    ...wrongField('/body/expiresAt', 'is over already'),
  },
  auditEntryMissing: {
    title: 'There is no such entry in the audit log',
    nextStep: 'Choose one of the list.',
  },
  payloadEmptied: {
    title: 'The personal part of this entry is empty already',
    nextStep: 'There is nothing left to empty.',
  },
} as const satisfies Readonly<Record<string, ProblemText>>;

const memberTexts = {
  memberNotFound: {
    title: 'There is no such member',
    nextStep: 'Look for the member by name or number in the list of members.',
  },
  membershipNotFound: {
    title: 'The member has no such membership',
    nextStep: 'Load the member again to see the memberships.',
  },
  planNotFound: { title: 'There is no such plan', nextStep: 'Choose a plan from the list of plans.' },
  groupNotFound: { title: 'There is no such group', nextStep: 'Choose a group from the list of groups.' },
  holdNotFound: {
    title: 'The member has no such hold',
    nextStep: 'Load the member again to see the holds.',
  },
  holdAlreadyReleased: {
    title: 'The hold was released already',
    nextStep: 'Load the member again; place another hold if the member must stay out.',
  },
  tooManyHolds: {
    title: 'The member has too many holds',
    nextStep: 'Release one of the holds before placing another.',
  },
  numberTaken: {
    title: 'The number belongs to another member',
    nextStep: 'Leave the number out to get the next free one, or choose another.',
    ...wrongField('/body/number', 'belongs to another member'),
  },
  dateInFuture: {
    title: 'A date lies in the future',
    nextStep: 'Correct the fields that `errors` names.',
    ...wrongField('/body/waiverDate', 'must not lie in the future'),
  },
  memberStatusNotAllowed: {
    title: 'That is not possible in the member’s present status',
    nextStep: 'Use one of the actions that `allowed` names.',
    facts: { status: 'left', allowed: ['reactivate'] },
  },
  memberLeft: { title: 'The member has left', nextStep: 'Reactivate the member first.' },
  transitionNotAllowed: {
    title: 'That is not possible in the membership’s present state',
    nextStep: 'Use one of the events that `allowed` names; without any, create another membership.',
    facts: { state: 'active', allowed: ['renew', 'pause', 'suspend', 'cancel', 'end'] },
  },
  periodInvalid: {
    title: 'The dates do not make a period',
    nextStep: 'Send an `until` that lies in the future and after `from`.',
  },
  membershipOverlaps: {
    title: 'Another membership of the member opens doors already',
    nextStep:
      'End or cancel that membership, or create this one as `pending` with `from`: it begins once the other is over.',
  },
  membershipOver: { title: 'The membership is over', nextStep: 'Create another membership.' },
  planInactive: {
    title: 'The plan is not offered any more',
    nextStep: 'Choose another plan, or make this one active again.',
  },
  planInUse: {
    title: 'Memberships have this plan',
    nextStep: 'Make the plan inactive instead: nobody can choose it then.',
  },
  planNameTaken: {
    title: 'Another plan has this name',
    nextStep: 'Choose another name, or change that plan.',
  },
  groupNameTaken: {
    title: 'Another group has this name',
    nextStep: 'Choose another name, or change that group.',
  },
  groupInUse: { title: 'The group has members', nextStep: 'Take the members out of the group first.' },
} as const satisfies Readonly<Record<string, ProblemText>>;

const deviceTexts = {
  deviceNotFound: {
    title: 'This device does not exist',
    nextStep: 'It may have been removed. Look at the list of devices.',
  },
  deviceUsernameTaken: {
    title: 'Another device has this user name',
    nextStep: 'Choose another user name.',
  },
  tooManyDevices: {
    title: 'There are too many devices',
    nextStep: 'Remove devices that are not used any more.',
  },
  rightInvalid: {
    title: 'A topic right cannot be given',
    nextStep:
      "Check the filter: `+` stands alone for one level, `#` alone at the end. Topics below mc/ and $ are the hub's own; $SYS may be read.",
  },
} as const satisfies Readonly<Record<string, ProblemText>>;

const doorTexts = {
  portalNotFound: { title: 'There is no such door', nextStep: 'Load the list of doors again.' },
  portalUnknown: { title: 'There is no such door', nextStep: 'Choose one of the list of doors.' },
  portalAmbiguous: {
    title: 'Several doors have this key',
    nextStep: 'Name the door by its id.',
  },
  portalAnnounced: {
    title: 'The controller still has this door',
    nextStep: "Take it out of the controller's configuration first.",
  },
  settingsInvalid: {
    title: 'These settings do not fit together',
    nextStep: 'Correct the fields that are named.',
    ...wrongField('/body/settings/preAlarmSeconds', 'must be less than heldOpenSeconds (30); 0 = no warning'),
  },
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
  readerNotFound: { title: 'There is no such reader', nextStep: 'Load the list of readers again.' },
  readerOffline: {
    title: 'The reader cannot be reached',
    nextStep: 'Settings, Readers says why. Check its power and its cable, then try again.',
  },
  noLamp: {
    title: 'This reader has neither a lamp nor a buzzer that is wired',
    nextStep: "Tap a card to try it. A lamp and a buzzer are led and buzzer in its controller's bridge.yaml.",
  },
  noOutput: {
    title: 'This reader has no such output',
    nextStep:
      'Settings, Readers shows its outputs. One that has just come online says in a moment what it has.',
    facts: { title: 'outside has 2 outputs only' },
  },
  notPairable: {
    title: 'This reader cannot be given a key of its own',
    nextStep:
      'Only OSDP readers with the secure channel switched on can: look at its kind, and at secureChannel in the bridge.yaml of its controller.',
  },
  readerMissing: { title: 'This door has no reader', nextStep: 'Choose a door with a reader.' },
  policyMissing: {
    title: 'The door has no rules yet',
    nextStep: 'Wait until its controller has connected once.',
  },
  rotationRuns: { title: 'The keys are being changed already', nextStep: 'Wait until that is done.' },
  bridgeNotFound: {
    title: 'There is no such door controller',
    nextStep: 'Load the list of door controllers again.',
  },
  eventNotFound: { title: 'There is no such event', nextStep: 'Load the list again, or tap the card again.' },
  ruleNotFound: { title: 'There is no such rule', nextStep: 'Load the list of rules again.' },
  ruleInvalid: {
    title: 'This rule is not complete',
    nextStep: 'Correct the fields that are named.',
    ...wrongField('/body/target/id', 'is no door'),
  },
  hoursNotFound: { title: 'There are no such hours', nextStep: 'Load the opening hours again.' },
  holidayNotFound: { title: 'There is no such day', nextStep: 'Load the list of days again.' },
  dayTaken: { title: 'This day has its own hours already', nextStep: 'Change the day in the list instead.' },
  areaNotFound: { title: 'There is no such area', nextStep: 'Load the list of areas again.' },
  areaUnknown: { title: 'There is no such area', nextStep: 'Choose one of the list of areas.' },
  areaInUse: { title: 'Something still stands on this area', nextStep: 'Move or remove these first.' },
  areaCycle: { title: 'An area cannot lie inside itself', nextStep: 'Choose another area around it.' },
  nameTaken: { title: 'This name is taken', nextStep: 'Choose another one.' },
  tooMany: { title: 'There are too many of these', nextStep: 'Remove one first.' },
} as const satisfies Readonly<Record<string, ProblemText>>;

const cardTexts = {
  cardText: {
    title: 'This card number cannot be read',
    nextStep: 'Write it as facility:number, such as 123:4567, or as printed on the card.',
    ...wrongField('/body/card', 'is no card number'),
  },
  credentialNotFound: { title: 'There is no such card', nextStep: 'Load the list of cards again.' },
  credentialUnknown: { title: 'There is no such card', nextStep: 'Choose one of the list of cards.' },
  nothingSuspected: {
    title: 'Nothing speaks for a copy of this card',
    nextStep: 'Load the card again: somebody has settled it already.',
  },
  credentialTransition: {
    title: 'The card cannot change to that from its present state',
    nextStep: 'Enrol the card anew: a retired one stays retired.',
    facts: { status: 'retired' },
  },
  alreadyEnrolled: {
    title: 'This card belongs to somebody already',
    nextStep: "Use another card, or retire that one on its member's page first.",
  },
  cardForgotten: {
    title: 'The reader does not remember this card any more',
    nextStep: 'Tap it again; you then have two minutes.',
  },
  pinWeak: {
    title: 'The PIN is one that would be guessed soon',
    nextStep: 'Take another: no run of digits, no repetition, not the number of the member.',
    ...wrongField('/body/pin', 'is a run of digits: mix them'),
  },
  pinTooAlike: {
    title: 'The duress PIN is too much like the PIN',
    nextStep: 'Let them differ in two digits, so that no slip of a finger raises an alarm.',
    ...wrongField(
      '/body/duressPin',
      'is the PIN or one slip of a finger away from it: let them differ in two digits',
    ),
  },
  alarmNotFound: {
    title: 'There is no such alarm',
    nextStep: 'Load the list of alarms again.',
  },
  alarmAcknowledged: {
    title: 'Somebody has looked after this alarm already',
    nextStep: 'The alarm says who and when.',
  },
  pinNotSet: {
    title: 'This member has no PIN',
    nextStep: "Set one on the member's page.",
  },
  datesInvalid: {
    title: 'The dates do not make a period',
    nextStep: 'Let the end be later than the start.',
    ...wrongField('/body/validUntil', 'must be later than validFrom and than now'),
  },
  readerUnknown: {
    title: 'There is no such reader',
    nextStep: 'Choose one of the list.',
    ...wrongField('/body/readerId', "is no reader: take the id of a door's reader"),
  },
  readerBusy: {
    title: 'Somebody else is enrolling at this reader',
    nextStep: 'Wait until they are done, or choose another reader.',
  },
  enrolmentNotFound: { title: 'Nobody waits at the reader any more', nextStep: 'Begin again.' },
  memberUnknown: {
    title: 'There is no such member',
    nextStep: 'Choose one of the list of members.',
    ...wrongField('/body/memberId', 'is no member'),
  },
} as const satisfies Readonly<Record<string, ProblemText>>;

const recoveryTexts = {
  noCardKey: {
    title: 'There is no recovery sheet',
    nextStep: 'Make one under Settings, Recovery sheet, while the box lives.',
  },
  recoveryCodeMistyped: {
    title: 'Group 3 of the recovery code is mistyped',
    nextStep: 'Compare it with the sheet, group by group, and type it again.',
    facts: { groups: [3] },
  },
  recoveryCodeWrong: {
    title: 'This is not the code of the newest recovery sheet',
    nextStep: 'Look for the newest sheet of this very site: an older one is void.',
  },
} as const satisfies Readonly<Record<string, ProblemText>>;

const webhookTexts = {
  webhookNotFound: { title: 'There is no such webhook', nextStep: 'Load the list of webhooks again.' },
  deliveryNotFound: {
    title: 'There is no such delivery',
    nextStep: 'Load the deliveries again: old ones are cleared away.',
  },
  webhookNameTaken: {
    title: 'Another webhook has this name',
    nextStep: 'Choose another name.',
    ...wrongField('/body/name', 'is the name of another webhook'),
  },
  webhookInactive: { title: 'The webhook is switched off', nextStep: 'Switch it on first.' },
  tooManyWebhooks: {
    title: 'There are too many webhooks',
    nextStep: 'Remove one that nobody needs: there can be 20.',
  },
  targetRefused: {
    title: 'The hub does not send to this address',
    nextStep: 'Correct the address, or allow its network in the configuration of the hub.',
    ...wrongField(
      '/body/url',
      "leads to 192.168.1.5, which is not on the internet: allow its network by webhooks.allowPrivateNetworks in the hub's configuration",
    ),
  },
} as const satisfies Readonly<Record<string, ProblemText>>;

const listAndWriteTexts = {
  staleVersion: {
    title: 'Somebody else has changed this in the meantime',
    nextStep: 'Load what is there now (`current`), look at it, and make your change again.',
  },
  cursorInvalid: {
    title: 'The cursor belongs to another list, or to another sort or filter of it',
    nextStep: 'Leave `cursor` out to begin at the first page; change sort and filters only there.',
  },
} as const satisfies Readonly<Record<string, ProblemText>>;

/** The words of every refusal code that an endpoint declares; `tests/http/api-document.test.ts` finds one without. */
export const problemTexts: Readonly<Record<string, ProblemText>> = {
  ...identityTexts,
  ...memberTexts,
  ...deviceTexts,
  ...doorTexts,
  ...cardTexts,
  ...recoveryTexts,
  ...webhookTexts,
  ...syncTexts,
  ...listAndWriteTexts,
};
