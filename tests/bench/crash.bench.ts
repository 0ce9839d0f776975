import { parseArgs } from 'node:util';
import { type CrashReport, runCrashes } from '#tests/_support/crash-run.ts';
import { type BenchRow, median, printReport, quantile, row } from './report.ts';

// Kills bridge and hub again and again while people tap, and counts what was lost.
//
//   npm run bench -- crash [--kills N] [--seed S]

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { kills: { type: 'string', default: '1000' }, seed: { type: 'string', default: '1' } },
});

const rowsOf = (report: CrashReport): BenchRow[] => {
  const { discrepancies: wrong, recoveryMs, kills } = report;
  return [
    row('kill -9 of the bridge', kills.bridge, 'kills'),
    row('kill -9 of the hub', kills.hub, 'kills'),
    row('taps', report.taps.length, 'taps'),
    row('taps decided', report.answered, 'taps'),
    row('journal entries', report.entries, 'entries'),
    row('entries that the hub took between kills', report.entriesUnderFire, 'entries'),
    row('grants in the journal', report.grants, 'entries'),
    row('strike releases seen at the lines', report.releases, 'releases'),
    row('releases without a record', report.releasesWithoutRecord.length, 'releases', 0),
    row('entries lost on the way to the hub', wrong.lost.length, 'entries', 0),
    row('entries doubled at the hub', wrong.doubled.length, 'entries', 0),
    row('entries changed on the way', wrong.changed.length, 'entries', 0),
    row('entries out of order', wrong.disordered.length, 'entries', 0),
    row('gaps in the journal', wrong.gaps.length, 'gaps', 0),
    row('dead letters', wrong.deadLetters.length, 'letters', 0),
    row('doors with a missing or wrong decision', report.misjudged.length, 'lives', 0),
    row('ends and failed starts without a kill', report.surprises.length, 'ends', 0),
    row('audit chain broken', report.auditHolds ? 0 : 1, 'chains', 0),
    row('bridge: kill to serving, p50', median(recoveryMs.bridge), 'ms'),
    row('bridge: kill to serving, p99', quantile(recoveryMs.bridge, 0.99), 'ms'),
    row('hub: kill to serving, p50', median(recoveryMs.hub), 'ms'),
    row('hub: kill to serving, p99', quantile(recoveryMs.hub, 0.99), 'ms'),
    row('last tap to all in the hub', report.drainMs, 'ms'),
  ];
};

const say = (text: string): void => void process.stderr.write(text);

say(`kill -9: ${values.kills} kills, seed ${values.seed}\n`);
const report = await runCrashes({
  kills: Number(values.kills),
  seed: Number(values.seed),
  onProgress: (kills) => say(`\r${String(kills)} kills`),
});
say('\n');
for (const [name, facts] of Object.entries({
  ...report.discrepancies,
  releasesWithoutRecord: report.releasesWithoutRecord,
  misjudged: report.misjudged,
  surprises: report.surprises,
}))
  if (facts.length > 0) say(`${name}: ${JSON.stringify(facts.slice(0, 10), null, 1)}\n`);
printReport('crash', rowsOf(report));
