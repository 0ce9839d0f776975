import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Finding } from '#hub/kernel/finding.ts';
import type { HealthPart } from './health-part.ts';

/** Sampling interval of the event loop. A sample costs microseconds; shorter stalls go unnoticed. */
const resolutionMs = 50;
const windowMs = 60_000;
const slowP99Ms = 100;
const stuckP99Ms = 1000;

/** Event loop delay during one window, ms. */
export interface LoopLag {
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Judges a lag. Everything of the hub but the store's writes runs on this one loop. */
export function lagFindings({ p99Ms, maxMs }: LoopLag): readonly Finding[] {
  if (p99Ms < slowP99Ms) return [];
  return [
    {
      id: 'process.eventLoop',
      severity: p99Ms >= stuckP99Ms ? 'error' : 'warning',
      evidence: `During the last minute every hundredth wait took ${Math.round(p99Ms)} ms or more, the longest ${Math.round(maxMs)} ms: pages and doors' reports are slow.`,
      fix: 'See whether another program on the box takes the processor (top), or a report or an import is running. If it lasts, restart the hub.',
    },
  ];
}

export interface ProcessHealth {
  readonly part: HealthPart;
  close(): void;
}

/**
 * Watches this process: memory and how long the event loop keeps things waiting, by the minute.
 * @param lag in tests: what was measured in the window that ends
 */
export function watchProcess(options: { readonly lag?: () => LoopLag } = {}): ProcessHealth {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs });
  delays.enable();
  // It records the time from one look to the next.
  const beyond = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolutionMs);
  const measured = (): LoopLag =>
    delays.count === 0
      ? { p99Ms: 0, maxMs: 0 }
      : { p99Ms: beyond(delays.percentile(99)), maxMs: beyond(delays.max) };
  let whole: LoopLag | null = null;
  const timer = setInterval(() => {
    whole = measured();
    delays.reset();
  }, windowMs);
  timer.unref();
  const lag = options.lag ?? (() => whole ?? measured());
  // A start keeps everything waiting: it is judged by whole minutes only.
  const judged = options.lag ?? (() => whole ?? { p99Ms: 0, maxMs: 0 });
  const part: HealthPart = {
    name: 'process',
    title: 'Process',
    findings: async () => lagFindings(judged()),
    async figures() {
      const { p99Ms, maxMs } = lag();
      const { rss, heapUsed } = process.memoryUsage();
      const rounded = (ms: number): number => Math.round(ms * 10) / 10;
      return [
        { name: 'residentBytes', title: 'Memory', unit: 'bytes', value: rss },
        { name: 'heapUsedBytes', title: 'Memory of the program itself', unit: 'bytes', value: heapUsed },
        { name: 'lagP99Ms', title: 'Waits, 99 of 100 within', unit: 'milliseconds', value: rounded(p99Ms) },
        { name: 'lagMaxMs', title: 'Longest wait', unit: 'milliseconds', value: rounded(maxMs) },
      ];
    },
    metrics: [
      {
        kind: 'gauge',
        name: 'event_loop_lag_p99_seconds',
        help: 'How long the event loop keeps things waiting, 99th percentile of the last whole minute',
        read: () => [{ value: lag().p99Ms / 1000 }],
      },
      {
        kind: 'gauge',
        name: 'event_loop_lag_max_seconds',
        help: 'The longest wait for the event loop in the last whole minute',
        read: () => [{ value: lag().maxMs / 1000 }],
      },
    ],
  };
  return {
    part,
    close() {
      clearInterval(timer);
      delays.disable();
    },
  };
}
