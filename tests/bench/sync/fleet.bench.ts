import { parseArgs } from 'node:util';
import { Centre } from '#hub/sync/central/centre.ts';
import { type BenchRow, printReport, quantile, row, rowAtLeast } from '../report.ts';
import { BenchCentre } from './centre.ts';
import { FleetHub, SharedConnections } from './fleet-hubs.ts';

// A centre with many hubs, a site each, that share a role and a few connections, one call at a time on each, as behind a
// pooler in transaction mode. The hubs speak through the product's own code; their stores are left out.
//
//   npm run bench -- fleet [--hubs N] [--seconds N] [--connections 16,64]

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    hubs: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
    connections: { type: 'string', default: '16,64' },
  },
});
const hubCount = Number(values.hubs);
const runMs = Number(values.seconds) * 1000;
/** 10,000 hubs, each with a round a minute, or each as often as it asks unless told. */
const wanted = { aMinute: 10_000 / 60, byDefault: 10_000 / 4 } as const;
const joinsAtOnce = 16;

const startMs = performance.now();
const say = (text: string): void =>
  void process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);

interface Rounds {
  readonly perSecond: number;
  readonly timesMs: readonly number[];
  readonly walBytes: number;
  /** Of Postgres' processes for the hubs, us a round. */
  readonly micros: number;
}

const walPosition = async ({ central }: BenchCentre): Promise<number> =>
  Number(await central.value("select pg_current_wal_lsn() - '0/0'"));

/** So many rounds at a time, hub after hub, until `isOver`. */
async function runRounds(
  centre: BenchCentre,
  hubs: readonly FleetHub[],
  atOnce: number,
  round: (hub: FleetHub) => Promise<unknown>,
  isOver: (begun: number) => boolean,
): Promise<Rounds> {
  await centre.settle();
  const walBefore = await walPosition(centre);
  const microsBefore = await centre.hubMicros();
  const timesMs: number[] = [];
  let begun = 0;
  const fromMs = performance.now();
  await Promise.all(
    Array.from({ length: Math.min(atOnce, hubs.length) }, async () => {
      while (!isOver(begun)) {
        const hub = hubs[begun % hubs.length];
        begun += 1;
        const roundMs = performance.now();
        if (hub !== undefined) await round(hub);
        timesMs.push(performance.now() - roundMs);
      }
    }),
  );
  const tookMs = performance.now() - fromMs;
  return {
    perSecond: (timesMs.length / tookMs) * 1000,
    timesMs,
    walBytes: ((await walPosition(centre)) - walBefore) / timesMs.length,
    micros: ((await centre.hubMicros()) - microsBefore) / timesMs.length,
  };
}

function rowsOf(name: string, rounds: Rounds, limit: number | null): BenchRow[] {
  const { perSecond, timesMs, walBytes, micros } = rounds;
  return [
    limit === null
      ? row(name, perSecond, 'rounds/s')
      : rowAtLeast(name, perSecond, 'rounds/s', Math.ceil(limit)),
    row(`${name}: p50`, quantile(timesMs, 0.5), 'ms'),
    row(`${name}: p99`, quantile(timesMs, 0.99), 'ms'),
    row(`${name}: processor time of Postgres each`, micros, 'us'),
    row(`${name}: WAL each`, walBytes, 'B'),
  ];
}

async function joinAll(centre: BenchCentre, url: string): Promise<FleetHub[]> {
  const { central } = centre;
  const codes: string[] = [];
  while (codes.length < hubCount) codes.push((await central.invite(await central.addSite('Fleet'))).code);
  const shared = await SharedConnections.open(url, joinsAtOnce);
  const through = new Centre(shared);
  const hubs: FleetHub[] = [];
  try {
    while (codes.length > 0) {
      const some = codes.splice(0, joinsAtOnce);
      hubs.push(...(await Promise.all(some.map((code) => FleetHub.join(code, through)))));
    }
  } finally {
    await shared.close();
  }
  return hubs;
}

async function measure(
  centre: BenchCentre,
  hubs: readonly FleetHub[],
  url: string,
  connections: number,
): Promise<BenchRow[]> {
  const shared = await SharedConnections.open(url, connections);
  const through = new Centre(shared);
  const name = (what: string): string => `${connections} connections: ${what}`;
  try {
    const idle = (hub: FleetHub): Promise<unknown> => hub.idleRound(through);
    const busy = (hub: FleetHub): Promise<unknown> => hub.busyRound(through);
    const forSomeTime = (): (() => boolean) => {
      const untilMs = performance.now() + runMs;
      return () => performance.now() >= untilMs;
    };
    // What Postgres makes once for each connection is made.
    await runRounds(centre, hubs, connections, busy, (begun) => begun >= 5 * connections);
    await centre.central.admin.query("update sync.hub set seen_at = now() - interval '1 minute'");
    const seldom = await runRounds(centre, hubs, connections, idle, (begun) => begun >= hubs.length);
    const often = await runRounds(centre, hubs, connections, idle, forSomeTime());
    const sizeBefore = await databaseBytes(centre);
    const working = await runRounds(centre, hubs, connections, busy, forSomeTime());
    const grown = ((await databaseBytes(centre)) - sizeBefore) / working.timesMs.length;
    say(
      `${connections} connections: ${often.perSecond.toFixed(0)} idle, ${working.perSecond.toFixed(0)} busy`,
    );
    return [
      ...rowsOf(name('idle rounds, the first of a minute'), seldom, wanted.aMinute),
      ...rowsOf(name('idle rounds, every few seconds'), often, wanted.byDefault),
      ...rowsOf(name('rounds with 5 events and a change of a member'), working, wanted.aMinute),
      row(name('rounds with 5 events and a change of a member: the database grows by'), grown, 'B'),
      row(
        name('hubs with a busy round a minute that would fill this machine'),
        working.perSecond * 60,
        'hubs',
      ),
      row(name('idle hubs that ask every 4 s that would fill this machine'), often.perSecond * 4, 'hubs'),
    ];
  } finally {
    await shared.close();
  }
}

const databaseBytes = async ({ central }: BenchCentre): Promise<number> =>
  Number(await central.value('select pg_database_size(current_database())'));

const counts = values.connections.split(',').map(Number);
const centre = await BenchCentre.start({ max_connections: String(Math.max(...counts) + 40) });
const rows: BenchRow[] = [];
try {
  await centre.central.admin.query("create role fleet login password 'fleet' in role makrcave_hub");
  const url = new URL(centre.url);
  url.username = 'fleet';
  url.password = 'fleet';
  const hubs = await joinAll(centre, url.href);
  say(`${hubs.length} hubs have joined`);
  for (const connections of counts) rows.push(...(await measure(centre, hubs, url.href, connections)));
} finally {
  await centre.close();
}
printReport('fleet', rows);
