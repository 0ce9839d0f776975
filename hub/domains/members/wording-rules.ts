interface RefusalText {
  readonly title: string;
  readonly nextStep: string;
}

/** What people read when something about members is refused, and what they can do then. */
export const memberRefusalTexts = {
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
  staleVersion: {
    title: 'Somebody else has changed this in the meantime',
    nextStep: 'Look at `current`, and send the change again with its `version`.',
  },
  numberTaken: {
    title: 'The number belongs to another member',
    nextStep: 'Leave the number out to get the next free one, or choose another.',
  },
  dateInFuture: {
    title: 'A date lies in the future',
    nextStep: 'Correct the fields that `errors` names.',
  },
  memberStatusNotAllowed: {
    title: 'That is not possible in the member’s present status',
    nextStep: 'Use one of the actions that `allowed` names.',
  },
  memberLeft: {
    title: 'The member has left',
    nextStep: 'Reactivate the member first.',
  },
  transitionNotAllowed: {
    title: 'That is not possible in the membership’s present state',
    nextStep: 'Use one of the events that `allowed` names; without any, create another membership.',
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
  membershipOver: {
    title: 'The membership is over',
    nextStep: 'Create another membership.',
  },
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
  groupInUse: {
    title: 'The group has members',
    nextStep: 'Take the members out of the group first.',
  },
  cursorInvalid: {
    title: 'The cursor does not belong to this list',
    nextStep: 'Begin again without `cursor`.',
  },
} as const satisfies Readonly<Record<string, RefusalText>>;
export type MemberRefusalCode = keyof typeof memberRefusalTexts;
