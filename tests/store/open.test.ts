import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Sqlite from 'better-sqlite3-multiple-ciphers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openStore } from '#hub/store/open-store.ts';
import { openConnection } from '#hub/store/sqlite/open.ts';
import { faultOf, filesOf, makeFolder, openTestStore } from './fixture.ts';
import { rightKey, wrongKey } from './store-tables.ts';

const canary = 'CANARY-8f1e-plaintext';

describe('encryption', () => {
  it('leaves no plaintext in the database, its log or beside it, and only the owner may read them', async () => {
    const folder = makeFolder();
    const { store } = await openTestStore(folder);
    await store.transact('write', async (tx) => {
      await tx.insert('thing', { id: 'a', name: canary, picture: Buffer.from(canary) });
    });
    const files = filesOf(folder);
    expect([...files.keys()].sort()).toEqual(
      expect.arrayContaining(['hub.sqlite', 'hub.sqlite-wal', 'hub.sqlite.lock']),
    );
    expect(files.get('hub.sqlite-wal')?.length).toBeGreaterThan(4096);
    for (const [name, bytes] of files) {
      expect(bytes.includes(canary), `${name} has the canary`).toBe(false);
      expect(bytes.includes('create table thing'), `${name} has the schema`).toBe(false);
      expect(bytes.includes(Buffer.from(rightKey)), `${name} has the key`).toBe(false);
      expect(statSync(path.join(folder, name)).mode & 0o077, `${name} is readable by others`).toBe(0);
    }
    await store.close();
    expect(readFileSync(path.join(folder, 'hub.sqlite')).includes(canary)).toBe(false);
  });

  it('writes with WAL and synchronous=FULL and checks foreign keys', async () => {
    const { store, options } = await openTestStore();
    const broken = store.transact('orphan', async (tx) => {
      await tx.insert('thing', { id: 'a', name: 'a', parent_id: 'nobody' });
    });
    expect(await faultOf(broken)).toMatchObject({ code: 'constraint', kind: 'foreignKey' });
    expect(existsSync(`${options.path}-wal`)).toBe(true);
    await store.close();
    const connection = openConnection(options, { mode: 'write', cacheKib: 256 });
    onTestFinished(() => void connection.close());
    const settings = ['synchronous', 'foreign_keys', 'journal_mode', 'temp_store', 'cipher'].map((name) =>
      connection.pragma(name, { simple: true }),
    );
    expect(settings).toEqual([2, 1, 'wal', 2, 'chacha20']);
  });
});

it('drops statistics of the query planner, which were right for tables of another size', async () => {
  const { store, options } = await openTestStore();
  await store.close();
  const connection = openConnection(options, { mode: 'write', cacheKib: 256 });
  connection.exec('analyze');
  const tables = "select name from sqlite_schema where name like 'sqlite_stat%'";
  expect(connection.prepare(tables).all()).not.toEqual([]);
  connection.close();
  const again = await openStore(options);
  await again.close();
  const reopened = openConnection(options, { mode: 'read', cacheKib: 256 });
  onTestFinished(() => void reopened.close());
  expect(reopened.prepare(tables).all()).toEqual([]);
});

describe('a store that does not open', () => {
  const closedStore = async (): Promise<{
    folder: string;
    file: string;
    reopen: (key?: Uint8Array) => Promise<unknown>;
  }> => {
    const folder = makeFolder();
    const { store, options } = await openTestStore(folder);
    await store.transact('write', async (tx) => {
      for (let index = 0; index < 200; index += 1)
        await tx.insert('thing', { id: `t${index}`, name: `name ${index} ${'x'.repeat(100)}` });
    });
    await store.close();
    return {
      folder,
      file: options.path,
      reopen: async (key = rightKey) => await openStore({ ...options, key }),
    };
  };

  it('refuses a wrong key, names the file and the key, and changes no byte', async () => {
    const { file, reopen } = await closedStore();
    const before = readFileSync(file);
    const fault = await faultOf(reopen(wrongKey));
    expect(fault.code).toBe('wrongKey');
    expect(fault.message).toContain(file);
    expect(fault.message).toContain('/keys/store.key');
    expect(fault.message).toContain('Put back the key');
    expect(JSON.stringify([fault.message, String(fault.cause)])).not.toContain('09'.repeat(32));
    expect(readFileSync(file).equals(before)).toBe(true);
    const reopened = (await reopen()) as { close(): Promise<void> };
    await reopened.close();
  });

  it('refuses a wrong key while a log waits to be replayed, and loses nothing of the log', async () => {
    const folder = makeFolder();
    const { store, options } = await openTestStore(folder);
    await store.transact('write', async (tx) => await tx.insert('thing', { id: 'a', name: 'kept' }));
    // What a power cut would leave: the files as they are now, without the closing checkpoint.
    const crashed = path.join(makeFolder(), 'hub.sqlite');
    for (const suffix of ['', '-wal']) copyFileSync(options.path + suffix, crashed + suffix);
    const before = ['', '-wal'].map((suffix) => readFileSync(crashed + suffix).toString('hex'));
    const fault = await faultOf(openStore({ ...options, path: crashed, key: wrongKey }));
    expect(fault.code).toBe('wrongKey');
    expect(['', '-wal'].map((suffix) => readFileSync(crashed + suffix).toString('hex'))).toEqual(before);
    const { store: reopened } = await openTestStore(folder, {
      path: crashed,
      migrationsDir: options.migrationsDir,
    });
    expect(await reopened.read.selectFrom('thing').select('name').execute()).toEqual([{ name: 'kept' }]);
  });

  it('tells a damaged first page from a wrong key, because it knows the key', async () => {
    const { file, reopen } = await closedStore();
    const bytes = readFileSync(file);
    bytes[300]! ^= 1;
    writeFileSync(file, bytes);
    expect((await faultOf(reopen())).code).toBe('storeCorrupt');
    expect((await faultOf(reopen(wrongKey))).code).toBe('wrongKey');
  });

  it.each([
    ['text', Buffer.from('hello')],
    ['one page of zeros', Buffer.alloc(4096)],
    ['its first 2000 bytes', null],
  ])('refuses a file that is %s', async (_what, content) => {
    const { file, reopen } = await closedStore();
    writeFileSync(file, content ?? readFileSync(file).subarray(0, 2000));
    const fault = await faultOf(reopen());
    expect(fault.code).toBe('storeCorrupt');
    expect(fault.message).toContain(file);
  });

  it('refuses an SQLite file without encryption', async () => {
    const { file, reopen } = await closedStore();
    const plain = `${file}.plain`;
    const database = new Sqlite(plain);
    database.exec('create table t (a)');
    database.close();
    copyFileSync(plain, file);
    const fault = await faultOf(reopen());
    expect(fault.code).toBe('storeCorrupt');
    expect(fault.message).toContain('not encrypted');
  });

  it('refuses an empty file whose log is not empty', async () => {
    const { file, reopen } = await closedStore();
    writeFileSync(file, '');
    writeFileSync(`${file}-wal`, 'something');
    const fault = await faultOf(reopen());
    expect(fault.code).toBe('storeCorrupt');
    expect(fault.message).toContain('-wal');
  });

  it('reports a damaged page of a table as storeCorrupt when it is read', async () => {
    const { file, reopen } = await closedStore();
    const bytes = readFileSync(file);
    for (let page = 4; page < bytes.length / 4096; page += 1) bytes[page * 4096 + 500]! ^= 1;
    writeFileSync(file, bytes);
    const fault = await faultOf(
      reopen().then(async (opened) => {
        const store = opened as Awaited<ReturnType<typeof openTestStore>>['store'];
        onTestFinished(async () => await store.close());
        return await store.read.selectFrom('thing').selectAll().execute();
      }),
    );
    expect(fault.code).toBe('storeCorrupt');
  });
});

describe('the lock', () => {
  it('lets one process at a time write, and says which one has it', async () => {
    const { options } = await openTestStore();
    const fault = await faultOf(openStore(options));
    expect(fault.code).toBe('storeLocked');
    expect(fault.message).toContain(`process ${process.pid}`);
  });

  it('is held, and given back, by a writer in this thread too, which says the same of a wrong key', async () => {
    const { store, options } = await openTestStore(makeFolder(), { writesInThread: true });
    expect((await faultOf(openStore({ ...options, writesInThread: false }))).code).toBe('storeLocked');
    await store.transact('write', async (tx) => await tx.insert('tick', { n: 1 }));
    const twice = store.transact('again', async (tx) => await tx.insert('tick', { n: 1 }));
    expect((await faultOf(twice)).code).toBe('constraint');
    await store.close();
    expect((await faultOf(openStore({ ...options, key: wrongKey }))).code).toBe('wrongKey');
    const again = await openStore({ ...options, writesInThread: false });
    await again.close();
  });

  it('is free again when the store was closed or did not open', async () => {
    const folder = makeFolder();
    const { store, options } = await openTestStore(folder);
    await store.close();
    expect((await faultOf(openStore({ ...options, key: wrongKey }))).code).toBe('wrongKey');
    expect((await faultOf(openStore({ ...options, registry: {} }))).code).toBe('registryMismatch');
    const again = await openStore(options);
    await again.close();
  });

  it('is free again when its holder was killed, even with a torn lock file', async () => {
    const folder = makeFolder();
    const { store, options } = await openTestStore(folder);
    await store.close();
    const child = spawn(process.execPath, [
      path.resolve(import.meta.dirname, 'transaction-writer.ts'),
      options.path,
      options.migrationsDir,
    ]);
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    const fault = await faultOf(openStore(options));
    expect(fault.code).toBe('storeLocked');
    expect(fault.message).toContain(`process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    writeFileSync(`${options.path}.lock`, 'torn');
    const again = await openStore(options);
    await again.close();
  });
});
