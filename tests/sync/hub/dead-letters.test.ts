import { describe, expect, it } from 'vitest';
import { newId } from '#hub/platform/new-id.ts';
import {
  countDeadLetters,
  deadLetterCsvColumns,
  listDeadLetters,
  streamDeadLetterLines,
} from '#hub/sync/page/dead-letter-repository.ts';
import {
  deadLettersToWire,
  dismissDeadLetter,
  retryDeadLetter,
} from '#hub/sync/page/dead-letter-workflow.ts';
import { findLink } from '#hub/sync/repository.ts';
import { accepted, refused } from '#tests/access/support.ts';
import { addDeadLetter, grace, link, openSyncBench, type SyncBench } from './support.ts';

const add = (bench: SyncBench, more: Partial<Parameters<typeof addDeadLetter>[1]> = {}): Promise<string> =>
  bench.store.transact('test.letter', (tx) =>
    addDeadLetter(tx, { table: 'member', rowId: bench.memberId, ...more }),
  );
const lastChange = ({ store }: SyncBench) =>
  store.read
    .selectFrom('change')
    .selectAll()
    .where('tbl', '=', 'member')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow();
const open = ({ store }: SyncBench): Promise<number> => countDeadLetters(store.read, false);

describe('dead letters', () => {
  it('say in words what they are about and what was wrong', async () => {
    const bench = await openSyncBench();
    const id = await add(bench);
    const rows = await listDeadLetters(bench.store.read, false, { after: null, limit: 10 });
    expect(await deadLettersToWire(bench.parts, bench.store.read, rows)).toEqual([
      {
        id,
        direction: 'up',
        seq: 7,
        table: 'member',
        rowId: bench.memberId,
        subject: 'Member',
        label: 'Mia Maker',
        problem: '23514: member_name_check',
        body: '{"name":"x"}',
        at: '2026-11-22T12:00:00.000Z',
        resolvedAt: null,
      },
    ]);
  });

  it('on the way up are tried again with the row as it is now, once', async () => {
    const bench = await openSyncBench();
    await link(bench);
    const id = await add(bench);
    const before = await lastChange(bench);
    const letter = accepted(await retryDeadLetter(bench.parts, grace, id));
    expect(letter.resolvedAt).not.toBeNull();
    const after = await lastChange(bench);
    expect(after.seq).toBeGreaterThan(before.seq);
    expect(after).toMatchObject({ op: 'insert', pk: bench.memberId });
    expect(JSON.parse(after.body ?? '')).toMatchObject({ name: 'Mia Maker', phone: '111' });
    expect(refused(await retryDeadLetter(bench.parts, grace, id)).code).toBe('syncDeadLetterResolved');
    expect((await lastChange(bench)).seq).toBe(after.seq);
    expect(await open(bench)).toBe(0);
    expect(bench.announced.map(({ topic }) => topic)).toEqual(['sync.changed']);
  });

  it('on the way down have their table taken in again', async () => {
    const bench = await openSyncBench();
    await link(bench);
    const id = await add(bench, { direction: 'down', rowId: newId() });
    accepted(await retryDeadLetter(bench.parts, grace, id));
    expect((await findLink(bench.store.read))?.stage).toBe('bootstrap');
  });

  it('cannot be tried again without a centre, without their row, or of a table that is not here', async () => {
    const bench = await openSyncBench();
    const id = await add(bench);
    expect(refused(await retryDeadLetter(bench.parts, grace, id)).code).toBe('notLinked');
    await link(bench);
    const gone = await add(bench, { rowId: newId() });
    expect(refused(await retryDeadLetter(bench.parts, grace, gone)).code).toBe('rowGone');
    for (const table of ['no_such_table', 'session', 'toString']) {
      const strange = await add(bench, { table });
      expect(refused(await retryDeadLetter(bench.parts, grace, strange)).code).toBe('tableUnknown');
    }
    expect(refused(await retryDeadLetter(bench.parts, grace, newId())).code).toBe('syncDeadLetterNotFound');
    expect(await open(bench)).toBe(5);
  });

  it('are dismissed for good, which the audit log knows', async () => {
    const bench = await openSyncBench();
    const id = await add(bench);
    accepted(await dismissDeadLetter(bench.parts, grace, id));
    expect(refused(await dismissDeadLetter(bench.parts, grace, id)).code).toBe('syncDeadLetterResolved');
    expect(await open(bench)).toBe(0);
    const entry = await bench.store.read
      .selectFrom('audit_entry')
      .selectAll()
      .where('action', '=', 'syncDeadLetter.dismiss')
      .executeTakeFirstOrThrow();
    expect(entry).toMatchObject({ actor_id: grace.accountId, target_id: id });
  });

  it('are a list of pages, and a file of all of them', async () => {
    const bench = await openSyncBench();
    const ids: string[] = [];
    for (let count = 0; count < 7; count += 1) ids.push(await add(bench, { problem: `=problem ${count}` }));
    const first = await listDeadLetters(bench.store.read, false, { after: null, limit: 4 });
    const rest = await listDeadLetters(bench.store.read, false, { after: [first.at(-1)!.id], limit: 4 });
    expect([...first, ...rest].map(({ id }) => id)).toEqual(ids.toReversed());
    const pieces: Uint8Array[] = [];
    for await (const piece of streamDeadLetterLines(bench.store, false)) pieces.push(piece);
    const lines = Buffer.concat(pieces).toString().trimEnd().split('\r\n');
    expect(lines).toHaveLength(7);
    expect(lines[0]?.split(',').slice(0, 3)).toEqual([ids.at(-1), 'up', '7']);
    // A spreadsheet would compute it.
    expect(lines[0]).toContain("'=problem 6");
    expect(deadLetterCsvColumns).toContain('problem');
  });
});
