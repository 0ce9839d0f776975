import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Sqlite from 'better-sqlite3-multiple-ciphers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appliance } from '#tests/_support/appliance.ts';
import { readJournalFiles } from '#tests/_support/crash/journal-files.ts';
import { cardBits, untilLevel } from '#tests/_support/doors/doors.ts';
import { hubEvents } from '#tests/_support/hub-events.ts';
import { until } from '#tests/_support/until.ts';

const strike = 17;
const front = { d0: 5, d1: 6 };

let appliance: Appliance;
beforeAll(async () => {
  appliance = await Appliance.start();
  await appliance.furnish();
  await appliance.tap('123:4567');
}, 60_000);
afterAll(() => appliance.close());

const file = (...names: string[]): string => path.join(appliance.stateDir, ...names);
const digestOf = (name: string): string => createHash('sha256').update(readFileSync(name)).digest('hex');
const digests = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, digestOf(path.join(folder, name))]));

/** Starts a part that must not start; what it said. */
async function refusal(part: 'hub' | 'bridge'): Promise<string> {
  const end = await appliance.start(part).then(
    () => null,
    (error: unknown) => String(error),
  );
  if (end === null) throw new Error(`the ${part} started`);
  return end;
}

/** With another key in place of the right one. */
async function withWrongKey<T>(keyFile: string, work: () => Promise<T>): Promise<T> {
  renameSync(keyFile, `${keyFile}.right`);
  writeFileSync(keyFile, randomBytes(32), { mode: 0o600 });
  try {
    return await work();
  } finally {
    renameSync(`${keyFile}.right`, keyFile);
  }
}

describe('a hub', () => {
  it('with another key says which file needs which key, ends with 1, and leaves the store as it was', async () => {
    await appliance.stop('hub', 'SIGKILL');
    const stores = ['hub.sqlite', 'hub.sqlite-wal'].map((name) => file('hub', name));
    const before = stores.map(digestOf);
    const key = file('hub/keys/store.key');
    const said = await withWrongKey(key, () => refusal('hub'));
    expect(said).toContain('ended (1)');
    expect(said).toContain(file('hub/hub.sqlite'));
    expect(said).toContain(key);
    expect(said).toContain('Put back the key');
    expect(said).not.toMatch(/\n\s+at /);
    expect(stores.map(digestOf)).toEqual(before);
    await appliance.start('hub');
    expect((await appliance.ask('GET', '/api/members')).items).toHaveLength(1);
  });

  it('whose store a newer release has migrated names that release and changes nothing', async () => {
    await appliance.stop('hub');
    const store = file('hub/hub.sqlite');
    const right = readFileSync(store);
    const raw = new Sqlite(store);
    raw.pragma("cipher = 'chacha20'");
    raw.pragma(`key = "x'${readFileSync(file('hub/keys/store.key')).toString('hex')}'"`);
    expect(raw.pragma('integrity_check', { simple: true })).toBe('ok');
    raw.exec(`insert into migration (number, name, sha256, release, applied_at_ms)
      select 9999, '9999_later.sql', sha256, '9.8.7', applied_at_ms from migration limit 1`);
    raw.close();
    const before = digestOf(store);
    const said = await refusal('hub');
    expect(said).toContain('ended (1)');
    expect(said).toContain('9.8.7');
    expect(digestOf(store)).toBe(before);
    writeFileSync(store, right);
    await appliance.start('hub');
    expect((await appliance.ask('GET', '/api/members')).items).toHaveLength(1);
  });
});

describe('a bridge with another key', () => {
  it('stays shut, keeps every byte of journal and policy for the right key, and says so', {
    timeout: 40_000,
  }, async () => {
    await appliance.stop('bridge', 'SIGKILL');
    await appliance.stop('hub');
    const journal = await readJournalFiles(appliance.stateDir);
    const segments = digests(file('bridge/journal'));
    const written = Object.keys(segments).filter(
      (name) =>
        !readFileSync(file('bridge/journal', name))
          .subarray(64)
          .every((byte) => byte === 0),
    );
    expect(written.length).toBeGreaterThan(0);
    const policy = digestOf(file('bridge/policy.bin'));
    await withWrongKey(file('bridge/bridge.key'), async () => {
      await appliance.start('bridge');
      const said = appliance.output.bridge.join('\n');
      expect(said).toContain('policy.bin cannot be used and was set aside');
      expect(said).toContain('the doors stay shut');
      await appliance.panel({ tap: { bits: cardBits('123:4567'), ...front } });
      const denied = await until('the denial', async () =>
        (await readJournalFiles(appliance.stateDir)).find(({ kind }) => kind === 'denied'),
      );
      expect(denied.reason).toBe('staleSnapshot');
      await appliance.stop('bridge');
    });
    expect(digestOf(file('bridge/policy.bin.unreadable'))).toBe(policy);
    const after = digests(file('bridge/journal'));
    for (const name of written) expect([name, after[name]]).toEqual([name, segments[name]]);

    // The right key again, and everything is there.
    renameSync(file('bridge/policy.bin.unreadable'), file('bridge/policy.bin'));
    await appliance.start('bridge');
    await appliance.panel({ tap: { bits: cardBits('123:4567'), ...front } });
    await untilLevel(appliance, strike, 1);
    const events = await readJournalFiles(appliance.stateDir);
    expect(events.slice(0, journal.length)).toEqual(journal);
    await appliance.start('hub');
    await until('all of it at the hub', async () => (await hubEvents(appliance)).length >= events.length);
    expect((await hubEvents(appliance)).slice(0, events.length).map(({ kind }) => kind)).toEqual(
      events.map(({ kind }) => kind),
    );
  });
});
