import { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { seededRandom } from '#tests/_support/seeded-random.ts';
import { expectEqual, makeSite, rest, useCentre } from '../hubs.ts';

const centre = useCentre();
const submitters = 8;
const edits = Number(process.env['MAKRCAVE_SYNC_STEPS'] ?? 25);

async function connect(): Promise<Client> {
  const client = new Client({ connectionString: centre().url });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

it('sees every change of ten writers at once while they write, with a transaction idle elsewhere', async () => {
  const { site, hubs } = await makeSite(centre(), 3);
  const [reading, first, second] = hubs;
  const ids: string[] = [];
  for (let number = 1; number <= 10; number += 1) ids.push(await first.insert(number));
  await rest(...hubs);
  const before = reading.replica.outbox.position().cursor;

  const taken: number[] = [];
  const { keeper } = reading.replica;
  await reading.replica.withKeeper({
    ...keeper,
    async take(changes) {
      taken.push(...changes.map(({ seq }) => seq));
      await keeper.take(changes);
    },
  });

  // It has written, so that it has a number that is older than all of theirs.
  const idle = await connect();
  await idle.query('create table idle (id integer)');
  await idle.query('begin; insert into idle values (1)');

  let writing = submitters + 2;
  let seenWhileWriting = 0;
  const submits = Array.from({ length: submitters }, async (_value, writer) => {
    const client = await connect();
    const random = seededRandom(writer);
    for (let edit = 0; edit < edits; edit += 1) {
      const ops = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
        tbl: 'member',
        pk: ids[Math.floor(random() * ids.length)],
        set: { notes: `${writer} ${edit}` },
      }));
      // Some transactions stay open for a while after they have got their numbers.
      await client.query('begin');
      await client.query('select sync.submit($1, $2)', [site, JSON.stringify(ops)]);
      if (random() < 0.3) await client.query('select pg_sleep(0.005)');
      await client.query(random() < 0.1 ? 'rollback' : 'commit');
    }
    writing -= 1;
  });
  const pushes = [first, second].map(async (hub, index) => {
    for (let edit = 0; edit < edits; edit += 1) {
      await hub.write(ids[edit % ids.length] ?? '', { phone: `${index} ${edit}` });
      await hub.append(index * 100_000 + edit);
      await hub.replica.sync();
    }
    writing -= 1;
  });
  const isWriting = (): boolean => writing > 0;
  const reads = (async () => {
    while (isWriting()) {
      await reading.replica.sync();
      if (isWriting()) seenWhileWriting = taken.length;
    }
  })();
  await Promise.all([...submits, ...pushes, reads]);
  await reading.replica.sync();

  const head = Number(await centre().value('select head from sync.stream where stream_id = $1', site));
  expect(taken).toEqual(Array.from({ length: head - before }, (_value, index) => before + 1 + index));
  expect(taken.length).toBeGreaterThan(submitters * edits);
  expect(seenWhileWriting).toBeGreaterThan(taken.length / 2);
  await idle.query('commit');
  await rest(...hubs);
  await expectEqual(centre(), site, ...hubs);
});
