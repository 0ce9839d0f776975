import type { Biography, Step } from './biography.ts';
import type { DemoHub } from './demo-hub.ts';
import type { Roster } from './roster.ts';

/** Who does what, in the order of time. */
export interface PlannedStep {
  readonly biography: Biography;
  readonly step: Step;
}

/** Takes steps in one transaction, at the moment of the last of them. */
export async function takeSteps(
  { store, clock }: DemoHub,
  roster: Roster,
  steps: readonly PlannedStep[],
): Promise<void> {
  const last = steps.at(-1);
  if (last === undefined) return;
  clock.advanceTo(last.step.atMs);
  await store.together(async (tx) => {
    for (const { biography, step } of steps) await roster.take(biography, step, tx);
    await roster.refresh(tx);
  });
}
