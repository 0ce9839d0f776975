import { parseArgs } from 'node:util';
import {
  type PowerCutReport,
  runPowerCuts,
  type Wrong,
  wrongs,
} from '#tests/_support/crash/power-cut-run.ts';
import { type CrashReport, runCrashes } from '#tests/_support/crash/run.ts';
import { canTrace } from '#tests/_support/crash/strace.ts';
import { type BenchRow, median, printReport, quantile, row } from './report.ts';

// Kills bridge and hub again and again while people tap, and counts what was lost; then cuts the power in a record of
// all that they write.
//
//   npm run bench -- crash [--kills N] [--seed S] [--points N]
//
// --points: at how many points of its record each disk is cut, in three ways each; 0 leaves that part out.

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    kills: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    points: { type: 'string', default: '500' },
  },
});
const seed = Number(values.seed);

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

const cutRows = (report: PowerCutReport): BenchRow[] => [
  row('power cut: entries of the journal', report.entries, 'entries'),
  row('power cut: members saved by staff', report.answers, 'members'),
  row('power cut: calls of the bridge recorded', report.bridgeCalls, 'calls'),
  row('power cut: calls of the hub recorded', report.hubCalls, 'calls'),
  row('power cut: cuts of the bridge', report.bridgeCuts, 'cuts'),
  row('power cut: cuts of the hub', report.hubCuts, 'cuts'),
  ...wrongs.map((wrong) => row(`power cut: ${wordOf[wrong]}`, report.wrong[wrong].length, 'findings', 0)),
  row('power cut: append to medium, p50 (traced)', median(report.durableMs), 'ms'),
  row('power cut: append to medium, longest (traced)', Math.max(...report.durableMs), 'ms'),
];

const wordOf: Readonly<Record<Wrong, string>> = {
  bridgeCorrupt: 'journal damaged',
  bridgeLostSynced: 'journal lost what was synced',
  bridgeLostOld: 'journal lost what was older than 100 ms',
  policyCorrupt: 'policy neither old nor new',
  hubCorrupt: 'store damaged',
  hubLostAnswered: 'store lost what staff were told is saved',
  hubAheadOfJournal: 'store holds what the journal may lose',
};

const say = (text: string): void => void process.stderr.write(text);
const sayCount = (count: number, of: string): void => {
  if (count % 50 === 0) say(`${String(count)} ${of}\n`);
};

function tell(findings: Readonly<Record<string, readonly unknown[]>>): void {
  for (const [name, facts] of Object.entries(findings))
    if (facts.length > 0) say(`${name}: ${JSON.stringify(facts.slice(0, 10), null, 1)}\n`);
}

async function kill(): Promise<BenchRow[]> {
  say(`kill -9: ${values.kills} kills, seed ${values.seed}\n`);
  const report = await runCrashes({
    kills: Number(values.kills),
    seed,
    onProgress: (kills) => sayCount(kills, 'kills'),
  });
  const { releasesWithoutRecord, misjudged, surprises } = report;
  tell({ ...report.discrepancies, releasesWithoutRecord, misjudged, surprises });
  return rowsOf(report);
}

async function cutPower(): Promise<BenchRow[]> {
  const points = Number(values.points);
  if (points === 0) return [];
  if (!canTrace()) {
    say('power cut: left out, strace is not there or may not trace here\n');
    return [];
  }
  say('power cut: recording\n');
  const report = await runPowerCuts({
    seed,
    loadMs: 5000,
    points,
    onProgress: (cuts) => sayCount(cuts, 'cuts'),
  });
  tell(report.wrong);
  return cutRows(report);
}

const rows = Number(values.kills) > 0 ? await kill() : [];
printReport('crash', [...rows, ...(await cutPower())]);
