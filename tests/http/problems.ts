import { ProblemCatalog } from '#hub/http/endpoint/problem-catalog.ts';
import type { ProblemSpec } from '#hub/kernel/vocabulary.ts';
import { catalog } from '#tests/_support/open-domains.ts';

/** Refusals of the endpoints that tests make up. */
const madeUp = {
  thingMissing: { status: 404, title: 'There is no such thing', nextStep: 'Look for another.' },
  thingLocked: { status: 409, title: 'The thing is locked', nextStep: 'Unlock it.' },
  resting: { status: 503, title: 'It rests', nextStep: 'Wait.' },
  soldOut: { status: 409, title: 'It is sold out', nextStep: 'Wait for more.' },
  machineAsleep: { status: 503, title: 'The machine sleeps', nextStep: 'Wake it.' },
  known: { status: 404, title: 'Known', nextStep: 'None.' },
} as const satisfies Readonly<Record<string, ProblemSpec>>;

declare module '#hub/kernel/vocabulary.ts' {
  interface Refusals extends Record<keyof typeof madeUp, true> {}
}

/** What an app of made-up endpoints is made with. */
export const testCatalog = {
  permissions: catalog.permissions,
  problems: new ProblemCatalog({ ...catalog.problems, ...madeUp }),
};
