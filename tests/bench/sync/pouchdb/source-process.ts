import path from 'node:path';
import PouchDB from 'pouchdb-node';
import { benchEvents, eventColumns } from '../events.ts';

// A PouchDB on the disk with access events as documents. `fill` makes them; any other message is the address of a database
// that everything goes to, and is answered with the ms which that took.

const { folder, documents } = JSON.parse(process.argv[2] ?? '') as { folder: string; documents: number };
const batch = 500;
const database = new PouchDB(path.join(folder, 'events'));

async function fill(): Promise<void> {
  let some: object[] = [];
  for (const [id, ...rest] of benchEvents(documents)) {
    const fields = rest.map((value, place) => [eventColumns[place + 1], value]);
    some.push({ _id: id, ...Object.fromEntries(fields) });
    if (some.length < batch) continue;
    await database.bulkDocs(some);
    some = [];
  }
  await database.bulkDocs(some);
}

async function replicate(target: string): Promise<number> {
  const startMs = performance.now();
  const { docs_written: written } = await database.replicate.to(target, { batch_size: batch });
  if (written !== documents) throw new Error(`${written} of ${documents} documents were written`);
  return performance.now() - startMs;
}

process.on('message', (message) => {
  const done = message === 'fill' ? fill() : replicate(String(message));
  void done.then((ms) => process.send?.({ ms: ms ?? null }));
});
process.on('disconnect', () => process.exit());
