import autocannon from 'autocannon';
import { quantile } from '../report.ts';

// Sends requests over a fixed number of connections, each with one request under way, and tells what it measured.

export interface LoadRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
}
export interface Load {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Each connection sends them in turn, from the first on. */
  readonly requests: readonly LoadRequest[];
}
export interface LoadFigures {
  readonly answers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How often each status other than 2xx came, and `error` for connections that broke. */
  readonly failures: Readonly<Record<string, number>>;
}

async function run({ url, connections, seconds, headers, requests }: Load): Promise<LoadFigures> {
  const times: number[] = [];
  const startMs = performance.now();
  let lastMs = startMs;
  const instance = autocannon({ url, connections, duration: seconds, headers, requests });
  instance.on('response', (_client, _status, _bytes, timeMs) => {
    lastMs = performance.now();
    times.push(timeMs);
  });
  const { errors, timeouts, statusCodeStats } = await instance;
  const failures: Record<string, number> = {};
  for (const [status, { count }] of Object.entries(statusCodeStats))
    if (!status.startsWith('2')) failures[status] = count;
  if (errors + timeouts > 0) failures['error'] = errors + timeouts;
  return {
    answers: times.length,
    perSecond: (times.length / (lastMs - startMs)) * 1000,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    failures,
  };
}

process.on('message', (message) => {
  void run(JSON.parse(String(message)) as Load).then((figures) => process.send?.(figures));
});
process.on('disconnect', () => process.exit());
