import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { BenchCentre } from './centre.ts';
import { type BenchEvent, benchEvents, eventColumns } from './events.ts';

const names = `stream_id, sync_hub, ${eventColumns.join(', ')}`;
const chunkChars = 262_144;

/** Access events as lines of COPY's text format, with whose they are. */
export async function writeCopyFile(file: string, site: string, events: number): Promise<void> {
  function* chunks(): Generator<string> {
    let chunk = '';
    for (const event of benchEvents(events)) {
      chunk += `${site}\t${site}\t${event.map((value) => value ?? '\\N').join('\t')}\n`;
      if (chunk.length < chunkChars) continue;
      yield chunk;
      chunk = '';
    }
    yield chunk;
  }
  await pipeline(Readable.from(chunks()), createWriteStream(file));
}

/** Runs `work` with an empty table that is as the centre's own, indexes and all, and a connection of its own: ms. */
async function timed(centre: BenchCentre, work: (client: Client) => Promise<void>): Promise<number> {
  const { admin } = centre.central;
  await admin.query(
    'drop table if exists peer; create table peer (like makrcave.access_event including all)',
  );
  await centre.settle();
  const client = new Client({ connectionString: centre.url });
  await client.connect();
  try {
    const startMs = performance.now();
    await work(client);
    return performance.now() - startMs;
  } finally {
    await client.end();
    await admin.query('drop table peer');
  }
}

/** The limit: one COPY of everything from a file that is in memory, over the network. */
export const copyMs = (centre: BenchCentre, file: string): Promise<number> =>
  timed(centre, async (client) => {
    const into = client.query(copyFrom(`copy peer (${names}) from stdin`));
    await pipeline(createReadStream(file, { highWaterMark: chunkChars }), into);
  });

const literal = (value: string | number | null): string =>
  value === null ? 'NULL' : `"${String(value).replaceAll(/["\\]/g, '\\$&')}"`;

/** Batches of these sizes as values of one statement: whose they are, then an array for each column. */
function* batches(site: string, sizes: readonly number[]): Generator<string[]> {
  const events: Iterator<BenchEvent> = benchEvents(sizes.reduce((sum, size) => sum + size, 0));
  for (const size of sizes) {
    const rows = Array.from({ length: size }, () => events.next().value as BenchEvent);
    const arrays = eventColumns.map(
      (_, place) => `{${rows.map((row) => literal(row[place] ?? null)).join(',')}}`,
    );
    yield [site, ...arrays];
  }
}

/** The usual way: batches of these sizes, each one INSERT of arrays and one transaction. */
export async function unnestMs(centre: BenchCentre, sizes: readonly number[]): Promise<number> {
  const types = new Map(
    (
      await centre.central.admin.query<{ name: string; type: string }>(
        'select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute ' +
          "where attrelid = 'makrcave.access_event'::regclass and attnum > 0",
      )
    ).rows.map(({ name, type }) => [name, type]),
  );
  const arrays = eventColumns.map((name, place) => `$${place + 2}::${types.get(name)}[]`).join(', ');
  const text = `insert into peer (${names}) select $1, $1, * from unnest(${arrays}) on conflict do nothing`;
  return await timed(centre, async (client) => {
    let sent: Promise<unknown> = Promise.resolve();
    for (const values of batches(centre.site, sizes)) {
      await sent;
      // The next one is made while the server works.
      sent = client.query({ name: 'unnest', text, values });
    }
    await sent;
  });
}
