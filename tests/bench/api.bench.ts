import { parseArgs } from 'node:util';
import type { Appliance } from '#tests/_support/appliance.ts';
import {
  fsyncsPerSecond,
  type LoadTarget,
  type Measured,
  measureInTurn,
  pageHeaders,
  startBareKoa,
} from './api-load.ts';
import type { LoadRequest } from './api-load-process.ts';
import { BenchChild } from './bench-child.ts';
import { benchDoors, openBenchSite, signIn } from './bench-site.ts';
import { type BenchRow, printReport, row, rowAtLeast } from './report.ts';

// What a program on the local network gets of the API: answers a second and their times at 1, 16 and 64 connections, beside
// Koa alone in the same run. Every request is a real one: session, rights, rate limit, the rows of another member each time.

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    members: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '1,16,64' },
    only: { type: 'string' },
  },
});
const members = Number(values.members);
const load = { seconds: Number(values.seconds), rounds: Number(values.rounds) };
const connectionCounts = values.connections.split(',').map(Number);
const limit = { byIdShare: 0.5, p99Ms: 25, writesPerSecond: 300 } as const;
/** So many different members, doors or pages are asked for in turn. */
const variety = 500;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function memberIdsOf(appliance: Appliance): Promise<string[]> {
  const ids: string[] = [];
  let cursor: unknown;
  do {
    const query = typeof cursor === 'string' ? `&cursor=${encodeURIComponent(cursor)}` : '';
    const page = await appliance.ask('GET', `/api/members?limit=200${query}`);
    ids.push(...(page.items as { id: string }[]).map(({ id }) => id));
    cursor = page.nextCursor;
  } while (typeof cursor === 'string');
  return ids;
}

/** Evenly from all of `items`. */
function spread<T>(items: readonly T[], count: number): T[] {
  const step = items.length / count;
  return Array.from({ length: count }, (_, index) => items[Math.floor(index * step)]!);
}

async function requestsOf(appliance: Appliance): Promise<Record<string, readonly LoadRequest[]>> {
  const ids = spread(await memberIdsOf(appliance), variety);
  const portals = (await appliance.ask('GET', '/api/access-control/portals')).items as { id: string }[];
  const pages: string[] = [];
  let cursor = '';
  for (let page = 0; page < 50; page += 1) {
    const address = `/api/members?limit=50${cursor}`;
    pages.push(address);
    const { nextCursor } = await appliance.ask('GET', address);
    if (typeof nextCursor !== 'string') break;
    cursor = `&cursor=${encodeURIComponent(nextCursor)}`;
  }
  return {
    'member by id': ids.map((id) => ({ method: 'GET', path: `/api/members/${id}` })),
    'page of 50 members': pages.map((address) => ({ method: 'GET', path: address })),
    'access check': ids.map((memberId, index) => ({
      method: 'POST',
      path: '/api/access-control/check',
      body: JSON.stringify({ memberId, portalId: portals[index % portals.length]?.id }),
    })),
    'new member': ids.map((_, index) => ({
      method: 'POST',
      path: '/api/members',
      body: JSON.stringify({ name: `Guest ${index}`, email: `guest-${index}@example.org` }),
    })),
  };
}

function rowsOf(name: string, connections: number, measured: Measured, bare: Measured): BenchRow[] {
  const title = `${name}, ${connections} conn.`;
  const isWrite = name === 'new member';
  return [
    isWrite && connections === 16
      ? rowAtLeast(`${title}: answers`, measured.perSecond, '/s', limit.writesPerSecond)
      : row(`${title}: answers`, measured.perSecond, '/s'),
    row(`${title}: p50`, measured.p50Ms, 'ms'),
    row(`${title}: p99`, measured.p99Ms, 'ms', connections === 16 ? limit.p99Ms : null),
    row(`${title}: processor time each`, measured.cpuMicros, 'us'),
    ...(name === 'member by id'
      ? [
          rowAtLeast(
            `${title}: of bare Koa's answers`,
            measured.perSecond / bare.perSecond,
            'x',
            limit.byIdShare,
          ),
          row(`${title}: of bare Koa's processor time`, measured.cpuMicros / bare.cpuMicros, 'x'),
        ]
      : []),
  ];
}

const { appliance, password } = await openBenchSite(
  benchDoors().slice(0, 6),
  { members, cardsEach: 1 },
  // The limits stay on; the bench is above them.
  { MAKRCAVE_HTTP_LOCAL_RATE_FACTOR: '100000' },
);
const bare = await startBareKoa();
const loader = new BenchChild('api-load-process.ts', {});
const rows: BenchRow[] = [];
try {
  await appliance.start('hub');
  say(`${members} members made; pid ${appliance.pid('hub')}`);
  const headers = pageHeaders(appliance, await signIn(appliance, password));
  const target = (name: string, requests: readonly LoadRequest[]): LoadTarget => ({
    name,
    pid: appliance.pid('hub'),
    url: `http://127.0.0.1:${appliance.httpPort}`,
    headers,
    requests,
  });
  const requests = Object.entries(await requestsOf(appliance)).filter(
    ([name]) => values.only === undefined || name === values.only,
  );
  for (const connections of connectionCounts)
    for (const [name, list] of requests) {
      const [measured, peer] = await measureInTurn(loader, [target(name, list), bare.target], {
        ...load,
        connections,
      });
      if (measured === undefined || peer === undefined) continue;
      say(`${name}, ${connections}: ${JSON.stringify(measured)} bare ${JSON.stringify(peer)}`);
      rows.push(...rowsOf(name, connections, measured, peer));
      if (name === 'member by id')
        rows.push(row(`bare Koa, ${connections} conn.: answers`, peer.perSecond, '/s'));
    }
  rows.push(row('the disk alone: 4 KiB written and synced', fsyncsPerSecond(appliance.stateDir, 2), '/s'));
} finally {
  await loader.stop();
  await bare.stop();
  await appliance.close();
}
printReport('api', rows);
