import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { BenchChild } from '../bench-child.ts';
import { BenchPanel } from '../bench-panel.ts';
import { benchCard, benchDoors, openBenchSite, signIn } from '../bench-site.ts';
import { memberIdsOf } from '../demo-site.ts';
import { memoryOf } from '../process-figures.ts';
import { type BenchRow, printReport, quantile, row } from '../report.ts';
import { type LoadTarget, measureInTurn } from './load.ts';

// Doors and an honest client while somebody on the network means harm: one load after the other, each alone, over HTTPS on
// loopback. The honest client reads members by id; taps go on meanwhile. Each load ends with its process, and is measured
// until the honest client is served as before.
//
//   npm run bench -- hostile [--seconds N]

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { seconds: { type: 'string', default: '20' } },
});
const seconds = Number(values.seconds);
const limit = { tapMs: 20, ratio: 3, growthMebibytes: 40, backSeconds: 10 } as const;
const loads = [
  'silent connections',
  'bodies without end',
  'guesses from new addresses',
  'live connections and files of one account',
];
const members = 64;
const doors = benchDoors(0);

const { appliance, password } = await openBenchSite(
  doors,
  { members, cardsEach: 1 },
  {
    MAKRCAVE_HTTP_LOCAL_RATE_FACTOR: '100000',
  },
);
const panel = new BenchPanel(appliance.simulationDir);
const loader = new BenchChild('api/load-process.ts', {});

/** Taps until `done`, some 40 ms apart. */
async function tapUntil(done: Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  const state = { isDone: false };
  void done.finally(() => {
    state.isDone = true;
  });
  for (let tap = 0; !state.isDone; tap += 1) {
    const door = doors[tap % doors.length];
    if (door !== undefined) samples.push(await panel.pass(door, benchCard((tap * 7) % members)));
    await pause(20 + Math.random() * 10);
  }
  return samples;
}

async function p99Of(target: LoadTarget, forSeconds: number): Promise<number> {
  const [measured] = await measureInTurn(loader, [target], {
    connections: 4,
    seconds: forSeconds,
    rounds: 1,
  });
  return measured?.p99Ms ?? Number.NaN;
}

async function secondsUntilNormal(target: LoadTarget, quietMs: number): Promise<number> {
  const startMs = performance.now();
  while (performance.now() - startMs < 60_000) {
    const beganMs = performance.now();
    if ((await p99Of(target, 1)) <= quietMs * 1.5 + 1) return (beganMs - startMs) / 1000;
  }
  return Number.POSITIVE_INFINITY;
}

async function rowsOf(name: string, target: LoadTarget, cookie: string): Promise<BenchRow[]> {
  const pid = appliance.pid('hub');
  const quietMs = await p99Of(target, 4);
  const before = memoryOf(pid).rss;
  const attacker = new BenchChild('api/hostile-process.ts', { httpsPort: appliance.httpsPort, cookie });
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, memoryOf(pid).rss);
  }, 200);
  try {
    if (!(await attacker.ask<boolean>(name))) throw new Error(`there is no load "${name}"`);
    await pause(1000);
    const honest = p99Of(target, seconds);
    const taps = await tapUntil(honest);
    const busyMs = await honest;
    await attacker.stop();
    const back = await secondsUntilNormal(target, quietMs);
    return [
      row(`${name}: last bit -> strike, p99`, quantile(taps, 0.99), 'ms', limit.tapMs),
      row(`${name}: by id, p99 before`, quietMs, 'ms'),
      row(`${name}: by id, p99 meanwhile`, busyMs, 'ms'),
      row(`${name}: by id, meanwhile against before`, busyMs / quietMs, 'x', limit.ratio),
      row(`${name}: growth of the hub, at most`, peak - before, 'MiB', limit.growthMebibytes),
      row(`${name}: back to normal after`, back, 's', limit.backSeconds),
    ];
  } finally {
    clearInterval(watch);
    await attacker.stop();
  }
}

try {
  await appliance.start('hub');
  await appliance.start('bridge');
  await appliance.untilApplied();
  const { cookie, csrfToken } = await signIn(appliance, password);
  const ids = await memberIdsOf(appliance, 50);
  const target: LoadTarget = {
    name: 'by id',
    pid: appliance.pid('hub'),
    url: `http://127.0.0.1:${appliance.httpPort}`,
    headers: {
      cookie,
      'x-csrf-token': csrfToken,
      origin: appliance.url,
      host: `localhost:${appliance.httpPort}`,
    },
    requests: ids.map((id) => ({ method: 'GET', path: `/api/members/${id}` })),
  };
  await p99Of(target, 3);
  const rows: BenchRow[] = [];
  for (const name of loads) rows.push(...(await rowsOf(name, target, cookie)));
  printReport('hostile', rows);
} finally {
  await loader.stop();
  await panel.close();
  await appliance.close();
}
