import { setTimeout as pause } from 'node:timers/promises';
import { hexToBits } from '#hub/domains/access/cards/format-rules.ts';
import type { Appliance } from '#tests/_support/appliance.ts';
import { BenchChild } from './bench-child.ts';
import { BenchPanel } from './bench-panel.ts';
import { benchCard, benchDoors, openBenchSite, signIn } from './bench-site.ts';
import { memoryOf } from './process-figures.ts';
import { type BenchRow, median, printReport, row } from './report.ts';

// Memory of the processes as they run, and how long they take to start, with 10,000 members and 50,000 cards. Everything is
// measured at the processes from outside; nothing asks them to collect garbage.

const members = 10_000;
const cardsEach = 5;
const credentials = members * cardsEach;
const starts = 5;
/** Short-lived objects fill pages of each thread's old heap until its first collection; from then on it stays at its level. */
const warmUpTaps = 20_000;
const taps = 100_000;
const tapsOffline = 20_000;
/** Taps that a hub finds waiting when it comes back. */
const backlog = 100_000;
const tapsPerSecond = 1000;
/**
 * Sixteen readers in turn, each with 64 ms from frame to frame by the time stamps, which run ahead of the clock: frames come
 * faster than readers could send them.
 */
const frameSpacingNs = 4_000_000n;
const requests = 10_000;
const requestsPerSecond = 500;
/** A backlog is in by then, or something is wrong. */
const backlogMs = 240_000;
/** Until what goes on after the last tap or request is through. */
const settleMs = 5000;
const limit = { bridge: 140, growth: 5, hub: 200, hubWithBacklog: 240, startMs: 3000 } as const;

const startMs = performance.now();
const doors = benchDoors();
const say = (text: string): void =>
  void process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);

const memoryRows = (name: string, pid: number, limitMib: number | null): BenchRow[] => {
  const { rss, anonymous } = memoryOf(pid);
  say(`${name}: ${rss.toFixed(1)} MiB, ${anonymous.toFixed(1)} MiB of them the process's own`);
  return [row(name, rss, 'MiB', limitMib)];
};

const spread = (name: string, timesMs: readonly number[]): BenchRow[] => [
  row(`${name}, median of ${starts}`, median(timesMs), 'ms', limit.startMs),
  row(`${name}, slowest`, Math.max(...timesMs), 'ms', limit.startMs),
];

/** From the start of the process to the first `ok` of `/health`, by HTTP. */
async function hubStarts(appliance: Appliance): Promise<BenchRow[]> {
  const times: number[] = [];
  for (let start = 0; start < starts; start += 1) {
    const fromMs = performance.now();
    await appliance.start('hub');
    const answer = await fetch(`${appliance.url}/health`);
    if (answer.status !== 200) throw new Error(`/health: ${answer.status}`);
    times.push(performance.now() - fromMs);
    await appliance.stop('hub');
  }
  return spread('hub start -> /health ok', times);
}

/** From the start of the process to the strike that its first tap releases, with the policy on its disk and no hub. */
async function bridgeStarts(appliance: Appliance): Promise<BenchRow[]> {
  const panel = new BenchPanel(appliance.simulationDir);
  const times: number[] = [];
  try {
    for (let start = 0; start < starts; start += 1) {
      const fromMs = performance.now();
      await appliance.start('bridge');
      const [door] = doors;
      if (door !== undefined) await panel.pass(door, benchCard(start));
      times.push(performance.now() - fromMs);
      await appliance.stop('bridge');
    }
  } finally {
    await panel.close();
  }
  return spread(`bridge start -> first tap through, ${credentials} credentials`, times);
}

async function sendRequests(appliance: Appliance, password: string): Promise<void> {
  const session = await signIn(appliance, password);
  const setup = { port: appliance.httpPort, perSecond: requestsPerSecond, ...session };
  const load = new BenchChild('request-load-process.ts', setup);
  try {
    const statuses: Record<string, number> = {};
    let answered = 0;
    while (answered < requests) {
      await pause(500);
      const report = await load.ask<{ statuses: Record<string, number> }>('report');
      for (const [status, count] of Object.entries(report.statuses)) {
        statuses[status] = (statuses[status] ?? 0) + count;
        answered += count;
      }
    }
    say(`answers ${JSON.stringify(statuses)}`);
  } finally {
    await load.stop();
  }
}

/** Plays frames of cards all over the policy at all doors, one in ten of them unknown, through the pipe. */
async function flood(panel: BenchPanel, clock: { stampNs: bigint }, count: number): Promise<void> {
  const fromMs = performance.now();
  for (let tap = 0; tap < count; tap += 1) {
    const door = doors[tap % doors.length];
    if (door === undefined) continue;
    const card = benchCard(tap % 10 === 9 ? credentials + (tap % 9000) : (tap * 48_271) % credentials);
    const nowNs = process.hrtime.bigint();
    clock.stampNs = clock.stampNs + frameSpacingNs > nowNs ? clock.stampNs + frameSpacingNs : nowNs;
    const bits = hexToBits(card.hex, card.bits).join('');
    await panel.panel.tapFrame(
      { bits, d0: door.d0, d1: door.d1 },
      { kind: 'stamped', firstNs: clock.stampNs },
    );
    const dueMs = fromMs + (tap * 1000) / tapsPerSecond;
    if (tap % 10 === 9 && performance.now() < dueMs) await pause(dueMs - performance.now());
  }
  await pause(settleMs);
}

/** How far the hub is with the journal of the bridge; null until the bridge has said so. */
async function journalOf(appliance: Appliance): Promise<{ lastSeq: number; ackedSeq: number } | null> {
  const { items } = await appliance.ask('GET', '/api/access-control/bridges');
  return (items as { journal: { lastSeq: number; ackedSeq: number } | null }[])[0]?.journal ?? null;
}

/** The most that the hub takes while it brings a backlog in that is there when it starts. */
async function backlogPeak(appliance: Appliance, count: number): Promise<number> {
  const panel = new BenchPanel(appliance.simulationDir);
  try {
    await flood(panel, { stampNs: 0n }, count);
  } finally {
    await panel.close();
  }
  await appliance.start('hub');
  const hub = appliance.pid('hub');
  const untilMs = performance.now() + backlogMs;
  let peak = 0;
  let journal: Awaited<ReturnType<typeof journalOf>> = null;
  while (journal === null || journal.ackedSeq < Math.max(journal.lastSeq, count)) {
    if (performance.now() > untilMs) throw new Error(`the hub is at ${JSON.stringify(journal)}`);
    await pause(250);
    peak = Math.max(peak, memoryOf(hub).rss);
    journal = await journalOf(appliance);
  }
  return peak;
}

/** What `count` taps add to a bridge that has seen some already. */
async function growth(appliance: Appliance, count: number): Promise<{ base: number; grown: number }> {
  const panel = new BenchPanel(appliance.simulationDir);
  const clock = { stampNs: 0n };
  const pid = appliance.pid('bridge');
  try {
    await flood(panel, clock, warmUpTaps);
    const base = memoryOf(pid).rss;
    say(`${warmUpTaps} taps to warm up: ${base.toFixed(1)} MiB`);
    const steps = 5;
    for (let step = 0; step < steps; step += 1) {
      await flood(panel, clock, count / steps);
      const { rss, anonymous } = memoryOf(pid);
      say(`${((step + 1) * count) / steps} taps: ${rss.toFixed(1)} MiB, ${anonymous.toFixed(1)} of its own`);
    }
    return { base, grown: memoryOf(pid).rss - base };
  } finally {
    await panel.close();
  }
}

const { appliance, password } = await openBenchSite(doors, { members, cardsEach });
say('store and cards made');
const rows: BenchRow[] = [];
try {
  rows.push(...(await hubStarts(appliance)));
  await appliance.start('hub');
  const hub = appliance.pid('hub');
  rows.push(...memoryRows(`hub, started with ${members} members`, hub, limit.hub));
  await sendRequests(appliance, password);
  await pause(settleMs);
  rows.push(...memoryRows(`hub, after ${requests} requests`, hub, limit.hub));
  await appliance.start('bridge');
  await appliance.untilApplied();
  await pause(settleMs);
  // Stands beside the bar, which is for members and requests.
  rows.push(...memoryRows(`hub, after a bridge loaded ${credentials} credentials`, hub, null));
  const received = `bridge, ${credentials} credentials just received`;
  rows.push(...memoryRows(received, appliance.pid('bridge'), limit.bridge));
  await appliance.stop('bridge');
  await appliance.stop('hub');
  rows.push(...(await bridgeStarts(appliance)));
  await appliance.start('hub');
  await appliance.start('bridge');
  await appliance.untilApplied();
  await pause(settleMs);
  const fromDisk = `bridge, ${credentials} credentials from its disk, hub connected`;
  rows.push(...memoryRows(fromDisk, appliance.pid('bridge'), limit.bridge));
  const online = await growth(appliance, taps);
  rows.push(
    row(`bridge, after ${warmUpTaps} taps more`, online.base, 'MiB', limit.bridge),
    row(`growth of it over ${taps} taps, hub connected`, online.grown, 'MiB', limit.growth),
    row('bridge, after all of them', online.base + online.grown, 'MiB', limit.bridge),
  );
  rows.push(...memoryRows('hub, while it takes the events in', appliance.pid('hub'), null));
  say(`the hub's view of the journal: ${JSON.stringify(await journalOf(appliance))}`);
  await appliance.stop('hub');
  await appliance.stop('bridge', 'SIGKILL');
  await appliance.start('bridge');
  const offline = await growth(appliance, tapsOffline);
  rows.push(row(`growth over ${tapsOffline} taps, hub dead`, offline.grown, 'MiB', limit.growth));
  const peak = await backlogPeak(appliance, backlog - warmUpTaps - tapsOffline);
  rows.push(row(`hub, at most while it takes ${backlog} taps in`, peak, 'MiB', limit.hubWithBacklog));
  await appliance.stop('hub');
  await appliance.stop('bridge', 'SIGKILL');
} finally {
  await appliance.close();
}
say('done');
printReport('footprint', rows);
