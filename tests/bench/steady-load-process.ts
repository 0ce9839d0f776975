import { Agent, request } from 'node:http';

// Gets addresses of the hub in turn at an even rate, whatever it answers. Any message is answered with the ms that each
// answer since the last message took, and how often each status other than 200 came.

export interface SteadyLoad {
  readonly port: number;
  readonly perSecond: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly paths: readonly string[];
}
export interface SteadyFigures {
  readonly timesMs: readonly number[];
  readonly failures: Readonly<Record<string, number>>;
}

const { port, perSecond, headers, paths } = JSON.parse(process.argv[2] ?? '') as SteadyLoad;
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
const tickMs = 1;
let timesMs: number[] = [];
let failures: Record<string, number> = {};
let sent = 0;

function fail(what: string): void {
  failures[what] = (failures[what] ?? 0) + 1;
}

function sendOne(): void {
  const sentMs = performance.now();
  const path = paths[sent % paths.length] ?? '/health';
  sent += 1;
  const outgoing = request({ agent, host: '127.0.0.1', port, method: 'GET', path, headers });
  outgoing.on('response', (response) => {
    response.resume();
    response.once('end', () => {
      timesMs.push(performance.now() - sentMs);
      if (response.statusCode !== 200) fail(String(response.statusCode));
    });
  });
  outgoing.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? 'error'));
  outgoing.end();
}

const startMs = performance.now();
setInterval(() => {
  const due = Math.floor(((performance.now() - startMs) * perSecond) / 1000);
  while (sent < due) sendOne();
}, tickMs);

process.on('message', () => {
  process.send?.({ timesMs, failures } satisfies SteadyFigures);
  timesMs = [];
  failures = {};
});
process.on('disconnect', () => process.exit());
