import { type ProblemSpec, wrongField } from '#hub/kernel/vocabulary.ts';

/** The refusals of members, memberships, plans and groups. */
export const memberProblems = {
  memberNotFound: {
    status: 404,
    title: 'There is no such member',
    nextStep: 'Look for the member by name or number in the list of members.',
  },
  membershipNotFound: {
    status: 404,
    title: 'The member has no such membership',
    nextStep: 'Load the member again to see the memberships.',
  },
  planNotFound: {
    status: 404,
    title: 'There is no such plan',
    nextStep: 'Choose a plan from the list of plans.',
  },
  groupNotFound: {
    status: 404,
    title: 'There is no such group',
    nextStep: 'Choose a group from the list of groups.',
  },
  holdNotFound: {
    status: 404,
    title: 'The member has no such hold',
    nextStep: 'Load the member again to see the holds.',
  },
  holdAlreadyReleased: {
    status: 409,
    title: 'The hold was released already',
    nextStep: 'Load the member again; place another hold if the member must stay out.',
  },
  tooManyHolds: {
    status: 409,
    title: 'The member has too many holds',
    nextStep: 'Release one of the holds before placing another.',
  },
  numberTaken: {
    status: 409,
    title: 'The number belongs to another member',
    nextStep: 'Leave the number out to get the next free one, or choose another.',
    ...wrongField('/body/number', 'belongs to another member'),
  },
  dateInFuture: {
    status: 422,
    title: 'A date lies in the future',
    nextStep: 'Correct the fields that `errors` names.',
    ...wrongField('/body/waiverDate', 'must not lie in the future'),
  },
  memberStatusNotAllowed: {
    status: 409,
    title: 'That is not possible in the member’s present status',
    nextStep: 'Use one of the actions that `allowed` names.',
    facts: { status: 'left', allowed: ['reactivate'] },
  },
  memberLeft: { status: 409, title: 'The member has left', nextStep: 'Reactivate the member first.' },
  transitionNotAllowed: {
    status: 409,
    title: 'That is not possible in the membership’s present state',
    nextStep: 'Use one of the events that `allowed` names; without any, create another membership.',
    facts: { state: 'active', allowed: ['renew', 'pause', 'suspend', 'cancel', 'end'] },
  },
  periodInvalid: {
    status: 422,
    title: 'The dates do not make a period',
    nextStep: 'Send an `until` that lies in the future and after `from`.',
  },
  membershipOverlaps: {
    status: 409,
    title: 'Another membership of the member opens doors already',
    nextStep:
      'End or cancel that membership, or create this one as `pending` with `from`: it begins once the other is over.',
  },
  membershipOver: { status: 409, title: 'The membership is over', nextStep: 'Create another membership.' },
  planInactive: {
    status: 409,
    title: 'The plan is not offered any more',
    nextStep: 'Choose another plan, or make this one active again.',
  },
  planInUse: {
    status: 409,
    title: 'Memberships have this plan',
    nextStep: 'Make the plan inactive instead: nobody can choose it then.',
  },
  planNameTaken: {
    status: 409,
    title: 'Another plan has this name',
    nextStep: 'Choose another name, or change that plan.',
  },
  groupNameTaken: {
    status: 409,
    title: 'Another group has this name',
    nextStep: 'Choose another name, or change that group.',
  },
  groupInUse: {
    status: 409,
    title: 'The group has members',
    nextStep: 'Take the members out of the group first.',
  },
  memberUnknown: {
    status: 422,
    title: 'There is no such member',
    nextStep: 'Choose one of the list of members.',
    ...wrongField('/body/memberId', 'is no member'),
  },
} as const satisfies Readonly<Record<string, ProblemSpec>>;
