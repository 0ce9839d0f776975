import { fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { BenchChild } from '../bench-child.ts';
import { median } from '../report.ts';
import type { Load, LoadFigures, LoadRequest } from './load-process.ts';

/** A server under load: the hub, or the one that it is compared with. */
export interface LoadTarget {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly requests: readonly LoadRequest[];
}

/** Medians over the rounds. */
export interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the server's process for one answer, all its threads: what a busy machine changes least. */
  readonly cpuMicros: number;
}

/** Clock ticks are 10 ms on every Linux that Node runs on. */
const tickMicros = 10_000;

function processorMicros(pid: number): number {
  const [, afterName = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const fields = afterName.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMicros;
}

/** Koa alone in a process of its own, with the flags and environment that the hub runs under. */
export async function startBareKoa(): Promise<{ readonly target: LoadTarget; stop(): Promise<void> }> {
  const child = new BenchChild('api/bare-koa-process.ts', {}, ['--max-semi-space-size=1']);
  const { port, pid } = await child.ask<{ port: number; pid: number }>('where');
  const target = {
    name: 'bare Koa',
    pid,
    url: `http://127.0.0.1:${port}`,
    headers: {},
    requests: [{ method: 'GET' as const, path: '/' }],
  };
  return { target, stop: () => child.stop() };
}

async function measureOnce(
  loader: BenchChild,
  target: LoadTarget,
  connections: number,
  seconds: number,
): Promise<Measured> {
  const { url, headers, requests } = target;
  const load: Load = { url, connections, seconds, headers, requests };
  const beforeMicros = processorMicros(target.pid);
  const figures = await loader.ask<LoadFigures>(JSON.stringify(load));
  const spentMicros = processorMicros(target.pid) - beforeMicros;
  if (Object.keys(figures.failures).length > 0)
    throw new Error(`${target.name}, ${connections} connections: ${JSON.stringify(figures.failures)}`);
  return { ...figures, cpuMicros: spentMicros / figures.answers };
}

/** Each target in turn, `rounds` times, so that what else the machine does meets all alike; the first round is not counted. */
export async function measureInTurn(
  loader: BenchChild,
  targets: readonly LoadTarget[],
  load: { readonly connections: number; readonly seconds: number; readonly rounds: number },
): Promise<Measured[]> {
  const samples = targets.map((): Measured[] => []);
  for (const target of targets) await measureOnce(loader, target, load.connections, 1);
  for (let round = 0; round < load.rounds; round += 1)
    for (const [index, target] of targets.entries())
      samples[index]?.push(await measureOnce(loader, target, load.connections, load.seconds));
  const over = (rounds: readonly Measured[], field: keyof Measured): number =>
    median(rounds.map((measured) => measured[field]));
  return samples.map((rounds) => ({
    perSecond: over(rounds, 'perSecond'),
    p50Ms: over(rounds, 'p50Ms'),
    p99Ms: over(rounds, 'p99Ms'),
    cpuMicros: over(rounds, 'cpuMicros'),
  }));
}

/** How often a second this disk takes 4 KiB and says that they are on it, as SQLite asks it to at each commit. */
export function fsyncsPerSecond(directory: string, seconds: number): number {
  const file = path.join(directory, 'fsync-probe');
  const handle = openSync(file, 'w');
  const page = Buffer.alloc(4096, 1);
  const startMs = performance.now();
  let count = 0;
  while (performance.now() - startMs < seconds * 1000) {
    writeSync(handle, page);
    fdatasyncSync(handle);
    count += 1;
  }
  const elapsedMs = performance.now() - startMs;
  rmSync(file);
  return (count / elapsedMs) * 1000;
}
