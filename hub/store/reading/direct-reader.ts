import { Kysely, type RootOperationNode } from 'kysely';
import { assert } from '#hub/kernel/result.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Database } from '../database.ts';
import type { StoreFigures } from '../health/store-figures.ts';
import { runnerDialect } from '../sqlite/dialect.ts';
import { type Connection, openConnection, type StoreLocation } from '../sqlite/open.ts';
import { type Prepared, StatementCache } from '../sqlite/statement-cache.ts';
import { errorToWire, wireToFault } from '../sqlite/store-faults.ts';
import type { FixedReader } from '../store.ts';
import type { Statement } from '../workers/worker-protocol.ts';

const cacheKib = 12_288;
/** The main loop stands still during a read here. */
const longReadMs = 50;

/** Selecting only, whatever the connection would allow. */
export function admitSelect(query: RootOperationNode): void {
  assert(query.kind === 'SelectQueryNode', `a ${query.kind} does not run on a connection for reading`);
}

/**
 * The connection of the main thread: no hop to a Worker, for indexed and bounded reads. Those of one turn of the event loop
 * share a read transaction, for it takes longer to begin and end one than to look a row up; a commit ends it at once, so
 * that nobody who was told of a commit reads what was before.
 */
export class DirectReader extends Kysely<Database> implements FixedReader {
  readonly #connection: Connection;
  readonly #statements: StatementCache;
  readonly #begin: Prepared;
  readonly #commit: Prepared;
  readonly #rollback: Prepared;
  readonly #log: Logger;
  readonly #figures: StoreFigures;
  readonly #writes = new Map<string, number>();
  readonly #endTurn = (): void => this.#endTransaction();

  constructor(location: StoreLocation, log: Logger, figures: StoreFigures) {
    super({
      dialect: runnerDialect({
        admit: admitSelect,
        run: async (statement) => ({ rows: this.#rows(statement), changes: 0, lastInsertRowid: 0 }),
        stream: () => {
          throw new Error('assertion failed: streams are for store.report');
        },
      }),
    });
    this.#connection = openConnection(location, { mode: 'read', cacheKib });
    this.#statements = new StatementCache(this.#connection);
    this.#begin = this.#connection.prepare('begin');
    this.#commit = this.#connection.prepare('commit');
    this.#rollback = this.#connection.prepare('rollback');
    this.#log = log;
    this.#figures = figures;
  }

  async select(statement: Statement): Promise<unknown[]> {
    return this.#rows(statement);
  }

  writesTo(tables: readonly string[]): number {
    let writes = 0;
    for (const table of tables) writes += this.#writes.get(table) ?? 0;
    return writes;
  }

  /** A commit wrote to these tables. */
  noteWrites(tables: ReadonlySet<string>): void {
    this.#endTransaction();
    for (const table of tables) this.#writes.set(table, (this.#writes.get(table) ?? 0) + 1);
  }

  close(): void {
    this.#endTransaction();
    this.#connection.close();
  }

  #beginTransaction(): void {
    if (this.#connection.inTransaction) return;
    this.#begin.run();
    setImmediate(this.#endTurn);
  }

  #endTransaction(): void {
    if (!this.#connection.inTransaction) return;
    try {
      this.#commit.run();
    } catch {
      // After a damaged page was read, which its reader has been told of.
      if (this.#connection.inTransaction) this.#rollback.run();
    }
  }

  #rows({ sql, parameters }: Statement): unknown[] {
    const startedMs = performance.now();
    try {
      this.#beginTransaction();
      return this.#statements.prepare(sql).all(...parameters);
    } catch (error) {
      throw wireToFault(errorToWire(error));
    } finally {
      const readMs = performance.now() - startedMs;
      this.#figures.reads.observeMs(readMs);
      if (readMs > longReadMs)
        this.#log.warn({ sql, readMs: Math.round(readMs) }, 'long read on the main thread');
    }
  }
}
