import { expect, test } from 'vitest';
import { eventCsvColumns, streamEventLines } from '#hub/domains/access/events/csv.ts';
import { type AccessEventRow, appendEvents } from '#hub/domains/access/events/repository.ts';
import { eventQuerySchema } from '#hub/domains/access/events/schema.ts';
import { listEvents } from '#hub/domains/access/events/workflow.ts';
import { newId } from '#hub/platform/new-id.ts';
import { accepted, addPaidMember, type Bench, openBench, startMs } from './support.ts';

const rows = 20_500;

/** Events past the intake but through the seam, every fifth a denial of nobody. */
async function addEvents(bench: Bench, memberId: string, count: number): Promise<void> {
  const atOnce = 500;
  for (let start = 0; start < count; start += atOnce)
    await bench.store.transact('test', async (tx) => {
      const events = Array.from({ length: Math.min(atOnce, count - start) }, (_, index) => {
        const seq = start + index + 1;
        const isDenied = seq % 5 === 0;
        return {
          id: newId(),
          bridgeId: '01890000-0000-7000-8000-00000000000b',
          journalId: 'journal',
          seq,
          kind: isDenied ? 'denied' : 'granted',
          atMs: startMs + seq,
          clockTrust: 'ntp',
          portalId: null,
          readerKey: 'in',
          credentialId: null,
          memberId: isDenied ? null : memberId,
          digest: null,
          reason: isDenied ? 'unknownCredential' : null,
          details: {
            bootId: '01890000-0000-4000-8000-00000000000c',
            monotonicMs: seq,
            portalKey: 'front',
            note: '=1+1',
          },
        } as const satisfies Omit<AccessEventRow, 'receivedAtMs'>;
      });
      await appendEvents(tx, events);
    });
}

async function readLines(pieces: AsyncIterable<Uint8Array>): Promise<string[]> {
  let text = '';
  for await (const piece of pieces) text += Buffer.from(piece).toString();
  expect(text.endsWith('\r\n')).toBe(true);
  return text.slice(0, -2).split('\r\n');
}

test('a file of events has every one that fits, with names and in words, in the order that was asked for', async () => {
  const bench = await openBench();
  const member = await addPaidMember(bench, 'Ada, Countess');
  await addEvents(bench, member.id, rows);
  const { parts } = bench.access;
  const lines = await readLines(streamEventLines(parts, eventQuerySchema.parse({})));
  expect(lines).toHaveLength(rows);
  const query = eventQuerySchema.parse({ limit: 1, kind: ['granted'], sort: 'receivedAt' });
  const [oldest] = accepted(await listEvents(parts, query)).items;
  const granted = await readLines(streamEventLines(parts, query));
  expect(granted).toHaveLength((rows * 4) / 5);
  const cells = granted[0]?.split(/,(?! )/) ?? [];
  const cell = (column: string) => cells[eventCsvColumns.indexOf(column)];
  expect([cell('id'), cell('kind'), cell('at')]).toEqual([oldest?.id, 'granted', oldest?.at]);
  expect([cell('member'), cell('portal'), cell('why')]).toEqual([
    '"Ada, Countess"',
    'front',
    oldest?.why.sentence,
  ]);
  expect([cell('observed'), cell('note')]).toEqual(['false', "'=1+1"]);
  expect([...lines].reverse().filter((line) => line.includes(',granted,'))).toEqual(granted);
});

test('a slow reader of a file holds up no other report, and one who goes away leaves nothing behind', async () => {
  const bench = await openBench();
  const member = await addPaidMember(bench);
  await addEvents(bench, member.id, 5000);
  const pieces = streamEventLines(bench.access.parts, eventQuerySchema.parse({}));
  const first = await pieces.next();
  expect(first.done).toBe(false);
  const count = await bench.store.report(
    async (reader) => (await reader.selectFrom('access_event').select('id').execute()).length,
  );
  expect(count).toBe(5000);
  await pieces.return(undefined);
  expect(await pieces.next()).toEqual({ done: true, value: undefined });
});
