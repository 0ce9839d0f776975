import type { ProblemSpec } from '#hub/kernel/vocabulary.ts';

/** The refusals of areas, opening hours and holidays. */
export const placeProblems = {
  hoursNotFound: { status: 404, title: 'There are no such hours', nextStep: 'Load the opening hours again.' },
  holidayNotFound: { status: 404, title: 'There is no such day', nextStep: 'Load the list of days again.' },
  dayTaken: {
    status: 409,
    title: 'This day has its own hours already',
    nextStep: 'Change the day in the list instead.',
  },
  areaNotFound: { status: 404, title: 'There is no such area', nextStep: 'Load the list of areas again.' },
  areaUnknown: { status: 422, title: 'There is no such area', nextStep: 'Choose one of the list of areas.' },
  areaInUse: {
    status: 409,
    title: 'Something still stands on this area',
    nextStep: 'Move or remove these first.',
  },
  areaCycle: {
    status: 422,
    title: 'An area cannot lie inside itself',
    nextStep: 'Choose another area around it.',
  },
  areaNameTaken: { status: 409, title: 'This name is taken', nextStep: 'Choose another one.' },
  tooManyAreas: { status: 409, title: 'There are too many of these', nextStep: 'Remove one first.' },
  tooManyHolidays: { status: 409, title: 'There are too many of these', nextStep: 'Remove one first.' },
} as const satisfies Readonly<Record<string, ProblemSpec>>;
