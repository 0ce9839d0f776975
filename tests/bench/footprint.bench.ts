import { setTimeout as pause } from 'node:timers/promises';
import { hexToBits } from '#hub/domains/access/card-rules.ts';
import type { Appliance } from '#tests/_support/appliance.ts';
import { BenchPanel } from './bench-panel.ts';
import { benchCard, benchDoors, openBenchSite } from './bench-site.ts';
import { memoryOf } from './process-figures.ts';
import { type BenchRow, median, printReport, row } from './report.ts';

// Memory of the processes as they run, and how long they take to start, with 10,000 members and 50,000 cards.

const members = 10_000;
const cardsEach = 5;
const credentials = members * cardsEach;
const starts = 5;
const warmUpTaps = 5000;
const taps = 100_000;
const tapsOffline = 20_000;
/** Frames are stamped as if a reader had been silent in between, and come faster than a reader could send them. */
const tapsPerSecond = 1000;
const frameSpacingNs = 60_000_000n;
const requests = 10_000;
const requestsAtOnce = 8;

const doors = benchDoors();
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const memoryText = (pid: number): string => {
  const { rss, anonymous } = memoryOf(pid);
  return `${rss.toFixed(1)} MiB resident, ${anonymous.toFixed(1)} MiB of its own`;
};

let stampNs = 0n;

/** Plays frames of random cards at all doors, one in ten of them unknown, through the pipe; waits until all are decided. */
async function flood(appliance: Appliance, panel: BenchPanel, count: number): Promise<void> {
  const startMs = performance.now();
  for (let tap = 0; tap < count; tap += 1) {
    const door = doors[tap % doors.length];
    if (door === undefined) continue;
    const isUnknown = tap % 10 === 9;
    const card = benchCard(isUnknown ? credentials + (tap % 9000) : (tap * 48_271) % credentials);
    stampNs = BigInt(Math.max(Number(stampNs + frameSpacingNs), Number(process.hrtime.bigint())));
    const bits = hexToBits(card.hex, card.bits).join('');
    await panel.panel.tapFrame({ bits, d0: door.d0, d1: door.d1 }, { kind: 'stamped', firstNs: stampNs });
    if (tap % 20 === 0) await pause(Math.max(0, startMs + (tap / tapsPerSecond) * 1000 - performance.now()));
  }
  await pause(2000);
  say(`${count} taps in ${((performance.now() - startMs) / 1000).toFixed(0)} s; bridge ${memoryText(appliance.pid('bridge'))}`);
}

async function journalOf(appliance: Appliance): Promise<{ lastSeq: number; ackedSeq: number }> {
  const { items } = await appliance.ask('GET', '/api/access-control/bridges');
  return JSON.parse(JSON.stringify(items));
}

const { appliance } = await openBenchSite(doors, { members, cardsEach });
console.log(JSON.stringify(await journalOf(appliance).catch(String)));
await appliance.start('hub');
await appliance.start('bridge');
const t = performance.now();
await appliance.untilApplied();
console.log('applied after', performance.now() - t);
console.log(memoryText(appliance.pid('bridge')), memoryText(appliance.pid('hub')));
console.log(JSON.stringify(await journalOf(appliance)));
const panel = new BenchPanel(appliance.simulationDir);
for (let i=0;i<20;i++) { await flood(appliance, panel, 5000); console.log(JSON.stringify(((await journalOf(appliance)) as any)), panel.releases); }
await panel.close();
await appliance.close();
