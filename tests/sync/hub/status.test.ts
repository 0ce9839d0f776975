import { describe, expect, it } from 'vitest';
import { findSyncFindings } from '#hub/sync/page/finding-rules.ts';
import { syncHealth } from '#hub/sync/page/health.ts';
import { type RoundFigures, readSyncStatus, saveLastSuccess } from '#hub/sync/page/status.ts';
import { decideSyncState, fieldOf, type SyncFacts } from '#hub/sync/rules.ts';
import { type SyncStatus, syncStatusSchema } from '#hub/sync/schema.ts';
import { accepted, refused, startMs } from '#tests/access/support.ts';
import { addConflict, addDeadLetter, link, openSyncBench } from './support.ts';

/** Before the first round. */
const noRounds: RoundFigures = {
  problem: null,
  lastSuccessMs: null,
  nextTryMs: null,
  sentPerMinute: 0,
  receivedPerMinute: 0,
  inboxWaiting: 0,
  clockAheadMs: 0,
};

const hourMs = 3_600_000;
const agoIso = (ms: number): string => new Date(startMs - ms).toISOString();

const healthy: SyncStatus = {
  link: {
    siteId: '33333333-3333-4333-8333-333333333333',
    siteName: 'Werkraum Nord',
    hubId: '11111111-1111-4111-8111-111111111111',
    hubName: 'Front door',
    centre: 'db.example.org:5432',
    linkedAt: agoIso(1000 * hourMs),
    epoch: 1,
    stage: 'live',
  },
  state: 'upToDate',
  problem: null,
  lastSuccessAt: agoIso(12_000),
  nextTryAt: null,
  outbox: { waiting: 0, oldestAt: null, sentPerMinute: 0 },
  inbox: { waiting: 0, receivedPerMinute: 0 },
  conflicts: 0,
  deadLetters: 0,
  clockAheadMs: 0,
};
const found = (more: Partial<SyncStatus>) =>
  findSyncFindings({ ...healthy, ...more }, startMs).map(({ id, severity }) => `${id} ${severity}`);
const problem = { code: 'centralUnreachable', evidence: 'It is away.', fix: 'Wait.' } as const;

describe('findings of replication', () => {
  it.each<[string, Partial<SyncStatus>, string[]]>([
    ['nothing while all is well', {}, []],
    ['nothing without a centre', { link: null, state: 'notLinked', deadLetters: 3 }, []],
    [
      'nothing in the first hour offline',
      { state: 'offline', problem, lastSuccessAt: agoIso(hourMs - 1) },
      [],
    ],
    [
      'an hour of silence',
      { state: 'offline', problem, lastSuccessAt: agoIso(hourMs) },
      ['sync.silent warning'],
    ],
    [
      'a day of silence',
      { state: 'offline', problem, lastSuccessAt: agoIso(24 * hourMs) },
      ['sync.silent error'],
    ],
    ['silence since it was linked', { lastSuccessAt: null }, ['sync.silent error']],
    [
      'that it stopped',
      { state: 'stopped', problem: { ...problem, code: 'fenced' } },
      ['sync.stopped error'],
    ],
    [
      'an error that stays',
      { state: 'offline', problem: { ...problem, code: 'centralError' } },
      ['sync.failing warning'],
    ],
    [
      'changes that wait for a day',
      { outbox: { waiting: 1204, oldestAt: agoIso(24 * hourMs), sentPerMinute: 0 } },
      ['sync.outboxOld warning'],
    ],
    [
      'no changes that wait for less',
      { outbox: { waiting: 9, oldestAt: agoIso(23 * hourMs), sentPerMinute: 0 } },
      [],
    ],
    ['a clock that is ahead', { clockAheadMs: 360_000 }, ['sync.clockAhead warning']],
    [
      'dead letters and conflicts',
      { deadLetters: 1, conflicts: 2 },
      ['sync.deadLetters error', 'sync.conflicts warning'],
    ],
  ])('are %s', (_what, more, expected) => {
    expect(found(more)).toEqual(expected);
  });

  it('say how much and how long', () => {
    const outbox = { waiting: 1204, oldestAt: agoIso(50 * hourMs), sentPerMinute: 0 };
    const [finding] = findSyncFindings({ ...healthy, outbox }, startMs);
    expect(finding?.evidence).toBe('1,204 changes wait to be sent to the centre, the oldest for 2 days.');
  });
});

describe('the state of replication', () => {
  const facts: SyncFacts = {
    isLinked: true,
    halted: null,
    problem: null,
    isLive: true,
    hasHeard: true,
    waiting: 0,
  };
  it.each<[Partial<SyncFacts>, string]>([
    [{}, 'upToDate'],
    [{ isLinked: false }, 'notLinked'],
    [{ waiting: 3 }, 'working'],
    [{ isLive: false }, 'working'],
    [{ hasHeard: false }, 'working'],
    [{ problem: 'centralUnreachable' }, 'offline'],
    [{ problem: 'internal' }, 'offline'],
    [{ problem: 'tokenWrong' }, 'stopped'],
    [{ problem: 'centralLoginFailed' }, 'stopped'],
    [{ halted: 'fenced' }, 'stopped'],
    [{ halted: 'machineChanged', problem: 'centralUnreachable' }, 'stopped'],
    [{ halted: 'approved', waiting: 1 }, 'working'],
  ])('of %o is %s', (more, state) => {
    expect(decideSyncState({ ...facts, ...more })).toBe(state);
  });
});

it.each([
  ['valid_until_ms', 'valid until'],
  ['price_minor', 'price'],
  ['email', 'e-mail'],
  ['date_of_birth', 'date of birth'],
])('the column %s is "%s" in words', (column, field) => {
  expect(fieldOf(column)).toBe(field);
});

describe('the status from the store', () => {
  it('is that of a hub without a centre at first', async () => {
    const { sync } = await openSyncBench();
    const status = await sync.status();
    expect(status).toMatchObject({ link: null, state: 'notLinked', outbox: { waiting: 0, oldestAt: null } });
    expect(syncStatusSchema.parse(status)).toEqual(status);
  });

  it('counts what waits, and tells neither password nor token', async () => {
    const bench = await openSyncBench();
    const { last } = await bench.store.read
      .selectFrom('change')
      .select(({ fn }) => fn.max('seq').as('last'))
      .executeTakeFirstOrThrow();
    await link(bench, { acked: last - 2 });
    await bench.store.transact('test.more', async (tx) => {
      await addDeadLetter(tx, { table: 'member', rowId: bench.memberId });
    });
    const status = await bench.sync.status();
    expect(status).toMatchObject({
      state: 'stopped',
      problem: { code: 'fenced' },
      outbox: { waiting: 2, oldestAt: '2026-11-22T12:00:00.000Z' },
      deadLetters: 1,
      link: { centre: '127.0.0.1:1', siteName: 'Werkraum Nord' },
    });
    expect(JSON.stringify(status)).not.toContain('hunter2');
    await bench.store.transact('test.conflict', (tx) =>
      addConflict(tx, { table: 'member', rowId: bench.memberId, column: 'name', kept: 'a', lost: 'b' }),
    );
    expect((await bench.sync.status()).conflicts).toBe(1);
  });

  it('knows after a start when a round last went through, of this link only', async () => {
    const bench = await openSyncBench();
    await link(bench, { linked_at_ms: startMs, halted: null });
    await bench.store.transact('test.success', (tx) => saveLastSuccess(tx, startMs - 1));
    expect((await readSyncStatus(bench.store.read, noRounds)).lastSuccessAt).toBeNull();
    await bench.store.transact('test.success', (tx) => saveLastSuccess(tx, startMs + 5000));
    const status = await readSyncStatus(bench.store.read, noRounds);
    expect(status).toMatchObject({ state: 'working', lastSuccessAt: '2026-11-22T12:00:05.000Z' });
  });

  it('takes what was seen in the last round', async () => {
    const bench = await openSyncBench();
    await link(bench, { halted: null });
    const problemSeen = { code: 'centralUnreachable', evidence: 'connect ECONNREFUSED' } as const;
    const status = await readSyncStatus(bench.store.read, { ...noRounds, problem: problemSeen });
    expect(status.state).toBe('offline');
    expect(status.problem?.evidence).toBe('connect ECONNREFUSED');
    expect(status.problem?.fix).toMatch(/^Nothing is lost/);
  });

  it('goes on when a person says so, and ends when one says so', async () => {
    const bench = await openSyncBench();
    const actor = { kind: 'console' } as const;
    expect(refused(await bench.sync.unlink(actor)).code).toBe('notLinked');
    expect(refused(await bench.sync.approve(actor)).code).toBe('notLinked');
    await link(bench);
    expect(accepted(await bench.sync.approve(actor)).problem).toBeNull();
    expect(refused(await bench.sync.approve(actor)).code).toBe('nothingToApprove');
    expect(accepted(await bench.sync.unlink(actor)).link).toBeNull();
    expect(bench.announced.map(({ topic }) => topic)).toEqual(['sync.changed', 'sync.changed']);
  });

  it('is a part of the health report', async () => {
    const bench = await openSyncBench();
    const part = syncHealth(bench.sync, bench.time);
    expect(await part.findings!()).toEqual([]);
    expect(await part.figures!()).toEqual([
      { name: 'isLinked', title: 'Linked', unit: 'yesNo', value: false },
    ]);
    await link(bench);
    expect((await part.findings!()).map(({ id }) => id)).toContain('sync.stopped');
    expect((await part.figures!()).map(({ name }) => name)).toContain('outboxCount');
    const values = Object.fromEntries(
      part.metrics!.map(({ name, read }) => [
        name,
        read().map((sample) => 'value' in sample && sample.value),
      ]),
    );
    expect(values['sync_dead_letters']).toEqual([0]);
    expect(values['sync_last_success_timestamp_seconds']).toEqual([]);
  });
});
