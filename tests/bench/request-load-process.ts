import { Agent, request } from 'node:http';

// Sends requests to the hub at a steady rate, whatever it answers, as a signed-in browser on the box.

interface Setup {
  readonly port: number;
  readonly perSecond: number;
  readonly cookie: string;
  readonly csrfToken: string;
}

const setup = JSON.parse(process.argv[2] ?? '') as Setup;
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const reads = [
  '/api/members?limit=20',
  '/api/access-control/portals',
  '/api/access-control/events?limit=20',
  '/api/access-control/credentials?limit=20',
  '/api/members?q=Member&limit=20',
];
const tickMs = 10;
/** One in so many adds a member. */
const writeEvery = 20;
const maxOpen = 1000;

let sent = 0;
let open = 0;
let skipped = 0;
let statuses: Record<string, number> = {};

function count(what: string): void {
  statuses[what] = (statuses[what] ?? 0) + 1;
}

function sendOne(): void {
  sent += 1;
  if (open >= maxOpen) {
    skipped += 1;
    return;
  }
  open += 1;
  const isWrite = sent % writeEvery === 0;
  const headers = {
    cookie: setup.cookie,
    'x-csrf-token': setup.csrfToken,
    origin: `http://localhost:${setup.port}`,
    host: `localhost:${setup.port}`,
    ...(isWrite ? { 'content-type': 'application/json' } : {}),
  };
  const outgoing = request({
    agent,
    host: '127.0.0.1',
    port: setup.port,
    method: isWrite ? 'POST' : 'GET',
    path: isWrite ? '/api/members' : (reads[sent % reads.length] ?? '/health'),
    headers,
  });
  outgoing.on('response', (response) => {
    count(String(response.statusCode));
    response.resume();
    response.once('close', () => {
      open -= 1;
    });
  });
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    count(error.code ?? 'error');
    open -= 1;
  });
  outgoing.end(isWrite ? JSON.stringify({ name: `Guest ${process.pid}-${sent}` }) : undefined);
}

const startMs = performance.now();
setInterval(() => {
  const due = Math.floor(((performance.now() - startMs) * setup.perSecond) / 1000);
  while (sent < due) sendOne();
}, tickMs);

process.on('message', () => {
  process.send?.({ sent, skipped, elapsedMs: performance.now() - startMs, statuses });
  statuses = {};
});
process.on('disconnect', () => process.exit());
