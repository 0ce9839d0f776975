import { rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { browserMaker } from './make-browser.ts';
import { postgresMaker } from './make-postgres.ts';
import { uiMaker } from './make-ui.ts';
import type { Answer, Kept, Maker, Request } from './protocol.ts';

/** Makes what tests share when they first ask for it, and ends all of it when standard input closes. */
const [socketPath = ''] = process.argv.slice(2);
const makers: Readonly<Record<Request['want'], Maker>> = {
  ui: uiMaker,
  browser: browserMaker,
  'postgres-15': postgresMaker(15),
  'postgres-18': postgresMaker(18),
};
const kept = new Map<string, Promise<Kept>>();

function give({ want, worker }: Request): Promise<Kept> {
  const maker = makers[want];
  const name = maker.perWorker ? `${want} of worker ${worker}` : want;
  const forget = (): void => void kept.delete(name);
  let one = kept.get(name);
  if (one === undefined) {
    one = maker.make(forget);
    kept.set(name, one);
    one.catch(forget);
  }
  return one;
}

async function serve(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  for await (const line of createInterface({ input: socket })) {
    const answer: Answer = await give(JSON.parse(line) as Request).then(
      ({ value }) => ({ value }),
      (error: unknown) => ({ problem: error instanceof Error ? (error.stack ?? '') : String(error) }),
    );
    socket.end(`${JSON.stringify(answer)}\n`);
  }
}

const server = createServer((socket) => void serve(socket));
server.listen(socketPath, () => process.stdout.write('ready\n'));
process.stdin.resume();
process.stdin.once('close', () => {
  server.close();
  const ended = [...kept.values()].map(async (one) => (await one).close());
  void Promise.allSettled(ended)
    .then(() => rm(path.dirname(socketPath), { recursive: true, force: true }))
    .then(() => process.exit());
});
