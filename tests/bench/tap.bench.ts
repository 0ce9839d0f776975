import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { hubPaths } from '#hub/platform/config/hub-config.ts';
import type { Appliance } from '#tests/_support/appliance.ts';
import { BenchChild } from './bench-child.ts';
import { BenchPanel } from './bench-panel.ts';
import { type BenchDoor, benchCard, benchDoors, openBenchSite, signIn } from './bench-site.ts';
import { measureDecisions } from './decision-figures.ts';
import { journalBytes, processorWaitMicros, writtenBy } from './process-figures.ts';
import { type BenchRow, median, printReport, quantile, row } from './report.ts';

// From the time stamp of a card's last bit to the output call that releases the strike, in the product as it runs: the bench
// writes the kernel's records into the pipe, the bridge's Worker reads them, the door thread decides. Eight doors with a
// reader of one known length, eight whose frames end by silence; each tap meets a locked door, and somebody goes through.
// On a machine that has other work, `chrt -r 1 npm run bench -- tap` shows the path itself: what other processes take of the
// processors is in the figures otherwise, and its share is printed beside them.

const runs = 5;
const tapsPerRun = 200;
const silentDoors = 8;
const members = 64;
const silenceMs = 25;
const limit = { p50: 2, p99: 20, silence: silenceMs + 20 } as const;

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const doors = benchDoors(silentDoors);
const fixed = doors.slice(silentDoors);
const silent = doors.slice(0, silentDoors);

interface Figures {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly hopP99: number;
}

interface Bench {
  readonly appliance: Appliance;
  readonly panel: BenchPanel;
  readonly hop: BenchChild;
}

/** Taps at the doors in turn, some 40 ms apart as the panel needs the silence, each with another member's card. */
async function measureTaps({ panel, hop }: Bench, at: readonly BenchDoor[]): Promise<Figures> {
  await hop.ask('forget');
  const samples: number[] = [];
  for (let tap = 0; tap < tapsPerRun; tap += 1) {
    const door = at[tap % at.length];
    if (door === undefined) continue;
    samples.push(await panel.pass(door, benchCard((tap * 7) % members)));
    await pause(Math.random() * 10);
  }
  const hops = await hop.ask<number[]>('report');
  return {
    p50: quantile(samples, 0.5),
    p99: quantile(samples, 0.99),
    max: Math.max(...samples),
    hopP99: quantile(hops, 0.99),
  };
}

async function rowsOf(name: string, bench: Bench, at: readonly BenchDoor[]): Promise<BenchRow[]> {
  const figures: Figures[] = [];
  const startMs = performance.now();
  const waited = processorWaitMicros();
  for (let run = 0; run < runs; run += 1) figures.push(await measureTaps(bench, at));
  const waitedAfter = processorWaitMicros();
  const middle = (pick: (of: Figures) => number): number => median(figures.map(pick));
  const isSilent = at === silent;
  say(`${name}: p99 of the runs ${figures.map(({ p99 }) => p99.toFixed(2)).join(', ')} ms`);
  return [
    row(
      `${name}: last bit -> strike, p50`,
      middle(({ p50 }) => p50),
      'ms',
      isSilent ? null : limit.p50,
    ),
    row(
      `${name}: last bit -> strike, p99`,
      middle(({ p99 }) => p99),
      'ms',
      isSilent ? limit.silence : limit.p99,
    ),
    row(`${name}: last bit -> strike, worst of all`, Math.max(...figures.map(({ max }) => max)), 'ms'),
    row(
      `${name}: bare Worker hop beside it, p99`,
      middle(({ hopP99 }) => hopP99),
      'ms',
    ),
    ...(waited === null || waitedAfter === null
      ? []
      : [
          row(
            `${name}: time in which some process of the machine waited for a processor`,
            (waitedAfter - waited) / 10 / (performance.now() - startMs),
            '%',
          ),
        ]),
  ];
}

async function underRequests(bench: Bench, password: string): Promise<BenchRow[]> {
  const perSecond = 200;
  const session = await signIn(bench.appliance, password);
  const setup = { port: bench.appliance.httpPort, perSecond, ...session };
  const load = new BenchChild('request-load-process.ts', setup);
  try {
    const rows = await rowsOf('200 requests/s', bench, fixed);
    const done = await load.ask<{ elapsedMs: number; statuses: Record<string, number> }>('report');
    const good = (done.statuses['200'] ?? 0) + (done.statuses['201'] ?? 0);
    say(
      `200 requests/s: answers ${JSON.stringify(done.statuses)} in ${(done.elapsedMs / 1000).toFixed(1)} s`,
    );
    return [...rows, row('200 requests/s: answered with success', (good * 1000) / done.elapsedMs, '/s')];
  } finally {
    await load.stop();
  }
}

async function withStoreLocked(bench: Bench): Promise<BenchRow[]> {
  const paths = hubPaths({ stateDir: bench.appliance.stateDir });
  const setup = { path: paths.store, keyFile: path.join(paths.keys, 'store.key') };
  const holder = new BenchChild('store-holder-process.ts', setup);
  try {
    await holder.ask('hold');
    const rows = await rowsOf('store locked', bench, fixed);
    const answer = await bench.appliance.console('POST', '/api/members', { name: 'Somebody' });
    say(`store locked: meanwhile adding a member was answered ${answer.status}`);
    if (answer.status < 500) throw new Error('the store was not locked');
    return rows;
  } finally {
    await holder.stop();
  }
}

async function withHubDead(bench: Bench): Promise<BenchRow[]> {
  await bench.appliance.stop('hub', 'SIGKILL');
  const rows = await rowsOf('hub dead', bench, fixed);
  await bench.appliance.start('hub');
  await bench.appliance.untilApplied();
  return rows;
}

/** The bridge's process itself, with every `fdatasync` held up by the kernel's tracer; other calls run as always. */
async function withSlowSync(bench: Bench): Promise<BenchRow[]> {
  const { appliance } = bench;
  const name = 'every fdatasync takes 2 s';
  try {
    execFileSync('strace', ['--seccomp-bpf', '-f', '-e', 'trace=fdatasync', 'true'], { stdio: 'pipe' });
  } catch {
    say(`${name}: left out, it needs strace 5.3 or later and the right to trace`);
    return [];
  }
  const trace = path.join(appliance.stateDir, 'strace.txt');
  await appliance.stop('bridge');
  const inject = 'inject=fdatasync:delay_enter=2000000';
  const what = `-D -f --seccomp-bpf -qq -T -e trace=fdatasync -e ${inject} -e signal=none`;
  await appliance.start('bridge', ['strace', ...what.split(' '), '-o', trace]);
  const before = readFileSync(trace, 'utf8').length;
  const rows = await rowsOf(name, bench, fixed);
  const times = [
    ...readFileSync(trace, 'utf8')
      .slice(before)
      .matchAll(/<(\d+\.\d+)>$/gm),
  ].map((found) => Number(found[1]));
  if (times.length === 0 || Math.min(...times) < 2) throw new Error('fdatasync was not slow');
  say(`${name}: ${times.length} calls in the journal's way, the shortest ${Math.min(...times).toFixed(2)} s`);
  await appliance.stop('bridge', 'SIGKILL');
  return rows;
}

/** What one tap and passage costs the disk, over one run. */
async function bytesPerTap({ appliance, panel }: Bench): Promise<BenchRow[]> {
  const pid = appliance.pid('bridge');
  const written = writtenBy(pid);
  const journal = journalBytes(appliance.stateDir);
  const taps = 400;
  let done = 0;
  for (let round = 0; done < taps; round += 1)
    for (const door of fixed) {
      await panel.pass(door, benchCard(round % members));
      done += 1;
    }
  const writtenAfter = writtenBy(pid);
  const journalAfter = journalBytes(appliance.stateDir);
  return [
    row('journal bytes per tap (granted + entered)', (journalAfter.used - journal.used) / done, 'B', 1024),
    row('zeros written ahead for them, per tap', (journalAfter.files - journal.files) / done, 'B'),
    row('all write calls of the process, per tap', (writtenAfter.calls - written.calls) / done, 'B'),
    row('sent to the block layer, per tap', (writtenAfter.blocks - written.blocks) / done, 'B'),
  ];
}

async function decisionRows(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const middles: number[] = [];
  for (const credentials of [1000, 10_000, 100_000]) {
    const measured = await measureDecisions(credentials, { runs, taps: 500 });
    const p50 = median(measured.map((samples) => quantile(samples, 0.5)));
    const p99 = median(measured.map((samples) => quantile(samples, 0.99)));
    middles.push(p50);
    const name = `decision + journal, ${credentials} credentials`;
    rows.push(row(`${name}, p50`, p50, 'ms'), row(`${name}, p99`, p99, 'ms', 1));
  }
  const [small = Number.NaN, , large = Number.NaN] = middles;
  return [...rows, row('decision + journal, p50 at 100000 against 1000', large / small, 'x', 1.5)];
}

const startMs = performance.now();
const { appliance, password } = await openBenchSite(doors, { members, cardsEach: 1 });
const panel = new BenchPanel(appliance.simulationDir);
const hop = new BenchChild('worker-hop-process.ts', null);
const bench: Bench = { appliance, panel, hop };
const rows: BenchRow[] = [];
try {
  await appliance.start('hub');
  await appliance.start('bridge');
  await appliance.untilApplied();
  await measureTaps(bench, fixed);
  rows.push(...(await rowsOf('idle', bench, fixed)));
  rows.push(...(await rowsOf(`frames that end by ${silenceMs} ms of silence`, bench, silent)));
  rows.push(...(await underRequests(bench, password)));
  rows.push(...(await withStoreLocked(bench)));
  rows.push(...(await withHubDead(bench)));
  rows.push(...(await bytesPerTap(bench)));
  rows.push(...(await withSlowSync(bench)));
} finally {
  await hop.stop();
  await panel.close();
  await appliance.close();
}
rows.push(...(await decisionRows()));
say(`${Math.round((performance.now() - startMs) / 1000)} s in all`);
printReport('tap', rows);
