import type { MessagePort } from 'node:worker_threads';
import { assert, Fault, unreachable } from '#hub/kernel/result.ts';
import { rowsToLines } from '../line-format.ts';
import type { Connection } from '../sqlite/open.ts';
import { StatementCache } from '../sqlite/statement-cache.ts';
import { errorToWire } from '../sqlite/store-faults.ts';
import type { Statement, StatementResult, WorkerReply, WorkerRequest } from './worker-protocol.ts';

const nothing: StatementResult = { rows: [], changes: 0, lastInsertRowid: 0 };

/**
 * What `connection` answers to requests; throws SQLite's errors. `begin` is the statement that opens a transaction; `close`
 * runs when that is asked for.
 */
export function answersOf(
  connection: Connection,
  begin: 'begin' | 'begin immediate',
  close: () => void,
): (request: WorkerRequest) => StatementResult {
  const statements = new StatementCache(connection);
  let stream: IterableIterator<unknown> | null = null;
  /** Why the transaction could not begin that statements are asked for in. */
  let notBegun: { readonly error: unknown } | null = null;

  const run = ({ sql, parameters }: Statement): StatementResult => {
    const statement = statements.prepare(sql);
    if (statement.reader) return { ...nothing, rows: statement.all(...parameters) };
    return { rows: [], ...statement.run(...parameters) };
  };
  const runWith = (statement: Statement, follow: Statement | undefined): StatementResult => {
    const result = run(statement);
    if (follow === undefined || (result.changes === 0 && result.rows.length === 0)) return result;
    try {
      run(follow);
    } catch (error) {
      // A broken rule undoes a statement and lets the transaction go on; here the first one would be kept without this.
      const wire = errorToWire(error);
      throw wire.sqlite?.startsWith('SQLITE_CONSTRAINT') === true
        ? new Fault('storeFault', wire.message)
        : error;
    }
    return result;
  };
  return (request) => {
    switch (request.kind) {
      case 'begin':
        notBegun = null;
        try {
          return run({ sql: begin, parameters: [] });
        } catch (error) {
          notBegun = { error };
          throw error;
        }
      case 'commit':
        return run({ sql: 'commit', parameters: [] });
      case 'rollback':
        notBegun = null;
        // SQLite has rolled back by itself after some errors, a full disk among them.
        return connection.inTransaction ? run({ sql: 'rollback', parameters: [] }) : nothing;
      case 'run':
        if (notBegun !== null) throw notBegun.error;
        // SQLite may have rolled it back.
        assert(connection.inTransaction, 'a statement runs inside a transaction');
        return runWith(request.statement, request.follow);
      case 'lines':
        return {
          ...nothing,
          rows: [rowsToLines(run(request.statement).rows, request.columns, request.delimiter)],
        };
      case 'stream':
        assert(stream === null, 'one stream at a time on a connection');
        // Not from the cache: a statement that is being iterated cannot be run by another.
        stream = connection.prepare(request.statement.sql).iterate(...request.statement.parameters);
        return nothing;
      case 'next':
        return { ...nothing, rows: takeRows(stream, request.rows) };
      case 'endStream':
        stream?.return?.();
        stream = null;
        return nothing;
      case 'close':
        close();
        return nothing;
      default:
        return unreachable(request);
    }
  };
}

/** Answers on `port` until `close`, in order of the requests, those of one message with one message. */
export function serveRequests(port: MessagePort, answer: (request: WorkerRequest) => StatementResult): void {
  const reply = (request: WorkerRequest): WorkerReply => {
    try {
      return { kind: 'done', result: answer(request) };
    } catch (error) {
      return { kind: 'failed', error: errorToWire(error) };
    }
  };
  port.on('message', (requests: readonly WorkerRequest[]) => {
    port.postMessage(requests.map(reply));
    if (requests.some(({ kind }) => kind === 'close')) port.close();
  });
}

function takeRows(stream: IterableIterator<unknown> | null, limit: number): unknown[] {
  const rows: unknown[] = [];
  if (stream === null) return rows;
  while (rows.length < limit) {
    const next = stream.next();
    if (next.done === true) break;
    rows.push(next.value);
  }
  return rows;
}
