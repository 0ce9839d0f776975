import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type LimitNode,
  type QueryResult,
  type RootOperationNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { assert } from '#hub/kernel/result.ts';
import type { ColumnValue } from '../canonical-json.ts';
import type { Statement, StatementResult } from '../workers/worker-protocol.ts';

/** Runs kysely's statements: on a connection of this thread or of a Worker. */
export interface StatementRunner {
  /** Throws when such a query may not be run here. */
  admit(query: RootOperationNode): void;
  run(statement: Statement): Promise<StatementResult>;
  /** Rows in pieces of at most `rows`. */
  stream(statement: Statement, rows: number): AsyncIterableIterator<unknown[]>;
}

/** kysely over a runner. It knows no transactions: these are made by the store alone. */
export function runnerDialect(runner: StatementRunner): Dialect {
  return {
    createAdapter: () => new RunnerAdapter(),
    createDriver: () => new RunnerDriver(runner),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new RunnerQueryCompiler(),
  };
}

class RunnerQueryCompiler extends SqliteQueryCompiler {
  // SQLite plans by the value of a bare `limit ?`, so that it compiles the statement anew each time it runs
  // (`sqlite3ExprIsInteger`, 3.47 and later): many times what a short one takes. An expression is no such value.
  protected override visitLimit(node: LimitNode): void {
    this.append('limit +');
    this.visitNode(node.limit);
  }
}

class RunnerAdapter extends SqliteAdapter {
  // The runner keeps the order. With kysely's own lock, a query would wait for ever for the stream it is made within.
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

const noTransactions = async (): Promise<void> => {
  throw new Error('assertion failed: transactions are made by store.transact');
};

class RunnerDriver implements Driver {
  readonly #connection: DatabaseConnection;
  readonly beginTransaction = noTransactions;
  readonly commitTransaction = noTransactions;
  readonly rollbackTransaction = noTransactions;

  constructor(runner: StatementRunner) {
    this.#connection = new RunnerConnection(runner);
  }

  async init(): Promise<void> {}
  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {}
}

class RunnerConnection implements DatabaseConnection {
  readonly #runner: StatementRunner;

  constructor(runner: StatementRunner) {
    this.#runner = runner;
  }

  async executeQuery<R>(compiled: CompiledQuery): Promise<QueryResult<R>> {
    this.#runner.admit(compiled.query);
    const { rows, changes, lastInsertRowid } = await this.#runner.run(toStatement(compiled));
    assert(areRows<R>(rows), 'rows are objects');
    return { rows, numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  }

  async *streamQuery<R>(compiled: CompiledQuery, chunkSize = 100): AsyncIterableIterator<QueryResult<R>> {
    this.#runner.admit(compiled.query);
    for await (const rows of this.#runner.stream(toStatement(compiled), chunkSize)) {
      assert(areRows<R>(rows), 'rows are objects');
      yield { rows };
    }
  }
}

/** A compiled query as Workers take it. */
export function toStatement({ sql, parameters }: CompiledQuery): Statement {
  const values = parameters.map((value, index) => {
    assert(
      isColumnValue(value),
      `parameter ${index + 1} is of type ${typeof value}, which no column holds (a boolean is 0 or 1): ${sql}`,
    );
    return value;
  });
  return { sql, parameters: values };
}

/** Checks that SQLite can store the value. */
export function isColumnValue(value: unknown): value is ColumnValue {
  return (
    value === null ||
    typeof value === 'string' ||
    (typeof value === 'number' && Number.isFinite(value)) ||
    typeof value === 'bigint' ||
    value instanceof Uint8Array
  );
}

// The one place where a type is believed and not checked: that a query's rows are what kysely inferred for it.
export function areRows<R>(rows: unknown[]): rows is R[] {
  return Array.isArray(rows);
}
