import type { Finding } from '#hub/kernel/finding.ts';
import type { Clock } from '../clock/clock.ts';
import type { LogOutput } from '../log-output.ts';
import type { HealthPart } from './health-part.ts';
import { RecentCount } from './recent-count.ts';

/** Losses count as a finding for so long. */
export const lostLinesKeptMs = 60 * 60_000;

/** Judges how many lines of a log were lost within the last hour. */
export const lostLinesFindings = (lines: number): readonly Finding[] =>
  lines === 0
    ? []
    : [
        {
          id: 'log.linesLost',
          severity: 'warning',
          evidence: `${lines} lines of the log could not be written within the last hour and are lost. Nothing else is affected.`,
          fix: 'See whether the disk with the log is full, or whether what reads the log (journal, pipe, terminal) has stopped.',
        },
      ];

/** Watches what the process's log loses. */
export function logHealth(
  output: Pick<LogOutput, 'lostLines'>,
  clock: Pick<Clock, 'monotonicMs'>,
): HealthPart {
  const recent = new RecentCount(lostLinesKeptMs);
  return {
    name: 'log',
    title: 'Log',
    findings: async () => lostLinesFindings(recent.update(output.lostLines, clock.monotonicMs())),
    figures: async () => [{ name: 'lostLines', title: 'Lines lost', unit: 'count', value: output.lostLines }],
    metrics: [
      {
        kind: 'counter',
        name: 'log_lines_lost_total',
        help: 'Log lines that could not be written and were dropped',
        read: () => [{ value: output.lostLines }],
      },
    ],
  };
}
