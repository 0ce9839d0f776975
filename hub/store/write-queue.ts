import { assert, Fault } from '#hub/kernel/result.ts';
import type { Clock } from '#hub/platform/clock.ts';
import type { Logger } from '#hub/platform/log.ts';
import { isRefused, SeamTransaction, type TransactionSession } from './seam.ts';
import type { Transaction } from './store.ts';
import { ConstraintFault } from './store-faults.ts';
import type { StoreFigures } from './store-figures.ts';
import type { Tables } from './table-registry.ts';
import type { WorkerLink } from './worker-link.ts';
import type { Statement, StatementResult } from './worker-protocol.ts';

/** Work that one transaction may take before it is logged: all others wait for it. */
const longWorkMs = 50;

export interface WriteQueueDeps {
  readonly link: WorkerLink;
  readonly tables: Tables;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Logger;
  /** Transactions that may wait; one more is the Fault `storeBusy`. */
  readonly queueLimit: number;
  readonly figures: StoreFigures;
  /** Told of each commit before anybody else. */
  readonly onCommitted: (tables: ReadonlySet<string>) => void;
}

/** Runs transactions one after the other, in the order in which they were asked for. */
export class WriteQueue {
  readonly #deps: WriteQueueDeps;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

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
    const askedMs = performance.now();
    const turn = this.#last.then(async () => {
      figures.writeWaits.observeMs(performance.now() - askedMs);
      return await this.#run(name, work);
    });
    // A failure is its caller's; the next one runs all the same.
    this.#last = turn.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await turn;
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

  /** Takes no more and waits for those that were asked for. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }

  async #run<T>(name: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
    const { link, tables, clock } = this.#deps;
    const session = new Session(name, link, clock.nowMs());
    session.begin();
    let value: T;
    try {
      value = await session.watch(async () => await work(new SeamTransaction(session, tables)));
    } catch (error) {
      await this.#rollBack(session);
      throw error;
    }
    if (isRefused(value)) {
      await this.#rollBack(session);
      return value;
    }
    const workMs = session.elapsedMs();
    try {
      await link.request({ kind: 'commit' });
    } catch (error) {
      await this.#rollBack(session);
      throw error;
    }
    if (session.hasWritten) this.#deps.figures.isDiskFull = false;
    this.#deps.onCommitted(session.written);
    this.#report(session, workMs);
    this.#announce(session);
    return value;
  }

  async #rollBack(session: Session): Promise<void> {
    session.end();
    try {
      await this.#deps.link.request({ kind: 'rollback' });
    } catch (error) {
      // What made it roll back is thrown to the caller; a connection that cannot even do this says so here.
      this.#deps.log.error({ err: error, transaction: session.name }, 'rollback failed');
    }
    this.#report(session, session.elapsedMs());
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
        effect();
      } catch (error) {
        // It is committed, whatever an announcement met.
        this.#deps.log.error({ err: error, transaction: session.name }, 'an effect after the commit failed');
      }
    }
  }
}

/** One open transaction: passes its statements on until it ends, and finds out when it waits for something else. */
class Session implements TransactionSession {
  readonly name: string;
  readonly nowMs: number;
  readonly effects: (() => void)[] = [];
  readonly written = new Set<string>();
  statements = 0;
  hasWritten = false;
  readonly #link: WorkerLink;
  readonly #startedMs = performance.now();
  #running = 0;
  #isDone = false;
  #broken: Fault | null = null;
  /** Settles when everything that was posted is done. */
  #posted: Promise<unknown> = Promise.resolve();
  #onIdle: (fault: Fault) => void = () => undefined;

  constructor(name: string, link: WorkerLink, nowMs: number) {
    this.name = name;
    this.#link = link;
    this.nowMs = nowMs;
  }

  elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  end(): void {
    this.#isDone = true;
  }

  /** What is asked next goes on its way at once: the Worker answers in order, and nothing outside a transaction. */
  begin(): void {
    this.#running += 1;
    const begun = this.#link.request({ kind: 'begin' }).finally(() => {
      this.#running -= 1;
      this.#checkIdleSoon();
    });
    this.#post(begun);
  }

  post(statement: Statement): void {
    this.#post(this.run(statement));
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

  async run(statement: Statement): Promise<StatementResult> {
    if (this.#broken !== null) throw this.#broken;
    assert(!this.#isDone, `the transaction ${this.name} is over: await each of its statements inside`);
    this.#running += 1;
    this.statements += 1;
    try {
      const result = await this.#link.request({ kind: 'run', statement });
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
      await this.#posted;
      if (this.#broken !== null) throw this.#broken;
      assert(this.#running === 0, `the transaction ${this.name} returned before its statements: await them`);
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
