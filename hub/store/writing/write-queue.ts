import type { HybridClock } from '#hub/kernel/hybrid-time.ts';
import { assert, Fault } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { StoreFigures } from '../health/store-figures.ts';
import { ConstraintFault } from '../sqlite/store-faults.ts';
import type { Replication, Transaction } from '../store.ts';
import { type TableCache, WriteMarks } from '../table-cache.ts';
import type { Tables } from '../table-registry.ts';
import type { StoreLink } from '../workers/worker-link.ts';
import type { Statement, StatementResult, WorkerRequest } from '../workers/worker-protocol.ts';
import { isRefused, SeamTransaction, type TransactionSession } from './seam.ts';
import { runOutsideSteps } from './step-log.ts';

/** Duration above which a transaction is logged: all others wait for it. */
const longWorkMs = 50;

export interface WriteQueueDeps {
  readonly link: StoreLink;
  readonly tables: Tables;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Logger;
  /** Maximum of waiting transactions; one more is the Fault `storeBusy`. */
  readonly queueLimit: number;
  readonly figures: StoreFigures;
  readonly hybridClock: HybridClock;
  readonly replication: Pick<Replication, 'wholeRows'>;
  /** Called after each commit, before anybody else learns of it. */
  readonly onCommitted: (tables: ReadonlySet<string>) => void;
}

/** A transaction whose work is done and whose commit is pending. */
interface Finished {
  readonly session: Session;
  readonly workMs: number;
}

/** Transactions that share one commit, and so one sync of the disk. */
class Group {
  readonly startedMs = performance.now();
  readonly finished: Finished[] = [];
  readonly #end = Promise.withResolvers<void>();
  #released: Promise<unknown> = Promise.resolve();

  constructor() {
    // Every caller awaits it for itself.
    this.#end.promise.catch(() => undefined);
  }

  /** Resolves when the commit is on the disk; rejects when nothing of the group is kept. */
  get committed(): Promise<void> {
    return this.#end.promise;
  }
  /** Settles when all savepoints of its transactions are released; await it before the commit. */
  get released(): Promise<unknown> {
    return this.#released;
  }
  /** The next transaction does not wait for it: the store does one after the other. */
  releaseWith(release: Promise<unknown>): void {
    this.#released = Promise.all([this.#released, release]);
    this.#released.catch(() => undefined);
  }
  resolve(): void {
    this.#end.resolve();
  }
  reject(error: unknown): void {
    this.#end.reject(error);
  }
}

/** Value of a transaction, and the promise that settles once it is durable. */
interface Outcome<T> {
  readonly value: T;
  readonly settled: Promise<unknown>;
}

/** Limits of one shared commit: transactions, and ms since the first began. */
const maxGroup = 32;
const maxGroupMs = 25;

/**
 * Runs transactions one after the other, in the order in which they were asked for. Those that wait for their turn join the
 * transaction that is open, each behind a savepoint, and all are answered after the one commit.
 */
export class WriteQueue {
  readonly #deps: WriteQueueDeps;
  readonly #marks = new WriteMarks();
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  /** Requested and not yet begun. */
  #queued = 0;
  #group: Group | null = null;
  /** The last time that another program's lock kept a transaction from beginning. */
  #lockedOut: { readonly fault: Fault; readonly atMs: number } | null = null;

  constructor(deps: WriteQueueDeps) {
    this.#deps = deps;
  }

  /** Faults: `storeBusy`, `storeClosed`, `transactionIdle`, and whatever the statements or the commit met. */
  async transact<T>(name: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
    if (this.#closed) throw new Fault('storeClosed', `the store is closed: ${name} was not run`);
    const { figures, queueLimit } = this.#deps;
    // The one that runs does not wait.
    if (figures.waitingWrites > queueLimit) {
      figures.refusedWrites += 1;
      throw new Fault('storeBusy', `${queueLimit} transactions wait already: ${name} was not run, try again`);
    }
    figures.waitingWrites += 1;
    this.#queued += 1;
    const askedMs = performance.now();
    const turn = this.#last.then(async () => {
      this.#queued -= 1;
      figures.writeWaits.observeMs(performance.now() - askedMs);
      try {
        this.#shareLockOut(askedMs);
        return await this.#run(name, work);
      } finally {
        if (this.#isGroupDue()) await this.#commit();
      }
    });
    // A failure is its caller's; the next one runs all the same.
    this.#last = turn.then(
      () => undefined,
      () => undefined,
    );
    try {
      const { value, settled } = await turn;
      await settled;
      return value;
    } catch (error) {
      if (error instanceof Fault && error.code === 'diskFull') {
        figures.diskFullWrites += 1;
        figures.isDiskFull = true;
      }
      throw error;
    } finally {
      figures.waitingWrites -= 1;
    }
  }

  /** Refuses new transactions and waits for the queued ones. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }

  /** Throws what kept another one from beginning while this one waited: each for itself would take a time-out more. */
  #shareLockOut(askedMs: number): void {
    if (this.#lockedOut === null || this.#lockedOut.atMs < askedMs) return;
    this.#deps.figures.lockedOutWrites += 1;
    throw this.#lockedOut.fault;
  }

  #noteLockOut(error: unknown): void {
    if (!(error instanceof Fault) || error.code !== 'storeBusy') return;
    this.#lockedOut = { fault: error, atMs: performance.now() };
    this.#deps.figures.lockedOutWrites += 1;
    this.#deps.figures.isLockedOut = true;
  }

  async #run<T>(name: string, work: (tx: Transaction) => Promise<T>): Promise<Outcome<T>> {
    const { link, tables, clock } = this.#deps;
    const session = new Session(name, this.#deps, this.#marks, clock.nowMs());
    const joined = this.#group;
    const group = joined ?? new Group();
    session.begin(joined === null ? { kind: 'begin' } : savepoint('savepoint turn'));
    this.#group = group;
    let value: T;
    try {
      value = await session.watch(async () => await work(new SeamTransaction(session, tables)));
    } catch (error) {
      this.#noteLockOut(session.fault);
      await this.#undo(session, joined, error);
      throw error;
    }
    this.#deps.figures.isLockedOut = false;
    if (isRefused(value)) {
      await this.#undo(session, joined, null);
      // It may have been refused for what others of its group wrote.
      return {
        value,
        settled: joined === null ? Promise.resolve() : joined.committed.catch(() => undefined),
      };
    }
    const workMs = session.elapsedMs();
    if (joined !== null) group.releaseWith(link.request(savepoint('release turn')));
    group.finished.push({ session, workMs });
    return { value, settled: group.committed };
  }

  #isGroupDue(): boolean {
    const group = this.#group;
    if (group === null) return false;
    return (
      this.#queued === 0 ||
      group.finished.length >= maxGroup ||
      performance.now() - group.startedMs >= maxGroupMs
    );
  }

  async #commit(): Promise<void> {
    const group = this.#group;
    this.#group = null;
    if (group === null) return;
    try {
      await group.released;
      await this.#deps.link.request({ kind: 'commit' });
    } catch (error) {
      await this.#rollBack(group.finished.map(({ session }) => session));
      group.reject(error);
      return;
    }
    this.#deps.figures.commits += 1;
    for (const { session, workMs } of group.finished) {
      if (session.hasWritten) this.#deps.figures.isDiskFull = false;
      this.#deps.onCommitted(session.written);
      this.#report(session, workMs);
    }
    for (const { session } of group.finished) this.#announce(session);
    group.resolve();
  }

  /** Rolls one transaction back: the whole where it is alone, to its savepoint in a group. */
  async #undo(session: Session, joined: Group | null, cause: unknown): Promise<void> {
    if (joined === null) {
      this.#group = null;
      await this.#rollBack([session]);
      return;
    }
    this.#marks.noteUndone();
    session.end();
    this.#report(session, session.elapsedMs());
    try {
      await this.#deps.link.request(savepoint('rollback to turn'));
      await this.#deps.link.request(savepoint('release turn'));
    } catch (error) {
      // SQLite itself has taken everything back, as it does on a full disk: nobody of the group has been answered yet.
      this.#group = null;
      await this.#rollBack(joined.finished.map((finished) => finished.session));
      joined.reject(cause ?? error);
    }
  }

  async #rollBack(sessions: readonly Session[]): Promise<void> {
    this.#marks.noteUndone();
    for (const session of sessions) session.end();
    try {
      await this.#deps.link.request({ kind: 'rollback' });
    } catch (error) {
      // What made it roll back is thrown to the caller; a connection that cannot even do this says so here.
      this.#deps.log.error({ err: error, transaction: sessions[0]?.name }, 'rollback failed');
    }
    for (const session of sessions) this.#report(session, session.elapsedMs());
  }

  #report(session: Session, workMs: number): void {
    if (session.statements > 0) this.#deps.figures.writes.observeMs(session.elapsedMs());
    if (workMs <= longWorkMs) return;
    this.#deps.log.warn(
      {
        transaction: session.name,
        statements: session.statements,
        workMs: Math.round(workMs),
        commitMs: Math.round(session.elapsedMs() - workMs),
      },
      'long transaction',
    );
  }

  #announce(session: Session): void {
    session.end();
    for (const effect of session.effects) {
      try {
        runOutsideSteps(effect);
      } catch (error) {
        // It is committed, whatever an announcement met.
        this.#deps.log.error({ err: error, transaction: session.name }, 'an effect after the commit failed');
      }
    }
  }
}

const savepoint = (sql: string): WorkerRequest => ({ kind: 'run', statement: { sql, parameters: [] } });

/** One open transaction: passes its statements on until it ends, and finds out when it waits for something else. */
class Session implements TransactionSession {
  readonly name: string;
  readonly nowMs: number;
  readonly effects: (() => void)[] = [];
  /** Tables that it has written to. */
  readonly written = new Set<string>();
  readonly hybridClock: HybridClock;
  readonly replication: Pick<Replication, 'wholeRows'>;
  statements = 0;
  hasWritten = false;
  readonly #link: StoreLink;
  readonly #marks: WriteMarks;
  readonly #startedMs = performance.now();
  #running = 0;
  /** Those of them that the work awaits itself. */
  #owned = 0;
  #isDone = false;
  #broken: Fault | null = null;
  /** Settles when everything that was posted is done. */
  #posted: Promise<unknown> = Promise.resolve();
  #onIdle: (fault: Fault) => void = () => undefined;

  constructor(
    name: string,
    { link, hybridClock, replication }: Pick<WriteQueueDeps, 'link' | 'hybridClock' | 'replication'>,
    marks: WriteMarks,
    nowMs: number,
  ) {
    this.name = name;
    this.#link = link;
    this.nowMs = nowMs;
    this.#marks = marks;
    this.hybridClock = hybridClock;
    this.replication = replication;
  }

  /** What broke it, if anything did. */
  get fault(): Fault | null {
    return this.#broken;
  }

  noteWrite(table: string): void {
    this.written.add(table);
    this.#marks.noteWrite(table);
  }

  noteUndone(): void {
    this.#marks.noteUndone();
  }

  remember<T>(cache: TableCache<T>, value: T): void {
    if (!this.#isDone) cache.remember(this.#marks, value);
  }

  recall<T>(cache: TableCache<T>): T | undefined {
    return cache.recall(this.#marks);
  }

  elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  end(): void {
    this.#isDone = true;
  }

  /** Begins without waiting for the reply: the Worker answers in order, and nothing outside a transaction. */
  begin(request: WorkerRequest): void {
    this.#running += 1;
    const begun = this.#link.request(request).finally(() => {
      this.#running -= 1;
      this.#checkIdleSoon();
    });
    this.#post(begun);
  }

  post(statement: Statement): void {
    this.#post(this.#run(statement));
  }

  async run(statement: Statement, follow?: Statement): Promise<StatementResult> {
    this.#owned += 1;
    try {
      return await this.#run(statement, follow);
    } finally {
      this.#owned -= 1;
    }
  }

  #post(done: Promise<unknown>): void {
    const settled = done.catch((error: unknown) => {
      this.#broken ??=
        error instanceof Fault
          ? error
          : new Fault('storeFault', `the transaction ${this.name} failed`, { cause: error });
    });
    this.#posted = Promise.all([this.#posted, settled]);
  }

  async #run(statement: Statement, follow?: Statement): Promise<StatementResult> {
    if (this.#broken !== null) throw this.#broken;
    assert(!this.#isDone, `the transaction ${this.name} is over: await each of its statements inside`);
    this.#running += 1;
    this.statements += 1;
    try {
      const result = await this.#link.request({ kind: 'run', statement, follow });
      if (result.changes > 0) this.hasWritten = true;
      return result;
    } catch (error) {
      // A broken constraint undoes its statement only. After anything else nothing of the transaction may be kept,
      // even if the work goes on as if nothing were.
      if (error instanceof Fault && !(error instanceof ConstraintFault)) this.#broken = error;
      throw error;
    } finally {
      this.#running -= 1;
      this.#checkIdleSoon();
    }
  }

  /** Runs the work. Throws what it throws, the Fault that broke the transaction, or `transactionIdle`. */
  async watch<T>(work: () => Promise<T>): Promise<T> {
    const idle = new Promise<never>((_resolve, reject) => {
      this.#onIdle = reject;
    });
    const finished = this.#finish(work);
    this.#checkIdleSoon();
    return await Promise.race([finished, idle]);
  }

  async #finish<T>(work: () => Promise<T>): Promise<T> {
    try {
      const value = await work();
      assert(this.#owned === 0, `the transaction ${this.name} returned before its statements: await them`);
      await this.#posted;
      if (this.#broken !== null) throw this.#broken;
      return value;
    } finally {
      this.#isDone = true;
    }
  }

  // All that the store's answer set off in the work has run before the next turn of the event loop. A work that then
  // neither has a statement under way nor is over is waiting for a timer, a socket or a hash, with everybody behind it.
  #checkIdleSoon(): void {
    if (this.#running > 0 || this.#isDone) return;
    const { statements } = this;
    setImmediate(() => {
      if (this.#running > 0 || this.#isDone || this.statements !== statements) return;
      this.#broken = new Fault(
        'transactionIdle',
        `the transaction ${this.name} waited for something that is not the store and was rolled back: ` +
          'do that before it or in afterCommit',
      );
      this.#isDone = true;
      this.#onIdle(this.#broken);
    });
  }
}
