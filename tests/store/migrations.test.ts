import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Sqlite from 'better-sqlite3-multiple-ciphers';
import { describe, expect, it } from 'vitest';
import { Fault } from '#hub/kernel/result.ts';
import { createMigration, readMigrations } from '#hub/store/migrating/migration-files.ts';
import { hubRelease, migrateUp, migrationStatus } from '#hub/store/migrating/migrations.ts';
import { openStore } from '#hub/store/open-store.ts';
import { joinRegistry } from '#hub/store/table-registry.ts';
import { faultOf, makeFolder, makeMigrations, openTestStore } from './fixture.ts';
import { registry, rightKey, thingSql, wrongKey } from './store-tables.ts';

const clock = { nowMs: () => 1_800_000_000_000 };

const faultIn = (work: () => unknown): Fault => {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('it succeeded');
};

describe('the set of files', () => {
  it.each([
    ['a gap', { '0003_late.sql': '' }, /0002 is missing before 0003_late\.sql/],
    ['a number given twice', { '0002_a.sql': '', '0002_b.sql': '' }, /0002_a\.sql and 0002_b\.sql/],
    ['a bad name', { '2_a.sql': '' }, /NNNN_name\.sql/],
  ])('is refused for %s', (_what, files, message) => {
    const folder = makeFolder();
    const fault = faultIn(() => readMigrations(makeMigrations(folder, files)));
    expect(fault.code).toBe('migrationSet');
    expect(fault.message).toMatch(message);
  });

  it('of this release is complete and frozen by checksums of the bytes', () => {
    const migrations = readMigrations(path.resolve(import.meta.dirname, '../../migrations/sqlite'));
    expect(migrations[0]?.name).toBe('foundation');
    expect(new Set(migrations.map(({ sha256 }) => sha256)).size).toBe(migrations.length);
  });

  it('grows by createMigration, which takes the next number and refuses other names', () => {
    const migrations = makeMigrations(makeFolder());
    expect(path.basename(createMigration(migrations, 'spool_weight'))).toBe('0003_spool_weight.sql');
    expect(readMigrations(migrations).map(({ number }) => number)).toEqual([1, 2, 3]);
    for (const name of ['Spool', 'a b', '../x', ''])
      expect(faultIn(() => createMigration(migrations, name)).code).toBe('migrationSet');
    expect(readMigrations(migrations)).toHaveLength(3);
  });
});

describe('applying', () => {
  const closed = async (files?: Record<string, string>) => {
    const folder = makeFolder();
    const migrationsDir = makeMigrations(folder, files);
    const { store, options } = await openTestStore(folder, { migrationsDir });
    return { folder, migrationsDir, options, store };
  };

  it('happens once and is recorded with the checksum and the release', async () => {
    const { store, options, migrationsDir } = await closed();
    const rows = await store.read.selectFrom('migration').selectAll().orderBy('number').execute();
    expect(rows.map(({ number, name }) => ({ number, name }))).toEqual([
      { number: 1, name: 'foundation' },
      { number: 2, name: 'thing' },
    ]);
    expect(rows.map(({ sha256 }) => sha256)).toEqual(
      readMigrations(migrationsDir).map(({ sha256 }) => sha256),
    );
    expect(rows[1]?.release).toBe(hubRelease);
    await store.close();
    expect(migrateUp(options, migrationsDir, clock)).toEqual([]);
  });

  it('can be looked at beside the running hub, and done with the hub stopped only', async () => {
    const { store, options, migrationsDir } = await closed();
    createMigration(migrationsDir, 'later');
    expect(
      migrationStatus(options, migrationsDir).map(({ name, appliedAtMs }) => [name, appliedAtMs !== null]),
    ).toEqual([
      ['foundation', true],
      ['thing', true],
      ['later', false],
    ]);
    expect(faultIn(() => migrateUp(options, migrationsDir, clock)).code).toBe('storeLocked');
    await store.close();
    expect(migrateUp(options, migrationsDir, clock).map(({ name }) => name)).toEqual(['later']);
    expect(migrationStatus(options, migrationsDir).every(({ appliedAtMs }) => appliedAtMs !== null)).toBe(
      true,
    );
    expect(faultIn(() => migrationStatus({ ...options, key: wrongKey }, migrationsDir)).code).toBe(
      'wrongKey',
    );
  });

  it('tells what waits where there is no store yet, without making one', () => {
    const folder = makeFolder();
    const location = { path: path.join(folder, 'hub.sqlite'), key: rightKey };
    const migrationsDir = makeMigrations(folder);
    expect(migrationStatus(location, migrationsDir).map(({ appliedAtMs }) => appliedAtMs)).toEqual([
      null,
      null,
    ]);
    expect(() => readFileSync(location.path)).toThrow('ENOENT');
    expect(migrateUp(location, migrationsDir, clock)).toHaveLength(2);
  });

  it('refuses a file that was edited after it was applied, by name', async () => {
    const { store, options, migrationsDir } = await closed();
    await store.close();
    writeFileSync(path.join(migrationsDir, '0002_thing.sql'), `${thingSql}\n-- one more line`);
    const fault = await faultOf(openStore(options));
    expect(fault.code).toBe('migrationChanged');
    expect(fault.message).toContain('0002_thing.sql');
    expect(faultIn(() => migrationStatus(options, migrationsDir)).code).toBe('migrationChanged');
  });

  it('refuses a store that a newer release has migrated, and says which release', async () => {
    const folder = makeFolder();
    const newer = makeMigrations(folder, {
      '0002_thing.sql': thingSql,
      '0003_new.sql': 'create table newer (a)',
    });
    const location = { path: path.join(folder, 'hub.sqlite'), key: rightKey };
    migrateUp(location, newer, clock);
    const raw = new Sqlite(location.path);
    raw.pragma("cipher = 'chacha20'");
    raw.pragma(`key = "x'${Buffer.from(rightKey).toString('hex')}'"`);
    raw.exec("update migration set release = '9.8.7' where number = 3");
    raw.close();
    const older = makeMigrations(makeFolder());
    const before = readFileSync(location.path);
    const fault = await faultOf(openTestStore(folder, { migrationsDir: older }));
    expect(fault.code).toBe('storeTooNew');
    expect(fault.message).toContain('release 9.8.7');
    expect(fault.message).toContain('0003_new');
    expect(readFileSync(location.path).equals(before)).toBe(true);
  });

  it.each([
    ['has bad SQL', 'create table half (a); insert into nowhere values (1);', /0003_bad\.sql.*no such table/],
    ['ends its transaction', 'create table half (a); commit;', /leave out begin and commit/],
    [
      'leaves orphans',
      "create table half (a); insert into thing values ('a',1,1,1,null,'a',null,1,null,'x');",
      /1 rows that refer to nothing/,
    ],
  ])(
    'stops at a migration that %s, keeps the ones before and opens again when it is mended',
    async (what, sql, message) => {
      const folder = makeFolder();
      const migrationsDir = makeMigrations(folder, { '0002_thing.sql': thingSql, '0003_bad.sql': sql });
      const fault = await faultOf(openTestStore(folder, { migrationsDir }));
      expect(fault.code).toBe('migrationFailed');
      expect(fault.message).toMatch(message);
      // SQLite cannot take back what a migration committed by itself.
      if (what === 'ends its transaction') return;
      writeFileSync(path.join(migrationsDir, '0003_bad.sql'), 'create table half (a);');
      const { store } = await openTestStore(folder, {
        migrationsDir,
        registry: { ...registry, half: registry.tick },
      });
      expect(await store.read.selectFrom('migration').select('number').execute()).toHaveLength(3);
    },
  );

  it('may rebuild a table to which others refer', async () => {
    const rebuild =
      'create table thing2 as select * from thing; drop table thing; ' +
      `${thingSql.split(';')[0]}; insert into thing select * from thing2; drop table thing2;`;
    const folder = makeFolder();
    const { store } = await openTestStore(folder, { migrationsDir: makeMigrations(folder) });
    await store.transact('write', async (tx) => {
      await tx.insert('thing', { id: 'a', name: 'a' });
      await tx.insert('thing', { id: 'b', name: 'b', parent_id: 'a' });
    });
    await store.close();
    const migrationsDir = makeMigrations(folder, { '0002_thing.sql': thingSql, '0003_rebuild.sql': rebuild });
    const { store: rebuilt } = await openTestStore(folder, { migrationsDir });
    expect(
      await rebuilt.read.selectFrom('thing').select(['id', 'parent_id']).orderBy('id').execute(),
    ).toEqual([
      { id: 'a', parent_id: null },
      { id: 'b', parent_id: 'a' },
    ]);
  });
});

describe('the table registry', () => {
  it('must name every table of the database and no other', async () => {
    const { tick, ...withoutTick } = registry;
    const missing = await faultOf(openTestStore(makeFolder(), { registry: withoutTick }));
    expect(missing.code).toBe('registryMismatch');
    expect(missing.message).toContain('table tick is not registered');
    const extra = await faultOf(openTestStore(makeFolder(), { registry: { ...registry, ghost: tick } }));
    expect(extra.message).toContain('table ghost is registered, but no migration makes it');
  });

  it.each([
    ['thing', { ...registry.thing, personalColumns: ['nick'] }, /no column nick/],
    ['tick', registry.thing, /lacks the column version/],
    ['thing', registry.line, /has a version/],
  ] as const)('checks the columns of %s against its class', async (table, registration, message) => {
    const fault = await faultOf(
      openTestStore(makeFolder(), { registry: { ...registry, [table]: registration } }),
    );
    expect(fault.code).toBe('registryMismatch');
    expect(fault.message).toMatch(message);
  });

  it('wants id as the primary key of what is replicated', () => {
    const shape = (primaryKey: string[]) => ({
      name: 'line',
      columns: ['id', 'created_at_ms'],
      defaults: {},
      primaryKey,
    });
    const others = ['change', 'migration', 'store_fact', 'sync_position'].map((name) => ({
      name,
      columns: [],
      defaults: {},
      primaryKey: [],
    }));
    const line = { ...registry.line, personalColumns: [] };
    expect(
      faultIn(() => joinRegistry({ line }, [...others, shape(['id', 'created_at_ms'])])).message,
    ).toContain('primary key id');
    expect(joinRegistry({ line }, [...others, shape(['id'])]).has('line')).toBe(true);
  });

  it('does not ask for the tables in which a full-text index keeps its data', async () => {
    const folder = makeFolder();
    const migrationsDir = makeMigrations(folder, {
      '0002_thing.sql': thingSql,
      '0003_words.sql': 'create virtual table word using fts5 (text);',
    });
    const { store } = await openTestStore(folder, {
      migrationsDir,
      registry: { ...registry, word: registry.tick },
    });
    expect(await store.read.selectFrom('thing').select('id').execute()).toEqual([]);
  });
});
