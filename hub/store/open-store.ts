import { HybridClock } from '#hub/kernel/hybrid-time.ts';
import type { Fault } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import { StoreFigures } from './health/store-figures.ts';
import { DirectReader } from './reading/direct-reader.ts';
import { ReportReader } from './reading/report-reader.ts';
import type { StoreLocation } from './sqlite/open.ts';
import type { Replication, Store } from './store.ts';
import { joinRegistry, type Registrations } from './table-registry.ts';
import { InThreadWriter } from './workers/in-thread-writer.ts';
import { type StoreLink, WorkerLink } from './workers/worker-link.ts';
import type { StoreReady, WriterWorkerData } from './workers/worker-protocol.ts';
import { transactStep } from './writing/step-log.ts';
import { WriteQueue } from './writing/write-queue.ts';

export interface OpenStoreOptions extends StoreLocation {
  /** Every table of every domain; the store adds its own. */
  readonly registry: Registrations;
  readonly migrationsDir: string;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Logger;
  /** Transactions that may wait for their turn; 256 unless told. */
  readonly queueLimit?: number | undefined;
  /** The reader Worker ends when nobody asked for a report for so long; 30 s unless told. */
  readonly readerIdleMs?: number | undefined;
  /** For tests of a full disk where none can be mounted. */
  readonly maxPageCount?: number | undefined;
  /** A store that is filled at once, by a process that has memory to spare. */
  readonly isBulkLoad?: boolean | undefined;
  /** The writer runs in this thread and not in a Worker: for a process that has nothing else to do meanwhile. */
  readonly writesInThread?: boolean | undefined;
  /** Called when the store Worker dies. Unless told it throws where nobody catches: the process stops and is started again. */
  readonly onDeath?: ((fault: Fault) => void) | undefined;
}

/**
 * Opens the store for writing, makes it when there is none, and migrates it before anything else.
 * Faults: `storeLocked`, `wrongKey`, `storeCorrupt`, `storeTooNew`, `migrationSet`, `migrationChanged`,
 * `migrationFailed`, `registryMismatch`, `diskFull`, `storeFault`.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { path, key, keyPlace, clock, log } = options;
  const location = { path, key, keyPlace };
  const { link, ready } = await openLink(options);
  try {
    const figures = new StoreFigures();
    const tables = joinRegistry(options.registry, ready.tables);
    const reader = new DirectReader(location, log, figures);
    for (const { number, name } of ready.migrated) log.info({ migration: number, name }, 'migration applied');
    log.info({ path, tables: tables.size, openMs: Math.round(ready.openMs) }, 'store open');
    const lastChange = await reader
      .selectFrom('change')
      .select('hlc')
      // Rows that were announced as they are have no time of their own.
      .where('hlc', '>', 0)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst();
    const hybridClock = new HybridClock(lastChange?.hlc ?? 0);
    const replication: Replication = {
      tables: [...tables.values()].flatMap(({ name, registration, columns }) =>
        registration.class === 'local' ? [] : [{ name, class: registration.class, columns: [...columns] }],
      ),
      location: { path, key },
      wholeRows: false,
      onOutboxGrown: () => undefined,
      observe: (hlc) => hybridClock.observe(hlc),
    };
    const queue = new WriteQueue({
      link,
      tables,
      clock,
      log,
      queueLimit: options.queueLimit ?? 256,
      figures,
      hybridClock,
      replication,
      onCommitted: (written) => {
        reader.noteWrites(written);
        if (written.has('change')) replication.onOutboxGrown();
      },
    });
    const reports = new ReportReader(location, options.readerIdleMs ?? 30_000, log, figures);
    return {
      read: reader,
      transact: async (name, work) => await transactStep((...asked) => queue.transact(...asked), name, work),
      report: async (work) => await reports.report(work),
      replication,
      figures,
      close: async () => {
        await Promise.all([queue.close(), reports.close()]);
        reader.close();
        await link.close();
      },
    };
  } catch (error) {
    await link.close();
    throw error;
  }
}

async function openLink(options: OpenStoreOptions): Promise<{ link: StoreLink; ready: StoreReady }> {
  const { path, key, keyPlace } = options;
  const data: WriterWorkerData = {
    path,
    key,
    keyPlace,
    migrationsDir: options.migrationsDir,
    nowMs: options.clock.nowMs(),
    maxPageCount: options.maxPageCount,
    isBulkLoad: options.isBulkLoad ?? false,
  };
  if (options.writesInThread !== true)
    return await WorkerLink.start('writer-worker.ts', data, options.onDeath ?? stopProcess);
  const link = new InThreadWriter(data);
  return { link, ready: link.ready };
}

function stopProcess(fault: Fault): void {
  setImmediate(() => {
    throw fault;
  });
}
