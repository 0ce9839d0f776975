import { parseArgs } from 'node:util';
import { demoSizes } from '#hub/demo/sizes.ts';
import type { Appliance } from '#tests/_support/appliance.ts';
import { BenchChild } from '../bench-child.ts';
import { makeDemoSite, memberIdsOf, memberPagesOf } from '../demo-site.ts';
import { type BenchRow, printReport, row, rowAtLeast } from '../report.ts';
import { fsyncsPerSecond, type LoadTarget, type Measured, measureInTurn, startBareKoa } from './load.ts';
import type { LoadRequest } from './load-process.ts';

// What a program on the local network gets of the API with the large demo: answers a second and their times at 1, 16 and 64
// connections, beside Koa alone in the same run. Every request is a real one: session, rights, rate limit, log line, the rows
// of another member each time. Processor time of the server is shown too: on a busy machine it changes least.

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    members: { type: 'string', default: String(demoSizes.large.members) },
    events: { type: 'string', default: String(demoSizes.large.events) },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '1,16,64' },
    only: { type: 'string' },
  },
});
const load = { seconds: Number(values.seconds), rounds: Number(values.rounds) };
const connectionCounts = values.connections.split(',').map(Number);
const limit = { byIdShare: 0.5, p99Ms: 25, writesPerSecond: 300 } as const;
/** So many different members are asked for in turn. */
const variety = 500;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function requestsOf(appliance: Appliance): Promise<Record<string, readonly LoadRequest[]>> {
  const ids = await memberIdsOf(appliance, variety);
  const portals = (await appliance.ask('GET', '/api/access-control/portals')).items as { id: string }[];
  return {
    'member by id': ids.map((id) => ({ method: 'GET', path: `/api/members/${id}` })),
    'page of 50 members': (await memberPagesOf(appliance)).map((address) => ({
      method: 'GET',
      path: address,
    })),
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
          row(`bare Koa, ${connections} conn.: answers`, bare.perSecond, '/s'),
          // Its slowest are what the machine itself makes wait.
          row(`bare Koa, ${connections} conn.: p50`, bare.p50Ms, 'ms'),
          row(`bare Koa, ${connections} conn.: p99`, bare.p99Ms, 'ms'),
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

const site = await makeDemoSite({ members: Number(values.members), events: Number(values.events) });
const { appliance } = site;
const bare = await startBareKoa();
const loader = new BenchChild('api/load-process.ts', {});
const rows: BenchRow[] = [];
try {
  await appliance.start('hub');
  say(`the demo is made: ${values.members} members, ${values.events} events`);
  const headers = await site.signIn();
  const requests = Object.entries(await requestsOf(appliance)).filter(
    ([name]) => values.only === undefined || name === values.only,
  );
  for (const connections of connectionCounts)
    for (const [name, list] of requests) {
      const target: LoadTarget = {
        name,
        pid: appliance.pid('hub'),
        url: `http://127.0.0.1:${appliance.httpPort}`,
        headers,
        requests: list,
      };
      const [measured, peer] = await measureInTurn(loader, [target, bare.target], { ...load, connections });
      if (measured === undefined || peer === undefined) continue;
      say(
        `${name}, ${connections}: ${measured.perSecond.toFixed(0)}/s beside ${peer.perSecond.toFixed(0)}/s`,
      );
      rows.push(...rowsOf(name, connections, measured, peer));
    }
  rows.push(row('the disk alone: 4 KiB written and synced', fsyncsPerSecond(appliance.stateDir, 2), '/s'));
} finally {
  await loader.stop();
  await bare.stop();
  await appliance.close();
}
printReport('api', rows);
