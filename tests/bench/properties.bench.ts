import { parseArgs } from 'node:util';
import { findSignedOut, preparePropertyScene, runProperties } from '#tests/_support/api/properties.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { type BenchRow, printReport, row, rowAtLeast } from './report.ts';

// Requests generated from the document, right ones and wrong ones, against the running product: none breaks it, every answer
// is what the document says, and nobody learns what they may not know.

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    'at-once': { type: 'string', default: '8' },
  },
});
const count = Number(values.requests);
const seed = Number(values.seed);
process.stderr.write(`seed ${seed} (--seed ${seed} sends the same again)\n`);

const appliance = await Appliance.start({ env: { MAKRCAVE_HTTP_LOCAL_RATE_FACTOR: '100000' } });
try {
  const scene = await preparePropertyScene(appliance);
  const startedMs = performance.now();
  const run = await runProperties(scene, { seed, count, atOnce: Number(values['at-once']) });
  const seconds = (performance.now() - startedMs) / 1000;
  for (const problem of run.problems.slice(0, 20)) process.stderr.write(`${problem}\n\n`);
  const share = (start: string): number =>
    Object.entries(run.byStatus)
      .filter(([status]) => status.startsWith(start))
      .reduce((sum, [, times]) => sum + times, 0) / run.requests;
  const signedOut = await findSignedOut(scene);
  if (signedOut.length > 0) process.stderr.write(`signed out: ${signedOut.join(', ')}\n`);
  const rows: BenchRow[] = [
    rowAtLeast('requests', run.requests, '', count),
    row('operations', run.operations, ''),
    row('requests a second', run.requests / seconds, '1/s'),
    row('answers 2xx', share('2') * 100, '%'),
    row('answers 4xx', share('4') * 100, '%'),
    row('answers 500', run.byStatus['500'] ?? 0, '', 0),
    row('signed out on the way', signedOut.length, '', 0),
    row('answers that are not as they must be', run.problems.length, '', 0),
  ];
  printReport('properties', rows);
  if (rows.some(({ holds }) => !holds)) process.exitCode = 1;
} finally {
  await appliance.close();
}
