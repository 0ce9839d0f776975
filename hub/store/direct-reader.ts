import { Kysely, type RootOperationNode } from 'kysely';
import { assert } from '#hub/kernel/result.ts';
import type { Logger } from '#hub/platform/log.ts';
import type { Database } from './database.ts';
import { runnerDialect } from './dialect.ts';
import { openConnection, type StoreLocation } from './open.ts';
import { StatementCache } from './statement-cache.ts';
import { errorToWire, wireToFault } from './store-faults.ts';
import type { StoreFigures } from './store-figures.ts';
import type { Statement, StatementResult } from './worker-protocol.ts';

const cacheKib = 4096;
/** The main loop stands still during a read here. */
const longReadMs = 50;

/** Selecting only, whatever the connection would allow. */
export function admitSelect(query: RootOperationNode): void {
  assert(query.kind === 'SelectQueryNode', `a ${query.kind} does not run on a connection for reading`);
}

/** The connection of the main thread: no hop to a Worker, for indexed and bounded reads. */
export function openDirectReader(
  location: StoreLocation,
  log: Logger,
  figures: StoreFigures,
): { readonly kysely: Kysely<Database>; close(): void } {
  const connection = openConnection(location, { mode: 'read', cacheKib });
  const statements = new StatementCache(connection);
  const run = async ({ sql, parameters }: Statement): Promise<StatementResult> => {
    const startedMs = performance.now();
    try {
      return { rows: statements.prepare(sql).all(...parameters), changes: 0, lastInsertRowid: 0 };
    } catch (error) {
      throw wireToFault(errorToWire(error));
    } finally {
      const readMs = performance.now() - startedMs;
      figures.reads.observeMs(readMs);
      if (readMs > longReadMs) log.warn({ sql, readMs: Math.round(readMs) }, 'long read on the main thread');
    }
  };
  const kysely = new Kysely<Database>({
    dialect: runnerDialect({
      admit: admitSelect,
      run,
      stream: () => {
        throw new Error('assertion failed: streams are for store.report');
      },
    }),
  });
  return {
    kysely,
    close: () => {
      connection.close();
    },
  };
}
