import { readFileSync } from 'node:fs';
import path from 'node:path';
import Sqlite from 'better-sqlite3-multiple-ciphers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';
import { readJournalFiles } from '#tests/_support/crash/journal-files.ts';
import { mountSmallDisk, type SmallDisk } from '#tests/_support/crash/small-disk.ts';
import { cardBits, untilLevel } from '#tests/_support/doors/doors.ts';
import { hubEvents } from '#tests/_support/hub-events.ts';
import { until } from '#tests/_support/until.ts';

const strikeLine = 17;
const members = async (appliance: Appliance) =>
  (await appliance.ask('GET', '/api/members?limit=200')).items as { name: string }[];
const countOf = async (appliance: Appliance, kind: string): Promise<number> =>
  (await hubEvents(appliance)).filter((event) => event.kind === kind).length;

describe('a hub whose disk is full', () => {
  let appliance: Appliance;
  let disk: SmallDisk | null = null;
  beforeAll(async () => {
    appliance = await Appliance.create();
    disk = mountSmallDisk(path.join(appliance.stateDir, 'hub'), 16_384, 'the hub on a full disk');
    if (disk === null) return;
    for (const part of ['hub', 'simulator', 'bridge'] as const) await appliance.start(part);
    await appliance.untilApplied();
    await appliance.furnish();
  }, 60_000);
  afterAll(async () => {
    for (const part of ['bridge', 'simulator', 'hub'] as const) await appliance.stop(part);
    disk?.unmount();
    await appliance.close();
  });

  it('refuses writes with 507 and why, reads on, keeps the doors going, and loses nothing', {
    timeout: 60_000,
  }, async () => {
    if (disk === null) return;
    await appliance.tap('123:4567');
    const knownGrants = await countOf(appliance, 'granted');
    disk.fill();

    const create = (name: string) => appliance.console('POST', '/api/members', { name });
    const refused = await until('a write that finds no room', async () => {
      const answer = await create('Nobody Half');
      return answer.status === 507 && answer;
    });
    expect(refused.json).toMatchObject({
      code: 'diskFull',
      title: expect.stringContaining('disk is full'),
      nextStep: expect.stringContaining('Free space'),
    });
    // Some were written before the last page of the log was full: they are whole, and then none is.
    const whole = await members(appliance);
    expect((await create('Nobody Half')).status).toBe(507);
    expect(await members(appliance)).toEqual(whole);
    expect((await fetch(`${appliance.url}/health`)).status).toBe(200);

    const report = await appliance.ask('GET', '/health/detailed');
    const found = (report.findings as { id: string }[]).map(({ id }) => id);
    expect(report.status).toBe('error');
    expect(found).toEqual(expect.arrayContaining(['disk.full', 'store.diskFull']));

    await untilLevel(appliance, strikeLine, 0);
    const before = (await readJournalFiles(appliance.stateDir)).length;
    await appliance.panel({ tap: { bits: cardBits('123:4567'), d0: 5, d1: 6 } });
    await untilLevel(appliance, strikeLine, 1);
    await until('the grant in the journal', async () =>
      (await readJournalFiles(appliance.stateDir)).slice(before).some(({ kind }) => kind === 'granted'),
    );
    expect(await countOf(appliance, 'granted')).toBe(knownGrants);

    disk.free();
    expect((await create('Somebody Whole')).status).toBe(201);
    const after = (await appliance.ask('GET', '/health/detailed')).findings as { id: string }[];
    expect(after.map(({ id }) => id)).not.toContain('store.diskFull');
    await until('the grant at the hub', async () => (await countOf(appliance, 'granted')) > knownGrants);
    expect(await countOf(appliance, 'granted')).toBe(knownGrants + 1);
    expect((await members(appliance)).length).toBe(whole.length + 1);
    expect(await appliance.ask('GET', '/api/system/verify')).toMatchObject({ ok: true });

    // What is on the disk is what was answered.
    await appliance.stop('hub', 'SIGKILL');
    const raw = new Sqlite(path.join(appliance.stateDir, 'hub/hub.sqlite'));
    raw.pragma("cipher = 'chacha20'");
    const key = readFileSync(path.join(appliance.stateDir, 'hub/keys/store.key'));
    raw.pragma(`key = "x'${key.toString('hex')}'"`);
    expect(raw.pragma('integrity_check', { simple: true })).toBe('ok');
    raw.close();
    await appliance.start('hub');
    expect((await members(appliance)).length).toBe(whole.length + 1);
  });
});
