import { parseArgs } from 'node:util';
import { demoSizes } from '#hub/demo/sizes.ts';
import { BenchChild } from '../bench-child.ts';
import { makeDemoSite, memberIdsOf } from '../demo-site.ts';
import { median, printReport, row } from '../report.ts';
import { type LoadTarget, measureInTurn } from './load.ts';

// Whether others wait while somebody takes all events of the large demo as a file: GET member by id, with and without one
// download after the other under way.

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { events: { type: 'string', default: String(demoSizes.large.events) } },
});
const limit = 1.5;
const rounds = 5;

const site = await makeDemoSite({ members: demoSizes.large.members, events: Number(values.events) });
const { appliance } = site;
const loader = new BenchChild('api/load-process.ts', {});
try {
  await appliance.start('hub');
  const headers = await site.signIn();
  const url = `http://127.0.0.1:${appliance.httpPort}`;
  const ids = await memberIdsOf(appliance, 500);
  const target: LoadTarget = {
    name: 'by id',
    pid: appliance.pid('hub'),
    url,
    headers,
    requests: ids.map((id) => ({ method: 'GET', path: `/api/members/${id}` })),
  };
  const downloading = { wanted: false };
  let bytes = 0;
  let files = 0;
  async function download(): Promise<void> {
    while (downloading.wanted) {
      const { 'content-type': _, host: __, ...asked } = headers;
      const answer = await fetch(`${appliance.url}/api/access-control/events`, {
        headers: { ...asked, accept: 'text/csv' },
      });
      if (answer.status !== 200 || answer.body === null) throw new Error(`the file: ${answer.status}`);
      for await (const piece of answer.body) {
        bytes += (piece as Uint8Array).length;
        if (!downloading.wanted) return;
      }
      files += 1;
    }
  }
  const alone: number[] = [];
  const beside: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const load = { connections: 16, seconds: 4, rounds: 1 };
    const [quiet] = await measureInTurn(loader, [target], load);
    downloading.wanted = true;
    const downloads = download();
    const [busy] = await measureInTurn(loader, [target], load);
    downloading.wanted = false;
    await downloads;
    if (quiet !== undefined) alone.push(quiet.p99Ms);
    if (busy !== undefined) beside.push(busy.p99Ms);
  }
  printReport('api-report', [
    row('by id, alone: p99', median(alone), 'ms'),
    row('by id, while all events are taken as a file: p99', median(beside), 'ms'),
    row('ratio', median(beside) / median(alone), 'x', limit),
    row('taken as a file meanwhile', bytes / 1_000_000, 'MB'),
    row('whole files', files, 'files'),
  ]);
} finally {
  await loader.stop();
  await appliance.close();
}
