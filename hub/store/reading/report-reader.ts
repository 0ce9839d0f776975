import { Kysely } from 'kysely';
import { assert, Fault } from '#hub/kernel/result.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Database } from '../database.ts';
import type { StoreFigures } from '../health/store-figures.ts';
import { isLinePiece } from '../line-format.ts';
import { runnerDialect, toStatement } from '../sqlite/dialect.ts';
import type { StoreLocation } from '../sqlite/open.ts';
import type { Reader, ToLines } from '../store.ts';
import { WorkerLink } from '../workers/worker-link.ts';
import type { Statement } from '../workers/worker-protocol.ts';
import { admitSelect } from './direct-reader.ts';

/** Reports that may wait; they are for people and exports, so few. */
const queueLimit = 16;

/** Reports one after the other, each on one snapshot, in a Worker that exists only while it is needed. */
export class ReportReader {
  readonly #location: StoreLocation;
  readonly #idleMs: number;
  readonly #log: Logger;
  readonly #figures: StoreFigures;
  #link: WorkerLink | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  #idleTimer: NodeJS.Timeout | null = null;

  /** `idleMs`: without a report for so long, the Worker ends and its memory is given back. */
  constructor(location: StoreLocation, idleMs: number, log: Logger, figures: StoreFigures) {
    this.#location = location;
    this.#idleMs = idleMs;
    this.#log = log;
    this.#figures = figures;
  }

  /** Faults: `storeBusy`, `storeClosed`, and whatever the statements met. */
  async report<T>(work: (reader: Reader, toLines: ToLines) => Promise<T>): Promise<T> {
    if (this.#closed) throw new Fault('storeClosed', 'the store is closed: the report was not run');
    const figures = this.#figures;
    if (figures.waitingReports > queueLimit) {
      figures.refusedReports += 1;
      throw new Fault('storeBusy', `${queueLimit} reports wait already: this one was not run, try again`);
    }
    figures.waitingReports += 1;
    const askedMs = performance.now();
    this.#keepAwake();
    const turn = this.#last.then(async () => await this.#run(work));
    this.#last = turn.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await turn;
    } finally {
      figures.waitingReports -= 1;
      figures.reports.observeMs(performance.now() - askedMs);
      if (figures.waitingReports === 0 && !this.#closed) this.#sleepSoon();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    this.#keepAwake();
    await this.#end();
  }

  async #run<T>(work: (reader: Reader, toLines: ToLines) => Promise<T>): Promise<T> {
    const link = await this.#start();
    await link.request({ kind: 'begin' });
    const state = { isOver: false };
    try {
      return await work(snapshotReader(link, state), linesOf(link, state));
    } finally {
      state.isOver = true;
      await link.request({ kind: 'endStream' });
      await link.request({ kind: 'rollback' });
    }
  }

  async #start(): Promise<WorkerLink> {
    if (this.#link !== null) return this.#link;
    const { path, key } = this.#location;
    const { link } = await WorkerLink.start('reader-worker.ts', { path, key }, (fault) => {
      this.#link = null;
      this.#log.error({ err: fault }, 'the reader Worker died; the next report starts another');
    });
    this.#link = link;
    return link;
  }

  #keepAwake(): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
  }

  #sleepSoon(): void {
    this.#keepAwake();
    this.#idleTimer = setTimeout(() => {
      // In the queue, so that no report meets a Worker that is about to end.
      this.#last = this.#endAfter(this.#last);
    }, this.#idleMs);
    this.#idleTimer.unref();
  }

  async #endAfter(last: Promise<unknown>): Promise<void> {
    await last;
    if (this.#figures.waitingReports === 0) await this.#end();
  }

  async #end(): Promise<void> {
    const link = this.#link;
    this.#link = null;
    if (link === null) return;
    await link.close();
    this.#log.debug('the reader Worker ended');
  }
}

const linesOf =
  (link: WorkerLink, state: { readonly isOver: boolean }): ToLines =>
  async (query, columns, delimiter = 'comma') => {
    assert(!state.isOver, 'the report is over: await each of its statements inside');
    const compiled = query.compile();
    admitSelect(compiled.query);
    const statement = toStatement(compiled);
    const { rows } = await link.request({ kind: 'lines', statement, columns, delimiter });
    const [piece] = rows;
    assert(isLinePiece(piece), 'lines come back in one row');
    return piece;
  };

function snapshotReader(link: WorkerLink, state: { readonly isOver: boolean }): Reader {
  const assertOpen = (): void => {
    assert(!state.isOver, 'the report is over: await each of its statements inside');
  };
  const kysely = new Kysely<Database>({
    dialect: runnerDialect({
      admit: admitSelect,
      run: async (statement) => {
        assertOpen();
        return await link.request({ kind: 'run', statement });
      },
      async *stream(statement: Statement, rows: number) {
        assertOpen();
        await link.request({ kind: 'stream', statement });
        try {
          while (true) {
            assertOpen();
            const piece = await link.request({ kind: 'next', rows });
            if (piece.rows.length > 0) yield piece.rows;
            if (piece.rows.length < rows) return;
          }
        } finally {
          if (!state.isOver) await link.request({ kind: 'endStream' });
        }
      },
    }),
  });
  return Object.assign(kysely, {
    async select(statement: Statement): Promise<unknown[]> {
      assertOpen();
      return (await link.request({ kind: 'run', statement })).rows;
    },
    /** A snapshot grows old: nothing of it is kept. */
    writesTo: () => null,
  });
}
