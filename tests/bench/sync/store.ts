import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { hubTables } from '#hub/domains.ts';
import { createLog } from '#hub/platform/log.ts';
import { newId } from '#hub/platform/new-id.ts';
import { openStore } from '#hub/store/open-store.ts';
import { openConnection, type StoreLocation } from '#hub/store/sqlite/open.ts';
import { acquireStoreLock } from '#hub/store/sqlite/store-lock.ts';
import type { Store } from '#hub/store/store.ts';
import { chainStart } from '#hub/sync/engine/chain.ts';
import { SyncEngine } from '#hub/sync/engine/engine.ts';
import { createStoreKeeper } from '#hub/sync/engine/store-keeper.ts';
import { join } from '#hub/sync/link/join-workflow.ts';
import { takeEverything } from '#hub/sync/link/restore-workflow.ts';
import { type BenchEvent, eventColumns } from './events.ts';

const log = createLog({ level: 'error' });
const clock = { nowMs: Date.now };
const key = Buffer.alloc(32, 7);
const rowsPerCommit = 50_000;

/** Notes in the outbox that a row was added, as the write seam does; its body only for rows of state tables. */
export const changeSql =
  'insert into change (tbl, pk, op, body, digest, at_ms, base_cursor, hlc, erases) values (?, ?, ?, ?, ?, ?, 0, ?, 0)';
/** Digests are only linked into a chain by replication: any do. */
export const benchDigest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Runs `work` on a connection that writes to a store which nobody has open, with all that is made for speed. */
export function writeDirectly(
  location: StoreLocation,
  work: (connection: ReturnType<typeof openConnection>) => void,
): void {
  const lock = acquireStoreLock(location.path);
  try {
    const connection = openConnection(location, { mode: 'write', cacheKib: 262_144 });
    try {
      connection.pragma('synchronous = off');
      connection.pragma('wal_autocheckpoint = 32768');
      work(connection);
      connection.pragma('wal_checkpoint(truncate)');
    } finally {
      connection.close();
    }
  } finally {
    lock.release();
  }
}

/** Adds events, each with its row in the outbox. */
export function fillEvents(location: StoreLocation, events: Iterable<BenchEvent>): void {
  writeDirectly(location, (connection) => {
    const names = eventColumns.join(', ');
    const event = connection.prepare(
      `insert into access_event (${names}) values (${eventColumns.map(() => '?').join(', ')})`,
    );
    const change = connection.prepare(changeSql);
    let count = 0;
    connection.exec('begin');
    for (const values of events) {
      const [id] = values;
      const atMs = Number(values.at(-1));
      event.run(...values);
      change.run(
        'access_event',
        id,
        'insert',
        null,
        benchDigest(String(id)),
        atMs,
        atMs * 2048 + (count % 2048),
      );
      count += 1;
      if (count % rowsPerCommit === 0) connection.exec('commit; begin');
    }
    connection.exec('commit');
  });
}

/** A hub's store and what replicates it with the product's own engine, in this process and its Workers. */
export class BenchReplica {
  readonly folder: string;
  readonly instance = randomUUID();
  #store: Store | null = null;
  #engine: SyncEngine | null = null;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** With an empty store, open. */
  static async create(isBulkLoad = false): Promise<BenchReplica> {
    const replica = new BenchReplica(await mkdtemp(path.join(tmpdir(), 'mc-sync-')));
    await replica.open(isBulkLoad);
    return replica;
  }

  get location(): StoreLocation {
    return { path: path.join(this.folder, 'hub.sqlite'), key };
  }

  get store(): Store {
    if (this.#store === null) throw new Error('the store is not open');
    return this.#store;
  }

  async open(isBulkLoad = false): Promise<void> {
    this.#store = await openStore({
      ...this.location,
      isBulkLoad,
      keyPlace: 'the bench',
      registry: hubTables,
      migrationsDir: path.resolve(import.meta.dirname, '../../../migrations/sqlite'),
      clock,
      log,
    });
  }

  async join(url: string, code: string): Promise<void> {
    const joined = await join({ store: this.store, clock, instance: this.instance }, { url, code }, 'seed');
    if (!joined.ok) throw new Error(joined.refusal.code);
  }

  /** Takes everything from the centre, as `makrcave-hub restore` does on an empty machine: ms. */
  async restore(url: string, code: string): Promise<number> {
    const { store, instance } = this;
    const startMs = performance.now();
    await takeEverything(
      { store, clock, instance, newId, release: 'bench', report: () => undefined },
      { url, code },
    );
    return performance.now() - startMs;
  }

  /** The hub and the centre are where they were before its first push; for the centre that is the caller's part. */
  rewind(): void {
    writeDirectly(this.location, (connection) => {
      connection.exec(
        `update sync_link set acked = base_seq, acked_chain = '${chainStart}';` +
          'delete from sync_mark where seq > (select base_seq from sync_link)',
      );
    });
  }

  /** Rounds of the engine until one has gone through: how long they took, ms. */
  async sync(): Promise<number> {
    const { store } = this;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (engine: SyncEngine): void => {
      const { problem, lastSuccessMs } = engine.state;
      if (problem !== null) reject(new Error(`${problem.code}: ${problem.evidence}`));
      if (lastSuccessMs !== null) resolve();
    };
    const engine: SyncEngine = new SyncEngine({
      store,
      keeper: createStoreKeeper({ store, newId, follow: () => Promise.resolve() }),
      log,
      clock,
      instance: this.instance,
      release: 'bench',
      pollMs: 50,
      answeredRequests: () => 0,
      onChanged: () => look(engine),
    });
    this.#engine = engine;
    const startMs = performance.now();
    try {
      engine.start();
      await promise;
      return performance.now() - startMs;
    } finally {
      this.#engine = null;
      await engine.stop();
    }
  }

  async close(): Promise<void> {
    await this.#engine?.stop();
    const store = this.#store;
    this.#store = null;
    await store?.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
