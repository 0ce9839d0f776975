import { expect, test } from 'vitest';
import { eventCsvColumns, streamEventLines } from '#hub/domains/access/events/csv.ts';
import { type AccessEventRow, appendEvents } from '#hub/domains/access/events/repository.ts';
import { eventQuerySchema } from '#hub/domains/access/events/schema.ts';
import { listEvents } from '#hub/domains/access/events/workflow.ts';
import { newId } from '#hub/platform/new-id.ts';
import { accepted, addPaidMember, type Bench, openBench, startMs } from './support.ts';

const rows = 20_500;
type Accepted = Extract<Awaited<ReturnType<typeof listEvents>>, { ok: true }>['value'];

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
  const { deps } = bench.access;
  const lines = await readLines(streamEventLines(deps, eventQuerySchema.parse({})));
  expect(lines).toHaveLength(rows);
  const query = eventQuerySchema.parse({ limit: 1, kind: ['granted'], sort: 'receivedAt' });
  const [oldest] = accepted(await listEvents(deps, query)).items;
  const granted = await readLines(streamEventLines(deps, query));
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
  const pieces = streamEventLines(bench.access.deps, eventQuerySchema.parse({}));
  const first = await pieces.next();
  expect(first.done).toBe(false);
  const count = await bench.store.report(
    async (reader) => (await reader.selectFrom('access_event').select('id').execute()).length,
  );
  expect(count).toBe(5000);
  await pieces.return(undefined);
  expect(await pieces.next()).toEqual({ done: true, value: undefined });
});

test('events of a span of time go by when they happened, also those that came in late, as pages and as a file', async () => {
  const bench = await openBench();
  const member = await addPaidMember(bench);
  await addEvents(bench, member.id, 1200);
  // A controller that was offline brings two old ones after all others.
  const late = [newId(), newId()];
  await bench.store.transact('test', async (tx) => {
    const [newest] = await tx.selectFrom('access_event').selectAll().orderBy('id', 'desc').limit(1).execute();
    if (newest === undefined) throw new Error('there are events');
    for (const [index, id] of late.entries())
      await appendEvents(tx, [
        {
          id,
          bridgeId: newest.bridge_id,
          journalId: 'journal',
          seq: 5000 + index,
          kind: 'granted',
          atMs: startMs + 10 + index,
          clockTrust: 'ntp',
          portalId: null,
          readerKey: 'in',
          credentialId: null,
          memberId: member.id,
          digest: null,
          reason: null,
          details: { bootId: '01890000-0000-4000-8000-00000000000c', monotonicMs: 1, portalKey: 'front' },
        },
      ]);
  });
  const { deps } = bench.access;
  const span = (from: number, to: number) => ({
    from: new Date(startMs + from).toISOString(),
    to: new Date(startMs + to).toISOString().replace('Z', '+00:00'),
  });
  const read = async (asked: Record<string, unknown>) => {
    const found: string[] = [];
    let cursor: string | null = null;
    let total: number | undefined;
    do {
      const query: Record<string, unknown> = {
        limit: 7,
        count: 'true',
        ...asked,
        ...(cursor === null ? {} : { cursor }),
      };
      const page: Accepted = accepted(await listEvents(deps, eventQuerySchema.parse(query)));
      found.push(...page.items.map(({ at }) => at));
      cursor = page.nextCursor;
      total = page.total;
    } while (cursor !== null);
    expect(total).toBe(found.length);
    return found.map((at) => Date.parse(at) - startMs);
  };
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
  expect(await read({ ...span(5, 25), sort: 'receivedAt' })).toEqual([...numbers(5, 25), 10, 11]);
  expect(await read(span(5, 25))).toEqual([11, 10, ...numbers(5, 25).reverse()]);
  expect(await read({ ...span(5, 25), kind: ['granted', 'denied'] })).toHaveLength(22);
  expect(await read({ ...span(5, 25), kind: ['denied'] })).toEqual([20, 15, 10, 5]);
  expect(await read({ from: span(1195, 0).from })).toEqual(numbers(1195, 1201).reverse());
  expect(await read({ to: span(0, 3).to })).toEqual([2, 1]);
  expect(await read(span(5000, 6000))).toEqual([]);

  const query = eventQuerySchema.parse({ ...span(5, 25), sort: 'receivedAt' });
  const lines = await readLines(streamEventLines(deps, query));
  expect(lines).toHaveLength(22);
  expect(lines.slice(-2).map((line) => line.split(',')[0])).toEqual(late);
  const nothing: Uint8Array[] = [];
  for await (const piece of streamEventLines(deps, eventQuerySchema.parse(span(5000, 6000))))
    nothing.push(piece);
  expect(nothing).toEqual([]);
  expect(eventQuerySchema.safeParse(span(25, 25)).error?.issues).toMatchObject([
    { path: ['to'], message: 'must be after `from`' },
  ]);
});
