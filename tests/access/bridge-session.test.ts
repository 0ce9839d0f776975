import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  approveWithheld,
  ensureLocalBridge,
  listBridges,
  renewToken,
} from '#hub/domains/access/bridges/workflow.ts';
import { enrolCard } from '#hub/domains/access/cards/workflow.ts';
import { planIntake } from '#hub/domains/access/decide/event-rules.ts';
import { lockDown } from '#hub/domains/access/doors/command-workflow.ts';
import { findDeadLetters, findEvents } from '#hub/domains/access/events/repository.ts';
import { eventQuerySchema } from '#hub/domains/access/events/schema.ts';
import { listEvents } from '#hub/domains/access/events/workflow.ts';
import type { AccessParts } from '#hub/domains/access/parts.ts';
import { newId } from '#hub/platform/new-id.ts';
import {
  accepted,
  addPaidMember,
  type Bench,
  card,
  firstPortal,
  openBench,
  openWithBridge,
  refused,
  ScriptedBridge,
  staff,
} from './support.ts';

/** What the store holds of a journal, in the order in which it came. */
const heldSeqs = async ({ store }: Bench): Promise<number[]> =>
  (await store.read.selectFrom('access_event').select('seq').orderBy('id').execute()).map((row) => row.seq);
const deadLetters = async ({ store }: Bench) => await findDeadLetters(store.read, { limit: 50 });

const eventsFound = async (parts: AccessParts, query: Record<string, unknown>) =>
  accepted(await listEvents(parts, eventQuerySchema.parse(query)));

describe('tokens', () => {
  test('only the right token of the right bridge opens a connection', async () => {
    const { bench, bridge, token } = await openWithBridge();
    const authenticate = (name: string, secret: string) => bench.access.handler.authenticate(name, secret);
    expect(token.length).toBeGreaterThanOrEqual(43);
    expect(await authenticate(bridge.id, token)).toBe(bridge.id);
    expect(await authenticate(bridge.id, `${token.slice(0, -1)}_`)).toBe(null);
    expect(await authenticate(bridge.id, '')).toBe(null);
    expect(await authenticate(newId(), token)).toBe(null);
    expect(await authenticate("' or 1=1 --", token)).toBe(null);
  });

  test('a renewed token makes the old one worthless and ends its connection', async () => {
    const { bench, bridge, token } = await openWithBridge();
    const renewed = accepted(await renewToken(bench.access.parts, staff, bridge.id));
    expect(await bench.access.handler.authenticate(bridge.id, token)).toBe(null);
    expect(await bench.access.handler.authenticate(bridge.id, renewed.token)).toBe(bridge.id);
    expect(bench.link.disconnected).toEqual([bridge.id]);
    expect(refused(await renewToken(bench.access.parts, staff, newId()))).toEqual({ code: 'bridgeNotFound' });
  });

  test('the first bridge is made once, and the store keeps no token', async () => {
    const bench = await openBench();
    const made = await ensureLocalBridge(bench.access.parts, 'This box');
    expect(await ensureLocalBridge(bench.access.parts, 'This box')).toBe(null);
    const rows = JSON.stringify(await bench.store.read.selectFrom('bridge_secret').selectAll().execute());
    expect(rows).not.toContain(made!.token);
    const changes = JSON.stringify(await bench.store.read.selectFrom('change').selectAll().execute());
    expect(changes).toContain('bridge');
    expect(changes).not.toContain('digest_key');
  });
});

describe('hello', () => {
  test('doors that a bridge announces are there at once, and keep what staff made of them', async () => {
    const { bench, bridge } = await openWithBridge();
    const portal = await bench.store.read.selectFrom('portal').selectAll().executeTakeFirstOrThrow();
    expect(portal).toMatchObject({ key: 'front', name: 'Front door', bridge_id: bridge.id });
    await bench.store.transact('test.rename', async (tx) =>
      tx.write('portal', portal.id, { name: 'Main door' }),
    );
    bridge.portals = [
      { key: 'front', name: 'Front door', readers: ['front-in', 'front-out'] },
      { key: 'back', name: 'Back door', readers: [] },
    ];
    bench.announced.length = 0;
    await bridge.connect();
    const rows = await bench.store.read.selectFrom('portal').selectAll().orderBy('id').execute();
    expect(rows.map((row) => [row.name, row.readers])).toEqual([
      ['Main door', '["front-in","front-out"]'],
      ['Back door', '[]'],
    ]);
    expect(bench.announced.filter(({ topic }) => topic === 'portal.changed')).toHaveLength(2);
    expect(bench.link.take('welcome')[0]?.payload).toMatchObject({ ackedSeq: 0, clockTrust: 'ntp' });
    await bridge.pull();
    expect(bridge.document?.portals.map((entry) => entry.name).sort()).toEqual(['Back door', 'Main door']);
  });

  test('a bridge whose copy differs at the same revision loads whole', async () => {
    const { bench, bridge } = await openWithBridge();
    bridge.disconnect();
    bridge.version = { ...bridge.version!, hash: '0'.repeat(64) };
    await bridge.connect();
    bench.time.advance(100);
    await expect.poll(() => bench.link.take('policy-nudge').length).toBe(1);
    expect(await bridge.pull()).toMatchObject({ full: true });
    expect(await bridge.pull()).toMatchObject({ full: false, pages: 0 });
  });

  test('a bridge that refused an answer for its hash gets everything', async () => {
    const { bridge } = await openWithBridge();
    await bridge.say('policy-applied', {
      version: bridge.version,
      refused: 'hashMismatch',
      withheldCredentialIds: [],
    });
    expect(await bridge.pull()).toMatchObject({ full: true });
  });

  test('a hub that is older than its bridge begins a new epoch, and the bridge loads whole', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    await enrolCard(bench.access.parts, staff, card('1:1'), { memberId: member.id, label: 'Card' });
    await bridge.pull();
    const { version } = bridge;
    bridge.disconnect();
    // What a restored copy looks like from the bridge: it holds a revision that this store has not made yet.
    bridge.version = { ...version!, revision: version!.revision + 5 };
    await bridge.connect();
    expect(bench.link.take('welcome').at(-1)?.payload.policy.epoch).toBe(version!.epoch + 1);
    bench.time.advance(100);
    await expect.poll(() => bench.link.take('policy-nudge').at(-1)?.payload.epoch).toBe(version!.epoch + 1);
    expect(await bridge.pull()).toMatchObject({ full: true });
    expect(bridge.version?.epoch).toBe(version!.epoch + 1);
    bridge.version = { ...bridge.version, epoch: 9 };
    await bridge.connect();
    expect(bench.link.take('welcome').at(-1)?.payload.policy.epoch).toBe(10);
  });

  test('grants that wait after a restore are shown with names, and approving sends them to the bridge', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    const enrolled = accepted(
      await enrolCard(bench.access.parts, staff, card('1:1'), { memberId: member.id, label: 'Blue fob' }),
    );
    bridge.withheld = [enrolled.id];
    await bridge.pull();
    const [shown] = await listBridges(bench.access.parts);
    expect(shown?.withheld).toEqual([
      { credentialId: enrolled.id, label: 'Blue fob', memberName: 'Ada Lovelace' },
    ]);
    expect(shown?.findings.map((finding) => finding.id)).toEqual(['withheldCredentials']);
    bridge.answer((command) => {
      expect(command).toMatchObject({ kind: 'approve', credentialIds: [enrolled.id] });
      bridge.withheld = [];
      return { kind: 'done' };
    });
    expect(accepted(await approveWithheld(bench.access.parts, staff, bridge.id, [enrolled.id]))).toBe(null);
    await bridge.state();
    expect((await listBridges(bench.access.parts))[0]?.withheld).toEqual([]);
  });
});

describe('what is applied', () => {
  test('a change is pending until the bridge says it has it, and not connected is told from pending', async () => {
    const { bench, bridge } = await openWithBridge();
    const state = async () => (await listBridges(bench.access.parts))[0]?.policy.state;
    expect(await state()).toBe('applied');
    accepted(await lockDown(bench.access.parts, staff, null, 'drill'));
    expect(await state()).toBe('pending');
    bridge.disconnect();
    expect(await state()).toBe('notConnected');
    await bridge.connect();
    await bridge.pull();
    expect(await state()).toBe('applied');
    expect(bridge.document?.portals[0]?.override).toMatchObject({ kind: 'lockdown', reason: 'drill' });
  });

  test('many commits in a moment are one nudge, within a tenth of a second', async () => {
    const { bench } = await openWithBridge();
    const member = await addPaidMember(bench);
    for (const number of [1, 2, 3])
      accepted(
        await enrolCard(bench.access.parts, staff, card(`1:${number}`), {
          memberId: member.id,
          label: 'Card',
        }),
      );
    expect(bench.link.take('policy-nudge')).toHaveLength(0);
    bench.time.advance(100);
    await expect.poll(() => bench.link.take('policy-nudge').length).toBe(1);
  });
});

describe('events', () => {
  const granted = (bridge: ScriptedBridge, more: Record<string, unknown> = {}) =>
    bridge.event({ kind: 'granted', portalKey: 'front', readerKey: 'front-in', ...more });

  test('an event is stored, acknowledged after the commit, and announced with names and why', async () => {
    const { bench, bridge } = await openWithBridge();
    const member = await addPaidMember(bench);
    const enrolled = accepted(
      await enrolCard(bench.access.parts, staff, card('1:1'), { memberId: member.id, label: 'Blue fob' }),
    );
    bench.announced.length = 0;
    const who = { credentialId: enrolled.id, memberId: member.id };
    await bridge.offer([
      granted(bridge, who),
      bridge.event({ kind: 'entered', portalKey: 'front', followsSeq: 1 }),
      bridge.event({
        kind: 'denied',
        portalKey: 'front',
        ...who,
        reason: 'hold',
        checks: [{ check: 'noHold', passed: false }],
      }),
    ]);
    expect(bench.link.take('ack').map((sent) => sent.payload.seq)).toEqual([3]);
    const events = bench.announced.filter(({ topic }) => topic === 'access.event');
    expect(events.map(({ data }) => data['kind'])).toEqual(['granted', 'entered', 'denied']);
    expect(events[2]).toMatchObject({
      data: {
        portal: { name: 'Front door' },
        member: { id: member.id, name: 'Ada Lovelace' },
        credential: { name: 'Blue fob' },
        reason: 'hold',
        why: { sentence: 'There is a hold on this member.' },
        checks: [{ check: 'noHold', passed: false, sentence: 'There is a hold on this member.' }],
      },
    });
    expect(events[1]?.data['followsId']).toBe(events[0]?.data['id']);
  });

  test('what does not fit is a dead letter, and the rest goes on', async () => {
    const { bench, bridge } = await openWithBridge();
    const events = [granted(bridge), granted(bridge, { kind: 'teleported' }), granted(bridge)];
    await bridge.offer(events);
    expect(await heldSeqs(bench)).toEqual([1, 3]);
    expect(bench.link.take('ack').map((sent) => sent.payload.seq)).toEqual([3]);
    const [letter] = await deadLetters(bench);
    expect(letter).toMatchObject({ seq: 2, problem: expect.stringContaining('kind') });
    expect(letter?.body).toContain('teleported');
  });

  test('an event of a door that is not known keeps its key', async () => {
    const { bench, bridge } = await openWithBridge();
    await bridge.offer([granted(bridge, { portalKey: 'cellar' })]);
    const { items } = await eventsFound(bench.access.parts, { limit: 5 });
    expect(items[0]?.portal).toEqual({ id: 'cellar', name: 'cellar' });
  });

  test('past a gap nothing is taken, and the bridge is told where to go on', async () => {
    const { bench, bridge } = await openWithBridge();
    for (let count = 0; count < 5; count += 1) granted(bridge);
    await bridge.offer([bridge.journal[0]!, bridge.journal[1]!, bridge.journal[3]!, bridge.journal[4]!]);
    expect(await heldSeqs(bench)).toEqual([1, 2]);
    expect(bench.link.take('ack').map((sent) => sent.payload.seq)).toEqual([2]);
    expect(bench.link.take('welcome').map((sent) => sent.payload.ackedSeq)).toEqual([2]);
    await bridge.offer(bridge.journal.slice(2));
    expect(await heldSeqs(bench)).toEqual([1, 2, 3, 4, 5]);
  });

  test('entries that the bridge itself lost are said so and passed over', async () => {
    const { bench, bridge } = await openWithBridge();
    for (let count = 0; count < 6; count += 1) granted(bridge);
    bridge.firstSeq = 4;
    await bridge.connect();
    expect(bench.link.take('welcome').at(-1)?.payload.ackedSeq).toBe(3);
    expect((await deadLetters(bench))[0]?.problem).toBe('entries 1 to 3 are gone from the journal');
    await bridge.offer(bridge.journal.slice(3));
    expect(await heldSeqs(bench)).toEqual([4, 5, 6]);
  });

  test('a journal that is shorter than what is held is said so', async () => {
    const { bench, bridge } = await openWithBridge();
    await bridge.offer([granted(bridge), granted(bridge), granted(bridge)]);
    bridge.journal.length = 1;
    await bridge.connect();
    expect(bench.link.take('welcome').at(-1)?.payload.ackedSeq).toBe(3);
    expect((await deadLetters(bench))[0]?.problem).toContain('its end was lost');
  });

  test('another journal of the same bridge begins at its own start', async () => {
    const { bench, bridge } = await openWithBridge();
    await bridge.offer([granted(bridge), granted(bridge)]);
    bridge.journal = [];
    bridge.journalId = crypto.randomUUID();
    await bridge.connect();
    expect(bench.link.take('welcome').at(-1)?.payload.ackedSeq).toBe(0);
    await bridge.offer([granted(bridge)]);
    expect(await heldSeqs(bench)).toEqual([1, 2, 1]);
  });

  test('a cursor that fell behind its events adds none of them again', async () => {
    const { bench, bridge } = await openWithBridge();
    await bridge.offer([granted(bridge), granted(bridge)]);
    await bench.store.transact('test.rewind', async (tx) => {
      await tx.local.updateTable('bridge_cursor').set({ acked_seq: 0 }).execute();
    });
    await bridge.offer([...bridge.journal, granted(bridge)]);
    expect(await heldSeqs(bench)).toEqual([1, 2, 3]);
    expect(bench.link.take('ack').at(-1)?.payload.seq).toBe(3);
  });

  test('a long backlog is acknowledged in steps, and pages hear of its end', async () => {
    const { bench, bridge } = await openWithBridge();
    for (let count = 0; count < 120; count += 1) granted(bridge);
    bench.announced.length = 0;
    await bridge.offer(bridge.journal);
    expect(bench.link.take('ack').map((sent) => sent.payload.seq)).toEqual([50, 100, 120]);
    expect(bench.announced.filter(({ topic }) => topic === 'access.event')).toHaveLength(60);
    expect(
      bench.announced.filter(({ topic }) => topic === 'access.backlog').map(({ data }) => data['count']),
    ).toEqual([50, 50]);
  });

  test('stored events can be neither changed nor deleted', async () => {
    const { bench, bridge } = await openWithBridge();
    await bridge.offer([granted(bridge)]);
    await expect(
      bench.store.transact('test.forge', (tx) =>
        tx.local.updateTable('access_event').set({ kind: 'denied' }).execute(),
      ),
    ).rejects.toThrow();
  });

  test('pages of events go back in order, with their filters', async () => {
    const { bench, bridge } = await openWithBridge();
    const portal = await firstPortal(bench);
    for (let count = 0; count < 7; count += 1)
      if (count % 2 === 0) granted(bridge);
      else bridge.event({ kind: 'denied', reason: 'noPermission', portalKey: 'front' });
    await bridge.offer(bridge.journal);
    const seqs: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await eventsFound(bench.access.parts, { limit: 3, cursor, portalId: portal.id });
      seqs.push(...page.items.map((item) => item.id));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(seqs).toEqual([...seqs].sort().reverse());
    expect(new Set(seqs).size).toBe(7);
    const denied = await eventsFound(bench.access.parts, { limit: 50, reason: 'noPermission' });
    expect(denied.items).toHaveLength(3);
    expect((await eventsFound(bench.access.parts, { limit: 50, kind: ['granted'] })).items).toHaveLength(4);
    const both = { kind: ['denied', 'granted', 'denied'], sort: 'receivedAt', limit: 2, count: 'true' };
    const oldest = await eventsFound(bench.access.parts, both);
    expect([oldest.total, oldest.items.map((item) => item.id)]).toEqual([7, seqs.slice(-2).reverse()]);
    const next = await eventsFound(bench.access.parts, { ...both, cursor: oldest.nextCursor });
    expect(next.items.map((item) => item.id)).toEqual(seqs.slice(-4, -2).reverse());
  });
});

test('whatever is repeated, cut off or out of turn: every event once, in order', async () => {
  const { bench, bridge } = await openWithBridge();
  const action = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('add' as const), count: fc.integer({ min: 1, max: 5 }) }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('offer' as const),
        from: fc.nat(30),
        count: fc.integer({ min: 1, max: 10 }),
        shuffled: fc.boolean(),
        repeated: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'reconnect' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'goOn' as const }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 25 }), async (actions) => {
      bridge.journal = [];
      bridge.journalId = crypto.randomUUID();
      await bridge.connect();
      const { journalId } = bridge;
      let held = 0;
      const learn = () => {
        for (const ack of bench.link.take('ack')) {
          expect(ack.payload.seq).toBeGreaterThanOrEqual(held);
          held = ack.payload.seq;
        }
        for (const welcome of bench.link.take('welcome')) expect(welcome.payload.ackedSeq).toBe(held);
      };
      learn();
      for (const step of actions) {
        if (step.kind === 'add') for (let count = 0; count < step.count; count += 1) bridge.event();
        else if (step.kind === 'reconnect') await bridge.connect();
        else {
          const from = step.kind === 'goOn' ? held : step.from % (bridge.journal.length + 1);
          let events = bridge.journal.slice(from, from + (step.kind === 'goOn' ? 10 : step.count));
          if (step.kind === 'offer' && step.shuffled) events = [...events].reverse();
          if (step.kind === 'offer' && step.repeated) events = [...events, ...events];
          if (events.length > 0) await bridge.offer(events);
        }
        learn();
      }
      if (bridge.journal.length > held) await bridge.offer(bridge.journal.slice(held));
      learn();
      expect(held).toBe(bridge.journal.length);
      const rows = await bench.store.read
        .selectFrom('access_event')
        .select('seq')
        .where('journal_id', '=', journalId)
        .orderBy('id')
        .execute();
      expect(rows.map((row) => row.seq)).toEqual(bridge.journal.map((event) => event.seq));
    }),
    { numRuns: 25 },
  );
});

test('the intake takes the next entries and nothing else', () => {
  fc.assert(
    fc.property(fc.nat(20), fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 30 }), (held, seqs) => {
      const { accepted: taken, gap } = planIntake(
        held,
        seqs.map((seq) => ({ seq })),
      );
      expect(taken.map((event) => event.seq)).toEqual(taken.map((_, index) => held + 1 + index));
      const next = held + taken.length + 1;
      expect(seqs).not.toContain(next);
      expect(gap).toBe(seqs.some((seq) => seq > next));
    }),
  );
});

describe('live state', () => {
  test('changes of a door reach pages at most four times a second, and only when there are any', async () => {
    const { bench, bridge } = await openWithBridge();
    bench.announced.length = 0;
    const states = () => bench.announced.filter(({ topic }) => topic === 'portal.state');
    for (const state of ['granted', 'open', 'secure']) {
      const sinceMs = bench.time.ms;
      await bridge.state({
        portals: [
          { key: 'front', state, mode: 'controlled', contactOpen: false, strikeReleased: false, sinceMs },
        ],
      });
    }
    expect(states()).toHaveLength(0);
    bench.time.advance(250);
    expect(states().map(({ data }) => data['live'])).toMatchObject([{ state: 'secure' }]);
    await bridge.state({
      portals: [
        {
          key: 'front',
          state: 'secure',
          mode: 'controlled',
          contactOpen: false,
          strikeReleased: false,
          sinceMs: bench.time.ms - 250,
        },
      ],
    });
    bench.time.advance(250);
    expect(states()).toHaveLength(1);
    bridge.disconnect();
    expect(states().at(-1)?.data).toMatchObject({ connected: false, live: null });
  });

  test('last seen is written now and then, not with every state', async () => {
    const { bench, bridge } = await openWithBridge();
    const lastSeen = async () =>
      (await bench.store.read.selectFrom('bridge_status').select('last_seen_at_ms').executeTakeFirstOrThrow())
        .last_seen_at_ms;
    const before = await lastSeen();
    bench.time.advance(10_000);
    await bridge.state();
    expect(await lastSeen()).toBe(before);
    bench.time.advance(55_000);
    await bridge.state();
    expect(await lastSeen()).toBe(bench.time.ms);
  });

  test('events name what they are about even after it is gone', async () => {
    const { bench, bridge } = await openWithBridge();
    await bridge.offer([
      bridge.event({ kind: 'granted', portalKey: 'front', memberId: newId(), ruleId: newId() }),
    ]);
    const [row] = await findEvents(bench.store.read, {}, { limit: 1 });
    expect(row?.details.ruleId).toBeDefined();
    const { items } = await eventsFound(bench.access.parts, { limit: 1 });
    expect(items[0]).toMatchObject({ member: { name: 'removed member' }, rule: { name: 'removed rule' } });
  });
});
