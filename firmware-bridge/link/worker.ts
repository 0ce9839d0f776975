import { flushCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#hub/kernel/result.ts';
import { createLog } from '#hub/platform/log.ts';
import { LogOutput } from '#hub/platform/log-output.ts';
import { Link } from './link.ts';
import type { LinkData, ToLink } from './messages.ts';

// The door thread starts this Worker with LinkData and sends ToLink; both are typed at their source.
const port = parentPort;
assert(port !== null, 'link/worker.ts runs as a Worker');
const data: LinkData = workerData;
const destination = new LogOutput({ lost: data.lostLogLines });
const log = createLog({ level: data.logLevel, destination }).child({ subsystem: 'link' });
const link = new Link(data, (message) => port.postMessage(message), log);
port.on('message', (message: ToLink) => {
  link.receive(message);
  if (message.kind === 'stop') port.close();
});
setTimeout(flushCompileCache, 3000).unref();
