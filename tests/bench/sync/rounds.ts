import { threadMicros, threadMicrosSince } from '../thread-times.ts';
import type { BenchCentre } from './centre.ts';
import { benchEvents } from './events.ts';
import { BenchReplica, fillEvents } from './store.ts';

/** One way of all events, up or down. */
export interface Passage {
  readonly ms: number;
  /** Processor time, us: of Postgres' process for this hub, and of the hub's threads. */
  readonly postgres: number;
  readonly syncWorker: number;
  readonly storeWorker: number;
  readonly mainThread: number;
}

/** The engine's Worker and its connection are gone when it is over. */
const lookEveryMs = 100;

/** Threads are known by the first 15 characters of their names. */
const threadNames = { syncWorker: 'sync-worker', storeWorker: 'writer-worker.t', mainThread: 'MainThread' };

async function pass(centre: BenchCentre, work: () => Promise<number>): Promise<Passage> {
  await centre.settle();
  const before = threadMicros(process.pid);
  let postgres = 0;
  let threads: ReadonlyMap<string, number> = new Map();
  const look = async (): Promise<void> => {
    threads = threadMicrosSince(process.pid, before);
    // None once the hub's connection is closed.
    postgres = (await centre.hubMicros()) || postgres;
  };
  const looking = setInterval(() => void look(), lookEveryMs);
  const ms = await work();
  clearInterval(looking);
  const of = (name: string): number => threads.get(name) ?? 0;
  return {
    ms,
    postgres,
    syncWorker: of(threadNames.syncWorker),
    storeWorker: of(threadNames.storeWorker),
    mainThread: of(threadNames.mainThread),
  };
}

/** A hub of the centre's site with so many events that nobody has yet; its store is not open. */
export async function makeSender(
  centre: BenchCentre,
  events: number,
  url = centre.url,
): Promise<BenchReplica> {
  const sender = await BenchReplica.create();
  try {
    const { code } = await centre.central.invite(centre.site);
    await sender.join(url, code);
    await sender.sync();
    await sender.close();
    await centre.noteHubs();
    fillEvents(sender.location, benchEvents(events));
    return sender;
  } catch (error) {
    await sender.remove();
    throw error;
  }
}

/** Everything up, from the start. */
export async function pushAll(centre: BenchCentre, sender: BenchReplica): Promise<Passage> {
  sender.rewind();
  await centre.rewind();
  await sender.open();
  try {
    return await pass(centre, () => sender.sync());
  } finally {
    await sender.close();
  }
}

/** How many operations each batch of the last push had. */
export async function batchSizes(centre: BenchCentre): Promise<number[]> {
  const { rows } = await centre.central.admin.query<{ size: number }>(
    'select seq - lag(seq) over (partition by hub_id order by seq) as size from sync.hub_mark order by seq',
  );
  return rows.flatMap(({ size }) => (size === null ? [] : [size]));
}

/** Everything down into an empty store, as by a restore. */
export async function pullAll(centre: BenchCentre): Promise<Passage> {
  const receiver = await BenchReplica.create(true);
  try {
    const code = await centre.replaceHub();
    return await pass(centre, () => receiver.restore(centre.url, code));
  } finally {
    await receiver.remove();
  }
}
