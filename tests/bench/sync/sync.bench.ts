import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchRow, median, printReport, row, rowAtLeast } from '../report.ts';
import { BenchCentre } from './centre.ts';
import { CountingProxy } from './counting-proxy.ts';
import { drainRows } from './drain.ts';
import { copyMs, unnestMs, writeCopyFile } from './peers.ts';
import { pouchPerSecond } from './pouch.ts';
import { batchSizes, makeSender, type Passage, pullAll, pushAll } from './rounds.ts';

// Replication beside what it is compared with, all in one run against one Postgres that keeps what is committed.
//
//   npm run bench -- sync [--events N] [--rounds N] [--backlog N]

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    events: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    backlog: { type: 'string', default: '200000' },
  },
});
const events = Number(values.events);
const rounds = Number(values.rounds);
const limit = { ofCopy: 0.3, ofUnnest: 0.7, pullPerSecond: 100_000, bytesAnEvent: 150 } as const;
const countedEvents = Math.min(events, 50_000);
const documents = Math.min(events, 50_000);

const startMs = performance.now();
const say = (text: string): void =>
  void process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
const perSecond = (ms: number): number => (events / ms) * 1000;

const microsRows = (name: string, passages: readonly Passage[]): BenchRow[] =>
  (
    [
      ['postgres', 'Postgres'],
      ['syncWorker', "the hub's sync Worker"],
      ['storeWorker', "the hub's store Worker"],
      ['mainThread', "the hub's main thread"],
    ] as const
  ).map(([field, who]) =>
    row(`${name}: processor time an event, ${who}`, median(passages.map((of) => of[field])) / events, 'us'),
  );

async function throughput(centre: BenchCentre): Promise<BenchRow[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mc-copy-'));
  const sender = await makeSender(centre, events);
  try {
    const file = path.join(folder, 'events.tsv');
    await writeCopyFile(file, centre.site, events);
    say(`${events} events made`);
    const copies: number[] = [];
    const unnests: number[] = [];
    const pushes: Passage[] = [];
    const pulls: Passage[] = [];
    for (let round = 0; round < rounds; round += 1) {
      copies.push(await copyMs(centre, file));
      pushes.push(await pushAll(centre, sender));
      unnests.push(await unnestMs(centre, await batchSizes(centre)));
      pulls.push(await pullAll(centre));
      const all = [copies.at(-1), unnests.at(-1), pushes.at(-1)?.ms, pulls.at(-1)?.ms];
      say(`COPY, unnest, push, pull: ${all.map((ms) => `${perSecond(ms ?? 0).toFixed(0)}/s`).join(', ')}`);
    }
    const ratio = (peers: readonly number[]): number =>
      median(peers.map((ms, round) => ms / (pushes[round]?.ms ?? Number.NaN)));
    const pushed = median(pushes.map(({ ms }) => ms));
    return [
      row('COPY into the same table', perSecond(median(copies)), 'events/s'),
      row('INSERT of unnested arrays, the same batches', perSecond(median(unnests)), 'events/s'),
      row('hub -> centre', perSecond(pushed), 'events/s'),
      rowAtLeast('hub -> centre, of COPY', ratio(copies), 'x', limit.ofCopy),
      rowAtLeast('hub -> centre, of unnested arrays', ratio(unnests), 'x', limit.ofUnnest),
      ...microsRows('hub -> centre', pushes),
      rowAtLeast(
        'centre -> hub',
        perSecond(median(pulls.map(({ ms }) => ms))),
        'events/s',
        limit.pullPerSecond,
      ),
      ...microsRows('centre -> hub', pulls),
    ];
  } finally {
    await sender.remove();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What goes through the wire towards the centre, without TLS. */
async function wire(centre: BenchCentre): Promise<BenchRow[]> {
  const proxy = await CountingProxy.start(Number(new URL(centre.url).port));
  const sender = await makeSender(centre, countedEvents, proxy.through(centre.url));
  try {
    const before = proxy.sent;
    await sender.open();
    await sender.sync();
    await sender.close();
    return [
      row('hub -> centre, on the wire', (proxy.sent - before) / countedEvents, 'B/event', limit.bytesAnEvent),
    ];
  } finally {
    await sender.remove();
    await proxy.close();
  }
}

const rows: BenchRow[] = [];
const centre = await BenchCentre.start();
try {
  rows.push(...(await throughput(centre)), ...(await wire(centre)));
  rows.push(
    row(
      `PouchDB to express-pouchdb, ${documents} of the events`,
      await pouchPerSecond(documents),
      'events/s',
    ),
  );
  rows.push(...(await drainRows(centre, Number(values.backlog), say)));
} finally {
  await centre.close();
}
say('done');
printReport('sync', rows);
