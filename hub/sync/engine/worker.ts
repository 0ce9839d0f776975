// The sync Worker: talks to the centre and reads the outbox; the hub's only writer writes for it.
import { constants, setPriority } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#hub/kernel/result.ts';
import { createYieldToRequests } from '#hub/platform/yield-to-requests.ts';
import { openReadConnection } from '#hub/store/sqlite/read-connection.ts';
import { connectCentral } from '../central/connection.ts';
import { OutboxReader } from './outbox-reader.ts';
import type { ReplicaKeeper } from './replica-keeper.ts';
import { Runner } from './runner.ts';
import type { FromSyncWorker, KeeperCall, SyncWorkerData, ToSyncWorker } from './worker-messages.ts';

// Of this thread alone, as Linux has it: people at doors and pages go first while a long outbox drains.
setPriority(constants.priority.PRIORITY_LOW);

const cacheKib = 2048;
const connectTimeoutMs = 15_000;
const queryTimeoutMs = 60_000;

assert(parentPort !== null, 'runs as a Worker');
const port = parentPort;
const data: SyncWorkerData = workerData;
const say = (message: FromSyncWorker): void => port.postMessage(message);

const waiting = new Map<number, { resolve(value: unknown): void; reject(reason: Error): void }>();
let calls = 0;
function ask(name: KeeperCall, args: readonly unknown[]): Promise<unknown> {
  calls += 1;
  const id = calls;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    say({ kind: 'call', id, name, args });
  });
}
const tell = async (name: KeeperCall, ...args: readonly unknown[]): Promise<void> => {
  await ask(name, args);
};
const keeper: ReplicaKeeper = {
  acknowledge: (ack) => tell('acknowledge', ack),
  take: (changes) => tell('take', changes),
  takePage: (page, place) => tell('takePage', page, place),
  finishBootstrap: (cursor, cid) => tell('finishBootstrap', cursor, cid),
  beginBootstrap: (tables) => tell('beginBootstrap', tables),
  enterEpoch: (epoch) => tell('enterEpoch', epoch),
  announceNext: async () => (await ask('announceNext', [])) === true,
  noteBackfill: (place) => tell('noteBackfill', place),
  addDeadLetter: (tbl, pk, problem) => tell('addDeadLetter', tbl, pk, problem),
  halt: (why) => tell('halt', why),
  noteToken: (change) => tell('noteToken', change),
};

/** As of the hub's last answer to this Worker. */
let answeredRequests = 0;

const connection = openReadConnection(data.location, cacheKib);
let isStopping = false;
let isRunning = false;
let isAskedAgain = false;
let timer: NodeJS.Timeout | null = null;
/** When the timer fires, by `performance.now()`. */
let dueMs = Number.POSITIVE_INFINITY;
const runner = new Runner({
  outbox: new OutboxReader(connection, data.tables),
  keeper,
  connect: (link) =>
    connectCentral({
      url: link.central_url,
      ...(link.central_ca === null ? {} : { caPem: link.central_ca }),
      connectTimeoutMs,
      queryTimeoutMs,
    }),
  instance: data.instance,
  release: data.release,
  pollMs: data.pollMs,
  nowMs: Date.now,
  random: Math.random,
  report: (progress) => say({ kind: 'progress', progress }),
  isStopping: () => isStopping,
  yieldToRequests: createYieldToRequests(() => answeredRequests, pause),
});

/** The next round comes in so many ms, or sooner if one is due sooner. */
function scheduleIn(ms: number): void {
  const atMs = performance.now() + ms;
  if (isStopping || atMs >= dueMs) return;
  if (timer !== null) clearTimeout(timer);
  dueMs = atMs;
  timer = setTimeout(() => void run(), ms);
}

async function run(): Promise<void> {
  timer = null;
  dueMs = Number.POSITIVE_INFINITY;
  if (isRunning) {
    isAskedAgain = true;
    return;
  }
  isRunning = true;
  say({ kind: 'begun' });
  const report = await runner.runOnce();
  isRunning = false;
  say({ kind: 'ended', report });
  if (isStopping) return await end();
  scheduleIn(isAskedAgain && report.problem === null ? 0 : report.nextInMs);
  isAskedAgain = false;
}

async function end(): Promise<void> {
  await runner.close();
  connection.close();
  port.close();
}

port.on('message', (message: ToSyncWorker) => {
  switch (message.kind) {
    case 'grown':
      // While the centre is away its turn comes with the next try.
      if (!isRunning && dueMs - performance.now() <= data.pollMs * 1.25) scheduleIn(runner.gatherMs);
      break;
    case 'now':
      scheduleIn(0);
      break;
    case 'stop':
      isStopping = true;
      if (timer !== null) clearTimeout(timer);
      if (!isRunning) void end();
      break;
    case 'done':
      ({ answeredRequests } = message);
      waiting.get(message.id)?.resolve(message.value);
      waiting.delete(message.id);
      break;
    case 'failed':
      waiting.get(message.id)?.reject(new Error(message.message));
      waiting.delete(message.id);
      break;
  }
});
scheduleIn(0);
