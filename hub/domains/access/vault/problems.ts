import type { ProblemSpec } from '#hub/kernel/vocabulary.ts';

/** The refusals of the recovery sheet. */
export const recoveryProblems = {
  noCardKey: {
    status: 404,
    title: 'There is no recovery sheet',
    nextStep: 'Make one under Settings, Recovery sheet, while the box lives.',
  },
  recoveryCodeMistyped: {
    status: 422,
    title: 'Group 3 of the recovery code is mistyped',
    nextStep: 'Compare it with the sheet, group by group, and type it again.',
    facts: { groups: [3] },
  },
  recoveryCodeWrong: {
    status: 422,
    title: 'This is not the code of the newest recovery sheet',
    nextStep: 'Look for the newest sheet of this very site: an older one is void.',
  },
} as const satisfies Readonly<Record<string, ProblemSpec>>;
