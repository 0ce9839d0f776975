import { isRecord, recordsOf, textOf } from './command.ts';

/** A decision as the API words it: the outcome, the checks, and what to do. */
export function decisionLines(decision: Readonly<Record<string, unknown>>): readonly string[] {
  const granted = decision.granted === true || decision.kind === 'granted';
  const why = isRecord(decision.why) ? decision.why : {};
  return [
    granted ? 'GRANTED' : `DENIED (${textOf(decision.reason)})`,
    ...recordsOf(decision.checks).map(
      (check) => `  ${check.passed === true ? 'ok ' : 'NO '} ${textOf(check.sentence)}`,
    ),
    ...(!granted && textOf(why.nextStep) !== '' ? [`Next step: ${textOf(why.nextStep)}`] : []),
  ];
}
