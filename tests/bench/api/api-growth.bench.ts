import type { Appliance } from '#tests/_support/appliance.ts';
import { BenchChild } from '../bench-child.ts';
import { benchDoors, openBenchSite, signIn } from '../bench-site.ts';
import { memberIdsOf, memberPagesOf } from '../demo-site.ts';
import { type BenchRow, printReport, row } from '../report.ts';
import { type LoadTarget, measureInTurn } from './load.ts';

// Whether an answer takes longer where there are more members: hubs with 1,000, 10,000 and 100,000 asked in turn.

const sizes = [1000, 10_000, 100_000];
const limit = 1.5;
const load = { connections: 16, seconds: 3, rounds: 5 };
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const appliances: Appliance[] = [];
const loader = new BenchChild('api/load-process.ts', {});
const rows: BenchRow[] = [];
try {
  const byId: LoadTarget[] = [];
  const page: LoadTarget[] = [];
  for (const members of sizes) {
    const { appliance, password } = await openBenchSite(
      benchDoors(),
      { members, cardsEach: 1 },
      { MAKRCAVE_HTTP_LOCAL_RATE_FACTOR: '100000' },
    );
    appliances.push(appliance);
    await appliance.start('hub');
    const { cookie } = await signIn(appliance, password);
    const common = {
      pid: appliance.pid('hub'),
      url: `http://127.0.0.1:${appliance.httpPort}`,
      headers: { cookie, host: `localhost:${appliance.httpPort}` },
    };
    const gets = (addresses: readonly string[]) =>
      addresses.map((address) => ({ method: 'GET' as const, path: address }));
    const ids = await memberIdsOf(appliance, 500);
    const title = `${members} members`;
    byId.push({ ...common, name: title, requests: gets(ids.map((id) => `/api/members/${id}`)) });
    page.push({ ...common, name: title, requests: gets(await memberPagesOf(appliance)) });
    say(`${title} made`);
  }
  for (const [name, targets] of [
    ['by id', byId],
    ['page of 50', page],
  ] as const) {
    const measured = await measureInTurn(loader, targets, load);
    const smallest = measured[0];
    for (const [index, { p50Ms, p99Ms }] of measured.entries()) {
      const title = `${name}, ${sizes[index]} members`;
      rows.push(row(`${title}: p50`, p50Ms, 'ms'), row(`${title}: p99`, p99Ms, 'ms'));
      if (smallest !== undefined && index > 0)
        rows.push(row(`${title}: p99 against ${sizes[0]}`, p99Ms / smallest.p99Ms, 'x', limit));
    }
  }
} finally {
  await loader.stop();
  for (const appliance of appliances) await appliance.close();
}
printReport('api-growth', rows);
