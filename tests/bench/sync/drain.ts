import { setTimeout as pause } from 'node:timers/promises';
import type { Appliance } from '#tests/_support/appliance.ts';
import { until } from '#tests/_support/until.ts';
import { BenchChild } from '../bench-child.ts';
import { BenchPanel } from '../bench-panel.ts';
import { benchCard, benchDoors, openBenchSite, signIn } from '../bench-site.ts';
import { memberIdsOf } from '../demo-site.ts';
import { memoryOf } from '../process-figures.ts';
import { type BenchRow, quantile, row } from '../report.ts';
import type { SteadyFigures, SteadyLoad } from '../steady-load-process.ts';
import { writeBacklog } from './backlog.ts';
import type { BenchCentre } from './centre.ts';
import { CountingProxy } from './counting-proxy.ts';

const members = 500;
const variety = 200;
const requestsPerSecond = 200;
const settleMs = 5000;
const idleMs = 15_000;
const lookEveryMs = 250;
const drainPatienceMs = 1_200_000;
/** What taps add in the meantime waits for the next round. */
const drainedBelow = 1000;
const limit = { growthMib: 100, api: 1.5, tapP99Ms: 20 } as const;

/** What programs at the API and people at doors see, over some time. */
interface Service {
  readonly requestMs: readonly number[];
  readonly tapMs: readonly number[];
}

interface Scene {
  readonly appliance: Appliance;
  readonly panel: BenchPanel;
  /** Sends requests all the time. */
  readonly loader: BenchChild;
}

interface Drain {
  readonly service: Service;
  readonly ms: number;
  readonly grownMib: number;
}

const doors = benchDoors();

/** Taps, and the requests of the time, until `isOver`. */
async function watchService(scene: Scene, isOver: () => Promise<boolean>): Promise<Service> {
  const tapMs: number[] = [];
  const over = new AbortController();
  await scene.loader.ask('forget');
  const tapping = (async () => {
    for (let tap = 0; !over.signal.aborted; tap += 1) {
      const door = doors[tap % doors.length];
      if (door !== undefined) tapMs.push(await scene.panel.pass(door, benchCard((tap * 7) % members)));
      await pause(Math.random() * 10);
    }
  })();
  try {
    while (!(await isOver())) await Promise.race([pause(lookEveryMs), tapping]);
  } finally {
    over.abort();
    await tapping;
  }
  const { timesMs, failures } = await scene.loader.ask<SteadyFigures>('report');
  if (Object.keys(failures).length > 0) throw new Error(`requests failed: ${JSON.stringify(failures)}`);
  return { requestMs: timesMs, tapMs };
}

async function watchFor(scene: Scene, ms: number): Promise<Service> {
  const untilMs = performance.now() + ms;
  return await watchService(scene, () => Promise.resolve(performance.now() >= untilMs));
}

async function watchDrain(scene: Scene, proxy: CountingProxy): Promise<Drain> {
  const { appliance } = scene;
  const pid = appliance.pid('hub');
  const before = memoryOf(pid).rss;
  let most = before;
  const watching = setInterval(() => {
    most = Math.max(most, memoryOf(pid).rss);
  }, 100);
  try {
    proxy.mend();
    const startMs = performance.now();
    let ms = 0;
    await appliance.ask('POST', '/api/sync/run');
    const service = await watchService(scene, async () => {
      const { outbox } = await appliance.ask('GET', '/api/sync');
      const { waiting } = outbox as { waiting: number };
      ms = performance.now() - startMs;
      if (ms > drainPatienceMs) throw new Error(`${waiting} operations still wait`);
      return waiting < drainedBelow;
    });
    return { service, ms, grownMib: most - before };
  } finally {
    clearInterval(watching);
  }
}

/** Links the hub and leaves it with a backlog and without a centre; how many operations wait. */
async function makeBacklog(
  appliance: Appliance,
  centre: BenchCentre,
  proxy: CountingProxy,
  operations: number,
): Promise<number> {
  const site = await centre.central.addSite('Drain');
  const { code } = await centre.central.invite(site);
  await appliance.ask('POST', '/api/sync/link', { url: proxy.through(centre.url), code });
  const isUpToDate = async (): Promise<boolean> =>
    (await appliance.ask('GET', '/api/sync')).state === 'upToDate';
  await until('the hub to have given its rows', isUpToDate, 120_000);
  proxy.cut();
  await appliance.stop('hub');
  const written = await writeBacklog(appliance.stateDir, operations);
  await appliance.start('hub');
  return written;
}

async function startLoad(appliance: Appliance, password: string): Promise<BenchChild> {
  const session = await signIn(appliance, password);
  const ids = await memberIdsOf(appliance, variety);
  const load: SteadyLoad = {
    port: appliance.httpPort,
    perSecond: requestsPerSecond,
    headers: { cookie: session.cookie, host: `localhost:${appliance.httpPort}` },
    paths: ids.map((id) => `/api/members/${id}`),
  };
  return new BenchChild('steady-load-process.ts', load);
}

/**
 * A hub and its bridge, as processes, while a backlog of so many operations drains: memory, and what people notice beside
 * what they notice while the centre is away. The centre's processes give way to them, as they would be elsewhere.
 */
export async function drainRows(
  centre: BenchCentre,
  operations: number,
  say: (text: string) => void,
): Promise<BenchRow[]> {
  await centre.stepBack();
  const proxy = await CountingProxy.start(centre.server.port);
  const env = { MAKRCAVE_HTTP_LOCAL_RATE_FACTOR: '100000' };
  const { appliance, password } = await openBenchSite(doors, { members, cardsEach: 1 }, env);
  try {
    await appliance.start('hub');
    const backlog = await makeBacklog(appliance, centre, proxy, operations);
    say(`${backlog} operations wait`);
    await appliance.start('bridge');
    await appliance.untilApplied();
    const loader = await startLoad(appliance, password);
    const scene: Scene = { appliance, loader, panel: new BenchPanel(appliance.simulationDir) };
    try {
      await watchFor(scene, settleMs);
      const idle = await watchFor(scene, idleMs);
      const drain = await watchDrain(scene, proxy);
      say(`drained in ${(drain.ms / 1000).toFixed(1)} s, with ${drain.service.tapMs.length} taps`);
      return rowsOf(backlog, idle, drain);
    } finally {
      await loader.stop();
      await scene.panel.close();
    }
  } finally {
    await appliance.close();
    await proxy.close();
  }
}

function rowsOf(backlog: number, idle: Service, { service, ms, grownMib }: Drain): BenchRow[] {
  const api = `member by id, ${requestsPerSecond} requests/s`;
  const tap = 'last bit -> strike, p99';
  const p99 = (samples: readonly number[]): number => quantile(samples, 0.99);
  return [
    row(`backlog of ${backlog} operations: drained`, (backlog / ms) * 1000, 'operations/s'),
    row('backlog: memory of the hub grows by', grownMib, 'MiB', limit.growthMib),
    row(`${api}: p99 while the centre is away`, p99(idle.requestMs), 'ms'),
    row(`${api}: p99 while the backlog drains`, p99(service.requestMs), 'ms'),
    row(`${api}: p99, draining against away`, p99(service.requestMs) / p99(idle.requestMs), 'x', limit.api),
    row(`${tap} while the centre is away`, p99(idle.tapMs), 'ms', limit.tapP99Ms),
    row(`${tap} while the backlog drains`, p99(service.tapMs), 'ms', limit.tapP99Ms),
  ];
}
