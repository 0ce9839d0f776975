import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { demoUsername, fillDemo } from '#hub/demo/fill.ts';
import { denyReasons } from '#hub/domains/access/schema.ts';
import { createLog } from '#hub/platform/log.ts';
import type { Reader } from '#hub/store/store.ts';
import { Appliance } from '#tests/_support/appliance.ts';
import { withStore } from '#tests/_support/crash/account.ts';

const root = path.resolve(import.meta.dirname, '../..');
const endMs = Date.parse('2026-11-20T15:20:00Z');
const dayMs = 86_400_000;
/** As many members as the small demo has; fewer taps, for the time that they take. */
const size = { members: 400, events: 12_000 };
const password = 'nine lathes hum in Kreuzberg';

async function makeFolder(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), 'mc-'));
}

const fill = (stateDir: string, seed: number, wanted = { members: 40, events: 1500 }) =>
  fillDemo({ stateDir, seed, size: wanted, endMs, password, log: createLog({ level: 'silent' }) });

async function filledFolder(seed: number): Promise<string> {
  const stateDir = await makeFolder();
  onTestFinished(() => rm(stateDir, { recursive: true, force: true }));
  await fill(stateDir, seed);
  return stateDir;
}

/** Everything that a person would call the demo, without ids, keys and times of creation. */
const digestOf = (stateDir: string): Promise<string> =>
  withStore(stateDir, async (reader) => {
    const rows = [
      await reader
        .selectFrom('member')
        .select(['number', 'name', 'email', 'status'])
        .orderBy('number')
        .execute(),
      await reader.selectFrom('plan').select(['name', 'price_minor']).orderBy('name').execute(),
      await reader.selectFrom('membership').select(['state', 'until_ms', 'from_ms']).orderBy('id').execute(),
      await reader.selectFrom('credential').select(['label', 'status', 'masked']).orderBy('id').execute(),
      await reader
        .selectFrom('access_event')
        .leftJoin('member', 'member.id', 'access_event.member_id')
        .leftJoin('portal', 'portal.id', 'access_event.portal_id')
        .select(['seq', 'kind', 'reason', 'at_ms', 'member.number', 'portal.key', 'access_event.clock_trust'])
        .orderBy('seq')
        .execute(),
    ];
    return createHash('sha256').update(JSON.stringify(rows)).digest('hex');
  });

const countBy = async (reader: Reader, column: 'kind' | 'reason'): Promise<Record<string, number>> => {
  const rows = await reader
    .selectFrom('access_event')
    .select(({ fn }) => [column, fn.countAll<number>().as('events')])
    .groupBy(column)
    .execute();
  return Object.fromEntries(rows.map((row) => [row[column] ?? '', row.events]));
};

describe('the small demo', () => {
  let stateDir = '';
  let events = 0;

  beforeAll(async () => {
    stateDir = await makeFolder();
    ({ events } = await fill(stateDir, 1, size));
  }, 300_000);
  afterAll(() => rm(stateDir, { recursive: true, force: true }));

  it('has the members, doors and events that it promises, in a year that ends now', async () => {
    expect(Math.abs(events - size.events)).toBeLessThan(size.events * 0.02);
    await withStore(stateDir, async (reader) => {
      const members = await reader.selectFrom('member').select('id').execute();
      const doors = await reader.selectFrom('portal').select('key').execute();
      const times = await reader
        .selectFrom('access_event')
        .select(({ fn }) => [
          fn.min('at_ms').as('first'),
          fn.max('at_ms').as('last'),
          fn.countAll().as('all'),
        ])
        .executeTakeFirstOrThrow();
      const dead = await reader.selectFrom('event_dead_letter').select('id').execute();
      expect(members).toHaveLength(400);
      expect(doors.map(({ key }) => key).sort()).toEqual([
        'front',
        'laser',
        'metal',
        'office',
        'storage',
        'workshop',
      ]);
      expect(times).toMatchObject({ all: events });
      expect(times.last).toBeLessThan(endMs);
      expect(times.last).toBeGreaterThan(endMs - 2 * dayMs);
      expect(times.first).toBeLessThan(endMs - 360 * dayMs);
      expect(dead).toEqual([]);
    });
  });

  it('has denials for every reason of doors without keypads, and every kind of event', async () => {
    await withStore(stateDir, async (reader) => {
      const reasons = await countBy(reader, 'reason');
      const ofKeypads: readonly string[] = ['assuranceTooLow', 'tooManyAttempts', 'pinRequired', 'pinWrong'];
      // Its cards are all of 26 bits, so no two of them look alike to a reader.
      const absent = [...ofKeypads, 'ambiguousCard'];
      for (const reason of denyReasons)
        expect([reason, (reasons[reason] ?? 0) > 0]).toEqual([reason, !absent.includes(reason)]);
      const kinds = await countBy(reader, 'kind');
      const expected = [
        'granted',
        'denied',
        'remoteGranted',
        'entered',
        'notEntered',
        'egress',
        'forcedOpen',
      ];
      for (const kind of [
        ...expected,
        'heldOpen',
        'preAlarm',
        'restored',
        'modeChanged',
        'boot',
        'readFault',
      ])
        expect(kinds[kind] ?? 0, kind).toBeGreaterThan(0);
      expect(kinds['granted'] ?? 0).toBeGreaterThan((kinds['denied'] ?? 0) * 2);
    });
  });

  it('has cards and memberships in the states that a real space has', async () => {
    await withStore(stateDir, async (reader) => {
      const cards = await reader.selectFrom('credential').select('status').distinct().execute();
      expect(cards.map(({ status }) => status).sort()).toEqual([
        'active',
        'lost',
        'retired',
        'suspended',
        'temporary',
      ]);
      const memberships = await reader.selectFrom('membership').select('state').distinct().execute();
      const states = memberships.map(({ state }) => state);
      for (const state of ['active', 'ended', 'lapsed', 'cancelling']) expect(states).toContain(state);
      const plans = await reader.selectFrom('plan').select('name').execute();
      expect(plans.length).toBeGreaterThanOrEqual(5);
    });
  });

  it('names events of other events in the order in which they happened', async () => {
    await withStore(stateDir, async (reader) => {
      const rows = await reader
        .selectFrom('access_event')
        .select(['seq', 'at_ms', 'details'])
        .orderBy('seq')
        .execute();
      let before = 0;
      for (const { seq, at_ms, details } of rows) {
        expect(at_ms, `event ${seq}`).toBeGreaterThanOrEqual(before);
        before = at_ms;
        const { followsSeq } = JSON.parse(details) as { followsSeq?: number };
        if (followsSeq !== undefined) expect(followsSeq).toBeLessThan(seq);
      }
    });
  });

  it('runs: its owner signs in, and a tap at one of its doors is decided', async () => {
    const appliance = await Appliance.create({
      stateDir: await copyOf(stateDir),
      bridgeConfig: path.join(root, 'config/demo-bridge.yaml'),
    });
    try {
      await appliance.start('hub');
      await appliance.start('simulator');
      await appliance.start('bridge');
      await appliance.untilApplied();
      const signIn = await fetch(`${appliance.url}/auth/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: appliance.url },
        body: JSON.stringify({ username: demoUsername, password }),
      });
      expect(signIn.status).toBe(201);
      const { items } = await appliance.ask('GET', '/api/access-control/portals');
      expect((items as { connected: boolean }[]).map(({ connected }) => connected)).toEqual(
        Array.from({ length: 6 }, () => true),
      );
      const tap = await appliance.tap('1:1');
      expect(tap).toMatchObject({ member: { name: expect.any(String) as string } });
      const site = await appliance.ask('GET', '/api/system/site');
      expect(site.name).toContain('demo');
    } finally {
      await appliance.close();
    }
  });
});

async function copyOf(stateDir: string): Promise<string> {
  const copy = await makeFolder();
  await cp(stateDir, copy, { recursive: true });
  return copy;
}

describe('a demo', () => {
  it('is the same for the same seed, and another for another', async () => {
    const [first, second, other] = [await filledFolder(7), await filledFolder(7), await filledFolder(8)];
    expect(await digestOf(second)).toBe(await digestOf(first));
    expect(await digestOf(other)).not.toBe(await digestOf(first));
  });

  it('is never mixed into a hub that somebody owns', async () => {
    const stateDir = await filledFolder(3);
    const before = await digestOf(stateDir);
    await expect(fill(stateDir, 4)).rejects.toMatchObject({ code: 'demoNotEmpty' });
    expect(await digestOf(stateDir)).toBe(before);
  });

  it('that was interrupted is not started: the start script says what to do', async () => {
    const stateDir = await makeFolder();
    onTestFinished(() => rm(stateDir, { recursive: true, force: true }));
    await writeFile(
      path.join(stateDir, 'demo.json'),
      JSON.stringify({ size: 'small', seed: 1, state: 'filling' }),
    );
    const child = spawn(process.execPath, [path.join(root, 'scripts/start.ts'), '--state', stateDir], {
      cwd: root,
    });
    let output = '';
    child.stderr.on('data', (text: Buffer) => {
      output += text.toString();
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(1);
    expect(output).toContain('interrupted');
    expect(output).toContain('--demo-restart');
    expect(await readFile(path.join(stateDir, 'log/start.log'), 'utf8')).toContain('interrupted');
  });
});
